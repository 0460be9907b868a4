// What each kind does, seen once from end to end; docs/capabilities.md is written from it.
import { createLocalJWKSet, jwtVerify } from 'jose'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { addAudience } from '../../lib/broker/audiences.ts'
import { issueToken } from '../../lib/broker/issue.ts'
import { createProvider } from '../../lib/broker/providers.ts'
import { connectionPage } from '../../lib/broker/read/connection.ts'
import { tenantIssuerMetadata, tenantKeySet } from '../../lib/broker/read/issuer.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { isBrokerError } from '../../lib/errors.ts'
import { configured } from '../../lib/providers/index.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { type Cell, expectSection, type Row } from '../support/capabilities.ts'
import { startOpponent } from '../support/opponent.ts'
import { startPassing } from '../support/passing.ts'
import { realmClient, startRealm } from '../support/realm.ts'

let broker: Broker
let owner: BrowserActor
let passing: Awaited<ReturnType<typeof startPassing>>
beforeAll(async () => {
  broker = await startBroker()
  owner = await broker.actorOf('owner@acme.test')
  passing = await startPassing(broker.ctx)
})
afterAll(async () => {
  await passing.stop()
  await broker.stop()
})

/** An address below an API's base that answers the upstream's own tokens alone. */
type Closed = { base: string; path: string }

/** Whether a request with a token of ours comes through to such an address. */
async function passes(project: string, { base, path }: Closed): Promise<boolean> {
  const scopes = { access: 'paths', paths: [`GET ${path}`] }
  const asked = { project, scopes, lifetimeSeconds: 3600, purpose: 'a test' }
  const issued = await issueToken(broker.ctx, owner, { ...asked, strategy: 'proxy' }).catch((error: unknown) => {
    if (isBrokerError(error, 'no_strategy')) return undefined
    throw error
  })
  if (!issued) return false
  expect((await fetch(base + path)).ok).toBe(false)
  const token = issued.value.reveal()
  expect((await passing.ask(issued.baseUrl, path, { token })).status).toBe(200)
  return true
}

/**
 * The whole life of a connection and of its tokens at a provider; what of it came about, at a server of this sort.
 */
async function live(
  name: string,
  server: Cell,
  closed: Closed,
  scopes: Record<string, unknown>,
  link: () => Promise<unknown>,
): Promise<Row['cells']> {
  const seen: Required<Row['cells']> = {
    link: 'not offered by it',
    rotate: 'not offered by it',
    narrow: 'not offered by it',
    mint: 'not offered by it',
    exchange: 'not offered by it',
    proxy: 'not offered by it',
    sign: 'not offered by it',
    revoke: 'not offered by it',
  }
  const provider = await broker.providerOf(owner, name)
  expect(await link()).toMatchObject({ kind: 'linked' })
  seen.link = server
  const { items } = await connectionPage(broker.ctx, owner, {})
  const connection = items.find((one) => one.provider.id === provider.id)
  const key = { tenantId: owner.tenantId, connectionId: connection?.id ?? '' }
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
  await broker.owner.query('UPDATE connection SET access_expires_at = vk_now() WHERE id = $1', [key.connectionId])
  const { version, degraded } = await freshTokens(broker.ctx, key)
  expect([version, degraded]).toEqual([2, false])
  seen.rotate = server
  const strategy = configured(provider)?.strategy
  const asked = { project: connection?.project?.id ?? '', scopes, lifetimeSeconds: 3600, purpose: 'a test' }
  expect((await issueToken(broker.ctx, owner, asked)).token).toMatchObject({ strategy, state: 'live' })
  if (strategy === 'narrow' || strategy === 'mint' || strategy === 'exchange') seen[strategy] = server
  if (await passes(asked.project, closed)) seen.proxy = server
  const [ended] = await revoke(broker.ctx, owner, { tokens: [], connections: [key.connectionId] })
  if (ended?.upstream === 'done' || ended?.upstream === 'confirmed') seen.revoke = server
  return seen
}

/** A kind without an upstream: what is signed is verified by jose, by the published keys alone. */
async function signs(): Promise<Row['cells']> {
  const { ctx } = broker
  await createProvider(ctx, owner, { kind: 'own', name: 'Own APIs' })
  const audience = 'https://files.acme.test'
  const settings = { scopes: [{ name: 'files:read', text: 'read files', risk: 'low' }], offline: true }
  const { id } = await addAudience(ctx, owner, { audience, name: 'Files', alias: 'own-files', settings })
  const asked = { project: id, scopes: { scopes: ['files:read'] }, lifetimeSeconds: 3600, purpose: 'a test' }
  const { value } = await issueToken(ctx, owner, asked)
  const keys = createLocalJWKSet(await tenantKeySet(ctx, owner.slug))
  const { issuer } = await tenantIssuerMetadata(ctx, owner.slug)
  await jwtVerify(value.reveal(), keys, { issuer, audience, typ: 'at+jwt', currentDate: ctx.now() })
  const none = 'not offered by it'
  const others = { link: none, rotate: none, narrow: none, mint: none, exchange: none, proxy: none } as const
  return { ...others, sign: 'real verifier', revoke: none }
}

it('docs/capabilities.md says of each kind what is seen here', async () => {
  const server = await startOpponent()
  const redirect_uri = async () => {
    const made = await createProvider(broker.ctx, owner, {
      kind: 'oauth',
      name: 'An opponent',
      clientId: 'a-client',
      clientSecret: 'a-secret-of-the-client',
      setup: {
        issuer: server.origin,
        scopes: ['openid', 'offline_access', 'items:read', 'items:write'],
        authorization_parameters: { prompt: 'consent' },
        narrowing: { offered: true, old_token_survives: true, revoke_keeps_grant: false, full_scope_remains: true },
        api_bases: [{ name: 'Items', url: server.origin }],
      },
    })
    return made.redirectUri
  }
  server.register({
    client_id: 'a-client',
    client_secret: 'a-secret-of-the-client',
    redirect_uris: [await redirect_uri()],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    id_token_signed_response_alg: 'ES256',
  })
  const oauth = await live(
    'An opponent',
    'real server',
    { base: server.origin, path: '/me' },
    { scopes: ['items:read'] },
    () => broker.link(owner, 'owner@acme.test', { provider: 'An opponent', approve: server.approve }),
  )
  const keboola = await live(
    'Demo stack',
    'demo server',
    { base: broker.demo.url, path: '/v2/storage/tokens/verify' },
    { components: ['keboola.ex-http'] },
    () => broker.link(owner, 'owner@acme.test', { project: '10231' }),
  )
  await server.close()
  const realm = await startRealm({ now: () => broker.ctx.now().getTime() })
  await createProvider(broker.ctx, owner, {
    kind: 'keycloak',
    name: 'A realm',
    clientId: realmClient.id,
    clientSecret: realmClient.secret,
    setup: {
      issuer: realm.issuer,
      scopes: ['files:read'],
      api_bases: [{ name: 'Files', url: realm.api, audience: 'files-api' }],
    },
  })
  const rights = { scopes: ['files:read', 'email'], audience: ['files-api'] }
  const keycloak = await live('A realm', 'faithful server', { base: realm.api, path: '/files' }, rights, () =>
    broker.link(owner, 'owner@acme.test', { provider: 'A realm', approve: realm.approve }),
  )
  await realm.stop()
  const rows = Object.entries({ keboola, keycloak, oauth, own: await signs() }).map(([kind, cells]) => ({
    name: `\`${kind}\``,
    cells,
  }))
  expectSection('kinds', rows)
})
