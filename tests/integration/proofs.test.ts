// Proofs of possession (RFC 9449) at the token endpoint, with pushed requests, and at our API. Two processes on one database.
import { generateKeyPairSync } from 'node:crypto'
import { exportJWK, SignJWT } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, it, test } from 'vitest'
import type { Scope } from '../../lib/actor.ts'
import { type Context, putContext } from '../../lib/context.ts'
import { PublicJwk } from '../../lib/security/jwk.ts'
import { currentNonce, proofAlgorithms, readProof } from '../../lib/security/proof.ts'
import { takeOnce } from '../../lib/store/programs.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { origin } from '../support/broker.ts'
import { challengeOf } from '../support/challenge.ts'
import { newProver, type ProofFor, type Prover } from '../support/dpop.ts'
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
let prover: Prover
let thief: Prover
const cli = { client_id: 'valetkey' }
const reading: Scope[] = ['projects:read', 'tenant:read']
const deviceType = 'urn:ietf:params:oauth:grant-type:device_code'
const tokenUrl = `${origin}/oauth/token`
const meUrl = `${origin}/api/v1/me`

beforeAll(async () => {
  app = await startTestApp()
  other = await app.makeContext()
  browser = await app.signIn('owner@acme.test')
  user = (await app.call<{ id: string }>(browser, 'GET', '/me')).body.id
  prover = await newProver(app.ctx.now)
  thief = await newProver(app.ctx.now)
})
afterAll(async () => {
  await other.close()
  await app.stop()
})
afterEach(() => app.forgetLimits())

const atToken = (by: Prover, more: Partial<ProofFor> = {}) =>
  by.proof({ method: 'POST', url: tokenUrl, nonce: currentNonce(app.ctx), ...more })
const ask = (form: Record<string, string>, dpop?: string) =>
  post<Tokens & OAuthError>(app, '/oauth/token', { ...cli, ...form }, dpop === undefined ? {} : { headers: { dpop } })

async function approvedDevice(client: Record<string, string> = cli) {
  const { body } = await post<{ device_code: string }>(app, '/oauth/device_authorization', client)
  await approveDevice(app, 'acme', body.device_code, { user, scopes: reading })
  return { grant_type: deviceType, device_code: body.device_code }
}
async function boundTokens(by = prover): Promise<Tokens> {
  const { body, status } = await ask(await approvedDevice(), await atToken(by))
  if (status !== 200) throw new Error(JSON.stringify(body))
  return body
}
const refreshed = (refresh_token: string, dpop?: string) => ask({ grant_type: 'refresh_token', refresh_token }, dpop)

/** What our API says to a token and a proof. */
const use = (token: string, proof: string | undefined, { scheme = 'DPoP', url = meUrl } = {}) =>
  app.send(
    new Map(),
    new Request(url, { headers: { authorization: `${scheme} ${token}`, ...(proof !== undefined && { dpop: proof }) } }),
  )
const atApi = (by: Prover, token: string, more: Partial<ProofFor> = {}) =>
  by.proof({ method: 'GET', url: meUrl, nonce: currentNonce(app.ctx), token, ...more })

/** Each is wrong in one thing alone: what of the proof, by whom. */
const faults: [string, (given: { token?: string }) => Promise<Partial<ProofFor>> | Partial<ProofFor>][] = [
  ['another method', () => ({ claims: { htm: 'PUT' } })],
  ['a method in small letters', () => ({ claims: { htm: 'post' } })],
  ['another path', () => ({ claims: { htu: `${origin}/oauth/revoke` } })],
  ['another host', () => ({ claims: { htu: 'https://other.example/oauth/token' } })],
  ['another scheme', () => ({ claims: { htu: tokenUrl.replace('http:', 'ftp:') } })],
  ['a user name in the address', () => ({ claims: { htu: tokenUrl.replace('://', '://a@') } })],
  ['an address that is none', () => ({ claims: { htu: '/oauth/token' } })],
  ['no address', () => ({ claims: { htu: undefined } })],
  ['no method', () => ({ claims: { htm: undefined } })],
  ['no time', () => ({ claims: { iat: undefined } })],
  ['a time as text', () => ({ claims: { iat: String(Math.floor(app.ctx.now().getTime() / 1000)) } })],
  ['a time beyond all time', () => ({ claims: { iat: 1e300 } })],
  ['a time before all time', () => ({ claims: { iat: -1 } })],
  ['a time 62 seconds ago', () => ({ claims: { iat: Math.floor(app.ctx.now().getTime() / 1000) - 62 } })],
  ['a time 62 seconds ahead', () => ({ claims: { iat: Math.floor(app.ctx.now().getTime() / 1000) + 62 } })],
  ['an end that has passed', () => ({ claims: { exp: Math.floor(app.ctx.now().getTime() / 1000) - 62 } })],
  ['no id', () => ({ claims: { jti: undefined } })],
  ['an empty id', () => ({ claims: { jti: '' } })],
  ['an id without end', () => ({ claims: { jti: 'a'.repeat(257) } })],
  ['an id that is a number', () => ({ claims: { jti: 7 } })],
  ['a nonce that is a number', () => ({ claims: { nonce: 7 } })],
  ['another type', () => ({ header: { typ: 'JWT' } })],
  ['no type', () => ({ header: { typ: undefined } })],
  ['no key', () => ({ header: { jwk: undefined } })],
  ['another’s key', () => ({ header: { jwk: thief.jwk } })],
  ['the private key too', async () => ({ header: { jwk: await exportJWK(prover.privateKey) } })],
  ['a key of another kind', () => ({ header: { jwk: { kty: 'oct', k: 'AAAA' } } })],
  ['something it says must be understood', () => ({ header: { crit: ['unheard'], unheard: true } })],
]

describe('a proof at the token endpoint', () => {
  test.each(faults)('J-10: with %s binds nothing, and consumes nothing', async (_, fault) => {
    const form = await approvedDevice()
    const refused = await ask(form, await atToken(prover, await fault({})))
    expect([refused.status, refused.body.error]).toEqual([400, 'invalid_dpop_proof'])
    expect((await ask(form, await atToken(prover))).status).toBe(200)
  })

  test.each<[string, (proof: string) => string]>([
    ['twice', (proof) => `${proof}, ${proof}`],
    ['as nothing', () => ''],
    ['as no JWT', () => 'nonsense'],
    ['longer than any is', (proof) => proof + 'A'.repeat(4096)],
    ['with its signature cut off', (proof) => proof.slice(0, proof.lastIndexOf('.') + 1)],
    ['with another signature', (proof) => `${proof.slice(0, -4)}AAAA`],
  ])('J-10: that comes %s is none', async (_, change) => {
    const refused = await ask(await approvedDevice(), change(await atToken(prover)))
    expect([refused.status, refused.body.error]).toEqual([400, 'invalid_dpop_proof'])
  })

  it('J-10 J-02: is signed by an asymmetric algorithm that the metadata lists, and with no other', async () => {
    for (const alg of proofAlgorithms) {
      const by = await newProver(app.ctx.now, alg)
      expect([alg, (await ask(await approvedDevice(), await atToken(by))).status]).toEqual([alg, 200])
    }
    for (const alg of ['ES512', 'RS384', 'PS512']) {
      const by = await newProver(app.ctx.now, alg)
      expect([alg, (await ask(await approvedDevice(), await atToken(by))).body.error]).toEqual([
        alg,
        'invalid_dpop_proof',
      ])
    }
    const claims = { htm: 'POST', htu: tokenUrl, iat: Math.floor(app.ctx.now().getTime() / 1000), jti: 'a' }
    const keyed = new SignJWT({ ...claims, nonce: currentNonce(app.ctx) })
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'HS256', jwk: prover.jwk })
      .sign(new TextEncoder().encode(JSON.stringify(prover.jwk)))
    expect((await ask(await approvedDevice(), await keyed)).body.error).toBe('invalid_dpop_proof')
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
    const unsigned = `${encode({ typ: 'dpop+jwt', alg: 'none', jwk: prover.jwk })}.${encode(claims)}.`
    expect((await ask(await approvedDevice(), unsigned)).body.error).toBe('invalid_dpop_proof')
  })

  it('J-10: a key that costs whoever checks is none', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 })
    const header = { alg: 'RS256', jwk: await exportJWK(publicKey) }
    const odd = await prover.proof({ method: 'POST', url: tokenUrl, nonce: currentNonce(app.ctx), header }, privateKey)
    expect((await ask(await approvedDevice(), odd)).body.error).toBe('invalid_dpop_proof')
    const lengths = [683, 684].map((length) => ({ kty: 'RSA', e: 'AQAB', n: 'A'.repeat(length) }))
    expect(lengths.map((jwk) => PublicJwk.safeParse(jwk).success)).toEqual([true, false])
  })

  it('J-10: without a nonce of this server, or with one that is over, it is told the next one and nothing is done', async () => {
    const form = await approvedDevice()
    const old = currentNonce(app.ctx)
    await app.advance(600)
    for (const nonce of [undefined, old, 'made-up']) {
      const refused = await ask(form, await atToken(prover, { nonce }))
      expect([refused.status, refused.body.error]).toEqual([400, 'use_dpop_nonce'])
      expect(refused.headers.get('dpop-nonce')).toBe(currentNonce(app.ctx))
    }
    const known = currentNonce(app.ctx)
    await app.advance(300)
    const answer = await ask(await approvedDevice(), await atToken(prover, { nonce: known }))
    expect([answer.status, answer.body.token_type]).toEqual([200, 'DPoP'])
    expect(answer.headers.get('dpop-nonce')).toBe(currentNonce(app.ctx))
    expect(currentNonce(app.ctx)).not.toBe(known)
  })

  it('J-10: every process knows the nonce, and none that is to come can be guessed', async () => {
    expect(currentNonce(other)).toBe(currentNonce(app.ctx))
    const foreign = { now: app.ctx.now, secrets: { nonces: new Uint8Array(32) } }
    expect(currentNonce(foreign)).not.toBe(currentNonce(app.ctx))
  })

  it('J-10: counts once over all processes, and for as long as it would count', async () => {
    const proof = await atToken(prover)
    const form = await approvedDevice()
    expect((await ask(form, proof)).status).toBe(200)
    putContext(other)
    const again = await ask(await approvedDevice(), proof)
    putContext(app.ctx)
    expect([again.body.error, again.body.error_description]).toEqual([
      'invalid_dpop_proof',
      'The proof was used before.',
    ])
    // One that is dated ahead is right for twice the tolerance, and was taken for longer.
    const ahead = await atToken(prover, { claims: { iat: Math.floor(app.ctx.now().getTime() / 1000) + 60 } })
    expect((await ask(await approvedDevice(), ahead)).status).toBe(200)
    await app.advance(117)
    expect((await ask(await approvedDevice(), ahead)).body.error_description).toBe('The proof was used before.')
    await app.advance(5)
    expect((await ask(await approvedDevice(), ahead)).body.error_description).toContain('Check your clock')
  })

  it('J-10: of fifty at once with one proof over two processes one is taken', async () => {
    const asked = { method: 'POST', url: tokenUrl }
    const { once, onceSeconds } = await readProof(app.ctx, await atToken(prover), asked)
    const taken = await Promise.all(
      Array.from({ length: 50 }, (_, index) => takeOnce(index % 2 ? app.ctx : other, once, onceSeconds)),
    )
    expect(taken.filter(Boolean)).toHaveLength(1)
  })

  it('J-10: an address counts without its query, and the host of the request plays no part', async () => {
    const form = await approvedDevice()
    const dpop = await atToken(prover, { claims: { htu: `${tokenUrl}?x=1#y` } })
    const request = new Request('https://evil.example/oauth/token', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', dpop },
      body: new URLSearchParams({ ...cli, ...form }),
    })
    expect((await app.send(new Map(), request)).status).toBe(200)
  })

  it('J-10 T-06: the key is kept through every refresh, and another, or none, ends nothing', async () => {
    const first = await boundTokens()
    for (const dpop of [undefined, await atToken(thief)])
      expect((await refreshed(first.refresh_token, dpop)).body.error).toBe('invalid_dpop_proof')
    const second = await refreshed(first.refresh_token, await atToken(prover))
    expect([second.status, second.body.token_type]).toEqual([200, 'DPoP'])
    // A thief of an old one has no key: it is refused before it could end anything.
    await app.advance(31)
    expect((await refreshed(first.refresh_token, await atToken(thief))).body.error).toBe('invalid_dpop_proof')
    const third = await refreshed(second.body.refresh_token, await atToken(prover))
    expect(third.status).toBe(200)
    expect((await use(third.body.access_token, await atApi(prover, third.body.access_token))).status).toBe(200)
    expect((await refreshed(second.body.refresh_token, await atToken(thief))).body.error).toBe('invalid_dpop_proof')
  })

  it('J-10 T-06: within half a minute the one before is answered alike, to the same key', async () => {
    const first = await boundTokens()
    const second = (await refreshed(first.refresh_token, await atToken(prover))).body
    expect((await refreshed(first.refresh_token, await atToken(thief))).body.error).toBe('invalid_dpop_proof')
    const repeated = (await refreshed(first.refresh_token, await atToken(prover))).body
    expect([repeated.access_token, repeated.token_type]).toEqual([second.access_token, 'DPoP'])
  })

  it('J-10: a grant without a key gets none later', async () => {
    const plain = (await ask(await approvedDevice())).body
    expect((await refreshed(plain.refresh_token, await atToken(prover))).body.error).toBe('invalid_dpop_proof')
    expect((await refreshed(plain.refresh_token)).body.token_type).toBe('Bearer')
  })

  it('J-10: a client that is registered so gets nothing without a proof, by device and by code', async () => {
    const client = await insertClient(app, 'acme', { authentication: 'none', needsProof: true })
    const form = { ...(await approvedDevice({ client_id: client.id })), client_id: client.id }
    expect((await ask(form)).body.error).toBe('invalid_dpop_proof')
    expect((await ask(form, await atToken(prover))).body.token_type).toBe('DPoP')
    const { redeem } = await code({ client_id: client.id })
    expect((await redeem()).body.error).toBe('invalid_dpop_proof')
    expect((await redeem(await atToken(prover))).body.token_type).toBe('DPoP')
  })

  it('J-10: introspection names the key', async () => {
    const client = await insertClient(app, 'acme')
    const form = { client_id: client.id, client_secret: client.secret }
    const { access_token: token } = (await ask({ ...form, ...(await approvedDevice(form)) }, await atToken(prover)))
      .body
    const { body } = await post<Record<string, unknown>>(app, '/oauth/introspect', { ...form, token })
    expect(body).toMatchObject({ active: true, token_type: 'DPoP', cnf: { jkt: prover.key } })
  })
})

/** An authorization code of this client, asked for with these parameters too. */
async function code(client: Record<string, string>, more: Record<string, string> = {}) {
  const { verifier, challenge } = pkce()
  const redirect_uri =
    client.client_id === 'valetkey' ? 'http://127.0.0.1:5000/callback' : 'https://app.example/callback'
  const asked = {
    response_type: 'code',
    redirect_uri,
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...more,
  }
  const query = new URLSearchParams({ ...client, ...asked })
  const { headers } = await app.send(browser, new Request(`${origin}/oauth/authorize?${query}`))
  const request = /\/authorize\/(aut_\w+)$/.exec(headers.get('location') ?? '')?.[1] ?? ''
  const given = await approveCode(app, 'acme', request, { user, scopes: reading })
  const form = { ...client, grant_type: 'authorization_code', code: given, redirect_uri, code_verifier: verifier }
  return { redeem: (dpop?: string) => ask(form, dpop) }
}

describe('a code that is bound to a key', () => {
  it('J-10 T-07: by dpop_jkt gives its tokens to that key alone', async () => {
    const { redeem } = await code(cli, { dpop_jkt: prover.key })
    for (const dpop of [undefined, await atToken(thief)])
      expect((await redeem(dpop)).body.error).toBe('invalid_dpop_proof')
    expect((await redeem(await atToken(prover))).body.token_type).toBe('DPoP')
  })

  it('J-10: by no thumbprint is not asked for', async () => {
    const query = new URLSearchParams({
      ...cli,
      response_type: 'code',
      redirect_uri: 'http://127.0.0.1:5000/callback',
      code_challenge: pkce().challenge,
      code_challenge_method: 'S256',
      dpop_jkt: 'short',
    })
    const { headers } = await app.send(browser, new Request(`${origin}/oauth/authorize?${query}`))
    expect(new URL(headers.get('location') ?? '').searchParams.get('error')).toBe('invalid_request')
  })
})

describe('a proof at our API', () => {
  it('J-10: lets its token in, with the next nonce', async () => {
    const { access_token: token } = await boundTokens()
    const answer = await use(token, await atApi(prover, token))
    expect([answer.status, answer.body.id]).toEqual([200, user])
    expect(answer.headers.get('dpop-nonce')).toBe(currentNonce(app.ctx))
  })

  it('J-10: a bound token is no Bearer token, and an unbound one none for DPoP', async () => {
    const { access_token: bound } = await boundTokens()
    const plain = (await ask(await approvedDevice())).body.access_token
    for (const [token, scheme] of [
      [bound, 'Bearer'],
      [plain, 'DPoP'],
    ] as const)
      for (const proof of [undefined, await atApi(prover, token)]) {
        const refused = await use(token, proof, { scheme })
        expect(refused.status).toBe(401)
        expect(refused.headers.get('www-authenticate')).toContain(`${scheme} realm="valetkey", error="invalid_token"`)
      }
  })

  it('J-10: another’s key, or no proof, is as good as no token', async () => {
    const { access_token: token } = await boundTokens()
    for (const proof of [undefined, await atApi(thief, token)]) {
      const refused = await use(token, proof)
      expect(refused.status).toBe(401)
      expect(refused.headers.get('www-authenticate')).toContain('DPoP realm="valetkey", error="invalid_token"')
    }
  })

  test.each<[string, Partial<ProofFor>, string]>([
    ['of another token', { token: 'another' }, 'invalid_dpop_proof'],
    ['of no token', { claims: { ath: undefined } }, 'invalid_dpop_proof'],
    ['of another method', { method: 'POST' }, 'invalid_dpop_proof'],
    ['of another address', { url: `${origin}/api/v1/tenants` }, 'invalid_dpop_proof'],
    ['without a nonce', { nonce: undefined }, 'use_dpop_nonce'],
  ])('J-10 E-02: a proof %s is told what is wrong, by the challenge', async (_, fault, error) => {
    const { access_token: token } = await boundTokens()
    const { status, body, headers } = await use(token, await atApi(prover, token, fault))
    expect([status, body.code]).toEqual([401, 'unauthenticated'])
    expect(headers.get('www-authenticate')).toBe(challengeOf('DPoP', `error="${error}"`))
    expect(headers.get('dpop-nonce')).toBe(error === 'use_dpop_nonce' ? currentNonce(app.ctx) : null)
  })

  it('J-10: a proof is taken once, over two processes', async () => {
    const { access_token: token } = await boundTokens()
    const proof = await atApi(prover, token)
    expect((await use(token, proof)).status).toBe(200)
    putContext(other)
    const again = await use(token, proof)
    putContext(app.ctx)
    expect([again.status, again.body.detail]).toEqual([401, 'The proof was used before.'])
  })
})
