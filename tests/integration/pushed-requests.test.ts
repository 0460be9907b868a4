// Requests that a program pushes before it sends a browser (RFC 9126), and clients that sign who they are (RFC 7523). Two
// processes on one database.
import { exportJWK, generateKeyPair, type JWK, type JWTHeaderParameters, SignJWT } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, it, test } from 'vitest'
import type { Scope } from '../../lib/actor.ts'
import { type Context, putContext } from '../../lib/context.ts'
import { assertionAlgorithms, assertionType } from '../../lib/security/client-assertion.ts'
import { currentNonce } from '../../lib/security/proof.ts'
import { randomToken } from '../../lib/security/secrets.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { origin } from '../support/broker.ts'
import { newProver } from '../support/dpop.ts'
import {
  approveCode,
  approveDevice,
  insertClient,
  type OAuthError,
  pkce,
  post,
  type Tokens,
} from '../support/programs.ts'

let app: TestApp
let other: Context
let browser: Jar
let user: string
const reading: Scope[] = ['projects:read', 'tenant:read']
const callback = 'https://app.example/callback'
type Pushed = { request_uri: string; expires_in: number }
type Form = Record<string, string>

beforeAll(async () => {
  app = await startTestApp()
  other = await app.makeContext()
  browser = await app.signIn('owner@acme.test')
  user = (await app.call<{ id: string }>(browser, 'GET', '/me')).body.id
})
afterAll(async () => {
  await other.close()
  await app.stop()
})
afterEach(() => app.forgetLimits())

const asked = (challenge = pkce().challenge) => ({
  response_type: 'code',
  redirect_uri: callback,
  code_challenge: challenge,
  code_challenge_method: 'S256',
  state: 'a state',
})
const push = (form: Form, headers: Form = {}) => post<Pushed & OAuthError>(app, '/oauth/par', form, { headers })
const authorize = async (given: Form, jar: Jar = browser) => {
  const { headers } = await app.send(jar, new Request(`${origin}/oauth/authorize?${new URLSearchParams(given)}`))
  return new URL(headers.get('location') ?? '')
}
const waitsIn = ({ pathname }: URL) => /^\/authorize\/(aut_\w+)$/.exec(pathname)?.[1]
const failed = (code: string) => `${origin}/authorize/failed?code=${code}`

describe('a pushed request', () => {
  let client: Form
  let id: Form
  beforeAll(async () => {
    const made = await insertClient(app, 'acme')
    client = { client_id: made.id, client_secret: made.secret }
    id = { client_id: made.id }
  })

  it('is taken, named once, and gives a code as any other', async () => {
    const { verifier, challenge } = pkce()
    const { status, body, headers } = await push({ ...client, ...asked(challenge) })
    expect([status, body.expires_in, headers.get('cache-control')]).toEqual([201, 90, 'no-store'])
    expect(body.request_uri).toMatch(/^urn:ietf:params:oauth:request_uri:[\w-]{43}$/)
    const rows = JSON.stringify(await app.rows('acme', 'SELECT * FROM authorization_request'))
    expect(rows).not.toContain(body.request_uri.split(':').at(-1))
    const request = waitsIn(await authorize({ ...id, request_uri: body.request_uri })) ?? ''
    const code = await approveCode(app, 'acme', request, { user, scopes: reading })
    const form = { grant_type: 'authorization_code', code, redirect_uri: callback, code_verifier: verifier }
    expect((await post(app, '/oauth/token', { ...client, ...form })).status).toBe(200)
  })

  it('T-07: is used once, also by many at once', async () => {
    const { request_uri } = (await push({ ...client, ...asked() })).body
    const all = await Promise.all(Array.from({ length: 20 }, () => authorize({ ...id, request_uri })))
    expect(all.filter(waitsIn)).toHaveLength(1)
    for (const one of all) if (!waitsIn(one)) expect(one.href).toBe(failed('request_uri_unknown'))
  })

  it('is nobody’s after 90 seconds, and waits for a person as long as any other', async () => {
    const [late, used] = [(await push({ ...client, ...asked() })).body, (await push({ ...client, ...asked() })).body]
    await app.advance(80)
    const request = waitsIn(await authorize({ ...id, request_uri: used.request_uri })) ?? ''
    await app.advance(11)
    expect((await authorize({ ...id, request_uri: late.request_uri })).href).toBe(failed('request_uri_unknown'))
    await approveCode(app, 'acme', request, { user, scopes: reading })
  })

  it('is nobody’s but its client’s, and what is added in the address is not read', async () => {
    const { request_uri } = (await push({ ...client, ...asked() })).body
    const theirs = await insertClient(app, 'acme')
    for (const client_id of [theirs.id, 'valetkey'])
      expect((await authorize({ client_id, request_uri })).href).toBe(failed('request_uri_unknown'))
    expect((await authorize({ request_uri })).href).toBe(failed('invalid_client'))
    for (const wrong of [request_uri.slice(0, -1), `${request_uri}A`, randomToken(), 'https://evil.example/request'])
      expect((await authorize({ ...id, request_uri: wrong })).href).toBe(failed('request_uri_unknown'))
    const request = waitsIn(
      await authorize({ ...id, request_uri, scope: 'tenant:manage', redirect_uri: 'https://evil.example' }),
    )
    const [row] = await app.rows('acme', 'SELECT * FROM authorization_request WHERE id = $1', [request])
    expect(row).toMatchObject({ redirect_uri: callback, state: 'a state', status: 'pending', secret_hash: null })
    expect(row?.scopes).not.toContain('tenant:manage')
  })

  it('cannot be answered, nor redeemed, before a browser has brought it', async () => {
    const { request_uri } = (await push({ ...client, ...asked() })).body
    const form = { grant_type: 'authorization_code', redirect_uri: callback, code_verifier: pkce().verifier }
    const code = request_uri.split(':').at(-1) ?? ''
    expect((await post(app, '/oauth/token', { ...client, ...form, code })).body.error).toBe('invalid_grant')
  })

  test.each<[string, Form, number, string]>([
    ['a wrong secret', { client_secret: 'wrong' }, 401, 'invalid_client'],
    ['no secret', { client_secret: '' }, 401, 'invalid_client'],
    ['an address that is not registered', { redirect_uri: 'https://evil.example' }, 400, 'invalid_request'],
    ['no address', { redirect_uri: '' }, 400, 'invalid_request'],
    ['no PKCE', { code_challenge: '' }, 400, 'invalid_request'],
    ['another response', { response_type: 'token' }, 400, 'unsupported_response_type'],
    ['an unknown scope', { scope: 'everything' }, 400, 'invalid_scope'],
    ['another resource', { resource: 'https://other.example' }, 400, 'invalid_target'],
    ['one that names another', { request_uri: 'urn:ietf:params:oauth:request_uri:x' }, 400, 'invalid_request'],
    ['no thumbprint', { dpop_jkt: 'short' }, 400, 'invalid_request'],
  ])('E-02 X-01: with %s is refused to the program, and nothing is kept', async (_, wrong, status, error) => {
    const count = async () => (await app.rows('acme', 'SELECT count(*)::int AS n FROM authorization_request'))[0]?.n
    const before = await count()
    const answer = await push({ ...client, ...asked(), ...wrong })
    expect([answer.status, answer.body.error]).toEqual([status, error])
    expect(await count()).toBe(before)
  })

  it('of a client without codes is refused', async () => {
    const device = await insertClient(app, 'acme', { grantTypes: ['device_code'] })
    const { body } = await push({ client_id: device.id, client_secret: device.secret, ...asked() })
    expect(body.error).toBe('unauthorized_client')
  })

  it('prompt=none is answered as the browser comes, and waits for nobody', async () => {
    for (const [jar, error] of [
      [browser, 'consent_required'],
      [new Map(), 'login_required'],
    ] as const) {
      const { request_uri } = (await push({ ...client, ...asked(), prompt: 'none' })).body
      const back = await authorize({ ...id, request_uri }, jar)
      expect(Object.fromEntries(back.searchParams)).toEqual({ error, state: 'a state', iss: origin })
    }
    expect(
      await app.rows('acme', `SELECT 1 FROM authorization_request WHERE prompt = 'none' AND status <> 'denied'`),
    ).toEqual([])
  })

  it('a client that must push gets nothing without', async () => {
    const pushing = await insertClient(app, 'acme', { needsPush: true })
    const back = await authorize({ client_id: pushing.id, ...asked() })
    expect([back.origin + back.pathname, back.searchParams.get('error')]).toEqual([callback, 'invalid_request'])
    const { request_uri } = (await push({ client_id: pushing.id, client_secret: pushing.secret, ...asked() })).body
    expect(waitsIn(await authorize({ client_id: pushing.id, request_uri }))).toBeDefined()
  })

  it('J-10: with a proof binds its code to that key, and dpop_jkt cannot name another', async () => {
    const prover = await newProver(app.ctx.now)
    const proof = (path = '/oauth/par') =>
      prover.proof({ method: 'POST', url: origin + path, nonce: currentNonce(app.ctx) })
    const theirs = (await newProver(app.ctx.now)).key
    const mixed = await push({ ...client, ...asked(), dpop_jkt: theirs }, { dpop: await proof() })
    expect(mixed.body.error).toBe('invalid_dpop_proof')
    const wrong = await push({ ...client, ...asked() }, { dpop: await proof('/oauth/token') })
    expect(wrong.body.error).toBe('invalid_dpop_proof')
    const { verifier, challenge } = pkce()
    const both = { ...client, ...asked(challenge), dpop_jkt: prover.key }
    const { request_uri } = (await push(both, { dpop: await proof() })).body
    const request = waitsIn(await authorize({ ...id, request_uri })) ?? ''
    const code = await approveCode(app, 'acme', request, { user, scopes: reading })
    const form = { grant_type: 'authorization_code', code, redirect_uri: callback, code_verifier: verifier }
    expect((await post(app, '/oauth/token', { ...client, ...form })).body.error).toBe('invalid_dpop_proof')
    const headers = { dpop: await proof('/oauth/token') }
    expect((await post(app, '/oauth/token', { ...client, ...form }, { headers })).body.token_type).toBe('DPoP')
  })
})

type Signer = { id: string; key: CryptoKey; jwk: JWK; alg: string }
async function newSigner(alg = 'ES256'): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), alg: alg === 'Ed25519' ? 'EdDSA' : alg, kid: 'key-1', use: 'sig' }
  const { id } = await insertClient(app, 'acme', { authentication: 'private_key_jwt', keys: { keys: [jwk] } })
  return { id, key: privateKey, jwk, alg }
}
const seconds = () => Math.floor(app.ctx.now().getTime() / 1000)
type Change = { claims?: Record<string, unknown>; header?: Record<string, unknown>; key?: CryptoKey | Uint8Array }

const assertionOf = ({ id, key, alg }: Signer, change: Change = {}) =>
  new SignJWT({
    iss: id,
    sub: id,
    aud: origin,
    iat: seconds(),
    exp: seconds() + 60,
    jti: randomToken(),
    ...change.claims,
  })
    .setProtectedHeader({ alg, kid: 'key-1', ...change.header } as JWTHeaderParameters)
    .sign(change.key ?? key)
const signed = async (by: Signer, change: Change = {}) => ({
  client_assertion_type: assertionType,
  client_assertion: await assertionOf(by, change),
})

describe('a client that signs who it is', () => {
  let signer: Signer
  let stranger: Signer
  beforeAll(async () => {
    signer = await newSigner()
    stranger = await newSigner()
  })
  const introspect = (form: Form) =>
    post<OAuthError & { active: boolean }>(app, '/oauth/introspect', { token: 'x', ...form })

  it('is known at every endpoint, with and without client_id beside it', async () => {
    const start = await post<{ device_code: string }>(app, '/oauth/device_authorization', await signed(signer))
    await approveDevice(app, 'acme', start.body.device_code, { user, scopes: reading })
    const poll = { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: start.body.device_code }
    const { body } = await post<Tokens>(app, '/oauth/token', {
      ...(await signed(signer)),
      client_id: signer.id,
      ...poll,
    })
    const token = body.access_token
    expect((await introspect({ ...(await signed(signer)), token })).body.active).toBe(true)
    expect((await push({ ...(await signed(signer)), ...asked() })).status).toBe(201)
    expect((await post(app, '/oauth/revoke', { ...(await signed(signer)), token })).status).toBe(200)
    expect((await introspect({ ...(await signed(signer)), token })).body.active).toBe(false)
  })

  it('J-02: signs with the algorithm that its key is registered for', async () => {
    for (const alg of assertionAlgorithms)
      expect([alg, (await introspect(await signed(await newSigner(alg)))).status]).toEqual([alg, 200])
    const { privateKey } = await generateKeyPair('RS256')
    const rsa = await newSigner('RS256')
    for (const change of [
      { header: { alg: 'PS256' }, key: await importedAs('PS256', rsa.key) },
      { header: { alg: 'HS256' }, key: new TextEncoder().encode(rsa.jwk.n) },
      { key: privateKey },
    ])
      expect((await introspect(await signed(rsa, change))).status).toBe(401)
  })

  test.each<[string, () => Change]>([
    ['another’s key', () => ({ key: stranger.key })],
    ['another key id', () => ({ header: { kid: 'key-2' } })],
    ['a key that it brings itself', () => ({ header: { jwk: stranger.jwk }, key: stranger.key })],
    ['the type of another JWT', () => ({ header: { typ: 'dpop+jwt' } })],
    ['another issuer', () => ({ claims: { iss: 'somebody' } })],
    ['no issuer', () => ({ claims: { iss: undefined } })],
    ['the token endpoint as its audience', () => ({ claims: { aud: `${origin}/oauth/token` } })],
    ['another server as its audience', () => ({ claims: { aud: 'https://other.example' } })],
    ['us and another as its audience', () => ({ claims: { aud: [origin, 'https://other.example'] } })],
    ['no audience', () => ({ claims: { aud: undefined } })],
    ['no end', () => ({ claims: { exp: undefined } })],
    ['an end in text', () => ({ claims: { exp: String(seconds() + 60) } })],
    ['an end beyond all time', () => ({ claims: { exp: 1e300 } })],
    ['an end that has passed', () => ({ claims: { exp: seconds() - 61 } })],
    ['an end next week', () => ({ claims: { exp: seconds() + 7 * 86_400 } })],
    ['a beginning in two minutes', () => ({ claims: { nbf: seconds() + 120 } })],
    ['a time to come', () => ({ claims: { iat: seconds() + 120 } })],
    ['a time before all time', () => ({ claims: { iat: -1 } })],
    ['no id', () => ({ claims: { jti: undefined } })],
    ['an id without end', () => ({ claims: { jti: 'a'.repeat(257) } })],
  ])('J-07 X-01: with %s is not known', async (_, change) => {
    const answer = await introspect(await signed(signer, change()))
    expect([answer.status, answer.body.error]).toEqual([401, 'invalid_client'])
  })

  it('J-07: a minute is what its clock may be off, and no key id is none too few', async () => {
    for (const change of [
      { claims: { exp: seconds() - 55 } },
      { claims: { iat: seconds() + 55, nbf: seconds() + 55, exp: seconds() + 355 } },
      { header: { kid: undefined } },
      { header: { typ: 'client-authentication+jwt' }, claims: { aud: [origin] } },
    ])
      expect((await introspect(await signed(signer, change))).status).toBe(200)
  })

  it('X-01: is used once, over two processes', async () => {
    const form = await signed(signer)
    expect((await introspect(form)).status).toBe(200)
    putContext(other)
    const again = await introspect(form)
    putContext(app.ctx)
    expect([again.status, again.body.error]).toEqual([401, 'invalid_client'])
  })

  test.each<[string, (form: Form) => Form]>([
    ['another type', (form) => ({ ...form, client_assertion_type: 'urn:example' })],
    ['no type', ({ client_assertion = '' }) => ({ client_assertion })],
    ['a type alone', ({ client_assertion_type = '' }) => ({ client_assertion_type })],
    ['another client’s id', (form) => ({ ...form, client_id: 'valetkey' })],
    ['a secret beside it', (form) => ({ ...form, client_secret: 'x' })],
  ])('X-01: with %s makes no request', async (_, change) => {
    const answer = await introspect(change(await signed(signer)))
    expect([answer.status, answer.body.error]).toEqual([400, 'invalid_request'])
  })

  it('X-01: has to sign: nothing, a secret, and a header beside it, are refused', async () => {
    const beside = await post<OAuthError>(
      app,
      '/oauth/introspect',
      { token: 'x', ...(await signed(signer)) },
      { basic: ['a', 'b'] },
    )
    expect([beside.status, beside.body.error]).toEqual([400, 'invalid_request'])
    for (const form of [{}, { client_secret: 'x' }] as Form[])
      expect((await introspect({ client_id: signer.id, ...form })).body.error).toBe('invalid_client')
  })

  it('is not known once its keys are others, also when they change while it asks', async () => {
    const changing = await newSigner()
    const form = await signed(changing)
    await app.owner.query(`CREATE FUNCTION public.meanwhile() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
      BEGIN PERFORM set_config('app.tenant_id', '${await app.tenantId('acme')}', true);
      UPDATE api_client SET generation = generation + 1 WHERE id = '${changing.id}'; RETURN NEW; END $$`)
    await app.owner.query(
      'CREATE TRIGGER meanwhile AFTER INSERT ON seen_once FOR EACH ROW EXECUTE FUNCTION public.meanwhile()',
    )
    const refused = await introspect(form)
    await app.owner.query('DROP TRIGGER meanwhile ON seen_once')
    await app.owner.query('DROP FUNCTION public.meanwhile()')
    expect([refused.status, refused.body.error]).toEqual([401, 'invalid_client'])
    expect((await introspect(await signed(changing))).status).toBe(200)
    await app.rows('acme', 'UPDATE api_client SET keys = $2 WHERE id = $1', [
      changing.id,
      JSON.stringify({ keys: [stranger.jwk] }),
    ])
    expect((await introspect(await signed(changing))).status).toBe(401)
  })
})

const importedAs = async (alg: string, key: CryptoKey) => {
  const { exportPKCS8, importPKCS8 } = await import('jose')
  return importPKCS8(await exportPKCS8(key), alg)
}
