// Standard token exchange at the real server, and what it says of what is missing.
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest'
import { checkProvider } from '../../lib/broker/check.ts'
import { readScopeChoices } from '../../lib/broker/choices.ts'
import { issueToken } from '../../lib/broker/issue.ts'
import { changeProvider, createProvider } from '../../lib/broker/providers.ts'
import { readToken } from '../../lib/broker/read/token.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { isBrokerError } from '../../lib/errors.ts'
import { findKeycloak } from '../../scripts/lib/keycloak.mjs'
import { clients } from '../support/keycloak.ts'
import { type AtKeycloak, startAtKeycloak } from '../support/keycloak-broker.ts'
import { VIRTUAL_MACHINE } from '../support/keycloak-server.ts'
import { type ResourceServer, startResourceServer } from '../support/resource-server.ts'

let at: AtKeycloak
let api: ResourceServer
let other: ResourceServer
let linked: Awaited<ReturnType<AtKeycloak['linked']>>
beforeAll(async () => {
  at = await startAtKeycloak()
  api = await startResourceServer({ audience: 'orders-api' })
  other = await startResourceServer({ audience: 'billing-api' })
  for (const one of [api, other]) one.trust(at.realm.issuer)
})
afterAll(async () => {
  await at?.stop()
  await api?.stop()
  await other?.stop()
})

const bases = (more: Record<string, unknown>[] = []) => ({
  api_bases: [{ name: 'Orders', url: api.url, audience: 'orders-api' }],
  audiences: [{ name: 'nobody-there', text: 'a client that the realm does not have' }, ...more],
})
beforeEach(async () => {
  linked = await at.linked('alice', bases())
})

const rights = { scopes: ['orders', 'orders:read', 'profile', 'email'], audience: ['orders-api'] }
const issue = (scopes: Record<string, unknown> = rights) =>
  issueToken(at.broker.ctx, at.owner, { project: linked.project, scopes, lifetimeSeconds: 300, purpose: 'a test' })
const refusal = async (scopes?: Record<string, unknown>) => {
  const error = await issue(scopes).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isBrokerError(error)) throw new Error('it was not refused', { cause: error })
  return error
}

it('N-09: an exchanged token is about the same person, has what was asked and no more, and works at that API alone', async () => {
  const { value, token } = await issue()
  const alice = (await at.realm.user('alice')).id
  const claims = decodeJwt(value.reveal())
  expect(claims).toMatchObject({ sub: alice, aud: 'orders-api', azp: linked.of.client_id })
  expect(String(claims.scope).split(' ').sort()).toEqual([...rights.scopes].sort())
  expect(token).toMatchObject({ strategy: 'exchange', notGranted: [], expiresAt: new Date((claims.exp ?? 0) * 1000) })
  expect(await api.call(value.reveal())).toBe(alice)
  expect(await other.call(value.reveal())).toBe(401)
  const { choices } = await readScopeChoices(at.broker.ctx, at.owner, linked.project)
  expect((choices.scopes as { name: string; always: boolean }[]).filter(({ always }) => always)).toHaveLength(2)
})

it('X-03: what every token of the client has must be asked for as well, or none is handed out and it is ended there', async () => {
  expect(await refusal({ ...rights, scopes: ['orders', 'orders:read'] })).toMatchObject({
    code: 'excess_rights',
    detail: expect.stringMatching(/profile, email|email, profile/),
  })
  expect(await at.realm.events('REVOKE_GRANT')).toMatchObject([{ clientId: linked.of.client_id }])
})

it('X-07: revoked, it is dead to whoever asks the realm; an API that checks signatures takes it until the moment that is told', async () => {
  const { value, token } = await issue()
  await revoke(at.broker.ctx, at.owner, { tokens: [token.id], connections: [] })
  expect(await at.realm.introspect(clients.ordersApi, value.reveal())).toMatchObject({ active: false })
  expect(await api.call(value.reveal())).toBe((await at.realm.user('alice')).id)
  const { revocation } = await readToken(at.broker.ctx, at.owner, token.id)
  expect(revocation).toMatchObject({ upstream: 'done', latestMoment: token.expiresAt })
  // The connection goes on.
  expect((await issue()).token.state).toBe('live')
})

it('X-07: it outlives the token that it was exchanged for, and a disconnect ends it by itself', async () => {
  const { value, token } = await issue()
  const { accessToken } = await freshTokens(at.broker.ctx, linked.key)
  await at.realm.asClient('revoke', linked.of, { token: accessToken.reveal(), token_type_hint: 'access_token' })
  expect(await at.realm.introspect(clients.ordersApi, accessToken.reveal())).toMatchObject({ active: false })
  expect(await at.realm.introspect(clients.ordersApi, value.reveal())).toMatchObject({ active: true })
  await revoke(at.broker.ctx, at.owner, { tokens: [], connections: [linked.key.connectionId] })
  expect(await at.realm.introspect(clients.ordersApi, value.reveal())).toMatchObject({ active: false })
  const { state, revocation } = await readToken(at.broker.ctx, at.owner, token.id)
  expect([state, revocation?.upstream, revocation?.latestMoment]).toEqual(['revoked', 'done', token.expiresAt])
})

it.each([
  [
    'an audience that it does not know',
    { ...rights, audience: ['nobody-there'] },
    'does not know the audience “nobody-there”',
  ],
  ['a scope that it does not know', { ...rights, scopes: ['orders', 'nothing'] }, 'cannot have one of the scopes'],
  ['an audience that no scope brings', { ...rights, scopes: ['orders:read'] }, 'cannot get a token for the audience'],
])('is refused for %s, in words, and the connection stands', async (_, scopes, words) => {
  expect(await refusal(scopes)).toMatchObject({ code: 'upstream_rejected', detail: expect.stringContaining(words) })
  expect((await issue()).token.state).toBe('live')
})

it('is refused while it is switched off for the client, in words, and the connection stands', async () => {
  const set = (on: boolean) =>
    at.realm.changeClient(linked.of.client_id, { attributes: { 'standard.token.exchange.enabled': String(on) } })
  await set(false)
  expect(await refusal()).toMatchObject({
    code: 'upstream_rejected',
    detail: expect.stringContaining('not switched on for the client'),
  })
  await set(true)
  expect((await issue()).token.state).toBe('live')
})

it('whose subject token was ended there is made with a new one', async () => {
  const { accessToken } = await freshTokens(at.broker.ctx, linked.key)
  await at.realm.asClient('revoke', linked.of, { token: accessToken.reveal(), token_type_hint: 'access_token' })
  expect((await issue()).token.state).toBe('live')
})

it('N-10: standard exchange makes no token about somebody else, and that is explained', async () => {
  await changeProvider(at.broker.ctx, at.owner, {
    providerId: linked.made.id,
    impersonation: [{ member: at.owner.userId, usernames: ['bob'] }],
  })
  expect(await refusal({ ...rights, impersonate: 'bob' })).toMatchObject({
    code: 'upstream_rejected',
    detail: expect.stringContaining('keeps the person'),
  })
})

it('ASK-18 X-05: a realm that pays no heed to an actor is told from one that does, and its token is ended', async () => {
  await changeProvider(at.broker.ctx, at.owner, { providerId: linked.made.id, settings: { delegation: true } })
  expect(await refusal({ ...rights, delegate: true })).toMatchObject({
    code: 'unsound_token',
    detail: expect.stringContaining('as Keycloak before 26.8 never does'),
  })
  const ended = await at.realm.events('REVOKE_GRANT')
  expect(ended.filter(({ clientId }) => clientId === linked.of.client_id)).toHaveLength(2)
  const lines = (await checkProvider(at.broker.ctx, at.owner, linked.made.id)).lines
  expect(lines.find(({ id }) => id === 'delegation')).toMatchObject({ state: 'failed' })
})

it('N-11: no token of the client itself was ever shown to an API', async () => {
  await checkProvider(at.broker.ctx, at.owner, linked.made.id)
  expect(await at.realm.events('CLIENT_LOGIN')).not.toEqual([])
  expect(api.shown.length).toBeGreaterThan(0)
  for (const { preferred_username } of api.shown) expect(String(preferred_username)).not.toMatch(/^service-account-/)
})

it('the check tells each setting that is missing, and the lines that it prints set them', async () => {
  const client = await at.realm.addClient({
    redirectUris: ['https://elsewhere.example/*'],
    attributes: { 'standard.token.exchange.enabled': 'false' },
    optionalClientScopes: ['orders'],
  })
  await at.realm.change({ revokeRefreshToken: false })
  const { id } = await createProvider(at.broker.ctx, at.owner, {
    kind: 'keycloak',
    name: 'To be set up',
    clientId: client.client_id,
    clientSecret: client.client_secret,
    setup: { issuer: at.realm.issuer, scopes: ['orders'], ...bases() },
  })
  const lines = async () => {
    const all = (await checkProvider(at.broker.ctx, at.owner, id)).lines
    return new Map(all.map((one) => [one.id, one]))
  }
  const before = await lines()
  expect(before.get('exchange')).toMatchObject({ state: 'failed' })
  // Nothing else can be asked where nobody can be sent back.
  expect(before.get('redirect')?.state).not.toBe('ok')
  await run(commandsOf(before, ['exchange', 'redirect']))
  const between = await lines()
  expect(between.get('exchange')).toMatchObject({ state: 'ok' })
  expect(between.get('redirect')).toMatchObject({ state: 'ok' })
  expect(between.get('pkce')).toMatchObject({ state: 'attention' })
  expect(between.get('offline_access')).toMatchObject({ state: 'failed' })
  await run(commandsOf(between, ['pkce', 'offline_access', 'refresh_rotation', 'backchannel_logout']))
  const after = await lines()
  expect(after.get('pkce')).toMatchObject({ state: 'ok' })
  expect(after.get('offline_access')).toMatchObject({ state: 'ok' })
  expect(await at.realm.admin('')).toMatchObject({ revokeRefreshToken: true, refreshTokenMaxReuse: 0 })
  expect(await at.realm.client(client.client_id)).toMatchObject({
    attributes: {
      'backchannel.logout.url': 'http://localhost:3000/oauth/backchannel-logout',
      'backchannel.logout.session.required': 'true',
    },
  })
}, 300_000)

type Lines = Map<string, { commands: string[] }>
const commandsOf = (lines: Lines, ids: string[]) => ids.flatMap((id) => lines.get(id)?.commands ?? [])

/** Runs lines in a shell whose kcadm.sh is the real one, signed in as the admin of this run. */
async function run(commands: string[]): Promise<void> {
  const installed = await findKeycloak()
  const { origin, adminPassword } = inject('keycloak')
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-kcadm-'))
  const env = {
    ...process.env,
    PATH: `${folder}:${process.env.PATH}`,
    JAVA_HOME: dirname(dirname(installed?.java ?? '')),
    KC_OPTS: VIRTUAL_MACHINE.join(' '),
  }
  const real = join(installed?.folder ?? '', 'standard/bin/kcadm.sh')
  const shim = `#!/bin/sh\nexec sh '${real}' "$@" --config '${join(folder, 'config')}' --insecure\n`
  await writeFile(join(folder, 'kcadm.sh'), shim, { mode: 0o700 })
  const signIn = `kcadm.sh config credentials --server ${origin} --realm master --user admin --password ${adminPassword}`
  try {
    await promisify(execFile)('sh', ['-euc', [signIn, ...commands].join('\n')], { env })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
