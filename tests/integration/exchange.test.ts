// Kind `keycloak` and strategy `exchange` against a realm that answers as Keycloak does, and lies where we tell it to.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { issueToken, readScopeChoices } from '../../lib/broker/issue.ts'
import { createProvider } from '../../lib/broker/providers.ts'
import { readToken } from '../../lib/broker/read/token.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { readTenant } from '../../lib/store/database.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { people, type Realm, type RealmState, realmClient, startRealm } from '../support/realm.ts'

let broker: Broker
let realm: Realm
let owner: BrowserActor
let project: string
let connection: string
let provider: string

beforeAll(async () => {
  broker = await startBroker()
  realm = await startRealm({ now: () => broker.ctx.now().getTime() })
  owner = await broker.actorOf('owner@acme.test')
  const made = await createProvider(broker.ctx, owner, {
    kind: 'keycloak',
    name: 'Acme realm',
    clientId: realmClient.id,
    clientSecret: realmClient.secret,
    maxLifetimeSeconds: 3600,
    setup: {
      issuer: realm.issuer,
      scopes: ['files:read', 'files:write', 'mail:read'],
      api_bases: [
        { name: 'Files', url: realm.api, audience: 'files-api' },
        { name: 'Mail', url: `${realm.origin}/mail`, audience: 'mail-api' },
      ],
      audiences: [{ name: 'nobody-there', text: 'a client that the realm does not have' }],
    },
  })
  provider = made.id
  const linked = await broker.link(owner, 'owner@acme.test', { provider: 'Acme realm', approve: realm.approve })
  if (linked.kind !== 'linked') throw new Error('not linked')
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
  const found = await broker.owner.query('SELECT id FROM project WHERE external_id = $1', [realm.api])
  project = found.rows[0].id
  const row = await broker.owner.query('SELECT id FROM connection WHERE provider_id = $1', [provider])
  connection = row.rows[0].id
})
afterAll(async () => {
  await broker.stop()
  await realm.stop()
})
afterEach(() => realm.is())

const rights = { scopes: ['files:read', 'email'], audience: ['files-api'] }
const issue = (scopes: Record<string, unknown> = rights, lifetimeSeconds = 300) =>
  issueToken(broker.ctx, owner, { project, scopes, lifetimeSeconds, purpose: 'a test' })
const lastRow = async () => {
  const { rows } = await broker.owner.query('SELECT * FROM token ORDER BY created_at DESC, id DESC LIMIT 1')
  return rows[0]
}
const eventsOf = (id: string) =>
  readTenant(broker.ctx, owner.tenantId, (tx) =>
    tx.auditEvent.findMany({
      where: { tenantId: owner.tenantId, body: { path: ['target', 'id'], equals: id } },
      orderBy: { id: 'asc' },
    }),
  ).then((rows) => rows.map(({ body }) => body as { action: string; actor: string; details: Record<string, unknown> }))

describe('a token by standard exchange', () => {
  it('N-09: is about the same person, with the scopes and the audience that were asked, and never comes with more', async () => {
    const { value, token, tokenType, baseUrl } = await issue()
    const claims = realm.claimsOf(value.reveal())
    expect(claims).toMatchObject({ sub: people.alice, azp: realmClient.id, aud: ['files-api'] })
    expect(token).toMatchObject({ strategy: 'exchange', state: 'live', granted: rights, notGranted: [] })
    expect(token.expiresAt.getTime()).toBe((claims.exp ?? 0) * 1000)
    expect([tokenType, baseUrl]).toEqual(['Bearer', realm.api])
    const sent = realm.exchanges().at(-1)
    expect(sent?.get('requested_token_type')).toBe('urn:ietf:params:oauth:token-type:access_token')
    expect(sent?.get('subject_token_type')).toBe('urn:ietf:params:oauth:token-type:access_token')
    expect([sent?.get('scope'), sent?.getAll('audience')]).toEqual(['files:read email', ['files-api']])
    expect(sent?.has('actor_token')).toBe(false)
  })
})
