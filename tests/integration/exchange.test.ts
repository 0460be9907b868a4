// Kind `keycloak` and strategy `exchange` against a realm that answers as Keycloak does, and lies where we tell it to.
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { checkProvider } from '../../lib/broker/check.ts'
import { readScopeChoices } from '../../lib/broker/choices.ts'
import { removeMember } from '../../lib/broker/end.ts'
import { issueToken } from '../../lib/broker/issue.ts'
import { changeProvider, createProvider, previewProvider, providerList } from '../../lib/broker/providers.ts'
import { issueOffer } from '../../lib/broker/read/offer.ts'
import { readToken, tokenPage } from '../../lib/broker/read/token.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { isBrokerError } from '../../lib/errors.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { keycloak } from '../../lib/providers/keycloak/index.ts'
import { KeycloakSettings } from '../../lib/providers/keycloak/settings.ts'
import { Secret } from '../../lib/security/secrets.ts'
import { readTenant } from '../../lib/store/database.ts'
import { findProvider } from '../../lib/store/providers.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { connectionList } from '../support/connection.ts'
import { bundleProcesses, type Processes } from '../support/processes.ts'
import { people, type Realm, type RealmState, realmClient, startRealm } from '../support/realm.ts'
import type { Point } from '../support/worker.ts'

vi.setConfig({ testTimeout: 60_000 })

let broker: Broker
let realm: Realm
let owner: BrowserActor
let provider: string
let project: string
let connection: string

const name = 'Acme realm'
const setup = () => ({
  issuer: realm.issuer,
  scopes: ['files:read', 'files:write', 'mail:read'],
  api_bases: [
    { name: 'Files', url: realm.api, audience: 'files-api' },
    { name: 'Mail', url: `${realm.origin}/mail`, audience: 'mail-api' },
  ],
  audiences: [{ name: 'nobody-there', text: 'a client that the realm does not have' }],
})
const rows = async (text: string, values: unknown[] = []) => {
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
  return (await broker.owner.query(text, values)).rows
}
async function link() {
  const linked = await broker.link(owner, 'owner@acme.test', { provider: name, approve: realm.approve })
  if (linked.kind === 'failed') throw linked.error
  const found = (await connectionList(broker.ctx, owner)).find((one) => one.provider.id === provider)
  connection = found?.id ?? ''
}

beforeAll(async () => {
  broker = await startBroker()
  realm = await startRealm({ now: () => broker.ctx.now().getTime() })
  owner = await broker.actorOf('owner@acme.test')
  const { id: clientId, secret: clientSecret } = realmClient
  const made = await createProvider(broker.ctx, owner, {
    kind: 'keycloak',
    name,
    clientId,
    clientSecret,
    setup: setup(),
  })
  provider = made.id
  await link()
  const [found] = await rows('SELECT id FROM project WHERE external_id = $1', [realm.api])
  project = found.id
})
afterAll(async () => {
  await broker.stop()
  await realm.stop()
})
afterEach(() => realm.is())

const rights = { scopes: ['files:read', 'email'], audience: ['files-api'] }
const issue = (scopes: Record<string, unknown> = rights, { lifetimeSeconds = 300, as = owner } = {}) =>
  issueToken(broker.ctx, as, { project, scopes, lifetimeSeconds, purpose: 'a test' })
/** How an issue is refused. */
const refusal = async (...asked: Parameters<typeof issue>) => {
  const error = await issue(...asked).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!isBrokerError(error)) throw new Error('it was not refused', { cause: error })
  return error
}
const newest = async () => {
  const [token] = (await tokenPage(broker.ctx, owner, {})).items
  if (!token) throw new Error('no token')
  return token
}
const eventsOf = (id: string) =>
  readTenant(broker.ctx, owner.tenantId, (tx) =>
    tx.auditEvent.findMany({
      where: { tenantId: owner.tenantId, body: { path: ['target', 'id'], equals: id } },
      orderBy: { id: 'asc' },
    }),
  ).then((found) =>
    found.map(({ body }) => body as { action: string; actor: string; details: Record<string, unknown> }),
  )
const connectionStatus = async () => (await rows('SELECT status FROM connection WHERE id = $1', [connection]))[0].status
const alarms = () => broker.logged.filter((line) => line.includes('"alarm":true')).length

describe('a token by standard exchange', () => {
  it('N-09: is about the same person, with the scopes and the audience that were asked, and comes with nothing more', async () => {
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
    expect(await eventsOf(token.id)).toMatchObject([
      { action: 'token.requested', details: { rights: ['files:read', 'email', 'works at files-api'] } },
      { action: 'token.issued', details: { strategy: 'exchange' } },
    ])
  })

  it('what can be chosen: scopes of the connection, what every token has, and the audiences of this API alone', async () => {
    const { choices } = await readScopeChoices(broker.ctx, owner, project)
    const always = Object.fromEntries(
      (choices.scopes as { name: string; always: boolean }[]).map((one) => [one.name, one.always]),
    )
    expect(always).toEqual({ 'files:read': false, 'files:write': false, 'mail:read': false, email: true })
    expect(choices.audiences).toEqual([
      { name: 'files-api', text: 'Files' },
      { name: 'nobody-there', text: 'a client that the realm does not have' },
    ])
    const offer = await issueOffer(broker.ctx, owner, { project, branch: null, token: 'T' })
    expect(offer?.ways.map(({ strategy }) => strategy)).toEqual(['exchange', 'proxy'])
  })

  it('N-36: without a scope or an audience nothing is asked for, so nothing is made', async () => {
    const before = realm.exchanges().length
    for (const scopes of [{ ...rights, scopes: [] }, { ...rights, audience: [] }, { scopes: ['files:read'] }])
      expect(await refusal(scopes)).toMatchObject({ code: 'bad_request' })
    expect(realm.exchanges().length).toBe(before)
  })

  it('X-03: the audience of another API cannot be had through this one’s project', async () => {
    const before = realm.exchanges().length
    const refused = await refusal({ scopes: ['mail:read', 'email'], audience: ['mail-api'] })
    expect(refused).toMatchObject({ code: 'upstream_rejected', detail: expect.stringContaining('“mail-api”') })
    expect(realm.exchanges().length).toBe(before)
    const [failed] = (await eventsOf((await newest()).id)).slice(-1)
    expect(failed).toMatchObject({ action: 'token.failed', details: { reason: 'audience_foreign', unsure: false } })
  })

  it('that is opaque, or says little of itself, is judged by what the realm says of it', async () => {
    realm.is({ opaque: true, tells: true })
    expect((await issue()).token).toMatchObject({ granted: rights })
    realm.is({ tells: true, claims: ({ sub: _, aud: __, ...light }) => light })
    // The realm knows no more of it than it says itself: whom it is about stays open.
    expect(await refusal()).toMatchObject({
      code: 'unsound_token',
      detail: expect.stringContaining('whom it is about'),
    })
    const whole = { sub: people.alice, aud: 'files-api' }
    realm.is({
      tells: true,
      claims: ({ sub: _, aud: __, ...light }) => light,
      introspection: (told) => ({ ...told, ...whole }),
    })
    expect((await issue()).token).toMatchObject({ granted: rights })
  })
})

describe('an exchanged token that is something else', () => {
  const { accessToken: idType } = { accessToken: 'urn:ietf:params:oauth:token-type:id_token' }
  const claims = (change: Record<string, unknown>): Partial<RealmState> => ({
    claims: (were) => ({ ...were, ...change }),
  })
  const answer = (change: Record<string, unknown>): Partial<RealmState> => ({
    answer: (was) => ({ ...was, ...change }),
  })
  const lies: Record<string, [Partial<RealmState>, 'unsound_token' | 'excess_rights', string]> = {
    'N-09: about somebody else': [claims({ sub: people.bob }), 'unsound_token', 'about somebody else'],
    'N-09: about nobody': [{ tells: true, ...claims({ sub: undefined }) }, 'unsound_token', 'whom it is about'],
    'X-03: for another audience as well': [
      claims({ aud: ['files-api', 'account'] }),
      'excess_rights',
      'the audience account',
    ],
    'X-03: for another audience': [claims({ aud: 'mail-api' }), 'unsound_token', 'not for files-api'],
    'X-03: with a scope more in its claims': [
      claims({ scope: 'files:read email files:write' }),
      'excess_rights',
      'files:write',
    ],
    'X-03: with a scope more by its answer alone': [
      answer({ scope: 'files:read email admin' }),
      'excess_rights',
      'admin',
    ],
    'X-03: with scopes that nobody should read': [
      answer({ scope: `files:read email ${'<b>\u202e '.repeat(50)}` }),
      'excess_rights',
      'something that cannot be shown',
    ],
    'X-04: that brings a refresh token': [
      answer({ refresh_token: 'refresh-of-it' }),
      'unsound_token',
      'a refresh token',
    ],
    'X-04: that brings an odd refresh token': [answer({ refresh_token: { a: 1 } }), 'unsound_token', 'a refresh token'],
    'X-04: that is an ID token': [
      answer({ issued_token_type: idType, token_type: 'N_A' }),
      'unsound_token',
      'an access token',
    ],
    'X-04: of no stated type': [answer({ issued_token_type: undefined }), 'unsound_token', 'an access token'],
    'X-04: that is no bearer token': [answer({ token_type: 'N_A' }), 'unsound_token', 'a bearer token'],
    'X-04: that is not said to be a bearer token': [
      answer({ token_type: undefined }),
      'unsound_token',
      'a bearer token',
    ],
    'N-35: of another client that names us in its audience': [
      claims({ azp: 'another', aud: ['files-api', realmClient.id] }),
      'unsound_token',
      'another client',
    ],
    'N-35: of no stated client': [claims({ azp: undefined, aud: [realmClient.id] }), 'unsound_token', 'another client'],
    'X-05: with an actor that nobody asked for': [claims({ act: { sub: 'a stranger' } }), 'excess_rights', 'an actor'],
    'X-05: with an actor that cannot be read': [claims({ act: 'somebody' }), 'excess_rights', 'an actor'],
    'X-06: that is bound to a key': [claims({ cnf: { jkt: 'x' } }), 'unsound_token', 'bound to a key'],
    'that is of another kind': [claims({ typ: 'Refresh' }), 'unsound_token', 'another kind of token'],
    'of another issuer': [claims({ iss: 'https://elsewhere.example' }), 'unsound_token', 'another issuer'],
    'that has expired': [claims({ exp: 1 }), 'unsound_token', 'has expired'],
    'that never expires': [claims({ exp: undefined }), 'unsound_token', 'when it ends'],
    'that somebody else signed': [{ forges: true }, 'unsound_token', 'its signature'],
    'that is opaque, and not confirmed': [{ opaque: true }, 'unsound_token', 'does not confirm it'],
    'that is opaque, by another issuer': [
      { opaque: true, tells: true, introspection: (told) => ({ ...told, iss: 'https://elsewhere.example' }) },
      'unsound_token',
      'another issuer',
    ],
  }
  it.each(Object.entries(lies))('%s is refused, ended there, and recorded', async (_, [state, code, words]) => {
    const before = { working: realm.working(), revoked: realm.revoked().length, alarms: alarms() }
    realm.is(state)
    expect(await refusal()).toMatchObject({ code, detail: expect.stringContaining(words) })
    realm.is()
    expect(realm.working()).toEqual(before.working)
    expect(realm.revoked().length).toBeGreaterThan(before.revoked)
    const token = await newest()
    expect(token).toMatchObject({
      state: 'revoked',
      failure: code,
      revocation: { upstream: expect.stringMatching(/^(done|confirmed)$/) },
    })
    const [failed] = (await eventsOf(token.id)).filter(({ action }) => action === 'token.failed')
    expect(failed).toMatchObject({ details: { code, exceeded: [expect.stringContaining(words)] } })
    expect(await connectionStatus()).toBe('linked')
  })

  it('X-04: a refresh token that comes with one is ended as well, and before it', async () => {
    realm.is({ answer: (was) => ({ ...was, refresh_token: 'refresh-of-it' }) })
    await refusal()
    const [first, second] = realm.revoked().slice(-2)
    expect(first).toBe('refresh-of-it')
    expect(second).toMatch(/^ey/)
    expect(await newest()).toMatchObject({ revocation: { latestMoment: 'unknown' } })
  })

  it('is ended also where the realm cannot be reached for its keys', async () => {
    await broker.advance(600)
    const before = realm.working()
    realm.is({ keysAway: true })
    expect(await refusal()).toMatchObject({
      code: 'unsound_token',
      detail: expect.stringContaining('keys of the realm'),
    })
    expect(realm.working()).toEqual(before)
    realm.is()
    await broker.advance(10)
  })
})

describe('an exchange that is turned down', () => {
  const conditions: Record<string, [Partial<RealmState>, Record<string, unknown>, string, string]> = {
    'the realm does not do it': [{ announced: false }, rights, 'exchange_unsupported', 'does not exchange tokens'],
    'it is off for the client': [{ standard: false }, rights, 'exchange_off', 'not switched on for the client'],
    'the audience is not known': [
      {},
      { ...rights, audience: ['nobody-there'] },
      'audience_unknown',
      'does not know the audience “nobody-there”',
    ],
    'the audience is not to be had': [
      {},
      { ...rights, scopes: ['mail:read', 'email'] },
      'audience_unavailable',
      'cannot get a token for the audience “files-api”',
    ],
    'the client may not': [
      { refusal: { status: 403, error: 'access_denied' } },
      rights,
      'not_permitted',
      'does not permit this client',
    ],
    'the client is public, or must not': [
      { refusal: { status: 400, error: 'unauthorized_client' } },
      rights,
      'client_not_allowed',
      'does not allow token exchange',
    ],
    'a scope is not known': [
      {},
      { ...rights, scopes: ['files:read', 'none'] },
      'scope_refused',
      '“files:read”, “none”',
    ],
    'consent is missing': [{}, { ...rights, scopes: ['unconsented'] }, 'scope_refused', 'have not consented'],
    'a refresh token is meant': [{}, { ...rights, scopes: ['offline_access'] }, 'offline_scope', 'offline_access'],
    'the target is not served': [
      { refusal: { status: 400, error: 'invalid_target' } },
      rights,
      'audience_unavailable',
      'cannot get a token',
    ],
  }
  it.each(Object.entries(conditions))(
    'because %s says so in words, and ends nothing',
    async (_, [state, asked, reason, words]) => {
      realm.is(state)
      const error = await refusal(asked)
      expect(error).toMatchObject({ code: 'upstream_rejected', detail: expect.stringContaining(words) })
      // What the server itself has to say is nobody's to read.
      expect(`${error.detail} ${error.next}`).not.toContain('What the server has to say')
      expect(error.next).not.toContain('Choose other rights')
      const token = await newest()
      expect(token).toMatchObject({ state: 'failed', failure: 'upstream_rejected' })
      const [failed] = (await eventsOf(token.id)).slice(-1)
      expect(failed).toMatchObject({
        action: 'token.failed',
        details: { code: 'upstream_rejected', unsure: false, reason },
      })
      expect(await connectionStatus()).toBe('linked')
    },
  )

  it('because the client’s secret is wrong is the client’s matter, not the audience’s', async () => {
    realm.is({ refusal: { status: 401, error: 'unauthorized_client' } })
    expect(await refusal()).toMatchObject({ code: 'client_not_registered' })
    realm.is({ refusal: { status: 401, error: 'invalid_client' } })
    expect(await refusal()).toMatchObject({ code: 'client_not_registered' })
    expect(await connectionStatus()).toBe('linked')
  })

  it('because the access token has ended there is tried once more with a new one', async () => {
    const before = realm.exchanges().length
    realm.endSessions()
    expect((await issue()).token.state).toBe('live')
    const sent = realm.exchanges().slice(before)
    expect(sent.at(0)?.get('subject_token')).not.toBe(sent.at(-1)?.get('subject_token'))
  })

  it('because it was looked for why leaves no token behind, whatever the realm makes of that', async () => {
    const made: string[] = []
    const answer: RealmState['answer'] = (was) => {
      made.push(String(was.access_token))
      return was
    }
    realm.is({ heedless: true, answer })
    expect(await refusal({ ...rights, scopes: ['mail:read', 'email'] })).toMatchObject({ code: 'upstream_rejected' })
    expect(realm.exchanges().at(-1)?.get('audience')).toMatch(/^none-/)
    expect(made).toHaveLength(1)
    expect(made.map(realm.works)).toEqual([false])
  })
})

describe('what must never be exchanged', () => {
  const opened = async (change: Partial<KeycloakSettings>, clientSecret: Secret | undefined) => {
    const row = await readTenant(broker.ctx, owner.tenantId, (tx) => findProvider(tx, owner.tenantId, provider))
    const settings = { ...KeycloakSettings.parse(row?.settings), ...change }
    return keycloak.open({ issuer: realm.issuer, clientId: realmClient.id, clientSecret, settings }, broker.ctx)
  }
  const request = { project: '', rights, lifetimeSeconds: 300, purpose: 'x', nonce: 'n' }
  it.each([
    ['by a public client', { authentication: 'none' as const }, new Secret('x')],
    ['without a secret', {}, undefined],
    ['bound to a key', { senderConstrained: true }, new Secret('x')],
  ])('X-06: a token %s', async (_, change, secret) => {
    const before = realm.requests.length
    const { issue } = await opened(change, secret)
    const input = {
      accessToken: new Secret('a token'),
      subject: people.alice,
      request: { ...request, project: realm.api },
    }
    await expect(issue(input)).rejects.toMatchObject({ failure: 'misconfigured' })
    expect(realm.requests.length).toBe(before)
    if (secret)
      expect(keycloak.strategies({ ...(await settingsNow()), ...change })).toContainEqual(
        expect.objectContaining({ strategy: 'exchange', offered: false }),
      )
  })
  const settingsNow = async () => {
    const row = await readTenant(broker.ctx, owner.tenantId, (tx) => findProvider(tx, owner.tenantId, provider))
    return KeycloakSettings.parse(row?.settings)
  }
})

describe('the life of an exchanged token', () => {
  it('beyond what policy allows is handed out only where policy permits to end it at the asked moment', async () => {
    await changeProvider(broker.ctx, owner, { providerId: provider, maxLifetimeSeconds: 120 })
    realm.is({ lifetimeSeconds: 3600 })
    const before = realm.working()
    expect(await refusal(rights, { lifetimeSeconds: 120 })).toMatchObject({
      code: 'excess_rights',
      detail: expect.stringContaining('a longer life than the 120 seconds set by the provider'),
    })
    expect(realm.working()).toEqual(before)
    await changeProvider(broker.ctx, owner, { providerId: provider, overLife: 'revoke_at_end' })
    const { token, value } = await issue(rights, { lifetimeSeconds: 120 })
    expect(token.revokeAt?.getTime()).toBeLessThan(token.expiresAt.getTime())
    await broker.advance(130)
    await tick(broker.ctx)
    expect(realm.works(value.reveal())).toBe(false)
    await changeProvider(broker.ctx, owner, { providerId: provider, overLife: null, maxLifetimeSeconds: null })
  })

  it('X-07: ends with a revocation there, and what checks signatures alone is told to take it until it expires', async () => {
    const { token, value } = await issue()
    await revoke(broker.ctx, owner, { tokens: [token.id], connections: [] })
    expect(realm.works(value.reveal())).toBe(false)
    const { revocation } = await readToken(broker.ctx, owner, token.id)
    expect(revocation).toMatchObject({ upstream: 'done', latestMoment: token.expiresAt })
  })

  it('X-07: outlives the connection’s own token, so a disconnect ends each by itself, and says until when one could still work', async () => {
    const issued = [await issue(), await issue()]
    await revoke(broker.ctx, owner, { tokens: [], connections: [connection] })
    for (let round = 0; round < 3; round += 1) await tick(broker.ctx)
    for (const { value, token } of issued) {
      expect(realm.works(value.reveal())).toBe(false)
      const { state, revocation } = await readToken(broker.ctx, owner, token.id)
      expect([state, revocation?.upstream, revocation?.latestMoment]).toEqual(['revoked', 'done', token.expiresAt])
    }
    await link()
  })
})

describe('a token about somebody else', () => {
  const asBob = { ...rights, impersonate: 'bob' }
  const allow = (usernames: string[]) =>
    changeProvider(broker.ctx, owner, {
      providerId: provider,
      impersonation: usernames.length > 0 ? [{ member: owner.userId, usernames }] : null,
    })
  afterEach(() => allow([]))

  it('N-10: is not asked for where policy says nothing, or names others', async () => {
    const before = realm.requests.length
    expect(await refusal(asBob)).toMatchObject({ code: 'over_policy' })
    await allow(['carol'])
    expect(await refusal(asBob)).toMatchObject({ code: 'over_policy' })
    const member = await broker.actorOf('member@acme.test')
    await changeProvider(broker.ctx, owner, {
      providerId: provider,
      impersonation: [{ member: member.userId, usernames: ['bob'] }],
    })
    expect(await refusal(asBob)).toMatchObject({ code: 'over_policy' })
    expect(realm.requests.length).toBe(before)
  })

  it('N-10: of a realm that keeps the person, or does not let the client, is refused in words', async () => {
    await allow(['bob'])
    expect(await refusal(asBob)).toMatchObject({
      code: 'upstream_rejected',
      detail: expect.stringContaining('keeps the person'),
    })
    realm.is({ legacy: true })
    expect(await refusal(asBob)).toMatchObject({
      code: 'upstream_rejected',
      detail: expect.stringContaining('does not let its client make tokens about “bob”'),
    })
    expect(await eventsOf((await newest()).id)).toMatchObject([
      { action: 'token.requested', actor: owner.userId, details: { impersonates: 'bob' } },
      { action: 'token.failed', details: { reason: 'impersonation_refused' } },
    ])
    realm.is({ serviceAccount: false })
    expect(await refusal(asBob)).toMatchObject({ detail: expect.stringContaining('no service account') })
  })

  it('N-10 N-11: is made where both let it, its events name both people, and no API sees the client’s own token', async () => {
    await allow(['bob'])
    realm.is({ legacy: true, impersonates: true })
    const { value, token } = await issue(asBob)
    expect(realm.claimsOf(value.reveal())).toMatchObject({ sub: people.bob })
    expect(token.granted).toEqual(asBob)
    expect(token.rights.granted?.[0]).toEqual({ text: 'as another person: bob', risk: 'high' })
    expect(await eventsOf(token.id)).toMatchObject([
      { actor: owner.userId, details: { impersonates: 'bob' } },
      {
        actor: owner.userId,
        details: { member: owner.userId, upstream_subject: people.bob, upstream_username: 'bob' },
      },
    ])
    const sent = realm.exchanges().at(-1)
    expect(sent?.get('subject_token')).toBe(realm.ownTokens.at(-1))
    expect([sent?.get('requested_subject'), sent?.has('audience')]).toEqual(['bob', false])
    expect(sent?.get('requested_token_type')).toBe('urn:ietf:params:oauth:token-type:access_token')
  })

  it.each([
    ['you', { sub: people.alice, preferred_username: 'alice' }, 'about you'],
    ['a third person', { sub: 'sub-of-carol', preferred_username: 'carol' }, 'another person'],
    ['nobody by name', { preferred_username: undefined }, 'another person'],
    ['them by another actor', { act: { sub: 'a stranger' } }, 'the one who acts'],
  ])('N-10: that is about %s is refused and ended', async (_, claims, words) => {
    await allow(['bob'])
    const before = realm.working()
    realm.is({
      legacy: true,
      impersonates: true,
      tells: true,
      claims: (were) => ({ ...were, ...claims }),
    })
    expect(await refusal(asBob)).toMatchObject({ code: 'unsound_token', detail: expect.stringContaining(words) })
    realm.is()
    expect(realm.working()).toEqual(before)
  })

  it('N-10: policy names members of the tenant alone, once each, and only at a kind that can do it', async () => {
    const stack = await broker.providerOf(owner)
    const other = await broker.actorOf('owner@globex.test')
    const entry = { member: owner.userId, usernames: ['bob'] }
    for (const [providerId, impersonation] of [
      [stack.id, [entry]],
      [provider, [entry, entry]],
      [provider, [{ ...entry, member: other.userId }]],
    ] as const)
      await expect(
        changeProvider(broker.ctx, owner, { providerId, impersonation: [...impersonation] }),
      ).rejects.toMatchObject({ code: 'bad_request', fields: { impersonation: expect.any(String) } })
    await allow(['bob'])
    const view = (await providerList(broker.ctx, owner)).find(({ id }) => id === provider)
    expect(view?.impersonation).toEqual([entry])
    const [changed] = (await eventsOf(provider)).slice(-1)
    expect(changed).toMatchObject({ action: 'provider.changed', details: { impersonation: [entry] } })
  })

  it('N-10: who is removed loses that too, and does not have it again when they come back', async () => {
    const member = await broker.actorOf('member@acme.test')
    await changeProvider(broker.ctx, owner, {
      providerId: provider,
      impersonation: [
        { member: owner.userId, usernames: ['bob'] },
        { member: member.userId, usernames: ['bob'] },
      ],
    })
    await removeMember(broker.ctx, owner, { userId: member.userId })
    const view = (await providerList(broker.ctx, owner)).find(({ id }) => id === provider)
    expect(view?.impersonation).toEqual([{ member: owner.userId, usernames: ['bob'] }])
  })
})

describe('a token that names who acts', () => {
  const acting = { ...rights, delegate: true }
  const delegation = (on: boolean) =>
    changeProvider(broker.ctx, owner, { providerId: provider, settings: { delegation: on } })
  afterEach(() => delegation(false))

  it('ASK-18: is not asked for unless an admin says that the realm can', async () => {
    const before = realm.requests.length
    expect(await refusal(acting)).toMatchObject({
      code: 'upstream_rejected',
      next: expect.stringContaining('Keycloak 26.8'),
    })
    expect(realm.requests.length).toBe(before)
    const [offer] = keycloak
      .strategies(KeycloakSettings.parse((await broker.providerOf(owner, name)).settings))
      .filter(({ strategy }) => strategy === 'exchange')
    expect(offer?.reason).toContain('26.8')
  })

  it('ASK-18 X-05 N-11: stays about the person, names us alone, and both stand in the event', async () => {
    await delegation(true)
    realm.is({ delegates: true })
    await link()
    expect(realm.requests.findLast(({ path }) => path.endsWith('/auth'))).toBeDefined()
    const { value, token } = await issue(acting)
    const sent = realm.exchanges().at(-1)
    expect(sent?.get('actor_token')).toBe(realm.ownTokens.at(-1))
    expect(sent?.get('subject_token')).not.toBe(realm.ownTokens.at(-1))
    expect(realm.claimsOf(value.reveal())).toMatchObject({
      sub: people.alice,
      act: { sub: 'sub-of-the-service-account' },
    })
    expect(token.granted).toEqual(acting)
    const [, issued] = await eventsOf(token.id)
    expect(issued?.details).toMatchObject({
      member: owner.userId,
      upstream_subject: people.alice,
      upstream_username: 'alice',
      actor: realmClient.id,
    })
  })

  it.each([
    ['no actor', { act: undefined }],
    ['another actor', { act: { sub: 'a stranger' } }],
    ['another one behind us', { act: { sub: 'sub-of-the-service-account', act: { sub: 'a stranger' } } }],
  ])('X-05: with %s it is refused and ended', async (_, claims) => {
    await delegation(true)
    const before = realm.working()
    realm.is({ delegates: true, claims: (were) => ({ ...were, ...claims }) })
    await link()
    expect(await refusal(acting)).toMatchObject({
      code: 'unsound_token',
      detail: expect.stringContaining('as the one who acts'),
    })
    realm.is()
    expect(realm.working()).toEqual(before)
  })

  it('ASK-18: of a realm that takes no actor, or of a client without an account, is refused in words', async () => {
    await delegation(true)
    expect(await refusal(acting)).toMatchObject({
      detail: expect.stringContaining('makes no token that names Valetkey'),
    })
    realm.is({ serviceAccount: false })
    expect(await refusal(acting)).toMatchObject({ detail: expect.stringContaining('no service account') })
  })
})

it('N-11: the client’s own token goes to the token endpoint and to revocation, and nowhere else; afterwards it is dead', async () => {
  await checkProvider(broker.ctx, owner, provider)
  expect(realm.ownTokens.length).toBeGreaterThan(5)
  for (const own of realm.ownTokens) {
    const seen = realm.requests.filter(
      ({ authorization, body }) => authorization?.includes(own) || [...body.values()].includes(own),
    )
    expect(seen.every(({ authorization }) => !authorization?.includes(own))).toBe(true)
    expect(new Set(seen.map(({ path }) => path.split('/').at(-1)))).toEqual(new Set(['token', 'revoke']))
    expect(realm.works(own)).toBe(false)
  }
  expect(realm.requests.filter(({ path }) => path === '/api')).toEqual([])
})

describe('the check of a realm', () => {
  const lines = async () => (await checkProvider(broker.ctx, owner, provider)).lines
  const seen = async (state: Partial<RealmState>) => {
    realm.is(state)
    return new Map((await lines()).map((one) => [one.id, one]))
  }

  it('finds nothing missing where nothing is', async () => {
    const states = Object.fromEntries((await lines()).map(({ id, state }) => [id, state]))
    expect(states).toMatchObject({
      exchange: 'ok',
      confidential: 'ok',
      service_account: 'ok',
      offline_access: 'ok',
      pkce: 'ok',
      redirect: 'ok',
    })
    expect(Object.values(states)).not.toContain('failed')
  })

  it('tells each setting that is missing, with the lines that set it', async () => {
    const off = await seen({ standard: false })
    expect(off.get('exchange')).toMatchObject({
      state: 'failed',
      commands: [
        `CLIENT=$(kcadm.sh get clients -r 'acme' -q 'clientId=${realmClient.id}' --fields id --format csv --noquotes)`,
        `kcadm.sh update "clients/$CLIENT" -r 'acme' -s 'attributes."standard.token.exchange.enabled"=true'`,
      ],
    })
    expect((await seen({ announced: false })).get('exchange')).toMatchObject({ state: 'failed' })
    const without = await seen({ serviceAccount: false })
    expect(without.get('exchange')).toMatchObject({
      state: 'unknown',
      commands: [expect.any(String), expect.any(String)],
    })
    expect(without.get('confidential')).toMatchObject({ state: 'unknown' })
    expect((await seen({ demandsPkce: false })).get('pkce')).toMatchObject({ state: 'attention' })
    expect((await seen({ offlineAllowed: false })).get('offline_access')).toMatchObject({ state: 'failed' })
    expect((await seen({ legacy: true, standard: false })).get('exchange')).toMatchObject({ state: 'attention' })
  })
})

describe('the setup of a realm', () => {
  const found = (change: Record<string, unknown>) =>
    previewProvider(broker.ctx, owner, { kind: 'keycloak', setup: { ...setup(), ...change } })

  it('N-05: reads the realm at whatever of its addresses is entered, and asks for offline access', async () => {
    for (const more of ['', '/', '/account', '/.well-known/openid-configuration', '/protocol/openid-connect/auth']) {
      const preview = await found({ issuer: realm.issuer + more })
      expect(preview.issuer).toBe(realm.issuer)
      expect(preview.scopes.slice(0, 2)).toEqual(['openid', 'offline_access'])
    }
    expect((await found({ offline: false })).scopes).not.toContain('offline_access')
  })

  it('takes no address that is no realm’s, and no public client', async () => {
    await expect(found({ issuer: realm.origin })).rejects.toMatchObject({
      code: 'bad_request',
      fields: { 'setup.issuer': expect.stringContaining('/realms/') },
    })
    await expect(found({ client_authentication: 'none' })).rejects.toMatchObject({ code: 'bad_request' })
  })
})

describe('an exchange that was cut off', () => {
  let processes: Processes
  beforeAll(async () => {
    processes = await bundleProcesses()
  }, 60_000)
  afterAll(() => processes?.stop())

  const path = '/realms/acme/protocol/openid-connect/token'
  it.each<[string, { point: Point; path?: string } | 'made', number]>([
    ['before the realm is asked', { point: 'asking', path }, 0],
    ['made, not answered', 'made', 1],
    ['answered, not recorded', { point: 'answered', path }, 1],
    ['recorded, not committed', { point: 'completing' }, 1],
    ['committed, not handed out', { point: 'completed' }, 1],
  ])('A-03: %s: nobody was told it, and of what nobody saw no end is told', async (moment, where, makes) => {
    const others = new Set(realm.working())
    const made = () => realm.working().filter((token) => !others.has(token)).length
    const worker = await processes.start(broker.ctx.config, {
      offsetMilliseconds: broker.ctx.now().getTime() - Date.now(),
    })
    let goOn = () => {}
    if (where === 'made') realm.is({ hold: new Promise<void>((resolve) => (goOn = resolve)) })
    else await worker.ask({ kind: 'hold', ...where })
    const input = { project, scopes: rights, lifetimeSeconds: 300, purpose: 'cut off' }
    const asked = worker.ask({ kind: 'issue', actor: owner, input }).then(
      () => 'issued',
      () => 'killed',
    )
    if (where === 'made') await expect.poll(made, { timeout: 30_000 }).toBe(1)
    else await worker.reached()
    await worker.kill()
    goOn()
    expect(await asked).toBe('killed')
    expect(made()).toBe(makes)
    await broker.advance(200)
    for (let round = 0; round < 3; round += 1) await tick(broker.ctx)
    const token = await newest()
    expect(token.purpose).toBe('cut off')
    if (moment.startsWith('committed')) {
      expect(token.state).toBe('live')
      await revoke(broker.ctx, owner, { tokens: [token.id], connections: [] })
      expect(made()).toBe(0)
    } else {
      expect(token).toMatchObject({ state: 'failed', failure: 'unseen' })
    }
  })
})
