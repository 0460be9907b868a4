// The legacy token exchange of the real server, which makes tokens about other people where its admin lets the client.
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest'
import { checkProvider } from '../../lib/broker/check.ts'
import { issueToken } from '../../lib/broker/issue.ts'
import { changeProvider } from '../../lib/broker/providers.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { isBrokerError } from '../../lib/errors.ts'
import { readTenant } from '../../lib/store/database.ts'
import { clients, makeRealm } from '../support/keycloak.ts'
import { type AtKeycloak, startAtKeycloak } from '../support/keycloak-broker.ts'
import { type KeycloakServer, startKeycloak } from '../support/keycloak-server.ts'
import { type ResourceServer, startResourceServer } from '../support/resource-server.ts'

let server: KeycloakServer
let at: AtKeycloak
let api: ResourceServer
let linked: Awaited<ReturnType<AtKeycloak['linked']>>
beforeAll(async () => {
  server = await startKeycloak({ name: 'legacy', tls: inject('keycloak').tls, build: 'legacy' })
  at = await startAtKeycloak({ realm: await makeRealm({ server }) })
  api = await startResourceServer({ audience: 'orders-api' })
  api.trust(at.realm.issuer)
}, 300_000)
afterAll(async () => {
  await at?.stop()
  await server?.stop()
  await api?.stop()
})
beforeEach(async () => {
  linked = await at.linked('alice', { api_bases: [{ name: 'Orders', url: api.url, audience: 'orders-api' }] })
})

const rights = { scopes: ['orders', 'orders:read', 'profile', 'email'], audience: ['orders-api'] }
const asBob = { ...rights, impersonate: 'bob' }
const issue = (scopes: Record<string, unknown>) =>
  issueToken(at.broker.ctx, at.owner, { project: linked.project, scopes, lifetimeSeconds: 300, purpose: 'a test' })
const refusal = async (scopes: Record<string, unknown>) => {
  const error = await issue(scopes).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isBrokerError(error)) throw new Error('it was not refused', { cause: error })
  return error
}
const allow = (...usernames: string[]) =>
  changeProvider(at.broker.ctx, at.owner, {
    providerId: linked.made.id,
    impersonation: [{ member: at.owner.userId, usernames }],
  })
/** The realm's admin lets the client's own account become others, and the client use that. */
async function letImpersonate() {
  const { id: clientId } = await at.realm.client(linked.of.client_id)
  const { id: managing } = await at.realm.client('realm-management')
  const { id: account } = await at.realm.admin<{ id: string }>(`/clients/${clientId}/service-account-user`)
  const role = await at.realm.admin(`/clients/${managing}/roles/impersonation`)
  await at.realm.admin(`/users/${account}/role-mappings/clients/${managing}`, { json: [role] })
  await at.realm.admin(`/clients/${clientId}/scope-mappings/clients/${managing}`, { json: [role] })
}
const detailsOf = (id: string) =>
  readTenant(at.broker.ctx, at.owner.tenantId, (tx) =>
    tx.auditEvent.findMany({
      where: { tenantId: at.owner.tenantId, body: { path: ['target', 'id'], equals: id } },
      orderBy: { id: 'asc' },
    }),
  ).then((found) => found.map(({ body }) => (body as { details: object }).details))

it('N-10: without the role the realm refuses with 403, which is explained, and the connection stands', async () => {
  await allow('bob')
  expect(await refusal(asBob)).toMatchObject({
    code: 'upstream_rejected',
    detail: expect.stringContaining('does not let its client make tokens about “bob”'),
    cause: expect.objectContaining({ status: 403 }),
  })
  expect((await issue(rights)).token.state).toBe('live')
})

it('N-10: with the role the subject is the other person, and the events name both', async () => {
  await allow('bob')
  await letImpersonate()
  const { value, token } = await issue(asBob)
  const bob = (await at.realm.user('bob')).id
  expect(decodeJwt(value.reveal())).toMatchObject({ sub: bob, aud: 'orders-api', azp: linked.of.client_id })
  expect(token.granted).toMatchObject({ impersonate: 'bob' })
  expect(await detailsOf(token.id)).toMatchObject([
    { impersonates: 'bob' },
    { member: at.owner.userId, upstream_subject: bob, upstream_username: 'bob' },
  ])
  expect(await api.call(value.reveal())).toBe(bob)
  await revoke(at.broker.ctx, at.owner, { tokens: [token.id], connections: [] })
  expect(await at.realm.introspect(clients.ordersApi, value.reveal())).toMatchObject({ active: false })
})

it('N-10: with the role, whom policy does not name and whom the realm does not know are refused', async () => {
  await letImpersonate()
  expect(await refusal(asBob)).toMatchObject({ code: 'over_policy' })
  await allow('dave', 'nobody')
  for (const impersonate of ['dave', 'nobody'])
    expect(await refusal({ ...rights, impersonate })).toMatchObject({
      code: 'upstream_rejected',
      detail: expect.stringContaining(`“${impersonate}”. It does not say whether`),
    })
})

it('X-04: where the legacy exchange serves a client whose switch is off, no refresh token comes, and the check says so', async () => {
  const set = (on: boolean) =>
    at.realm.changeClient(linked.of.client_id, { attributes: { 'standard.token.exchange.enabled': String(on) } })
  const line = async () =>
    (await checkProvider(at.broker.ctx, at.owner, linked.made.id)).lines.find(({ id }) => id === 'exchange')
  expect(await line()).toMatchObject({ state: 'ok' })
  await set(false)
  expect(await line()).toMatchObject({ state: 'attention', seen: expect.stringContaining('legacy exchange') })
  expect(await refusal(rights)).toMatchObject({ detail: expect.stringContaining('does not permit this client') })
  await set(true)
  expect((await issue(rights)).token.state).toBe('live')
})

it('N-11: the tokens that the API was shown are about people', () => {
  expect(api.shown.length).toBeGreaterThan(0)
  for (const { preferred_username } of api.shown) expect(['alice', 'bob']).toContain(preferred_username)
})
