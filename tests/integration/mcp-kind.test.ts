// An MCP server as a provider: found by its address, linked, renewed, ended.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { checkProvider } from '../../lib/broker/check.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { configured } from '../../lib/providers/index.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import type { BrowserActor } from '../support/broker.ts'
import { mcpProviders } from '../support/mcp-provider.ts'
import { type McpState, startMcpServer, type TestMcpServer } from '../support/mcp-server.ts'

let app: TestApp
let jar: Jar
let member: Jar
let owner: BrowserActor
let server: TestMcpServer
let mcp: ReturnType<typeof mcpProviders>
const servers: TestMcpServer[] = []
const start = async (options: Parameters<typeof startMcpServer>[0] = {}) => {
  const made = await startMcpServer(options)
  servers.push(made)
  return made
}
beforeAll(async () => {
  app = await startTestApp()
  jar = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  owner = await app.actorOf('owner@acme.test')
  mcp = mcpProviders(app, owner)
  server = await start({ issuerPath: '/t' })
})
afterAll(async () => {
  for (const each of servers) await each.stop()
  await app.stop()
})
afterEach(() => {
  for (const each of servers) each.is()
  return app.forgetLimits()
})

type Mcp = { by: string; registration: string | null; authorization_servers: string[]; title: string | null }
type Preview = {
  issuer: string
  scopes: string[]
  redirect_uri: string
  client_authentication: string
  endpoints: { name: string; url: string }[]
  mcp: Mcp | null
  fields?: Record<string, string>
}
type Made = {
  id: string
  client_id: string
  has_secret: boolean
  redirect_uri: string
  code?: string
  fields?: Record<string, string>
}
const preview = (setup: Record<string, unknown>, as = jar) =>
  app.call<Preview>(as, 'POST', '/tenants/acme/provider-preview', { kind: 'mcp', setup })
let made = 0
const create = (setup: Record<string, unknown>, more: object = {}) =>
  app.call<Made>(jar, 'POST', '/tenants/acme/providers', { kind: 'mcp', name: `Server ${++made}`, setup, ...more })
describe('a server that is added by its address alone', () => {
  it('R-01 R-02: is shown with its issuer, its scopes, PKCE and how a client comes to be, and nothing is registered by looking', async () => {
    const { status, body } = await preview({ url: server.url })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      issuer: server.issuer,
      scopes: ['notes:read', 'notes:write', 'offline_access'],
      client_authentication: 'secret',
      mcp: { by: 'oauth', registration: 'dynamic', authorization_servers: [server.issuer], title: null },
    })
    expect(body.endpoints.map(({ name }) => name)).toContain('token_endpoint')
    expect(server.registered()).toEqual([])
    expect(await app.rows('acme', `SELECT id FROM provider WHERE kind = 'mcp'`)).toEqual([])
  })

  it('R-03 R-25: becomes a provider with a client of its own, whose secret and registration token stay sealed', async () => {
    const { status, body, text } = await create({ url: server.url })
    expect(status, text).toBe(201)
    const [client] = server.registered()
    expect(client).toMatchObject({
      client_name: 'Valetkey',
      application_type: 'web',
      redirect_uris: [body.redirect_uri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    })
    expect(body).toMatchObject({ client_id: client?.client_id, has_secret: true })
    const row = JSON.stringify([
      await app.rows('acme', 'SELECT * FROM provider'),
      await app.rows('acme', 'SELECT * FROM client_registration'),
    ])
    expect(row).not.toContain(String(client?.client_secret))
    expect(app.answered.map(({ text }) => text).join()).not.toContain(String(client?.client_secret))
    expect(await app.rows('acme', 'SELECT provider_id, client_id, due_at FROM client_registration')).toEqual([
      { provider_id: body.id, client_id: client?.client_id, due_at: null },
    ])
  })

  it('links with its address as the resource of every request, and renews and ends as every connection does', async () => {
    const { body } = await create({ url: server.url })
    const { connection, projectId } = await mcp.link(body.id, server)
    expect(connection).toMatchObject({
      status: 'linked',
      scopes_granted: expect.arrayContaining(['notes:read', 'notes:write']),
    })
    const [project] = await app.rows('acme', 'SELECT external_id, name FROM project WHERE id = $1', [projectId])
    expect(project).toEqual({ external_id: server.url, name: new URL(server.url).host })
    await app.advance(3600)
    const key = { tenantId: owner.tenantId, connectionId: connection.id }
    const { accessToken } = await freshTokens(app.ctx, key)
    expect((await server.provider.AccessToken.find(accessToken.reveal()))?.aud).toBe(server.url)
    const forms = server.requests('as', '/t/token').map(({ body }) => new URLSearchParams(body))
    expect(forms.map((form) => [form.get('grant_type'), form.get('resource')])).toEqual(
      expect.arrayContaining([
        ['authorization_code', server.url],
        ['refresh_token', server.url],
      ]),
    )
    for (const form of forms) expect(form.get('resource')).toBe(server.url)
    for (const { query } of server.requests('as', '/t/auth').filter(({ query }) => query.has('client_id')))
      expect(query.get('resource')).toBe(server.url)
    const [ended] = await revoke(app.ctx, owner, { tokens: [], connections: [connection.id] })
    expect(ended).toMatchObject({ upstream: 'done' })
    expect(await server.provider.AccessToken.find(accessToken.reveal())).toBeUndefined()
  })
})

const prm = () => server.metadataUrl
const forms: [string, (metadata: string) => string[]][] = [
  ['as it is written', (at) => [`Bearer resource_metadata="${at}"`]],
  ['in small letters', (at) => [`bearer resource_metadata="${at}"`]],
  ['in capitals, with its parameter too', (at) => [`BEARER RESOURCE_METADATA="${at}"`]],
  ['behind another scheme in one field', (at) => [`Basic realm="a, b", Bearer error="x", resource_metadata="${at}"`]],
  ['in a field of its own behind others', (at) => ['Basic realm="x"', 'Negotiate', `Bearer resource_metadata="${at}"`]],
  [
    'behind a challenge for tokens that leads nowhere',
    (at) => ['Bearer realm="x"', `Bearer resource_metadata="${at}"`],
  ],
  ['with an unquoted parameter before it', (at) => [`Bearer error=invalid_token, resource_metadata="${at}"`]],
]

describe('R-02: a challenge leads to the metadata', () => {
  it.each(forms)('%s', async (_form, challenges) => {
    // Only the challenge leads there.
    const hidden = `${server.origin}/hidden`
    server.is({
      challenges: () => challenges(hidden),
      resourceMetadataAt: [],
      instead: ({ path }) =>
        path === '/hidden' ? { body: { resource: server.url, authorization_servers: [server.issuer] } } : undefined,
    })
    expect((await mcp.preview({ url: server.url })).issuer).toBe(server.issuer)
  })

  it.each<[string, Partial<McpState>]>([
    ['none leads there, and it is below the path', { challenges: () => ['Bearer'], resourceMetadataAt: ['path'] }],
    ['none leads there, and it is at the root', { challenges: () => ['Bearer'], resourceMetadataAt: ['root'] }],
    ['there is no challenge at all', { challenges: () => [] }],
    ['the authorization server follows RFC 8414', { serverMetadataAt: ['oauth'] }],
    ['its OpenID metadata is before its path', { serverMetadataAt: ['oidc'] }],
    ['its OpenID metadata is behind its path', { serverMetadataAt: ['append'] }],
    ['its metadata is at the root alone', { serverMetadataAt: ['root'] }],
    [
      'only an older first call is understood',
      { instead: ({ body }) => (body.includes('server/discover') ? { status: 400, body: {} } : undefined) },
    ],
    [
      'only a GET is refused',
      {
        instead: ({ at, method, path }) =>
          at === 'mcp' && path === '/mcp' && method === 'POST' ? { status: 405, body: {} } : undefined,
      },
    ],
  ])('or it is found where %s', async (_where, state) => {
    server.is(state)
    expect((await mcp.preview({ url: server.url })).issuer).toBe(server.issuer)
    expect(prm()).toContain('/mcp')
  })

  it('its spelling of the address counts, and a slash at the end is nothing', async () => {
    server.is({ resourceMetadata: { resource: `${server.url}/` } })
    expect((await mcp.preview({ url: server.url })).apiBases).toMatchObject([{ url: `${server.url}/` }])
  })

  it('is for admins: a member has no server called', async () => {
    const before = server.seen.length
    const { body } = await app.call(member, 'POST', '/tenants/acme/provider-preview', {
      kind: 'mcp',
      setup: { url: server.url },
    })
    expect(body).toMatchObject({ code: 'forbidden' })
    expect(server.seen).toHaveLength(before)
  })
})

describe('what a link asks for', () => {
  it.each<[string, Partial<McpState>, string[]]>([
    [
      'what the challenge names',
      { challenges: (at) => [`Bearer scope="notes:write", resource_metadata="${at}"`] },
      ['notes:write', 'offline_access'],
    ],
    ['else what the server has', {}, ['notes:read', 'notes:write', 'offline_access']],
    [
      'else nothing',
      { resourceMetadata: { scopes_supported: undefined }, serverMetadata: { scopes_supported: undefined } },
      [],
    ],
    [
      'offline access only where it is listed',
      {
        challenges: (at) => [`Bearer scope="notes:read offline_access", resource_metadata="${at}"`],
        serverMetadata: { scopes_supported: ['openid'] },
      },
      ['notes:read'],
    ],
    [
      'never what is no scope, and never without an end',
      {
        resourceMetadata: { scopes_supported: ['a b', 'é', '"', ...Array.from({ length: 90 }, (_, at) => `s${at}`)] },
        serverMetadata: { scopes_supported: [] },
      },
      Array.from({ length: 50 }, (_, at) => `s${at}`),
    ],
  ])('is %s', async (_what, state, scopes) => {
    server.is(state)
    expect((await mcp.preview({ url: server.url })).scopes).toEqual(scopes)
  })
})

describe('several authorization servers', () => {
  it('are offered; the first is taken unless another is chosen, and one that is not named is refused', async () => {
    const other = await start()
    server.is({ resourceMetadata: { authorization_servers: [server.issuer, other.issuer] } })
    expect((await mcp.preview({ url: server.url })).mcp?.authorizationServers).toEqual([server.issuer, other.issuer])
    const chosen = await mcp.preview({ url: server.url, authorization_server: other.issuer })
    expect(chosen).toMatchObject({ issuer: other.issuer, mcp: { authorizationServers: [other.issuer, server.issuer] } })
    await expect(mcp.preview({ url: server.url, authorization_server: 'https://x.example' })).rejects.toMatchObject({
      fields: { 'setup.authorization_server': expect.stringContaining(other.issuer) },
    })
  })
})

describe('a grant without a refresh token', () => {
  it('links, lasts as long as its token, and then asks for a person again', async () => {
    server.is({ serverMetadata: {} })
    const { id } = await mcp.create({ url: server.url })
    const begun = await mcp.begin(id)
    const back = await server.approve(begun.url)
    server.is({
      instead: async (seen) =>
        seen.path === '/t/token'
          ? { body: { access_token: 'the-only-one', token_type: 'Bearer', expires_in: '600' } }
          : undefined,
    })
    expect(await begun.comeBack(back)).toMatchObject({ kind: 'linked' })
    const connection = await mcp.connectionOf(id)
    if (!connection) throw new Error('not linked')
    expect(connection).toMatchObject({ status: 'linked', account_name: 'account not named by the upstream' })
    expect(connection.grant_expires_at).toEqual(connection.access_expires_at)
    const key = { tenantId: owner.tenantId, connectionId: connection.id }
    const before = server.seen.length
    await app.advance(400)
    await tick(app.ctx)
    expect((await freshTokens(app.ctx, key)).accessToken.reveal()).toBe('the-only-one')
    await app.advance(300)
    await expect(freshTokens(app.ctx, key)).rejects.toMatchObject({ code: 'needs_relink' })
    // Nobody was asked for what it cannot give.
    expect(server.seen).toHaveLength(before)
  })
})

describe('R-22: how long a token lives', () => {
  it.each([
    ['as a number', { expires_in: 1800 }, 1800],
    ['as text', { expires_in: '1800' }, 1800],
    ['not at all', {}, 300],
  ])('is taken from the answer: %s', async (_how, more, seconds) => {
    const { id } = await mcp.create({ url: server.url })
    const begun = await mcp.begin(id)
    const back = await server.approve(begun.url)
    server.is({
      instead: (seen) =>
        seen.path === '/t/token'
          ? { body: { access_token: 'a', refresh_token: 'r', token_type: 'Bearer', ...more } }
          : undefined,
    })
    const now = app.ctx.now().getTime()
    await begun.comeBack(back)
    const lives = ((await mcp.connectionOf(id))?.access_expires_at.getTime() ?? 0) - now
    expect(Math.abs(lives / 1000 - seconds)).toBeLessThan(30)
  })
})

describe('a server that is told who calls without tokens', () => {
  it('answers everybody: is linked at one click, over no page of anybody else, and no token is held', async () => {
    const open = await start({ path: '/' })
    open.is({ open: true })
    expect(await mcp.preview({ url: open.url })).toMatchObject({ mcp: { by: 'nothing', title: 'Notes' }, scopes: [] })
    const made = await mcp.create({ url: open.url })
    const begun = await mcp.begin(made.id)
    expect(begun.url.startsWith(`${made.redirectUri}?state=`)).toBe(true)
    const before = open.seen.length
    expect(await begun.comeBack(begun.url)).toMatchObject({ kind: 'linked' })
    const connection = await mcp.connectionOf(made.id)
    expect(connection).toMatchObject({ status: 'linked', account_name: 'no account' })
    const key = { tenantId: owner.tenantId, connectionId: connection?.id ?? '' }
    expect((await freshTokens(app.ctx, key)).accessToken.reveal()).toBe('-')
    // Also where it is looked at again, a day later.
    await mcp.rows(`UPDATE connection SET access_expires_at = vk_now() WHERE id = $1`, [key.connectionId])
    expect((await freshTokens(app.ctx, key)).accessToken.reveal()).toBe('-')
    expect(open.seen).toHaveLength(before)
    // Once, as every callback.
    await expect(begun.comeBack(begun.url)).rejects.toMatchObject({ code: 'attempt_used' })
    await expect(mcp.create({ url: open.url, client_id: 'x' })).rejects.toMatchObject({
      fields: { 'setup.client_id': expect.any(String) },
    })
  })

  it('LK-01: what a link over our own callback was begun with, another browser cannot finish', async () => {
    const open = await start()
    open.is({ open: true })
    const { id } = await mcp.create({ url: open.url })
    const { url } = await startLink(app.ctx, owner, { providerId: id, browser: owner.browser })
    const stranger = await app.actorOf('member@acme.test')
    const { completeLink } = await import('../../lib/broker/link/complete.ts')
    await expect(completeLink(app.ctx, app.callbackOf(url, stranger))).rejects.toMatchObject({
      code: 'attempt_unknown',
    })
    expect(await mcp.connectionOf(id)).toBeUndefined()
  })

  it('R-25: takes a header whose value is sealed, never shown, and belongs to the provider alone', async () => {
    server.is({ header: { name: 'x-api-key', value: 'the-key-of-the-server' } })
    const setup = { url: server.url, header_name: 'X-Api-Key', header_value: 'the-key-of-the-server' }
    const body = await mcp.create(setup)
    expect(body).toMatchObject({ hasSecret: true, clientId: '' })
    const [row] = await mcp.rows<{ kind: string; settings: unknown }>('SELECT * FROM provider WHERE id = $1', [body.id])
    const made = row && configured(row)
    expect(made?.kind.gateway?.(made.settings)).toMatchObject({ header: 'x-api-key', shared: true })
    const begun = await mcp.begin(body.id)
    expect(await begun.comeBack(begun.url)).toMatchObject({ kind: 'linked' })
    const stored = JSON.stringify([
      await mcp.rows('SELECT * FROM provider'),
      await mcp.rows('SELECT * FROM connection'),
    ])
    expect(stored + app.answered.map(({ text }) => text).join()).not.toContain('the-key-of-the-server')
  })

  it.each([
    [{ header_name: 'x-key' }, 'header_value'],
    [{ header_value: 'v' }, 'header_name'],
    [{ header_name: 'Host', header_value: 'v' }, 'header_name'],
    [{ header_name: 'Content-Length', header_value: '1' }, 'header_name'],
    [{ header_name: 'Mcp-Session-Id', header_value: '1' }, 'header_name'],
    [{ header_name: 'x-key', header_value: 'a\r\nb: c' }, 'header_value'],
    [{ header_name: 'x key', header_value: 'v' }, 'header_name'],
    [{ header_name: 'Authorization', header_value: 'Basic abc' }, 'header_value'],
    [{ header_name: 'x-key', header_value: 'v', client_id: 'c' }, 'client_id'],
  ])('a header that cannot be one is refused: %j', async (header, field) => {
    const { body } = await preview({ url: server.url, ...header })
    expect(Object.keys(body.fields ?? {})).toEqual([`setup.${field}`])
  })
})

describe('a step-up', () => {
  it('ASK-23: asks for everything that is configured and held beside what is new, and the connection stays what it was', async () => {
    server.is({ challenges: (at) => [`Bearer scope="notes:read", resource_metadata="${at}"`] })
    const { id } = await mcp.create({ url: server.url })
    const { connection } = await mcp.link(id, server)
    expect(connection.scopes_granted).not.toContain('notes:admin')
    const first = await mcp.link(id, server, { connectionId: connection.id, scopes: ['notes:write'] })
    expect(first.connection.id).toBe(connection.id)
    expect(first.connection.scopes_granted).toEqual(expect.arrayContaining(['notes:read', 'notes:write']))
    const begun = await mcp.begin(id, { connectionId: connection.id, scopes: ['notes:admin'] })
    const asked = new URL(begun.url).searchParams.get('scope')?.split(' ')
    expect(asked).toEqual(expect.arrayContaining(['notes:read', 'notes:write', 'notes:admin', 'offline_access']))
    expect(await mcp.rows('SELECT scopes FROM attempt WHERE id = $1', [begun.attemptId])).toEqual([{ scopes: asked }])
    await begun.finish(server)
    expect((await mcp.connectionOf(id))?.scopes_granted).toEqual(
      expect.arrayContaining(['notes:read', 'notes:write', 'notes:admin']),
    )
  })

  it('that grants less than there was changes nothing', async () => {
    const { id } = await mcp.create({ url: server.url })
    const { connection } = await mcp.link(id, server)
    const begun = await mcp.begin(id, { connectionId: connection.id, scopes: ['notes:admin'] })
    const back = await server.approve(begun.url)
    const tokens = {
      access_token: 'a',
      refresh_token: 'r',
      token_type: 'Bearer',
      expires_in: 600,
      scope: 'notes:admin',
    }
    server.is({ instead: ({ path }) => (path === '/t/token' ? { body: tokens } : undefined) })
    expect(await begun.comeBack(back)).toMatchObject({ kind: 'failed', error: { code: 'upstream_protocol' } })
    expect((await mcp.connectionOf(id))?.scopes_granted).toEqual(connection.scopes_granted)
  })

  it.each([[['a b']], [['']], [['x\n']], [Array.from({ length: 60 }, (_, at) => `s${at}`)]])(
    'asks for nothing that is no scope, and not for more than fifty: %j',
    async (scopes) => {
      const { id } = await mcp.create({ url: server.url })
      const { connection } = await mcp.link(id, server)
      await expect(mcp.begin(id, { connectionId: connection.id, scopes })).rejects.toMatchObject({
        code: 'bad_request',
      })
    },
  )

  it('L-13: a browser cannot ask for scopes', async () => {
    const { id } = await mcp.create({ url: server.url })
    const { status, body } = await app.call<{ fields?: Record<string, string> }>(
      jar,
      'POST',
      '/tenants/acme/attempts',
      { provider: id, scopes: ['notes:admin'] },
    )
    expect(status).toBe(400)
    expect(Object.keys(body.fields ?? {})).toEqual(['scopes'])
  })
})

describe('a check', () => {
  const linesOf = async (id: string) => (await checkProvider(app.ctx, owner, id)).lines
  it('F-08: says whether the server still names the same authorization server', async () => {
    const { id } = await mcp.create({ url: server.url })
    expect((await linesOf(id))[0]).toMatchObject({ id: 'mcp_server', state: 'ok' })
    server.is({ resourceMetadata: { authorization_servers: ['https://evil.example'] } })
    expect((await linesOf(id))[0]).toMatchObject({ id: 'mcp_server', state: 'failed' })
    server.is({ open: true })
    expect((await linesOf(id))[0]).toMatchObject({ id: 'mcp_server', state: 'attention' })
  })
})
