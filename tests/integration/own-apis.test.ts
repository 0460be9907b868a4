// Strategy `sign`: tokens for the tenant's own APIs, with jose as the verifier; PyJWT has a file of its own.
import { calculateJwkThumbprint, generateKeyPair, SignJWT } from 'jose'
import * as oauth from 'oauth4webapi'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { addAudience, audienceList, changeAudience, removeAudience } from '../../lib/broker/audiences.ts'
import { readScopeChoices } from '../../lib/broker/choices.ts'
import { changeMember } from '../../lib/broker/end.ts'
import { freeze, liftFreeze } from '../../lib/broker/freezes.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { createProvider } from '../../lib/broker/providers.ts'
import { projectCards, projectDetail } from '../../lib/broker/read/project.ts'
import { readToken } from '../../lib/broker/read/token.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { sweep } from '../../lib/jobs/sweep.ts'
import { isToken } from '../../lib/security/secrets.ts'
import { longestTokenSeconds, publishedBeforeSeconds } from '../../lib/security/signing.ts'
import { shredTenant } from '../../lib/vault/shred.ts'
import { rollBackSigningKey, rotateSigningKey, settleSigningKeys, signingKeyList } from '../../lib/vault/signing.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { type BrowserActor, origin } from '../support/broker.ts'
import { meanwhile } from '../support/meanwhile.ts'
import { decoded, issueOwn, metrics, ownApisOf, reports, told, verifierOf } from '../support/own-apis.ts'

let app: TestApp
let owner: BrowserActor
let member: BrowserActor
let stranger: BrowserActor
let own: Awaited<ReturnType<typeof ownApisOf>>
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.actorOf('owner@acme.test')
  member = await app.actorOf('member@acme.test')
  stranger = await app.actorOf('owner@globex.test')
  own = await ownApisOf(app, owner)
})
afterAll(() => app.stop())
beforeEach(() => app.forgetLimits())

const get = (path: string, method = 'GET') => app.route(new Request(`${origin}${path}`, { method }))
const keysOf = async (slug = 'acme') =>
  ((await (await get(`/t/${slug}/jwks.json`)).json()) as { keys: JwkOnWire[] }).keys
type JwkOnWire = { kid: string; kty: string; alg: string; use: string; x: string; y: string; crv: string }
const code = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error: { code?: string }) => error.code,
  )

describe('an opaque token', () => {
  it('is made for a member without a connection, and what is told of it is what it was given', async () => {
    const { value, token, baseUrl, tokenType } = await issueOwn(app, member, 'reports')
    const text = value.reveal()
    expect(isToken('sg', text)).toBe(true)
    expect(token).toMatchObject({
      strategy: 'sign',
      offline: false,
      connectionId: null,
      state: 'live',
      revocation: null,
    })
    expect(token.rights.granted).toEqual([{ text: 'reports:read: read reports', risk: 'low' }])
    expect([baseUrl, tokenType]).toEqual([reports, 'Bearer'])
    expect(await told(app, text)).toMatchObject({
      state: 'live',
      slug: 'acme',
      tokenId: token.id,
      userId: member.userId,
      clientId: null,
      audience: reports,
      rights: { scopes: ['reports:read'] },
      offline: false,
      expiresAt: token.expiresAt,
    })
    expect(await told(app, `${text}x`)).toBeUndefined()
  })

  it('revoked it is dead at once, and the three truths say so', async () => {
    const { value, token } = await issueOwn(app, member, 'reports')
    const [outcome] = await revoke(app.ctx, member, { tokens: [token.id], connections: [] })
    expect(outcome).toMatchObject({ upstream: 'none', latestMoment: null, already: false })
    expect(await told(app, value.reveal())).toMatchObject({ state: 'revoked' })
    const { revocation } = await readToken(app.ctx, member, token.id)
    expect(revocation).toMatchObject({ upstream: 'none', latestMoment: null })
  })

  it('ends by itself', async () => {
    const { value } = await issueOwn(app, member, 'reports', { seconds: 60 })
    await app.advance(61)
    expect(await told(app, value.reveal())).toMatchObject({ state: 'ended' })
  })

  it('counts nowhere else: not at the proxy, and not at our own API', async () => {
    const { value } = await issueOwn(app, member, 'reports')
    const path = `${origin}/api/v1/tenants/acme/projects`
    const answer = await app.route(new Request(path, { headers: { authorization: `Bearer ${value.reveal()}` } }))
    expect(answer.status).toBe(401)
  })
})

describe('a signed token', () => {
  it('J-01: says what RFC 9068 asks for, with its type in its head and a key that is published', async () => {
    const { value, token } = await issueOwn(app, member, 'metrics', { names: ['reports:read', 'reports:write'] })
    const { head, claims } = decoded(value.reveal())
    const [key] = await keysOf()
    expect(head).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: key?.kid })
    const seconds = (moment: Date) => Math.floor(moment.getTime() / 1000)
    expect(claims).toEqual({
      iss: own.issuer,
      sub: member.userId,
      aud: metrics,
      client_id: 'valetkey',
      scope: 'reports:read reports:write',
      jti: token.id,
      iat: seconds(token.createdAt),
      exp: seconds(token.expiresAt),
    })
    expect(token).toMatchObject({ strategy: 'sign', offline: true, connectionId: null })
    const verify = verifierOf(app, { ...own, audience: metrics, cacheSeconds: 300 })
    expect((await verify(value.reveal())).payload.sub).toBe(member.userId)
    // By its hash, whoever asks is told of it as of any other.
    expect(await told(app, value.reveal())).toMatchObject({ state: 'live', offline: true, tokenId: token.id })
  })

  it('J-02: verifiers refuse what is not ours: unsigned, a keyed hash, another type, audience, issuer or key', async () => {
    const { value } = await issueOwn(app, member, 'metrics')
    const text = value.reveal()
    const [, body = '', signature = ''] = text.split('.')
    const [published] = await keysOf()
    const encode = (head: object) => Buffer.from(JSON.stringify(head)).toString('base64url')
    const { claims } = decoded(text)
    const { privateKey } = await generateKeyPair('ES256')
    const sign = (head: object, key: CryptoKey | Uint8Array) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: published?.kid ?? '', ...head })
        .sign(key)
    const forged = [
      `${encode({ alg: 'none', typ: 'at+jwt' })}.${body}.`,
      await sign({ alg: 'HS256' }, new TextEncoder().encode(JSON.stringify(published).padEnd(32))),
      await sign({}, privateKey),
      await sign({ jwk: published }, privateKey),
      `${encode({ alg: 'ES256', typ: 'JWT', kid: published?.kid })}.${body}.${signature}`,
      `${text.slice(0, -4)}AAAA`,
    ]
    const verify = verifierOf(app, { ...own, audience: metrics, cacheSeconds: 300 })
    for (const one of forged) await expect(verify(one), one.slice(0, 40)).rejects.toThrow()
    await expect(verifierOf(app, { ...own, audience: reports, cacheSeconds: 300 })(text)).rejects.toThrow('aud')
    // Our own API takes none of them either.
    for (const one of [text, ...forged]) {
      const headers = { authorization: `Bearer ${one}` }
      const answer = await app.route(new Request(`${origin}/api/v1/tenants/acme/projects`, { headers }))
      expect(answer.status).toBe(401)
    }
  })

  it('revoked it is blocked here, and the latest moment at which it works is its end', async () => {
    const { value, token } = await issueOwn(app, member, 'metrics')
    const [outcome] = await revoke(app.ctx, member, { tokens: [token.id], connections: [] })
    expect(outcome).toMatchObject({ upstream: 'impossible', latestMoment: token.expiresAt, already: false })
    const { revocation, state } = await readToken(app.ctx, member, token.id)
    expect(state).toBe('revoked')
    expect(revocation).toMatchObject({ upstream: 'impossible', latestMoment: token.expiresAt })
    // Who verifies it alone takes it; who asks is told.
    const verify = verifierOf(app, { ...own, audience: metrics, cacheSeconds: 300 })
    expect((await verify(value.reveal())).payload.exp).toBe(Math.floor(token.expiresAt.getTime() / 1000))
    expect(await told(app, value.reveal())).toMatchObject({ state: 'revoked' })
    const [again] = await revoke(app.ctx, member, { tokens: [token.id], connections: [] })
    expect(again).toMatchObject({ already: true, latestMoment: token.expiresAt })
    await app.advance(901)
    await expect(verify(value.reveal())).rejects.toThrow('exp')
    const [later] = await revoke(app.ctx, member, { tokens: [token.id], connections: [] })
    expect(later).toMatchObject({ already: true, latestMoment: null })
  })
})

describe('what is published', () => {
  it('J-03 J-09: public halves alone, each named by its thumbprint, with their use, algorithm and how long they may be kept', async () => {
    const answer = await get('/t/acme/jwks.json')
    expect([answer.status, answer.headers.get('cache-control'), answer.headers.get('vary')]).toEqual([
      200,
      'public, max-age=3600',
      null,
    ])
    const { keys } = (await answer.json()) as { keys: JwkOnWire[] }
    for (const key of keys) {
      expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
      expect(key).toMatchObject({ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' })
      expect(key.kid).toBe(await calculateJwkThumbprint(key))
    }
    expect(new Set(keys.map(({ kid }) => kid)).size).toBe(keys.length)
    const metadata = await get('/.well-known/oauth-authorization-server/t/acme')
    expect(metadata.headers.get('cache-control')).toBe('public, max-age=3600')
    // A client that discovers it finds itself where it asked, and every address in it answers (RFC 8414 3.3).
    const discovered = await oauth.processDiscoveryResponse(
      new URL(own.issuer),
      await oauth.discoveryRequest(new URL(own.issuer), {
        algorithm: 'oauth2',
        [oauth.allowInsecureRequests]: true,
        [oauth.customFetch]: (url) => app.route(new Request(url)),
      }),
    )
    expect((await app.route(new Request(discovered.jwks_uri ?? ''))).status).toBe(200)
    expect(await metadata.json()).toEqual({
      issuer: own.issuer,
      jwks_uri: `${own.issuer}/jwks.json`,
      response_types_supported: [],
      grant_types_supported: [],
    })
  })

  it('a tenant without own APIs is told of like one that is not there, and nobody keeps that answer', async () => {
    for (const path of ['/t/globex/jwks.json', '/.well-known/oauth-authorization-server/t/globex']) {
      const [there, none] = [await get(path), await get(path.replace('globex', 'nobody'))]
      expect([there.status, none.status]).toEqual([404, 404])
      expect(there.headers.get('cache-control')).toBe('no-store')
      const body = async (answer: Response) => ({ ...((await answer.json()) as object), request_id: '' })
      expect(await body(there)).toEqual(await body(none))
    }
  })
})

describe('audiences', () => {
  it('are seen by every member, with their scopes to choose from and none chosen', async () => {
    const cards = await projectCards(app.ctx, member)
    expect(cards.map(({ alias, audience, connection }) => [alias, audience, connection])).toEqual([
      ['metrics', { offline: true }, null],
      ['reports', { offline: false }, null],
    ])
    expect((await projectDetail(app.ctx, member, 'reports')).externalId).toBe(reports)
    const { choices } = await readScopeChoices(app.ctx, member, 'reports')
    expect(choices).toMatchObject({ scopes: [{ name: 'reports:read' }, { name: 'reports:write' }], offline: false })
  })

  it('give no scope that their admin did not name, and none at all where none is asked for', async () => {
    await expect(issueOwn(app, member, 'reports', { names: ['reports:delete'] })).rejects.toMatchObject({
      code: 'bad_request',
      fields: { scopes: 'This audience does not know: reports:delete' },
    })
    expect(await code(issueOwn(app, member, 'reports', { names: [] }))).toBe('bad_request')
  })

  it('are for owners and admins to make, change and take away', async () => {
    const { ctx } = app
    const settings = { scopes: [{ name: 'a', text: 'a', risk: 'low' }], offline: false }
    const input = { audience: 'urn:acme:x', name: 'X', alias: 'x', settings }
    const place = { id: own.online.id }
    for (const role of ['member', 'auditor'] as const) {
      const actor = await app.actorOf('member@acme.test', { role })
      expect(await code(addAudience(ctx, actor, input))).toBe('forbidden')
      expect(await code(changeAudience(ctx, actor, { ...place, name: 'Y' }))).toBe('forbidden')
      expect(await code(removeAudience(ctx, actor, place))).toBe('forbidden')
      if (role === 'auditor') expect(await code(issueOwn(app, actor, 'reports'))).toBe('forbidden')
    }
    member = await app.actorOf('member@acme.test', { role: 'member' })
    expect(await code(audienceList(ctx, member))).toBe('forbidden')
  })

  it('Z-02: of another tenant are not there, whoever asks and whatever they name', async () => {
    const { ctx } = app
    const place = { id: own.online.id }
    expect(await audienceList(ctx, stranger)).toEqual([])
    expect(await code(changeAudience(ctx, stranger, { ...place, name: 'Y' }))).toBe('not_found')
    expect(await code(removeAudience(ctx, stranger, place))).toBe('not_found')
    expect(await code(issueOwn(app, stranger, own.online.id))).toBe('not_found')
    expect(await code(issueOwn(app, stranger, 'reports'))).toBe('not_found')
    // Nor is a project that somebody linked an audience.
    const jar = await app.signIn('member@acme.test')
    const project = await app.linkProject(jar, 'acme', { account: 'member@acme.test' })
    expect(await code(removeAudience(ctx, owner, { id: project }))).toBe('not_found')
    expect(await code(startLink(ctx, owner, { providerId: own.providerId, browser: 'x' }))).toBe('bad_request')
  })

  it('have addresses that nobody mixes up with ours, each once, and one provider in a tenant', async () => {
    const { ctx } = app
    const settings = { scopes: [{ name: 'a', text: 'a', risk: 'low' }], offline: false }
    const add = (audience: string, alias = 'x') =>
      code(addAudience(ctx, owner, { audience, name: 'X', alias, settings }))
    expect(await add(reports)).toBe('audience_exists')
    expect(await add(`${origin}/api/v1`)).toBe('bad_request')
    expect(await add('https://user:secret@api.acme.test')).toBe('bad_request')
    expect(await add('https://other.acme.test', 'reports')).toBe('alias_taken')
    expect(await code(createProvider(ctx, owner, { kind: 'own', name: 'Again' }))).toBe('provider_exists')
    const keboola = { kind: 'keboola', name: 'X', issuer: 'https://x.example', clientSecret: 'b' }
    expect(await code(createProvider(ctx, owner, keboola))).toBe('bad_request')
  })

  it('taken away end every token of theirs, of both forms, and say when the last one has', async () => {
    const { ctx } = app
    const [one, two] = [
      await own.add('https://gone.acme.test', 'gone', false),
      await own.add('https://gone-too.acme.test', 'gone-too', true),
    ]
    const [opaque, signed] = [await issueOwn(app, member, 'gone'), await issueOwn(app, member, 'gone-too')]
    expect(await removeAudience(ctx, owner, { id: one.id })).toEqual({ revoked: 1, latestMoment: null })
    expect(await removeAudience(ctx, owner, { id: two.id })).toEqual({
      revoked: 1,
      latestMoment: signed.token.expiresAt,
    })
    for (const { value, token } of [opaque, signed]) {
      expect(await told(app, value.reveal())).toMatchObject({ state: 'revoked' })
      const { state, project } = await readToken(ctx, member, token.id)
      expect([state, project.isRemoved]).toEqual(['revoked', true])
    }
    expect(await code(issueOwn(app, member, 'gone'))).toBe('not_found')
    expect((await projectCards(ctx, owner)).map(({ alias }) => alias)).not.toContain('gone')
    // It comes back, and nothing of before does.
    const back = await own.add('https://gone.acme.test', 'gone-again', false)
    expect(back.id).toBe(one.id)
    expect(await told(app, opaque.value.reveal())).toMatchObject({ state: 'revoked' })
    expect(await told(app, (await issueOwn(app, member, 'gone-again')).value.reveal())).toMatchObject({ state: 'live' })
    await removeAudience(ctx, owner, { id: one.id })
  })

  it('keep their own longest life, and tokens that are out keep what they were given', async () => {
    const { ctx } = app
    const place = { id: own.online.id }
    const { value } = await issueOwn(app, member, 'reports', { names: ['reports:write'], seconds: 600 })
    const scopes = [{ name: 'reports:read', text: 'read reports', risk: 'low' }]
    await changeAudience(ctx, owner, { ...place, settings: { scopes, offline: false }, maxLifetimeSeconds: 300 })
    await expect(issueOwn(app, member, 'reports', { seconds: 600 })).rejects.toMatchObject({ code: 'over_policy' })
    expect(await code(issueOwn(app, member, 'reports', { names: ['reports:write'], seconds: 300 }))).toBe('bad_request')
    expect(await told(app, value.reveal())).toMatchObject({ rights: { scopes: ['reports:write'] } })
    const before = {
      scopes: [...scopes, { name: 'reports:write', text: 'write reports', risk: 'high' }],
      offline: false,
    }
    await changeAudience(ctx, owner, { ...place, settings: before, maxLifetimeSeconds: null })
  })
})

describe('a freeze or a suspension', () => {
  it.each(['project', 'provider', 'member'] as const)(
    'of the %s stops issuing, and every use that asks us',
    async (kind) => {
      const { ctx } = app
      const { value, token } = await issueOwn(app, member, 'reports')
      const id = { project: own.online.id, provider: own.providerId, member: member.userId }[kind]
      await freeze(ctx, owner, { kind, id })
      expect(await told(app, value.reveal())).toMatchObject({ state: 'frozen' })
      expect((await readToken(ctx, owner, token.id)).frozen).toMatchObject({ kind })
      expect(await code(issueOwn(app, member, 'reports'))).toBe('frozen')
      await liftFreeze(ctx, owner, { kind, id })
      expect(await told(app, value.reveal())).toMatchObject({ state: 'live' })
    },
  )

  it('does not reach what is verified without us, and is not said to', async () => {
    const { ctx } = app
    const { token } = await issueOwn(app, member, 'metrics')
    await freeze(ctx, owner, { kind: 'project', id: own.offline.id })
    expect((await readToken(ctx, owner, token.id)).frozen).toBeNull()
    await liftFreeze(ctx, owner, { kind: 'project', id: own.offline.id })
  })

  it('suspended, a member’s tokens are revoked, and of signed ones their end is told', async () => {
    const { ctx } = app
    const [opaque, signed] = [await issueOwn(app, member, 'reports'), await issueOwn(app, member, 'metrics')]
    await changeMember(ctx, owner, { userId: member.userId, status: 'suspended' })
    for (const { value } of [opaque, signed])
      expect(await told(app, value.reveal())).toMatchObject({ state: 'revoked' })
    expect((await readToken(ctx, owner, signed.token.id)).revocation).toMatchObject({
      upstream: 'impossible',
      latestMoment: signed.token.expiresAt,
    })
    await changeMember(ctx, owner, { userId: member.userId, status: 'active' })
    member = await app.actorOf('member@acme.test')
    for (const { value } of [opaque, signed])
      expect(await told(app, value.reveal())).toMatchObject({ state: 'revoked' })
  })
})

describe('races', () => {
  it('A-03: an audience taken away while tokens are issued for it leaves none alive', async () => {
    const { ctx } = app
    for (let round = 0; round < 5; round += 1) {
      const { id } = await own.add(`https://race-${round}.acme.test`, `race-${round}`, round % 2 === 0)
      const issues = Array.from({ length: 6 }, () => issueOwn(app, member, id).catch(() => undefined))
      const removed = removeAudience(ctx, owner, { id })
      const made = (await Promise.all(issues)).filter((one) => one !== undefined)
      await removed
      for (const { value, token } of made) {
        expect(await told(app, value.reveal())).toMatchObject({ state: 'revoked' })
        expect((await readToken(ctx, owner, token.id)).state).toBe('revoked')
      }
    }
  })
})

describe('keys', () => {
  const advanceTo = async (seconds: number) => {
    await app.advance(seconds)
    await settleSigningKeys(app.ctx, owner.tenantId)
  }
  const kidOf = async () => decoded((await issueOwn(app, member, 'metrics')).value.reveal()).head.kid

  it('J-04: rotate under load: no verifier that keeps its keys for a day meets one that it does not know', async () => {
    const { ctx } = app
    const before = await kidOf()
    const verifiers = [60, 3_600, 86_000].map((cacheSeconds) =>
      // Each with its own idea of when to ask again, by the clock of the test.
      pacedVerifier(cacheSeconds),
    )
    const living: { text: string; ends: number }[] = []
    const kids = new Set<string | undefined>()
    let verified = 0
    expect((await rotateSigningKey(ctx, owner.tenantId)).kind).toBe('published')
    expect((await rotateSigningKey(ctx, owner.tenantId)).kind).toBe('waiting')
    const step = 3_600
    const steps = (publishedBeforeSeconds + longestTokenSeconds + 7_200) / step
    for (let index = 0; index < steps; index += 1) {
      await app.forgetLimits()
      const { value, token } = await issueOwn(app, member, 'metrics', { seconds: 8 * 3_600 })
      kids.add(decoded(value.reveal()).head.kid)
      living.push({ text: value.reveal(), ends: token.expiresAt.getTime() })
      for (const verify of verifiers)
        for (const { text, ends } of living)
          if (ends > ctx.now().getTime()) {
            await verify(text)
            verified += 1
          }
      await app.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
      await app.owner.query(`UPDATE issued_token SET status = 'revoked' WHERE project_id = $1`, [own.offline.id])
      await advanceTo(step)
    }
    expect(kids.size).toBe(2)
    expect(verified).toBeGreaterThan(900)
    // What nobody needs any more is gone.
    expect((await keysOf()).map(({ kid }) => kid)).not.toContain(before)
    expect(await signingKeyList(ctx, owner.tenantId)).toMatchObject([{ state: 'signing' }])
  }, 60_000)

  /** Reads the keys at most once in so many seconds of the test's clock. */
  function pacedVerifier(cacheSeconds: number) {
    let readAt = Number.NEGATIVE_INFINITY
    let verify = verifierOf(app, { ...own, audience: metrics, cacheSeconds: 1_000_000 })
    return (text: string) => {
      const now = app.ctx.now().getTime()
      if (now - readAt >= cacheSeconds * 1000) {
        verify = verifierOf(app, { ...own, audience: metrics, cacheSeconds: 1_000_000 })
        readAt = now
      }
      return verify(text)
    }
  }

  it('J-04: one that is taken back while it signs has signed nothing that is handed out', async () => {
    const { ctx } = app
    const first = await kidOf()
    const rotation = await rotateSigningKey(ctx, owner.tenantId)
    if (rotation.kind !== 'published') throw new Error(rotation.kind)
    await advanceTo(publishedBeforeSeconds)
    expect(await kidOf()).toBe(rotation.key)
    const takeBack = () => rollBackSigningKey(ctx, owner.tenantId)
    const { value } = await meanwhile(ctx, 'vk.issue_begin(', takeBack, () => issueOwn(app, member, 'metrics'))
    expect(decoded(value.reveal()).head.kid).toBe(first)
    await advanceTo(longestTokenSeconds + 7_200)
  })

  it('J-04: are published before they sign, and what an unwanted one signed is verified although it was taken back', async () => {
    const { ctx } = app
    const verify = verifierOf(app, { ...own, audience: metrics, cacheSeconds: 1 })
    const first = await kidOf()
    const rotation = await rotateSigningKey(ctx, owner.tenantId)
    if (rotation.kind !== 'published') throw new Error(rotation.kind)
    expect(await kidOf()).toBe(first)
    expect((await keysOf()).map(({ kid }) => kid).sort()).toEqual([first, rotation.key].sort())
    await advanceTo(publishedBeforeSeconds)
    const { value } = await issueOwn(app, member, 'metrics', { seconds: 8 * 3_600 })
    expect(decoded(value.reveal()).head.kid).toBe(rotation.key)
    expect(await rollBackSigningKey(ctx, owner.tenantId)).toEqual({ withdrawn: rotation.key, signs: first })
    expect(await kidOf()).toBe(first)
    await advanceTo(3_600)
    await verify(value.reveal())
    await advanceTo(longestTokenSeconds)
    expect((await keysOf()).map(({ kid }) => kid)).toEqual([first])
    // There is nothing left to go back to.
    expect(await rollBackSigningKey(ctx, owner.tenantId)).toBeUndefined()
  })

  it('J-04: by schedule, and by two processes at once, one is made', async () => {
    const { ctx } = app
    const other = await app.makeContext()
    const count = async () => (await signingKeyList(ctx, owner.tenantId)).length
    expect(await count()).toBe(1)
    await advanceTo(80 * 24 * 3_600)
    expect(await count()).toBe(1)
    await app.advance(10 * 24 * 3_600)
    await Promise.all([sweep(ctx), sweep(other), sweep(ctx), sweep(other)])
    expect((await signingKeyList(ctx, owner.tenantId)).map(({ state }) => state)).toEqual(['published', 'signing'])
    const made = await Promise.all([rotateSigningKey(ctx, owner.tenantId), rotateSigningKey(other, owner.tenantId)])
    expect(made.map(({ kind }) => kind)).toEqual(['waiting', 'waiting'])
    await other.close()
  })

  it('are the tenant’s own: another one’s verify nothing, and nobody’s private half stands anywhere in clear', async () => {
    member = await app.actorOf('member@acme.test')
    const globex = await ownApisOf(app, stranger)
    const theirs = (await issueOwn(app, stranger, 'metrics')).value.reveal()
    const ours = (await issueOwn(app, member, 'metrics')).value.reveal()
    const acme = verifierOf(app, { ...own, audience: metrics, cacheSeconds: 300 })
    await acme(ours)
    await expect(acme(theirs)).rejects.toThrow()
    expect(globex.issuer).toBe(`${origin}/t/globex`)
    const kids = (await keysOf()).map(({ kid }) => kid)
    expect((await keysOf('globex')).filter(({ kid }) => kids.includes(kid))).toEqual([])
    const rows = await app.rows('acme', 'SELECT * FROM signing_key')
    for (const row of rows) {
      expect(String(row.sealed_private)).toMatch(/^eyJ[\w-]+\.\.[\w-]+\.[\w-]+\.[\w-]+$/)
      expect(JSON.stringify(row.public_jwk)).not.toContain('"d"')
    }
    expect(app.logged.join('\n')).not.toMatch(/"d":/)
    for (const { text } of app.answered) expect(text).not.toMatch(/"d":"/)
  })

  it('a tenant whose keys are destroyed signs nothing more, also where a process has them opened', async () => {
    await shredTenant(app.ctx, stranger.tenantId)
    expect(await code(issueOwn(app, stranger, 'metrics'))).toBe('tenant_shredded')
    expect(await rotateSigningKey(app.ctx, stranger.tenantId)).toEqual({ kind: 'none' })
    const rows = await app.rows('globex', 'SELECT sealed_private FROM signing_key')
    expect(rows.map(({ sealed_private }) => sealed_private)).toEqual([''])
  })
})
