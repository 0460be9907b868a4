// Kind `oauth` from the setup of a provider to the end of a token, at a certified server on a real socket.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { issueToken } from '../../lib/broker/issue.ts'
import { adoptLink, completeLink } from '../../lib/broker/link/complete.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { createProvider, type ProviderView } from '../../lib/broker/providers.ts'
import { connectionPage } from '../../lib/broker/read/connection.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { newId } from '../../lib/security/ids.ts'
import { clientKeys } from '../../lib/store/lookups.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { selfSigned } from '../support/certificate.ts'
import { startOpponent } from '../support/opponent.ts'
import { startPassing } from '../support/passing.ts'

type Opponent = Awaited<ReturnType<typeof startOpponent>>
let broker: Broker
let owner: BrowserActor
beforeAll(async () => {
  broker = await startBroker()
  owner = await broker.actorOf('owner@acme.test')
})
afterAll(() => broker.stop())

const opponents: Opponent[] = []
afterAll(() => Promise.all(opponents.map((each) => each.close())))
async function opponent(options?: Parameters<typeof startOpponent>[0]): Promise<Opponent> {
  const started = await startOpponent(options)
  opponents.push(started)
  return started
}

const scopes = ['openid', 'offline_access', 'items:read', 'items:write']
const narrowing = { offered: true, old_token_survives: true, revoke_keeps_grant: false, full_scope_remains: true }
async function provider(server: Opponent, setup: Record<string, unknown> = {}): Promise<ProviderView> {
  const clientId = newId('provider')
  return createProvider(broker.ctx, owner, {
    kind: 'oauth',
    name: 'An opponent',
    clientId,
    clientSecret: 'a-secret-of-the-client',
    setup: {
      issuer: server.origin,
      scopes,
      authorization_parameters: { prompt: 'consent' },
      narrowing,
      api_bases: [{ name: 'Items', url: `${server.origin}/items` }],
      ...setup,
    },
  })
}
const client = ({ clientId, redirectUri }: ProviderView, more: Record<string, unknown> = {}) => ({
  client_id: clientId,
  client_secret: 'a-secret-of-the-client',
  redirect_uris: [redirectUri],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'] as ['code'],
  token_endpoint_auth_method: 'client_secret_basic' as const,
  id_token_signed_response_alg: 'ES256' as const,
  ...more,
})

async function link(server: Opponent, { id: providerId }: ProviderView, changed: (url: URL) => void = () => {}) {
  const { url } = await startLink(broker.ctx, owner, { providerId, browser: owner.browser })
  const back = new URL(await server.approve(url))
  changed(back)
  return completeLink(broker.ctx, broker.callbackOf(back.href, owner))
}
async function keyOf({ id: providerId }: ProviderView) {
  const { items } = await connectionPage(broker.ctx, owner, {})
  const connection = items.find((one) => one.provider.id === providerId)
  if (!connection) throw new Error('nothing is linked')
  return { key: { tenantId: owner.tenantId, connectionId: connection.id }, connection }
}
/** Its access token has ended; the clocks of both servers stay alike. */
async function expire({ tenantId, connectionId }: { tenantId: string; connectionId: string }) {
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [tenantId])
  await broker.owner.query('UPDATE connection SET access_expires_at = vk_now() WHERE id = $1', [connectionId])
}
const pathsOf = (server: Opponent) => server.requests.map(({ path }) => path)

describe('a server that offers everything', () => {
  it('N-01 N-03 N-05 N-18: is discovered, asked by a pushed request, answers with iss; who linked is its ID token’s subject', async () => {
    const server = await opponent()
    const made = await provider(server)
    server.register(client(made))
    expect(made).toMatchObject({ issuer: server.origin, hasSecret: true, misconfigured: false })
    const linked = await link(server, made)
    expect(linked.kind).toBe('linked')
    expect(pathsOf(server)).toContain('/request')
    const { connection, key } = await keyOf(made)
    expect(connection).toMatchObject({ accountName: 'somebody', status: 'linked' })
    await expire(key)
    expect((await freshTokens(broker.ctx, key)).degraded).toBe(false)
  })

  it('L-06: an answer without iss, or with another, stops before the code is used', async () => {
    const server = await opponent()
    const made = await provider(server)
    server.register(client(made))
    for (const change of [
      (url: URL) => url.searchParams.delete('iss'),
      (url: URL) => url.searchParams.set('iss', 'https://evil.example'),
    ]) {
      const ended = await link(server, made, change)
      expect(ended).toMatchObject({ kind: 'failed', error: { code: 'issuer_mismatch' } })
    }
    expect(pathsOf(server)).not.toContain('/token')
  })

  it('narrow: a token with what was asked, from what came back', async () => {
    const server = await opponent()
    const made = await provider(server)
    server.register(client(made))
    const linked = await link(server, made)
    const project = linked.kind === 'linked' ? linked.projectId : ''
    const asked = { project, scopes: { scopes: ['items:read'] }, lifetimeSeconds: 3600, purpose: 'a test' }
    const { token, value } = await issueToken(broker.ctx, owner, asked)
    expect(token.granted).toEqual({ scopes: ['items:read'] })
    const found = await server.provider.AccessToken.find(value.reveal())
    expect(found?.scope).toBe('items:read')
    const { key } = await keyOf(made)
    await expire(key)
    const full = await server.provider.AccessToken.find((await freshTokens(broker.ctx, key)).accessToken.reveal())
    expect(full?.scope?.split(' ')).toEqual(expect.arrayContaining(['items:read', 'items:write']))
  })
})

describe('how the client proves itself', () => {
  it('private_key_jwt: with a key made here, whose public half is served beside the redirect URI', async () => {
    const server = await opponent()
    const made = await provider(server, { client_authentication: 'private_key_jwt' })
    const keys = await clientKeys(broker.ctx, made.id)
    expect(keys).toHaveLength(1)
    expect(keys?.[0]).toMatchObject({ kty: 'EC', alg: 'ES256', use: 'sig' })
    expect(keys?.[0]).not.toHaveProperty('d')
    const { client_secret: _, ...signing } = client(made, {
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys },
    })
    server.register(signing)
    expect((await link(server, made)).kind).toBe('linked')
    const { key } = await keyOf(made)
    await expire(key)
    expect((await freshTokens(broker.ctx, key)).degraded).toBe(false)
    expect(await clientKeys(broker.ctx, newId('provider'))).toBeUndefined()
  })

  it('none: a public client, by PKCE alone', async () => {
    const server = await opponent()
    const made = await provider(server, { client_authentication: 'none' })
    expect(made.hasSecret).toBe(false)
    const { client_secret: _, ...open } = client(made, { token_endpoint_auth_method: 'none' })
    server.register(open)
    expect((await link(server, made)).kind).toBe('linked')
  })

  it('K-26: a client that the server does not know is said so, before anybody is sent there', async () => {
    const server = await opponent()
    const made = await provider(server)
    await expect(link(server, made)).rejects.toMatchObject({ code: 'client_not_registered' })
  })
})

describe('tokens that are bound to a key (RFC 9449)', () => {
  const configuration = {
    features: { dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true } },
  }

  it('the key is sealed with the connection, nonces are asked for once, and no token is handed out', async () => {
    const server = await opponent({ configuration })
    const made = await provider(server, { sender_constrained: true })
    server.register(client(made, { dpop_bound_access_tokens: true }))
    const linked = await link(server, made)
    expect(linked.kind).toBe('linked')
    const { key } = await keyOf(made)
    const before = pathsOf(server).filter((path) => path === '/token').length
    await expire(key)
    const { accessToken } = await freshTokens(broker.ctx, key)
    const token = await server.provider.AccessToken.find(accessToken.reveal())
    expect(token?.jkt).toBeTypeOf('string')
    // The server's nonce is still known from linking, so nothing was refused.
    expect(pathsOf(server).filter((path) => path === '/token').length).toBe(before + 1)
    const project = linked.kind === 'linked' ? linked.projectId : ''
    const asked = { project, scopes: { scopes: ['items:read'] }, lifetimeSeconds: 3600, purpose: 'a test' }
    await expect(issueToken(broker.ctx, owner, asked)).rejects.toMatchObject({ code: 'no_strategy' })
    // Another process has no nonce yet: it is told one, and goes on.
    const other = await broker.makeContext()
    await expire(key)
    expect((await freshTokens(other, key)).degraded).toBe(false)
    await other.close()
  })

  it('through the proxy each request is signed, and a nonce that is not known yet is asked for once', async () => {
    const server = await opponent({ configuration })
    const made = await provider(server, { sender_constrained: true, api_bases: [{ name: 'Who', url: server.origin }] })
    server.register(client(made, { dpop_bound_access_tokens: true }))
    const linked = await link(server, made)
    if (linked.kind !== 'linked') throw linked.error
    const { value, baseUrl } = await issueToken(broker.ctx, owner, {
      project: linked.projectId,
      scopes: { access: 'paths', paths: ['GET,POST /me'] },
      strategy: 'proxy',
      lifetimeSeconds: 3600,
      purpose: 'a test',
    })
    const token = value.reveal()
    const passing = await startPassing(broker.ctx)
    const me = (method: 'GET' | 'POST' = 'GET') => passing.ask(baseUrl, '/me', { token, method })
    const asked = () => server.requests.filter(({ path }) => path === '/me').map(({ status }) => status)
    expect(await me()).toMatchObject({ status: 200, text: expect.stringContaining('"sub"') })
    expect((await me('POST')).status).toBe(200)
    // Another process knows no nonce of this server.
    const other = await broker.makeContext()
    const beside = await startPassing(other)
    const before = asked().length
    expect((await beside.ask(baseUrl, '/me', { token })).status).toBe(200)
    expect(asked().slice(before)).toEqual([401, 200])
    expect((await beside.ask(baseUrl, '/me', { token })).status).toBe(200)
    expect(asked().slice(before)).toEqual([401, 200, 200])
    await beside.stop()
    await other.close()
    await passing.stop()
  })

  it('a server that does not offer it is refused when the provider is made', async () => {
    const server = await opponent()
    await expect(provider(server, { sender_constrained: true })).rejects.toMatchObject({
      code: 'bad_request',
      fields: { 'setup.sender_constrained': expect.any(String) },
    })
  })
})

describe('a private CA', () => {
  it('with its bundle the server is reached, from discovery to renewal; without or with another it is not', async () => {
    const tls = selfSigned('localhost')
    const server = await opponent({ tls })
    for (const certificates of [undefined, selfSigned('localhost').cert])
      await expect(provider(server, certificates ? { certificates } : {})).rejects.toMatchObject({
        code: 'bad_request',
        fields: { 'setup.issuer': expect.any(String) },
      })
    const made = await provider(server, { certificates: tls.cert })
    server.register(client(made))
    expect((await link(server, made)).kind).toBe('linked')
    const { key, connection } = await keyOf(made)
    await expire(key)
    await freshTokens(broker.ctx, key)
    const [ended] = await revoke(broker.ctx, owner, { tokens: [], connections: [connection.id] })
    expect(ended).toMatchObject({ upstream: 'done' })
  })

  it('takes certificates alone, and no key', async () => {
    const server = await opponent()
    const { cert, key } = selfSigned('localhost')
    for (const certificates of ['nonsense', `${cert}${key}`, cert.replace(/[A-Z]{8}/, 'AAAAAAAA')])
      await expect(provider(server, { certificates })).rejects.toMatchObject({
        fields: { 'setup.certificates': expect.any(String) },
      })
  })
})

describe('N-33: a server that is reached from inside under another name', () => {
  it('sends browsers to the public one, asks inside, and takes either name of its issuer', async () => {
    const server = await opponent()
    const inside = server.origin.replace('localhost', '127.0.0.1')
    const made = await provider(server, { internal_origin: inside })
    expect(made.issuer).toBe(server.origin)
    server.register(client(made))
    const { url } = await startLink(broker.ctx, owner, { providerId: made.id, browser: owner.browser })
    expect(new URL(url).origin).toBe(server.origin)
    expect((await link(server, made)).kind).toBe('linked')
    const hosts = (path: string) => [
      ...new Set(server.requests.filter((one) => one.path === path).map(({ host }) => host)),
    ]
    expect([hosts('/token'), hosts('/request'), hosts('/jwks')]).toEqual(Array(3).fill([new URL(inside).host]))
    // The other name of the same issuer is as good; a third one is not.
    const named = (iss: string) => link(server, made, (back) => back.searchParams.set('iss', iss))
    expect((await named(inside)).kind).toBe('linked')
    expect(await named('http://localhost:1')).toMatchObject({ kind: 'failed', error: { code: 'issuer_mismatch' } })
  })
})

it('F-08: metadata that names another issuer than the one that was asked makes no provider', async () => {
  const server = await opponent()
  const issuer = server.origin.replace('localhost', '127.0.0.1')
  await expect(provider(server, { issuer })).rejects.toMatchObject({
    code: 'bad_request',
    fields: { 'setup.issuer': expect.stringContaining('another issuer') },
  })
})

describe('endpoints that an admin types', () => {
  it('need no metadata; the issuer is the origin of the sign-in page, and every address is judged', async () => {
    const server = await opponent()
    const typed = (more: Record<string, unknown> = {}) => ({
      issuer: undefined,
      authorization_endpoint: `${server.origin}/auth`,
      token_endpoint: `${server.origin}/token`,
      userinfo_endpoint: `${server.origin}/me`,
      revocation_endpoint: `${server.origin}/token/revocation`,
      ...more,
    })
    const made = await provider(server, typed())
    server.register(client(made))
    expect((await link(server, made)).kind).toBe('linked')
    expect(pathsOf(server)).not.toContain('/.well-known/openid-configuration')
    for (const [field, address] of [
      ['token_endpoint', 'https://169.254.169.254/token'],
      ['userinfo_endpoint', 'http://login.example.com/me'],
      ['revocation_endpoint', 'https://user:secret@login.example.com/'],
    ] as const)
      await expect(provider(server, typed({ [field]: address })), field).rejects.toMatchObject({
        code: 'bad_request',
        fields: { [`setup.${field}`]: expect.any(String) },
      })
    await expect(provider(server, typed({ token_endpoint: undefined }))).rejects.toMatchObject({
      fields: { 'setup.token_endpoint': expect.any(String) },
    })
  })

  it('L-13: only parameters of the list may be added, none that the protocol stands on', async () => {
    const server = await opponent()
    for (const name of [
      'redirect_uri',
      'client_id',
      'response_type',
      'state',
      'code_challenge',
      'nonce',
      'scope',
      'request',
      'request_uri',
    ])
      await expect(provider(server, { authorization_parameters: { [name]: 'x' } }), name).rejects.toMatchObject({
        code: 'bad_request',
      })
  })
})

it('N-04: scopes go out as they are, offline access and consent among them, and what the row adds', async () => {
  const server = await opponent({ configuration: { features: { pushedAuthorizationRequests: { enabled: false } } } })
  const resource = 'https://api.example.com/v1'
  const made = await provider(server, { authorization_parameters: { prompt: 'consent', resource } })
  const { url } = await startLink(broker.ctx, owner, { providerId: made.id, browser: owner.browser })
  expect(Object.fromEntries(new URL(url).searchParams)).toMatchObject({
    scope: 'openid offline_access items:read items:write',
    prompt: 'consent',
    resource,
    response_type: 'code',
    code_challenge_method: 'S256',
    redirect_uri: made.redirectUri,
  })
})

describe('a provider with several API bases', () => {
  it('each is a project that the connection reaches; a relink keeps all of them', async () => {
    const server = await opponent()
    const bases = ['items', 'orders', 'people'].map((name) => ({ name, url: `${server.origin}/${name}` }))
    const made = await provider(server, { api_bases: bases })
    server.register(client(made))
    await link(server, made)
    const { connection } = await keyOf(made)
    expect(connection.projects.map(({ name }) => name).sort()).toEqual(['items', 'orders', 'people'])
    await link(server, made)
    const { items } = await connectionPage(broker.ctx, owner, {})
    expect(items.filter((one) => one.provider.id === made.id)).toHaveLength(1)
  })
})

describe('N-24: a server that gives no refresh token', () => {
  it('is not linked, and what to do is said', async () => {
    const server = await opponent({ configuration: { issueRefreshToken: async () => false } })
    const made = await provider(server)
    server.register(client(made))
    expect(await link(server, made)).toMatchObject({ kind: 'failed', error: { code: 'no_refresh_token' } })
  })
})

describe('another account', () => {
  const tickets = (email: 'owner@acme.test' | 'member@acme.test', more: { connectionId?: string } = {}) =>
    broker.link(owner, email, { provider: 'Demo tickets', ...more })
  const held = async () => {
    const { items } = await connectionPage(broker.ctx, owner, {})
    return items
      .filter(({ provider }) => provider.name === 'Demo tickets')
      .map(({ id, accountName }) => ({ id, accountName }))
  }

  it('LK-02: who links again as another is asked; nothing changes until they say so, and then the old grant ends', async () => {
    expect((await tickets('owner@acme.test')).kind).toBe('linked')
    const before = await held()
    for (const more of [{}, { connectionId: before[0]?.id ?? '' }]) {
      const ended = await tickets('member@acme.test', more)
      expect(ended).toMatchObject({ kind: 'failed', error: { code: 'different_account' } })
      expect(await held()).toEqual(before)
    }
    const ended = await tickets('member@acme.test')
    await adoptLink(broker.ctx, owner, { attemptId: ended.attemptId, browser: owner.browser })
    const [after] = await held()
    expect(after?.id).toBe(before[0]?.id)
    expect(after?.accountName).not.toBe(before[0]?.accountName)
    // The same account again changes nothing of that.
    expect((await tickets('member@acme.test')).kind).toBe('linked')
  })

  it.each([
    ['ends', 'token', 1],
    ['spares', 'account', 0],
  ])('LK-06: a relink %s the grant that it replaces where revoking ends: %s', async (_, ends, queued) => {
    const { id } = await broker.providerOf(owner, 'Demo tickets')
    await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
    const revocation = {
      url: `${broker.demo.ticketsIssuer}/revoke`,
      authenticated: 'rfc7009',
      method: 'POST',
      takes: 'refresh_token',
      ends,
    }
    await broker.owner.query(
      `UPDATE provider SET settings = settings || jsonb_build_object('revocation', $1::jsonb) WHERE id = $2`,
      [JSON.stringify(revocation), id],
    )
    await tickets('member@acme.test')
    const count = async () =>
      (await broker.owner.query(`SELECT count(*)::int AS n FROM upstream_revocation WHERE provider_id = $1`, [id]))
        .rows[0].n
    const before = await count()
    expect((await tickets('member@acme.test')).kind).toBe('linked')
    expect((await count()) - before).toBe(queued)
  })
})
