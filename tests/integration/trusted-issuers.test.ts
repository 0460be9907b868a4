// Access tokens of other issuers at our API: scripted issuers over real sockets, the product's own routes and database.
import { createHmac, createPublicKey } from 'node:crypto'
import { exportSPKI, importJWK } from 'jose'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type IncomingCredential, type Role, type Scope, scopes } from '../../lib/actor.ts'
import { putContext } from '../../lib/context.ts'
import type { Operation } from '../../lib/http/operation.ts'
import { operations } from '../../lib/http/wire.ts'
import { answersMax, askingMax } from '../../lib/security/introspection.ts'
import { act } from '../../lib/store/authority.ts'
import { upsertMember } from '../../lib/store/members.ts'
import { asSystem, withInstance } from '../../lib/store/system.ts'
import { ensureUser } from '../../lib/store/users.ts'
import { type Answer, byAddress, type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { origin } from '../support/broker.ts'
import { challengeOf } from '../support/challenge.ts'
import { type Issuer, startIssuer } from '../support/issuer.ts'
import {
  bodyFor,
  eventsOf,
  expectDeclared,
  forBrowsers,
  forPrograms,
  guarded,
  inOrder,
  neededBy,
  queries,
} from '../support/operations.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { makeThings, pathOf, type Things } from '../support/things.ts'

type Trusted = {
  id: string
  issuer: string
  members: number
  refusals: { reason: string; client_id: string | null; at: string }[]
  clients: { id: string; client_id: string; scopes: Scope[] }[]
}

let app: TestApp
let owner: Jar
let globex: Jar
let issuer: Issuer
let evil: Issuer
/** The entries of acme. */
let trusted: string
let client: string
const cli = 'cli'

beforeAll(async () => {
  app = await startTestApp()
  const now = () => app.ctx.now().getTime()
  issuer = await startIssuer('unused', now)
  evil = await startIssuer('unused', now)
  owner = await app.signIn('owner@acme.test')
  globex = await app.signIn('owner@globex.test')
  // Each test moves the clock.
  await app.ctx.pool.query(
    `UPDATE session SET auth_time = now() + interval '50 years', last_active_at = now() + interval '50 years',
       expires_at = now() + interval '100 years'`,
  )
  await addMember('acme', 'somebody', 'admin')
  trusted = await trust(owner, 'acme')
  client = await allow(owner, 'acme', trusted)
})
afterAll(async () => {
  await app.stop()
  await issuer.stop()
  await evil.stop()
})
beforeEach(async () => {
  issuer.answer({})
  // Beyond what is kept of keys and answers.
  await app.advance(3600)
  issuer.requests.length = 0
})
afterEach(async () => {
  putContext(app.ctx)
  await app.forgetLimits()
})

/** Somebody whose identity this issuer vouches for, in a tenant. */
async function addMember(tenant: string, subject: string, role: Role = 'member', of = issuer.url): Promise<string> {
  const identity = { issuer: of, subject, name: subject, email: null }
  const { id } = await withInstance(app.ctx, (tx) => ensureUser(tx, identity, app.ctx.now()))
  const tenantId = (await app.tenantId(tenant)) ?? ''
  const member = { tenantId, userId: id, role, createdAt: app.ctx.now() }
  await asSystem(app.ctx, tenantId, 'job', (tx) => upsertMember(tx, member))
  return id
}

async function trust(jar: Jar, tenant: string, body: Record<string, unknown> = {}): Promise<string> {
  const path = `/tenants/${tenant}/trusted-issuers`
  const answer = await app.call<{ id: string }>(jar, 'POST', path, { issuer: issuer.url, name: 'Realm', ...body })
  expect(answer.status, answer.text).toBe(201)
  return answer.body.id
}

async function allow(
  jar: Jar,
  tenant: string,
  id: string,
  { client_id = cli, scopes: given = scopes }: { client_id?: string; scopes?: readonly Scope[] } = {},
): Promise<string> {
  const path = `/tenants/${tenant}/trusted-issuers/${id}/clients`
  const answer = await app.call<{ id: string }>(jar, 'POST', path, { client_id, name: client_id, scopes: given })
  expect(answer.status, answer.text).toBe(201)
  return answer.body.id
}

const remove = (jar: Jar, tenant: string, path: string) =>
  app.call(jar, 'DELETE', `/tenants/${tenant}/trusted-issuers/${path}`)

const trustedOf = async (tenant = 'acme', jar = owner): Promise<Trusted[]> =>
  (await app.call<{ items: Trusted[] }>(jar, 'GET', `/tenants/${tenant}/trusted-issuers`)).body.items

/** A token that is right: for us, by a listed client, of a member. */
const good = (claims: Record<string, unknown> = {}, options: Parameters<Issuer['accessToken']>[1] = {}) =>
  issuer.accessToken({ aud: ['account', origin], azp: cli, ...claims }, options)

type Sending = { method?: string; path?: string; body?: unknown; address?: string; scheme?: string }
/** What a program sends: the token alone, and nothing of a browser. */
const send = (
  token: string,
  { method = 'GET', path = '/tenants/acme/members', body, address = '203.0.113.1', scheme = 'Bearer' }: Sending = {},
): Promise<Answer> =>
  app.send(
    new Map(),
    new Request(`${origin}/api/v1${path}`, {
      method,
      headers: { authorization: `${scheme} ${token}`, 'content-type': 'application/json', 'x-forwarded-for': address },
      ...(method !== 'GET' && { body: JSON.stringify(body ?? {}) }),
    }),
  )

/** Refused as whoever brings any other token that is nobody's: byte for byte, but for the request's id. */
async function expectRefused(answer: Answer, reason?: string): Promise<void> {
  expect([answer.status, answer.headers.get('www-authenticate')], answer.text).toEqual([
    401,
    challengeOf('Bearer', 'error="invalid_token"'),
  ])
  const plain = await send('nobody-knows-it', { path: '/tenants/no-such-tenant/members' })
  const withoutId = ({ request_id: _, ...body }: Record<string, unknown>) => body
  expect(withoutId(answer.body)).toEqual(withoutId(plain.body))
  if (reason)
    expect(app.logged.filter((line) => line.includes('an incoming token was refused')).at(-1)).toContain(
      `"reason":"${reason}"`,
    )
}

const status = async (token: string, options?: Sending) => (await send(token, options)).status

describe('a JWT', () => {
  it.each(['RS256', 'PS256', 'ES256', 'EdDSA'])(
    'N-12: signed with %s, of a member, by a listed client, for us, is accepted',
    async (alg) => {
      const answer = await send(await good({}, { alg }))
      expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('somebody')])
      const typed = await good({}, { alg, header: { typ: 'at+jwt' } })
      expect(await status(typed)).toBe(200)
    },
  )

  it('N-35: the client is named by client_id or azp, by both alike, and never by aud', async () => {
    const { azp: _, ...without } = { azp: undefined }
    expect(await status(await good({ ...without, azp: undefined, client_id: cli }))).toBe(200)
    expect(await status(await good({ client_id: cli }))).toBe(200)
    await expectRefused(await send(await good({ client_id: 'other' })), 'client_missing')
    await expectRefused(await send(await good({ azp: undefined, aud: [origin, cli] })), 'client_missing')
    await expectRefused(await send(await good({ azp: 'other', aud: [origin, cli] })), 'client_not_listed')
  })

  const seconds = () => Math.floor(app.ctx.now().getTime() / 1000)
  const wrong: [what: string, reason: string, claims: () => Record<string, unknown>][] = [
    ['another audience', 'audience', () => ({ aud: ['account'] })],
    ['no audience, though its client is listed', 'audience', () => ({ aud: undefined, client_id: cli })],
    ['an audience that begins with ours', 'audience', () => ({ aud: `${origin}.evil.example` })],
    ['an audience that is its own client', 'audience', () => ({ aud: cli, azp: cli })],
    ['no end', 'times', () => ({ exp: undefined })],
    ['an end in words', 'times', () => ({ exp: '2999-01-01' })],
    ['an end before time began', 'times', () => ({ exp: -1 })],
    ['an end beyond all years', 'times', () => ({ exp: 1e300 })],
    ['an issue in words', 'times', () => ({ iat: 'now' })],
    ['an end that is now', 'expired', () => ({ exp: seconds() })],
    ['a beginning in 90 s', 'not_yet_valid', () => ({ nbf: seconds() + 90 })],
    ['an issue in 90 s', 'not_yet_valid', () => ({ iat: seconds() + 90 })],
    ['the kind ID', 'not_an_access_token', () => ({ typ: 'ID' })],
    ['the kind Refresh', 'not_an_access_token', () => ({ typ: 'Refresh' })],
    ['the kind Offline', 'not_an_access_token', () => ({ typ: 'Offline' })],
    ['the kind Logout', 'not_an_access_token', () => ({ typ: 'Logout' })],
    ['a kind that is no text', 'not_an_access_token', () => ({ typ: ['Bearer'] })],
    ['the use id', 'not_an_access_token', () => ({ typ: undefined, token_use: 'id' })],
    ['a nonce, as ID tokens have', 'not_an_access_token', () => ({ typ: undefined, nonce: 'n' })],
    ['a hash of an access token', 'not_an_access_token', () => ({ typ: undefined, at_hash: 'h' })],
    ['events, as logout tokens have', 'not_an_access_token', () => ({ typ: undefined, events: {} })],
    ['a key that it is bound to', 'bound_to_a_key', () => ({ cnf: { jkt: 'thumbprint' } })],
    ['somebody else who acts', 'on_behalf', () => ({ act: { sub: 'a-service' } })],
    ['no subject', 'subject', () => ({ sub: undefined })],
    ['an empty subject', 'subject', () => ({ sub: '' })],
    ['a subject that cannot be kept', 'subject', () => ({ sub: 'some\0body' })],
    ['a subject that is too long', 'subject', () => ({ sub: 's'.repeat(256) })],
    ['a client that cannot be kept', 'client_missing', () => ({ azp: 'c\0li' })],
    ['a subject that is no text', 'malformed', () => ({ sub: { toString: 'somebody' } })],
    ['an audience that is no text', 'malformed', () => ({ aud: [{ url: origin }] })],
    ['a client that is not listed', 'client_not_listed', () => ({ azp: 'other' })],
    ['a client in other letters', 'client_not_listed', () => ({ azp: 'CLI' })],
    ['the subject of nobody here', 'not_a_member', () => ({ sub: 'a-stranger' })],
  ]
  it.each(wrong)('N-12 J-07 N-18: with %s is refused (%s)', async (_, reason, claims) => {
    await expectRefused(await send(await good(claims())), reason)
  })

  it('J-07: a clock that is a minute off at most is forgiven at the beginning, and never at the end', async () => {
    expect(await status(await good({ nbf: seconds() + 55, iat: seconds() + 55 }))).toBe(200)
    expect(await status(await good({ exp: seconds() + 2 }))).toBe(200)
    await expectRefused(await send(await good({ exp: seconds() - 1 })), 'expired')
  })

  it('N-12: of an issuer that is not exactly the trusted one is refused, and nothing is fetched', async () => {
    for (const iss of [`${issuer.url}/`, issuer.url.toUpperCase(), evil.url, '', undefined, 7, `${issuer.url}\0`])
      await expectRefused(await send(await good({ iss })))
    expect(issuer.requests).toEqual([])
    expect(evil.requests).toEqual([])
  })

  it('J-02: none, HMAC with the public key, other algorithms, and keys that the token brings itself are refused', async () => {
    const b64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const [, payload] = (await good()).split('.')
    for (const alg of ['none', 'None', 'NONE'])
      await expectRefused(await send(`${b64({ alg, typ: 'JWT' })}.${payload}.`), 'algorithm')
    const { keys } = (await (await fetch(`${issuer.url}/jwks`)).json()) as { keys: JsonWebKey[] }
    const rsa = keys.find((key) => (key as { kid?: string }).kid === 'RS256') as JsonWebKey
    const pem = await exportSPKI((await importJWK(rsa as never, 'RS256')) as CryptoKey)
    for (const secret of [
      pem,
      JSON.stringify(rsa),
      createPublicKey({ key: { ...rsa }, format: 'jwk' }).export({ type: 'pkcs1', format: 'pem' }) as string,
    ]) {
      const signed = `${b64({ alg: 'HS256', kid: 'RS256', typ: 'JWT' })}.${payload}`
      const mac = createHmac('sha256', secret).update(signed).digest('base64url')
      await expectRefused(await send(`${signed}.${mac}`), 'algorithm')
    }
    await expectRefused(await send(await good({}, { alg: 'RS512' })), 'algorithm')
    for (const header of [{ jwk: rsa }, { jku: `${evil.url}/jwks` }, { x5u: `${evil.url}/x5u` }])
      await expectRefused(await send(await good({}, { header })), 'malformed')
    await expectRefused(await send(await good({}, { header: { typ: 'JOSE' } })), 'not_an_access_token')
    await expectRefused(await send(await good({}, { header: { typ: 'dpop+jwt' } })), 'not_an_access_token')
    await expectRefused(await send(await good({}, { header: { typ: 'logout+jwt' } })), 'not_an_access_token')
    await expectRefused(await send(await good({}, { alg: 'RS256', header: { kid: 'ES256' } })), 'unknown_key')
    expect(evil.requests).toEqual([])
  })

  it('N-18: a signature by another key, or of another payload, is refused', async () => {
    await expectRefused(await send(await good({}, { forged: true })), 'signature')
    const [header, , signature] = (await good()).split('.')
    const [, payload] = (await good({ sub: 'somebody', exp: seconds() + 9_999 })).split('.')
    await expectRefused(await send(`${header}.${payload}.${signature}`), 'signature')
    await expectRefused(await send(`${header}.${payload}.`), 'signature')
  })

  it('J-05: any number of unknown keys reads the keys once more, and a rotated key is found', async () => {
    expect(await status(await good())).toBe(200)
    await app.advance(30)
    const before = issuer.keyCalls()
    await expectRefused(await send(await good({}, { key: 7 })), 'unknown_key')
    const later = await Promise.all(
      Array.from({ length: 40 }, async (_, index) =>
        send(await good({}, { key: 7, header: { kid: `made-up-${index}` } })),
      ),
    )
    // What comes right after a look cannot be told from a key of this second.
    for (const answer of later) expect([answer.status, answer.body.code]).toEqual([503, 'issuer_unavailable'])
    expect(issuer.keyCalls() - before).toBe(1)
    await app.advance(6)
    issuer.answer({ published: 7 })
    expect(await status(await good({}, { key: 7 }))).toBe(200)
    await app.advance(6)
    await expectRefused(await send(await good()), 'unknown_key')
  })

  it('a key that the issuer withdrew counts for five minutes at most', async () => {
    expect(await status(await good())).toBe(200)
    issuer.answer({ published: 7 })
    await app.advance(301)
    await expectRefused(await send(await good()), 'unknown_key')
  })

  it('is neither accepted nor refused while the keys cannot be had', async () => {
    issuer.answer({ jwksStatus: 500 })
    const answer = await send(await good())
    expect([answer.status, answer.body.code, answer.headers.get('retry-after')]).toEqual([
      503,
      'issuer_unavailable',
      '5',
    ])
    await app.advance(6)
    issuer.answer({})
    expect(await status(await good())).toBe(200)
  })

  it('that fails is never asked about as if it were of another kind', async () => {
    await withAsking({ opaque: true }, async () => {
      issuer.answer({ introspection: async () => [opaqueClaims()] })
      for (const token of [
        await good({ iss: evil.url }),
        await good({}, { forged: true }),
        'a.b.c',
        '..',
        `${await good({ aud: 'account' })}`,
        `${(await good()).split('.').slice(0, 2).join('.')}.`,
      ])
        await expectRefused(await send(token))
      expect(issuer.askedCalls()).toBe(0)
    })
  })
})

/** What the issuer says of an opaque token that is right. */
const opaqueClaims = (claims: Record<string, unknown> = {}) => ({
  active: true,
  aud: origin,
  client_id: cli,
  sub: 'somebody',
  exp: Math.floor(app.ctx.now().getTime() / 1000) + 300,
  ...claims,
})

const asker = { client_id: 'valetkey-api', client_secret: 'introspection-secret' }
/** While acme's entry has a client to ask with. */
async function withAsking(body: { opaque?: boolean }, work: () => Promise<void>): Promise<void> {
  const path = `/tenants/acme/trusted-issuers/${trusted}`
  expect((await app.call(owner, 'PATCH', path, { ...asker, ...body })).status).toBe(204)
  issuer.requests.length = 0
  try {
    await work()
  } finally {
    expect((await app.call(owner, 'PATCH', path, { client_id: null })).status).toBe(204)
  }
}

let counter = 0
/** An opaque token that nobody has asked about yet. */
const fresh = () => `opaque-${counter++}`

describe('an opaque token', () => {
  it('N-12: is asked about at the endpoint that the metadata names, with our client, and nowhere else', async () => {
    await withAsking({ opaque: true }, async () => {
      issuer.answer({ introspection: async () => [opaqueClaims()] })
      expect(await status('an-opaque-token')).toBe(200)
      expect(issuer.requests.map(({ path }) => path).sort()).toEqual([
        '/.well-known/openid-configuration',
        '/introspect',
      ])
      const asked = issuer.requests.find(({ path }) => path === '/introspect')
      const basic = `${asker.client_id}:${encodeURIComponent(asker.client_secret)}`
      expect(asked?.authorization).toBe(`Basic ${Buffer.from(basic).toString('base64')}`)
      expect(Object.fromEntries(asked?.body ?? [])).toEqual({
        token: 'an-opaque-token',
        token_type_hint: 'access_token',
      })
    })
  })

  it('N-12: is nobody’s where no issuer of the tenant is asked about such tokens', async () => {
    await expectRefused(await send(fresh()))
    await withAsking({ opaque: false }, async () => {
      issuer.answer({ introspection: async () => [opaqueClaims()] })
      await expectRefused(await send(fresh()))
      expect(issuer.askedCalls()).toBe(0)
    })
  })

  const seconds = () => Math.floor(app.ctx.now().getTime() / 1000)
  const wrong: [what: string, reason: string, claims: () => Record<string, unknown>][] = [
    ['inactive', 'inactive', () => ({ active: false })],
    ['for another audience', 'audience', () => ({ aud: ['account'] })],
    ['for no audience, though by a listed client', 'audience', () => ({ aud: undefined })],
    ['by no client', 'client_missing', () => ({ client_id: undefined })],
    ['by two clients', 'client_missing', () => ({ azp: 'other' })],
    ['by a client that is not listed', 'client_not_listed', () => ({ client_id: 'other' })],
    ['by another issuer', 'issuer', () => ({ iss: evil.url })],
    ['of no subject', 'subject', () => ({ sub: undefined })],
    ['of nobody here', 'not_a_member', () => ({ sub: 'a-stranger' })],
    ['over', 'expired', () => ({ exp: seconds() - 1 })],
    ['not yet valid', 'not_yet_valid', () => ({ nbf: seconds() + 90 })],
    ['of the type DPoP', 'not_an_access_token', () => ({ token_type: 'DPoP' })],
    ['of the kind Refresh', 'not_an_access_token', () => ({ typ: 'Refresh' })],
    ['of the use refresh_token', 'not_an_access_token', () => ({ token_use: 'refresh_token' })],
    ['bound to a key', 'bound_to_a_key', () => ({ cnf: { 'x5t#S256': 'thumbprint' } })],
    ['for somebody else who acts', 'on_behalf', () => ({ act: { sub: 'a-service' } })],
  ]
  it.each(wrong)('N-12: that is %s is refused (%s)', async (_, reason, claims) => {
    await withAsking({ opaque: true }, async () => {
      issuer.answer({ introspection: async () => [opaqueClaims(claims())] })
      await expectRefused(await send(fresh()), reason)
    })
  })

  const failures: [what: string, answer: [body: unknown, status?: number] | 'cut'][] = [
    ['refuses our client', [{ error: 'invalid_client' }, 401]],
    ['forbids our client to ask', [{ error: 'access_denied' }, 403]],
    ['fails', [{}, 500]],
    ['answers no JSON object', ['active', 200]],
    ['does not say whether it is active', [{ sub: 'somebody' }, 200]],
    ['says active in a word', [{ ...{ active: 'true' }, sub: 'somebody', client_id: cli, aud: origin }, 200]],
    ['redirects', [{}, 302]],
  ]
  it.each(failures)(
    'N-12: is neither accepted nor refused where the issuer %s, and asked about again',
    async (_, answer) => {
      await withAsking({ opaque: true }, async () => {
        const token = fresh()
        issuer.answer({ introspection: async () => answer as [unknown, number] })
        const failed = await send(token)
        expect([failed.status, failed.body.code, failed.headers.get('retry-after')]).toEqual([
          503,
          'issuer_unavailable',
          '5',
        ])
        expect(failed.text).not.toContain('invalid_client')
        // What failed is kept neither as a yes nor as a no.
        issuer.answer({ introspection: async () => [opaqueClaims()] })
        expect(await status(token)).toBe(200)
      })
    },
  )

  it('N-12: is neither accepted nor refused where the issuer does not answer in time', async () => {
    const ctx = await app.makeContext({}, { limits: { headersMs: 300 } })
    putContext(ctx)
    try {
      await withAsking({ opaque: true }, async () => {
        let release = () => {}
        const held = new Promise<void>((resolve) => {
          release = resolve
        })
        issuer.answer({
          introspection: async () => {
            await held
            return [opaqueClaims()]
          },
        })
        expect(await status(fresh())).toBe(503)
        release()
      })
    } finally {
      putContext(app.ctx)
      await ctx.close()
    }
  })

  it('N-13: an answer counts for sixty seconds at most, then it is asked again', async () => {
    await withAsking({ opaque: true }, async () => {
      const token = fresh()
      issuer.answer({ introspection: async () => [opaqueClaims()] })
      expect(await status(token)).toBe(200)
      issuer.answer({ introspection: async () => [{ active: false }] })
      await app.advance(59)
      expect(await status(token)).toBe(200)
      await app.advance(1)
      await expectRefused(await send(token), 'inactive')
      expect(issuer.askedCalls()).toBe(2)
      // Nor does it count longer for a clock that was set back.
      issuer.answer({ introspection: async () => [opaqueClaims()] })
      const other = fresh()
      expect(await status(other)).toBe(200)
      await app.advance(-30)
      expect(await status(other)).toBe(200)
      expect(issuer.askedCalls()).toBe(4)
      await app.advance(30)
    })
  })

  it('answers of many tokens take no more room than there is', async () => {
    await withAsking({ opaque: true }, async () => {
      const { answers } = app.ctx.introspections
      for (let count = 0; count < answersMax; count += 1)
        answers.set(`filler ${count}`, { at: 0, answer: Promise.resolve({ claims: undefined, at: new Date(0) }) })
      issuer.answer({ introspection: async () => [opaqueClaims()] })
      expect(await status(fresh())).toBe(200)
      expect(answers.size).toBe(answersMax)
      answers.clear()
    })
  })

  it('N-13: an answer never outlives the end that it names, nor a minute where it names none', async () => {
    await withAsking({ opaque: true }, async () => {
      const [short, endless] = [fresh(), fresh()]
      issuer.answer({
        introspection: async (token) => [opaqueClaims({ exp: token === endless ? undefined : seconds() + 20 })],
      })
      expect(await status(short)).toBe(200)
      expect(await status(endless)).toBe(200)
      await app.advance(21)
      issuer.answer({ introspection: async () => [{ active: false }] })
      await expectRefused(await send(short), 'expired')
      expect(await status(endless)).toBe(200)
      await app.advance(39)
      await expectRefused(await send(endless), 'inactive')
    })
  })

  it('N-13: what is kept is judged anew each time, and never kept for another client of ours', async () => {
    await withAsking({ opaque: true }, async () => {
      const token = fresh()
      issuer.answer({ introspection: async () => [opaqueClaims()] })
      expect(await status(token)).toBe(200)
      const path = `/tenants/acme/trusted-issuers/${trusted}`
      await app.call(owner, 'PATCH', path, { audience: `${origin}/elsewhere` })
      await expectRefused(await send(token), 'audience')
      await app.call(owner, 'PATCH', path, { audience: origin })
      expect(await status(token)).toBe(200)
      expect(issuer.askedCalls()).toBe(3)
    })
  })

  it('one question serves all who bring it at once; a few at a time are asked, and the rest told to wait', async () => {
    await withAsking({ opaque: true }, async () => {
      let release = () => {}
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      issuer.answer({
        introspection: async () => {
          await held
          return [opaqueClaims()]
        },
      })
      const token = fresh()
      const same = Array.from({ length: 10 }, () => status(token))
      await expect.poll(() => issuer.askedCalls()).toBe(1)
      const others = Array.from({ length: askingMax + 5 }, (_, index) =>
        status(fresh(), { address: `198.51.100.${index}` }),
      )
      const refused = await Promise.race(others)
      expect(refused).toBe(503)
      await expect.poll(() => issuer.askedCalls()).toBe(askingMax)
      release()
      expect(new Set(await Promise.all(same))).toEqual(new Set([200]))
      expect((await Promise.all(others)).filter((one) => one === 503)).toHaveLength(6)
    })
  })

  it('an address that invents tokens is stopped before it floods the issuer, and known tokens still work from there', async () => {
    await withAsking({ opaque: true }, async () => {
      const address = '198.51.100.77'
      const known = fresh()
      issuer.answer({ introspection: async (token) => [token === known ? opaqueClaims() : { active: false }] })
      expect(await status(known, { address })).toBe(200)
      const statuses = []
      for (let count = 0; count < 70; count += 1) statuses.push(await status(fresh(), { address }))
      expect(statuses.filter((one) => one === 401)).toHaveLength(60)
      expect(statuses.slice(60)).toEqual(Array.from({ length: 10 }, () => 429))
      expect(issuer.askedCalls()).toBe(61)
      expect(await status(known, { address })).toBe(200)
      issuer.answer({ introspection: async () => [opaqueClaims()] })
      expect(await status(fresh())).toBe(200)
    })
  })

  it('a token of our own is shown to no issuer', async () => {
    await withAsking({ opaque: true }, async () => {
      for (const token of ['vk_px_something', 'vk_at_something', 'vk_']) await expectRefused(await send(token))
      expect(issuer.requests).toEqual([])
    })
  })

  it('J-08: an encrypted token is opened by nobody here', async () => {
    const jwe = `${Buffer.from('{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"zip":"DEF"}').toString('base64url')}.a.b.c.d`
    await expectRefused(await send(jwe))
    await withAsking({ opaque: true }, async () => {
      await expectRefused(await send(jwe), 'inactive')
    })
  })
})

describe('a JWT of an issuer that is asked', () => {
  it('N-12: counts only while the issuer says so, to the minute', async () => {
    await withAsking({}, async () => {
      issuer.answer({ introspection: async () => [{ active: true, sub: 'somebody' }] })
      const token = await good()
      expect(await status(token)).toBe(200)
      issuer.answer({ introspection: async () => [{ active: false }] })
      await app.advance(60)
      await expectRefused(await send(token), 'inactive')
      issuer.answer({ introspection: async () => [{ active: true, sub: 'another' }] })
      await expectRefused(await send(await good({ jti: 'another' })), 'inactive')
    })
  })

  it('N-12: the issuer is never asked about what it has not signed, or what is refused anyway', async () => {
    await withAsking({}, async () => {
      for (const token of [
        await good({}, { forged: true }),
        await good({ aud: 'account' }),
        await good({ iss: evil.url }),
      ])
        await expectRefused(await send(token))
      expect(issuer.askedCalls()).toBe(0)
    })
  })
})

describe('hostile tokens', () => {
  it('IV-08: are refused whatever their size and form, and nothing of them is told', async () => {
    const deep = Buffer.from(`{"iss":"${issuer.url}","a":${'['.repeat(3000)}${']'.repeat(3000)}}`).toString('base64url')
    const header = Buffer.from('{"alg":"ES256"}').toString('base64url')
    const part = (text: string) => Buffer.from(text).toString('base64url')
    const iss = `"iss":"${issuer.url}"`
    for (const token of [
      'x'.repeat(8_193),
      await good({ padding: 'x'.repeat(9_000) }),
      `${header}.${deep}.AA`,
      `${part('{"alg":7}')}.${part(`{${iss}}`)}.AA`,
      `${part('[]')}.${part(`{${iss}}`)}.AA`,
      `${part('null')}.${part(`{${iss}}`)}.AA`,
      `.${part(`{${iss}}`)}.`,
      `${header}.${part(`{${iss},"__proto__":{"aud":"${origin}"}}`)}.AA`,
      `${header}.${part('[1]')}.AA`,
      `${header}.${part('null')}.AA`,
      `${header}.${Buffer.from([0xff, 0xfe]).toString('base64url')}.AA`,
      `${part('{"alg":"ES256","crit":["exp"],"exp":1}')}.${part(`{${iss}}`)}.AA`,
      `${header}.${part(`{${iss}}`)}.${'A'.repeat(86)}`,
    ])
      await expectRefused(await send(token))
    const secret = await good({ sub: 'a-very-private-subject', aud: 'account' })
    await send(secret)
    const told = [...app.logged, ...app.answered.map(({ text }) => text)].join('\n')
    expect(told).not.toContain(secret.split('.')[1])
    expect(told).not.toContain('a-very-private-subject')
  })

  it('N-20: who it is comes from the token alone: no header, no e-mail, no name, no role of it plays a part', async () => {
    const { id } = (await app.call<{ id: string }>(owner, 'GET', '/me')).body
    const claims = {
      sub: 'a-stranger',
      email: 'owner@acme.test',
      preferred_username: 'somebody',
      user_id: id,
      name: 'somebody',
      realm_access: { roles: ['owner'] },
      scope: scopes.join(' '),
    }
    await expectRefused(await send(await good(claims)), 'not_a_member')
  })

  it('J-10: is taken as Bearer alone, and only below a tenant', async () => {
    const dpop = await send(await good(), { scheme: 'DPoP' })
    expect([dpop.status, dpop.headers.get('www-authenticate')]).toEqual([
      401,
      challengeOf('DPoP', 'error="invalid_token"'),
    ])
    const me = await send(await good(), { path: '/me' })
    expect([me.status, me.body.detail]).toEqual([
      401,
      'The token of a trusted issuer counts only below /api/v1/tenants/{tenant}.',
    ])
  })
})

describe('whose token it is', () => {
  it('N-11 N-20: a service account is nobody, and nobody is made by a token', async () => {
    const count = async () => (await app.rows('acme', 'SELECT count(*)::int AS n FROM "user"'))[0]?.n
    const before = await count()
    await expectRefused(await send(await good({ sub: 'service-account-cli', client_id: cli })), 'not_a_member')
    expect(await count()).toBe(before)
  })

  it('Z-06: a member who is suspended or removed is refused at once; older tokens stay refused when they are back', async () => {
    const user = await addMember('acme', 'came-and-went')
    const path = `/tenants/acme/members/${user}`
    const old = await good({ sub: 'came-and-went', exp: seconds() + 3000 })
    expect(await status(old)).toBe(200)
    expect((await app.call(owner, 'PATCH', path, { status: 'suspended' })).status).toBe(204)
    await expectRefused(await send(old), 'not_a_member')
    expect((await app.call(owner, 'PATCH', path, { status: 'active' })).status).toBe(204)
    await expectRefused(await send(old), 'not_a_member')
    // A clock that is ahead may have dated an older one so.
    await expectRefused(await send(await good({ sub: 'came-and-went', iat: seconds() + 30 })), 'not_a_member')
    await app.advance(61)
    await expectRefused(await send(await good({ sub: 'came-and-went', iat: undefined })), 'not_a_member')
    expect(await status(await good({ sub: 'came-and-went', iat: seconds() + 1 }))).toBe(200)
    expect((await app.call(owner, 'PATCH', path, { status: 'suspended' })).status).toBe(204)
    await app.advance(62)
    await expectRefused(await send(await good({ sub: 'came-and-went' })), 'not_a_member')
    expect((await app.call(owner, 'DELETE', path)).status).toBe(204)
    await expectRefused(await send(await good({ sub: 'came-and-went', iat: seconds() + 1 })), 'not_a_member')
  })

  it('Z-02: counts in the tenant that trusts the issuer alone, with what that tenant allows', async () => {
    await addMember('globex', 'somebody', 'owner')
    await expectRefused(await send(await good(), { path: '/tenants/globex/members' }))
    const entry = await trust(globex, 'globex')
    await allow(globex, 'globex', entry, { scopes: ['tokens:issue'] })
    try {
      const there = await send(await good(), { path: '/tenants/globex/members' })
      expect([there.status, there.body.code]).toEqual([403, 'insufficient_scope'])
      expect(await status(await good())).toBe(200)
      await addMember('globex', 'only-there')
      await expectRefused(await send(await good({ sub: 'only-there' })), 'not_a_member')
    } finally {
      expect((await remove(globex, 'globex', entry)).status).toBe(204)
    }
    await expectRefused(await send(await good(), { path: '/tenants/globex/members' }))
    await expectRefused(await send(await good(), { path: '/tenants/..%2Facme/members' }))
  })

  it('N-12: an admin’s own issuer is nobody whose identity has another one, here or elsewhere', async () => {
    const { id, subject } = (
      await app.rows('acme', `SELECT u.id, u.subject FROM "user" u WHERE u.subject = 'acct-3001'`)
    )[0] as {
      id: string
      subject: string
    }
    const entry = await trust(owner, 'acme', { issuer: evil.url, name: 'Mine' })
    await allow(owner, 'acme', entry)
    const forged = (claims: Record<string, unknown>) => evil.accessToken({ aud: origin, azp: cli, ...claims })
    for (const sub of [id, subject, 'somebody']) {
      await expectRefused(await send(await forged({ sub })), 'not_a_member')
      await expectRefused(await send(await forged({ sub }), { path: '/tenants/globex/members' }))
      // Under the name of another issuer its keys are not the right ones.
      await expectRefused(await send(await forged({ sub, iss: issuer.url })), 'signature')
      await expectRefused(await send(await forged({ sub, iss: app.ctx.config.signin.issuer })))
    }
    expect((await trustedOf()).find((one) => one.id === entry)?.members).toBe(0)
    expect((await remove(owner, 'acme', entry)).status).toBe(204)
  })

  it('a token whose audience is its own client, as that of an ID token, is refused wherever that is our audience', async () => {
    await app.rows('acme', 'UPDATE trusted_issuer SET audience = $1 WHERE id = $2', [cli, trusted])
    await expectRefused(await send(await good({ aud: cli })), 'audience')
    const other = await allow(owner, 'acme', trusted, { client_id: 'other' })
    expect(await status(await good({ aud: cli, azp: 'other' }))).toBe(200)
    await remove(owner, 'acme', `${trusted}/clients/${other}`)
    await app.rows('acme', 'UPDATE trusted_issuer SET audience = $1 WHERE id = $2', [origin, trusted])
  })

  it('N-36: what a program may do comes from the tenant’s entry: none means nothing, and the role still cuts it', async () => {
    const nothing = await allow(owner, 'acme', trusted, { client_id: 'nothing', scopes: [] })
    const token = await good({ azp: 'nothing', scope: scopes.join(' ') })
    const answer = await send(token)
    expect([answer.status, answer.body.code]).toEqual([403, 'insufficient_scope'])
    const path = `/tenants/acme/trusted-issuers/${trusted}/clients/${nothing}`
    expect((await app.call(owner, 'PATCH', path, { scopes: ['tenant:read'] })).status).toBe(200)
    expect(await status(token)).toBe(200)
    expect((await send(token, { path: '/tenants/acme/tokens' })).body.code).toBe('insufficient_scope')
    await addMember('acme', 'plain-member', 'member')
    expect((await send(await good({ sub: 'plain-member' }), { path: '/tenants/acme/freezes' })).body.code).toBe(
      'forbidden',
    )
    const browser = await send(await good(), {
      method: 'POST',
      path: '/tenants/acme/invitations',
      body: { role: 'owner' },
    })
    expect([browser.status, browser.body.code]).toEqual([403, 'browser_only'])
    expect((await remove(owner, 'acme', `${trusted}/clients/${nothing}`)).status).toBe(204)
    await expectRefused(await send(token), 'client_not_listed')
  })
})

describe('what is taken away', () => {
  const principalOf = async (): Promise<IncomingCredential> => {
    const [row] = await trustedRows()
    return { kind: 'incoming', client, trustedIssuer: trusted, generation: row?.generation ?? -1, scopes }
  }
  const trustedRows = async () =>
    (await app.rows('acme', 'SELECT generation FROM trusted_issuer WHERE id = $1', [trusted])) as {
      generation: number
    }[]
  const actor = async () => {
    const [user] = await app.rows('acme', `SELECT id FROM "user" WHERE subject = 'somebody' AND issuer = $1`, [
      issuer.url,
    ])
    const { tenantId, slug } = await app.actorOf('owner@acme.test')
    return { userId: String(user?.id), tenantId, slug, role: 'admin' as const, credential: await principalOf() }
  }

  it('ends at the next request on every process', async () => {
    const other = await app.makeContext()
    const token = await good()
    const entry = await allow(owner, 'acme', trusted, { client_id: 'short-lived' })
    const through = await good({ azp: 'short-lived' })
    const everywhere = async (presented: string) => {
      const statuses = []
      for (const ctx of [app.ctx, other]) {
        putContext(ctx)
        statuses.push(await status(presented))
      }
      putContext(app.ctx)
      return statuses
    }
    expect(await everywhere(through)).toEqual([200, 200])
    expect((await remove(owner, 'acme', `${trusted}/clients/${entry}`)).status).toBe(204)
    expect(await everywhere(through)).toEqual([401, 401])
    expect(await everywhere(token)).toEqual([200, 200])
    expect((await remove(owner, 'acme', trusted)).status).toBe(204)
    expect(await everywhere(token)).toEqual([401, 401])
    await other.close()
    trusted = await trust(owner, 'acme')
    client = await allow(owner, 'acme', trusted)
    expect(await status(token)).toBe(200)
  })

  it.each([
    [
      'a client that is removed',
      async (entry: string) => void (await remove(owner, 'acme', `${trusted}/clients/${entry}`)),
    ],
    [
      'an audience that is changed',
      async () =>
        void (await app.call(owner, 'PATCH', `/tenants/acme/trusted-issuers/${trusted}`, { audience: `${origin}/x` })),
    ],
  ])('while the issuer is being asked, %s counts when it answers', async (_, taken) => {
    const entry = await allow(owner, 'acme', trusted, { client_id: 'short-lived' })
    await withAsking({ opaque: true }, async () => {
      let release = () => {}
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      issuer.answer({
        introspection: async () => {
          await held
          return [opaqueClaims({ client_id: 'short-lived' })]
        },
      })
      const asked = send(fresh())
      await expect.poll(() => issuer.askedCalls()).toBe(1)
      await taken(entry)
      release()
      await expectRefused(await asked, 'client_not_listed')
    })
    await app.call(owner, 'PATCH', `/tenants/acme/trusted-issuers/${trusted}`, { audience: origin })
    await remove(owner, 'acme', `${trusted}/clients/${entry}`)
  })

  it.each([
    ['the client is removed', async () => void (await remove(owner, 'acme', `${trusted}/clients/${client}`))],
    [
      'a scope of the client is taken away',
      async () =>
        void (await app.call(owner, 'PATCH', `/tenants/acme/trusted-issuers/${trusted}/clients/${client}`, {
          scopes: scopes.slice(1),
        })),
    ],
    [
      'the issuer is judged in another way',
      async () =>
        void (await app.call(owner, 'PATCH', `/tenants/acme/trusted-issuers/${trusted}`, { audience: `${origin}/x` })),
    ],
    ['the issuer is removed', async () => void (await remove(owner, 'acme', trusted))],
  ])('an act begun before %s changes nothing', async (_, taken) => {
    const before = await actor()
    await expect(act(app.ctx, before, 'read', async () => 'done')).resolves.toBe('done')
    await taken()
    let worked = false
    const late = act(app.ctx, before, 'read', async () => {
      worked = true
    })
    await expect(late).rejects.toMatchObject({
      code: 'unauthenticated',
      challenge: 'Bearer realm="valetkey", error="invalid_token"',
    })
    expect(worked).toBe(false)
    await remove(owner, 'acme', trusted)
    trusted = await trust(owner, 'acme')
    client = await allow(owner, 'acme', trusted)
  })

  it.each([
    ['a client', () => remove(owner, 'acme', `${trusted}/clients/${client}`)],
    [
      'the judgement of an issuer',
      () => app.call(owner, 'PATCH', `/tenants/acme/trusted-issuers/${trusted}`, { audience: `${origin}/x` }),
    ],
  ])('whoever takes away %s waits for an act that is under way', async (_, take) => {
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const order: string[] = []
    let began = () => {}
    const begun = new Promise<void>((resolve) => {
      began = resolve
    })
    const acting = act(app.ctx, await actor(), 'read', async () => {
      began()
      await held
      order.push('act')
    })
    await begun
    const removal = take().then(() => order.push('removal'))
    const waiting = `SELECT count(*)::int AS n FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted`
    await expect.poll(async () => (await app.owner.query(waiting)).rows[0]?.n).toBe(1)
    release()
    await Promise.all([acting, removal])
    expect(order).toEqual(['act', 'removal'])
    await remove(owner, 'acme', trusted)
    trusted = await trust(owner, 'acme')
    client = await allow(owner, 'acme', trusted)
  })

  it('another tenant’s entry is none: an act in one tenant finds only its own', async () => {
    const entry = await trust(globex, 'globex')
    const theirs = await allow(globex, 'globex', entry)
    const mine = await actor()
    const credential = { ...mine.credential, trustedIssuer: entry, client: theirs, generation: 0 }
    await expect(act(app.ctx, { ...mine, credential }, 'read', async () => 'done')).rejects.toMatchObject({
      code: 'unauthenticated',
    })
    await remove(globex, 'globex', entry)
  })
})

describe('an admin', () => {
  const post = (body: Record<string, unknown>, jar = owner) =>
    app.call<{ code: string; fields?: Record<string, string> }>(jar, 'POST', '/tenants/acme/trusted-issuers', {
      issuer: evil.url,
      name: 'Another',
      ...body,
    })

  it('types no place of keys or answers, and no certificates: unknown fields are refused', async () => {
    for (const field of ['jwks_uri', 'introspection_endpoint', 'certificates', 'tenant_id', 'generation'])
      expect((await post({ [field]: 'https://evil.example' })).body.fields).toHaveProperty([field])
  })

  it('N-12: may name only an audience that is ours', async () => {
    for (const audience of [
      'account',
      cli,
      'https://evil.example',
      `${origin}.evil.example`,
      app.ctx.config.signin.clientId,
    ])
      expect((await post({ audience })).body.fields, audience).toHaveProperty('audience')
    const signin = app.ctx.config.signin
    const entry = await trust(owner, 'acme', { issuer: signin.issuer, audience: signin.clientId })
    const change = await app.call<{ fields: object }>(owner, 'PATCH', `/tenants/acme/trusted-issuers/${entry}`, {
      audience: 'account',
    })
    expect(change.body.fields).toHaveProperty('audience')
    await remove(owner, 'acme', entry)
  })

  it('F-07: trusts no issuer that answers under another name, not at all, or with keys elsewhere inside', async () => {
    const metadata: [Record<string, unknown>, string][] = [
      [{ issuer: issuer.url }, 'issuer'],
      [{ issuer: `${evil.url}/` }, 'issuer'],
      [{ jwks_uri: undefined }, 'issuer'],
      [{ jwks_uri: 'http://169.254.169.254/keys' }, 'issuer'],
      [{ introspection_endpoint: 'http://10.0.0.1/ask' }, 'issuer'],
    ]
    for (const [changed, field] of metadata) {
      evil.answer({ metadata: changed })
      expect((await post({})).body.fields, JSON.stringify(changed)).toHaveProperty(field)
    }
    evil.answer({ metadata: { introspection_endpoint: undefined } })
    expect((await post(asker)).body.fields).toHaveProperty('client_id')
    evil.answer({})
    for (const wrong of ['http://127.0.0.1:9/', `${evil.url}?a=b`, 'http://192.168.0.1', 'https://user:pw@example.com'])
      expect((await post({ issuer: wrong })).body.fields, wrong).toHaveProperty('issuer')
  })

  it('asks about tokens that name no issuer at one place alone, and only with a client', async () => {
    expect((await post({ opaque: true })).body.fields).toHaveProperty('opaque')
    expect((await post({ client_id: 'only' })).body.fields).toHaveProperty('client_secret')
    const path = `/tenants/acme/trusted-issuers/${trusted}`
    expect((await app.call<{ fields: object }>(owner, 'PATCH', path, { opaque: true })).body.fields).toHaveProperty(
      'opaque',
    )
    expect((await app.call<{ fields: object }>(owner, 'PATCH', path, { client_id: 'x' })).body.fields).toHaveProperty(
      'client_secret',
    )
    expect(
      (await app.call<{ fields: object }>(owner, 'PATCH', path, { client_secret: 'x' })).body.fields,
    ).toHaveProperty('client_secret')
    await withAsking({ opaque: true }, async () => {
      expect((await post({ ...asker, opaque: true })).body.code).toBe('opaque_taken')
      const entry = await trust(owner, 'acme', { ...asker, issuer: evil.url })
      expect(
        (await app.call(owner, 'PATCH', `/tenants/acme/trusted-issuers/${entry}`, { opaque: true })).body.code,
      ).toBe('opaque_taken')
      await remove(owner, 'acme', entry)
    })
  })

  it('B-01: trusts no issuer and no client twice, and not more than there is room for', async () => {
    expect((await post({ issuer: issuer.url })).body.code).toBe('trusted_issuer_exists')
    const path = `/tenants/acme/trusted-issuers/${trusted}/clients`
    expect((await app.call(owner, 'POST', path, { client_id: cli, name: 'x', scopes: [] })).body.code).toBe(
      'trusted_client_exists',
    )
    await app.rows(
      'acme',
      `INSERT INTO trusted_issuer (tenant_id, id, issuer, name, audience, created_by, created_at)
       SELECT t.id, 'tri_' || n, 'https://' || n || '.example', 'x', 'x', 'x', now() FROM tenant t, generate_series(1, 9) n WHERE t.slug = 'acme'`,
    )
    expect((await post({})).body.code).toBe('too_many_trusted')
    await app.rows('acme', `DELETE FROM trusted_issuer WHERE name = 'x'`)
    await app.rows(
      'acme',
      `INSERT INTO trusted_client (tenant_id, id, issuer_id, client_id, name, scopes, created_by, created_at)
       SELECT tenant_id, 'trc_' || n, id, 'c' || n, 'many', '{}', 'x', now() FROM trusted_issuer, generate_series(1, 49) n WHERE id = $1`,
      [trusted],
    )
    expect((await app.call(owner, 'POST', path, { client_id: 'one-more', name: 'x', scopes: [] })).body.code).toBe(
      'too_many_trusted',
    )
    await app.rows('acme', `DELETE FROM trusted_client WHERE name = 'many'`)
  })

  it('sees why tokens were refused last, and which client a verified one named', async () => {
    await send(await good({ aud: 'account', azp: 'some-app' }))
    await send(await good({ azp: '<b>other</b>\u202e' }))
    await send(await good({ azp: 'never-shown' }, { forged: true }))
    const at = app.ctx.now().getTime()
    const refusals = async () => (await trustedOf()).find(({ id }) => id === trusted)?.refusals ?? []
    await expect.poll(async () => (await refusals()).map(({ reason }) => reason)).toContain('signature')
    const seen = await refusals()
    const of = (reason: string) => seen.find((one) => one.reason === reason)
    expect(of('audience')?.client_id).toBe('some-app')
    expect(of('client_not_listed')?.client_id).toBe('<b>other</b> ')
    expect(of('signature')?.client_id).toBeNull()
    expect(Math.abs(Date.parse(of('audience')?.at ?? '') - at)).toBeLessThan(60_000)
    expect(JSON.stringify(seen)).not.toContain('never-shown')
    // Once a minute of one reason, however many come.
    const writes: string[] = []
    const stop = app.watchStatements((text) => text.includes('INSERT INTO trusted_issuer_refusal') && writes.push(text))
    await app.advance(61)
    for (let count = 0; count < 5; count += 1) await send(await good({ aud: 'account' }))
    await expect.poll(() => writes.length).toBe(1)
    stop()
  })

  it('G-01: leaves an event of each change, and each act names the client and issuer it came through', async () => {
    const entry = await trust(owner, 'acme', { issuer: evil.url, ...asker })
    const listed = await allow(owner, 'acme', entry, { client_id: 'audited' })
    await app.call(owner, 'PATCH', `/tenants/acme/trusted-issuers/${entry}`, {
      name: 'Renamed',
      client_secret: 'another',
    })
    await app.call(owner, 'PATCH', `/tenants/acme/trusted-issuers/${entry}/clients/${listed}`, { scopes: [] })
    await remove(owner, 'acme', `${entry}/clients/${listed}`)
    await remove(owner, 'acme', entry)
    const events = (
      await app.rows('acme', `SELECT body FROM audit_event WHERE body->'target'->>'id' = ANY ($1) ORDER BY id`, [
        [entry, listed],
      ])
    ).map(({ body }) => body as { action: string; details: object })
    expect(events.map(({ action }) => action)).toEqual([
      'trusted_issuer.added',
      'trusted_client.added',
      'trusted_issuer.changed',
      'trusted_client.changed',
      'trusted_client.removed',
      'trusted_issuer.removed',
    ])
    expect(JSON.stringify(events)).not.toContain(asker.client_secret)
    expect(JSON.stringify(events)).not.toContain('another')
    const denied = await send(await good(), {
      method: 'POST',
      path: '/tenants/acme/invitations',
      body: { role: 'member' },
    })
    const [event] = await app.rows('acme', `SELECT body FROM audit_event WHERE body->>'request' = $1`, [
      denied.headers.get('x-request-id'),
    ])
    expect(event?.body).toMatchObject({ action: 'access.denied', client, trusted_issuer: trusted, session: null })
  })
})

describe('every operation, by a program with a token of a trusted issuer', () => {
  let receiver: Receiver
  let things: Things
  beforeAll(async () => {
    receiver = await startReceiver()
    const jar = await app.signIn('member@acme.test')
    const { id } = (await app.call<{ id: string }>(jar, 'GET', '/me')).body
    await app.rows('acme', `UPDATE member SET role = 'admin' WHERE user_id = $1`, [id])
    things = await makeThings(app, jar, { account: 'owner@acme.test', project: '10231', receiver })
    // From here on it is the test's own issuer that vouches for them.
    await app.ctx.pool.query(`UPDATE "user" SET issuer = $1, subject = 'program-owner' WHERE id = $2`, [issuer.url, id])
  })
  afterAll(() => receiver.stop())

  const through = async (operation: Operation, held: readonly Scope[], tenant = 'acme') => {
    await app.rows('acme', 'UPDATE trusted_client SET scopes = $1 WHERE id = $2', [held, client])
    const path = `${pathOf(operation.path, tenant, things)}${queries[operation.id] ?? ''}`
    const body = bodyFor(operation, things, receiver)
    return send(await good({ sub: 'program-owner' }), { method: operation.method, path, body })
  }
  const inTenants = (list: readonly Operation[]) => list.filter(({ path }) => path.includes('{tenant}'))

  it.each(byAddress(inTenants(forPrograms)))('N-36 %s: is refused without the scope', async (_, operation) => {
    for (const missing of neededBy(operation)) {
      const answer = await through(
        operation,
        scopes.filter((scope) => scope !== missing),
      )
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([
        403,
        challengeOf('Bearer', `error="insufficient_scope", scope="${missing}"`),
      ])
    }
  })

  it.each(byAddress(inTenants(forBrowsers)))('%s: is for browsers alone', async (_, operation) => {
    const answer = await through(operation, scopes)
    expect([answer.status, answer.body.code]).toEqual([403, 'browser_only'])
  })

  it.each(byAddress(guarded.filter(({ path }) => !path.includes('{tenant}'))))(
    '%s: is no business of a token that counts in one tenant',
    async (_, operation) => {
      const answer = await through(operation, scopes)
      expect([answer.status, answer.body.code]).toEqual([401, 'unauthenticated'])
      expect(answer.body.detail).toContain('only below /api/v1/tenants/{tenant}')
    },
  )

  it.each(byAddress(inTenants(guarded)))('Z-02 %s: is nobody in another tenant', async (_, operation) => {
    await expectRefused(await through(operation, scopes, 'globex'))
  })

  it.each(byAddress(inTenants(inOrder(forPrograms))))(
    '%s: is done with the scopes that it needs, and its event says through what',
    async (_, operation) => {
      const issue = operations.find(({ id }) => id === 'issueToken') as Operation
      // The one made before has ended by now.
      if (operation.id === 'revoke')
        things.token = ((await through(issue, neededBy(issue))).body.token as { id: string }).id
      // Tried again, it was done.
      if (operation.id === 'recordRevocation')
        await app.rows('acme', `UPDATE upstream_revocation SET state = 'failed' WHERE id = $1`, [things.revocation])
      const answer = await through(operation, neededBy(operation))
      expect([answer.status, answer.text]).toEqual([operation.answer.status, answer.text])
      const events = await eventsOf(app, answer)
      expectDeclared(operation, events)
      for (const event of events) expect(event).toMatchObject({ session: null, client, trusted_issuer: trusted })
    },
  )
})

const seconds = () => Math.floor(app.ctx.now().getTime() / 1000)
