// People of a real Keycloak at our API, with the access tokens that its clients get there.
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { upsertMember } from '../../lib/store/members.ts'
import { asSystem, withInstance } from '../../lib/store/system.ts'
import { ensureUser } from '../../lib/store/users.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { origin } from '../support/broker.ts'
import { type Client, clients, makeRealm, type Realm, type Username } from '../support/keycloak.ts'

let app: TestApp
let realm: Realm
let owner: Jar
let trusted: string
/** Gets tokens for us, and is listed. */
let program: Required<Client>
/** Gets tokens for us, and is not. */
let stranger: Required<Client>
/** Listed, and gets tokens for others alone. */
let elsewhere: Required<Client>

/**
 * As docs/trusted-issuers.md says. Keycloak answers only a client that is among the audiences of the token, so ours there is
 * called as the audience is, and one mapper serves both.
 */
const asker = { client_id: origin, client_secret: 'a-test-secret-of-our-api' }
const audience = {
  name: 'valetkey as the audience',
  protocol: 'openid-connect',
  protocolMapper: 'oidc-audience-mapper',
  config: {
    'included.client.audience': origin,
    'access.token.claim': 'true',
    'introspection.token.claim': 'true',
  },
}

beforeAll(async () => {
  app = await startTestApp()
  realm = await makeRealm()
  await realm.admin('/clients', {
    json: { clientId: asker.client_id, secret: asker.client_secret, standardFlowEnabled: false },
  })
  const asPerson = { directAccessGrantsEnabled: true }
  program = await realm.addClient({ ...asPerson, protocolMappers: [audience] })
  stranger = await realm.addClient({ ...asPerson, protocolMappers: [audience] })
  elsewhere = await realm.addClient(asPerson)
  owner = await app.signIn('owner@acme.test')
  await app.ctx.pool.query(
    `UPDATE session SET last_active_at = now() + interval '50 years', expires_at = now() + interval '100 years'`,
  )
  for (const username of ['alice', 'bob'] as const) await addMember(username)
  trusted = (await post('', { issuer: realm.issuer, name: 'Keycloak' })).id
  for (const { client_id } of [program, elsewhere])
    await post(`/${trusted}/clients`, { client_id, name: 'Program', scopes: ['tenant:read'] })
})
afterAll(async () => {
  await app?.stop()
  await realm?.remove()
})
beforeEach(async () => {
  // Beyond what is kept of keys and answers; tokens live for five minutes.
  app.ctx.keySets.clear()
  app.ctx.introspections.answers.clear()
})

async function addMember(username: Username): Promise<void> {
  const identity = { issuer: realm.issuer, subject: (await realm.user(username)).id, name: username, email: null }
  const { id } = await withInstance(app.ctx, (tx) => ensureUser(tx, identity, app.ctx.now()))
  const tenantId = (await app.tenantId('acme')) ?? ''
  const member = { tenantId, userId: id, role: 'member', createdAt: app.ctx.now() }
  await asSystem(app.ctx, tenantId, 'job', (tx) => upsertMember(tx, member))
}

async function post(path: string, body: object): Promise<{ id: string }> {
  const answer = await app.call<{ id: string }>(owner, 'POST', `/tenants/acme/trusted-issuers${path}`, body)
  expect(answer.status, answer.text).toBe(201)
  return answer.body
}

/** What Keycloak gives a client for a person, or for itself. */
async function tokensOf(
  client: Required<Client>,
  username?: Username,
  scope = 'openid',
): Promise<Record<string, string>> {
  const form: Record<string, string> = username
    ? { grant_type: 'password', username, password: `a password of ${username}`, scope }
    : { grant_type: 'client_credentials' }
  const { status, body } = await realm.token(client, form)
  expect(status, JSON.stringify(body)).toBe(200)
  return body as Record<string, string>
}
const accessToken = async (client: Required<Client>, username?: Username) =>
  (await tokensOf(client, username)).access_token ?? ''

const send = (token: string) =>
  app.send(
    new Map(),
    new Request(`${origin}/api/v1/tenants/acme/members`, { headers: { authorization: `Bearer ${token}` } }),
  )

async function expectRefused(token: string, reason: string): Promise<void> {
  const answer = await send(token)
  expect([answer.status, answer.body.code], answer.text).toEqual([401, 'unauthenticated'])
  const told = app.logged.filter((line) => line.includes('an incoming token was refused')).at(-1)
  expect(told).toContain(`"reason":"${reason}"`)
}

async function withAsking(work: () => Promise<void>): Promise<void> {
  const path = `/tenants/acme/trusted-issuers/${trusted}`
  expect((await app.call(owner, 'PATCH', path, asker)).status).toBe(204)
  try {
    await work()
  } finally {
    expect((await app.call(owner, 'PATCH', path, { client_id: null })).status).toBe(204)
  }
}

it('N-12: an access token of a member, by a listed client, with the audience by a mapper, is accepted', async () => {
  const answer = await send(await accessToken(program, 'alice'))
  expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('alice')])
  await withAsking(async () => {
    expect((await send(await accessToken(program, 'bob'))).status).toBe(200)
  })
})

it('N-12 N-35: without the audience, or by a client that is not listed, it is refused', async () => {
  await expectRefused(await accessToken(elsewhere, 'alice'), 'audience')
  await expectRefused(await accessToken(stranger, 'alice'), 'client_not_listed')
})

it('N-12: its ID, refresh and offline tokens are none of access', async () => {
  const { id_token = '', refresh_token = '' } = await tokensOf(program, 'alice', 'openid offline_access')
  await expectRefused(id_token, 'not_an_access_token')
  await expectRefused(refresh_token, 'algorithm')
})

it('N-11: the service account of a listed client is nobody', async () => {
  await expectRefused(await accessToken(program), 'not_a_member')
  await expectRefused(await accessToken(clients.robot as Required<Client>), 'audience')
})

it('N-18: keys that the realm rotated are found', async () => {
  const before = await accessToken(program, 'alice')
  expect((await send(before)).status).toBe(200)
  await realm.admin('/components', {
    json: {
      name: 'newer',
      providerId: 'rsa-generated',
      providerType: 'org.keycloak.keys.KeyProvider',
      config: { priority: ['500'], enabled: ['true'], active: ['true'], algorithm: ['RS256'] },
    },
  })
  const after = await accessToken(program, 'alice')
  const kid = (token: string) => JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid
  expect(kid(after)).not.toBe(kid(before))
  await app.advance(6)
  expect((await send(after)).status).toBe(200)
  expect((await send(before)).status).toBe(200)
})

it('N-13: a sign-out there counts within a minute where Keycloak is asked, and not before the end where it is not', async () => {
  const token = await accessToken(program, 'alice')
  const { id } = await realm.user('alice')
  await withAsking(async () => {
    expect((await send(token)).status).toBe(200)
    await realm.admin(`/users/${id}/logout`, { method: 'POST' })
    await app.advance(59)
    expect((await send(token)).status).toBe(200)
    await app.advance(1)
    await expectRefused(token, 'inactive')
  })
  expect((await send(token)).status).toBe(200)
})

it('N-13: a disabled person is refused within a minute where Keycloak is asked', async () => {
  const token = await accessToken(program, 'bob')
  await withAsking(async () => {
    expect((await send(token)).status).toBe(200)
    await realm.changeUser('bob', { enabled: false })
    await app.advance(60)
    await expectRefused(token, 'inactive')
  })
})

it('N-12: a client of ours that is none of the audiences is told nothing, so nothing is taken', async () => {
  const path = `/tenants/acme/trusted-issuers/${trusted}`
  expect((await app.call(owner, 'PATCH', path, stranger)).status).toBe(204)
  await expectRefused(await accessToken(program, 'alice'), 'inactive')
  expect((await app.call(owner, 'PATCH', path, { client_id: null })).status).toBe(204)
})

it('N-12: a client that Keycloak does not know, or no longer by this secret, is said, and no token is taken', async () => {
  const path = `/tenants/acme/trusted-issuers/${trusted}`
  const token = await accessToken(program, 'alice')
  expect((await app.call(owner, 'PATCH', path, { ...asker, client_secret: 'another' })).status).toBe(204)
  const answer = await send(token)
  expect([answer.status, answer.body.code]).toEqual([503, 'issuer_unavailable'])
  expect((await app.call(owner, 'PATCH', path, { client_id: null })).status).toBe(204)
})
