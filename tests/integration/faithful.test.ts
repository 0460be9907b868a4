import { createHash } from 'node:crypto'
import { createLocalJWKSet, exportJWK, generateKeyPair, type JSONWebKeySet, jwtVerify, SignJWT } from 'jose'
import { afterEach, describe, expect, test } from 'vitest'
import { Preset } from '../../lib/providers/oauth/preset.ts'
import { type Choice, type Faithful, faithful } from '../support/faithful.ts'

const clientId = 'client/1'
const clientSecret = 'a secret+%'
const redirectUri = 'http://127.0.0.1:1/callback'
const verifier = 'v'.repeat(43)
const challenge = createHash('sha256').update(verifier).digest('base64url')
const day = 86_400_000

let server: Faithful
let clock = Date.UTC(2026, 0, 1)
afterEach(() => server.close())

type Facts = { [Group in 'server' | 'client' | 'scopes' | 'tokens' | 'narrow']?: Partial<Preset[Group]> } & {
  [Name in 'authorization' | 'revocation' | 'account' | 'quirks']?: unknown
}

const known = (...names: string[]) => names.map((name) => ({ name, text: 'something', risk: 'low' as const }))

/** A made-up server, with what differs from a plain one. */
function presetOf({ server, client, scopes, tokens, narrow, ...rest }: Facts = {}): Preset {
  return Preset.parse({
    name: 'made-up',
    title: 'Made up',
    monogram: 'M',
    server: {
      issuer: 'https://login.example',
      authorization_endpoint: 'https://login.example/authorize',
      token_endpoint: 'https://login.example/token',
      ...server,
    },
    client: { authentication: 'post', pkce: 'checked', ...client },
    scopes: { known: known('read', 'write'), ...scopes },
    authorization: {},
    tokens: { lifetimeSeconds: 3600, refresh: 'rotates', idleDays: null, absoluteDays: null, ...tokens },
    narrow: { offered: false, oldTokenSurvives: null, revokeKeepsGrant: null, fullScopeRemains: null, ...narrow },
    revocation: null,
    account: { url: 'https://api.example/me', id: '/data/id', name: '/data/names/0' },
    api: { methodsCarryMeaning: true, bases: [{ name: 'API', url: 'https://api.example/v1' }] },
    registration: { page: 'https://login.example/apps', where: 'there', redirectField: 'URL', fields: [] },
    sources: {},
    evidence: 'read',
    ...rest,
  })
}

async function start(facts: Facts = {}, clientKeys: JSONWebKeySet = { keys: [] }) {
  const preset = presetOf(facts)
  const client = { clientId, clientSecret, clientKeys, redirectUri }
  server = await faithful(preset, { ...client, now: () => clock })
  return server.local(preset)
}

type Fields = Record<string, string | undefined>
const withoutGaps = (fields: Fields) =>
  Object.fromEntries(Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined))

const request: Fields = {
  response_type: 'code',
  client_id: clientId,
  redirect_uri: redirectUri,
  state: 'a-state',
  scope: 'read write',
  code_challenge: challenge,
  code_challenge_method: 'S256',
}
function addressOf(preset: Preset, changed: Fields = {}): URL {
  const url = new URL(preset.server.authorization_endpoint)
  url.search = new URLSearchParams(withoutGaps({ ...request, ...changed })).toString()
  return url
}
function codeOf(preset: Preset, changed: Fields = {}, choice: Choice = {}): string {
  return server.approve(addressOf(preset, changed), choice).searchParams.get('code') ?? ''
}

type Answer = { status: number; body: Record<string, unknown>; headers: Headers }
async function send(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { redirect: 'manual', ...init })
  const text = await response.text()
  const isJson = response.headers.get('content-type') === 'application/json' && text !== ''
  const body = isJson ? JSON.parse(text) : Object.fromEntries(new URLSearchParams(text))
  return { status: response.status, body, headers: response.headers }
}
const post = (url: string, fields: Fields, headers: Record<string, string> = {}) =>
  send(url, { method: 'POST', body: new URLSearchParams(withoutGaps(fields)), headers })
const bearer = (token: unknown) => ({ authorization: `Bearer ${token}` })
const get = (url: string, token: unknown) => send(url, { headers: bearer(token) })

const secret: Fields = { client_id: clientId, client_secret: clientSecret }
const exchange = (preset: Preset, code: string, changed: Fields = {}, headers: Record<string, string> = {}) => {
  const fields = { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier }
  return post(preset.server.token_endpoint, { ...secret, ...fields, ...changed }, headers)
}
const refresh = (preset: Preset, token: unknown, changed: Fields = {}) =>
  post(preset.server.token_endpoint, {
    ...secret,
    grant_type: 'refresh_token',
    refresh_token: String(token),
    ...changed,
  })
const link = async (preset: Preset, changed: Fields = {}) => (await exchange(preset, codeOf(preset, changed))).body
const works = (tokens: Record<string, unknown>) => server.accessTokenWorks(String(tokens.access_token))

describe('authorization', () => {
  test('an approved request ends at the callback with code and state, a denied one with access_denied', async () => {
    const preset = await start()
    const approved = server.approve(addressOf(preset))
    expect(approved.href.startsWith(`${redirectUri}?code=`)).toBe(true)
    expect(approved.searchParams.get('state')).toBe('a-state')
    expect(approved.searchParams.has('iss')).toBe(false)
    const denied = server.approve(addressOf(preset), { deny: true })
    expect(denied.search).toBe('?error=access_denied&state=a-state')
  })

  test.each([
    ['response_type', 'token'],
    ['redirect_uri', `${redirectUri}/`],
    ['client_id', 'another'],
    ['state', undefined],
    ['code_challenge', undefined],
    ['code_challenge_method', 'plain'],
    ['code_challenge_method', undefined],
    ['client_secret', clientSecret],
    ['scope', 'read,write'],
    ['scope', 'unheard-of'],
    ['scope', 'read  write'],
    ['audience', undefined],
  ])('a request whose %s is %s is refused', async (name, value) => {
    const preset = await start({ authorization: { parameters: { audience: 'api' } } })
    expect(() => server.approve(addressOf(preset, { audience: 'api', [name]: value }))).toThrow(/^\w+: /)
    expect(() => server.approve(addressOf(preset, { audience: 'api' }))).not.toThrow()
  })

  test('a browser is redirected, but never to another address than the client has', async () => {
    const preset = await start()
    const { status, headers } = await send(addressOf(preset).href)
    expect([status, headers.get('location')?.startsWith(`${redirectUri}?code=`)]).toEqual([302, true])
    const wrong = await send(addressOf(preset, { scope: 'unheard-of' }).href)
    expect(wrong.headers.get('location')).toBe(`${redirectUri}?error=invalid_scope&state=a-state`)
    expect((await send(addressOf(preset, { redirect_uri: 'https://evil.example' }).href)).status).toBe(400)
  })

  test('the issuer is named where that is announced', async () => {
    const preset = await start({ server: { authorization_response_iss_parameter_supported: true } })
    expect(server.approve(addressOf(preset)).searchParams.get('iss')).toBe(`${server.origin}/login.example`)
  })

  test('a request without PKCE does where it is not checked, and with it is compared all the same', async () => {
    const preset = await start({ client: { pkce: 'unknown' } })
    const none = { code_challenge: undefined, code_challenge_method: undefined }
    expect((await exchange(preset, codeOf(preset, none), { code_verifier: undefined })).status).toBe(200)
    expect((await exchange(preset, codeOf(preset, none))).body.error).toBe('invalid_grant')
    const other = await exchange(preset, codeOf(preset), { code_verifier: 'w'.repeat(43) })
    expect(other.body.error).toBe('invalid_grant')
  })

  test('scopes have their own separator and parameter, and those of every link', async () => {
    const preset = await start({ scopes: { separator: ',', parameter: 'user_scope', always: ['me'] } })
    const asked = (user_scope: string) => addressOf(preset, { scope: undefined, user_scope })
    expect((await exchange(preset, codeOf(preset, { scope: undefined, user_scope: 'me,read' }))).body.scope).toBe(
      'me,read',
    )
    expect(() => server.approve(asked('me read'))).toThrow('invalid_scope')
    expect(() => server.approve(asked('read'))).toThrow('invalid_scope')
    expect(() => server.approve(addressOf(preset, { scope: 'me', user_scope: 'me' }))).toThrow('invalid_scope')
  })

  test('scopes that are fixed at registration are given, and none may be sent', async () => {
    const preset = await start({ scopes: { fixedAtRegistration: true } })
    expect(() => server.approve(addressOf(preset))).toThrow('invalid_scope')
    expect((await link(preset, { scope: undefined })).scope).toBe('read write')
  })

  test('a pushed request counts once', async () => {
    const endpoint = 'https://login.example/par'
    const preset = await start({ server: { pushed_authorization_request_endpoint: endpoint } })
    const { status, body } = await post(`${server.origin}/login.example/par`, { ...secret, ...request })
    expect(status).toBe(201)
    const address = `${preset.server.authorization_endpoint}?client_id=${encodeURIComponent(clientId)}&request_uri=${body.request_uri}`
    const code = server.approve(address).searchParams.get('code') ?? ''
    expect((await exchange(preset, code)).status).toBe(200)
    expect(() => server.approve(address)).toThrow('request_uri')
    expect((await post(`${server.origin}/login.example/par`, { ...request })).status).toBe(401)
  })

  test('a person can leave out a scope, and it can be another person', async () => {
    const preset = await start()
    const [, second] = server.people
    const { body } = await exchange(preset, codeOf(preset, {}, { untick: ['write'], person: second }))
    expect(body.scope).toBe('read')
    expect((await get(`${server.origin}/api.example/me`, body.access_token)).body.data).toEqual({
      id: 2,
      names: ['The second'],
    })
  })
})

describe('the client', () => {
  const encoded = `Basic ${btoa(`${encodeURIComponent(clientId)}:a+secret%2B%25`)}`
  const bare: Fields = { client_id: undefined, client_secret: undefined }

  test('basic: id and secret are form-encoded, and nothing else does', async () => {
    const preset = await start({ client: { authentication: 'basic' } })
    expect((await exchange(preset, codeOf(preset), bare, { authorization: encoded })).status).toBe(200)
    const raw = { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` }
    const refused = await exchange(preset, codeOf(preset), bare, raw)
    expect([refused.status, refused.body.error]).toEqual([401, 'invalid_client'])
    expect(refused.headers.get('www-authenticate')).toMatch(/^Basic/)
    expect((await exchange(preset, codeOf(preset))).body.error).toBe('invalid_client')
    expect((await exchange(preset, codeOf(preset), {}, { authorization: encoded })).body.error).toBe('invalid_client')
  })

  test('post: in the body alone', async () => {
    const preset = await start()
    expect((await exchange(preset, codeOf(preset))).status).toBe(200)
    expect((await exchange(preset, codeOf(preset), { client_secret: 'another' })).body.error).toBe('invalid_client')
    const basic = await exchange(preset, codeOf(preset), bare, { authorization: encoded })
    expect(basic.body.error).toBe('invalid_client')
  })

  test('none: the id alone', async () => {
    const preset = await start({ client: { authentication: 'none' } })
    expect((await exchange(preset, codeOf(preset), { client_secret: undefined })).status).toBe(200)
    expect((await exchange(preset, codeOf(preset))).body.error).toBe('invalid_client')
    expect((await exchange(preset, codeOf(preset), bare)).body.error).toBe('invalid_client')
  })

  test('private_key_jwt: an assertion for this server counts once', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    const preset = await start(
      { client: { authentication: 'private_key_jwt' } },
      { keys: [await exportJWK(publicKey)] },
    )
    const signed = (audience: string, seconds = 60) =>
      new SignJWT({ iss: clientId, sub: clientId, aud: audience, jti: crypto.randomUUID() })
        .setProtectedHeader({ alg: 'ES256' })
        .setExpirationTime(Math.floor(clock / 1000) + seconds)
        .sign(privateKey)
    const asserted = (client_assertion: string) =>
      exchange(preset, codeOf(preset), {
        ...bare,
        client_assertion,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      })
    const good = await signed(preset.server.issuer)
    expect((await asserted(good)).status).toBe(200)
    expect((await asserted(good)).body.error).toBe('invalid_client')
    expect((await asserted(await signed(preset.server.token_endpoint))).status).toBe(200)
    expect((await asserted(await signed('https://other.example'))).body.error).toBe('invalid_client')
    expect((await asserted(await signed(preset.server.issuer, -1))).body.error).toBe('invalid_client')
  })
})

describe('codes and refresh tokens', () => {
  test('a code that is used twice ends its grant', async () => {
    const preset = await start()
    const code = codeOf(preset)
    const { body } = await exchange(preset, code)
    expect(works(body)).toBe(true)
    expect((await exchange(preset, code)).body.error).toBe('invalid_grant')
    expect(works(body)).toBe(false)
    expect((await refresh(preset, body.refresh_token)).body.error).toBe('invalid_grant')
    expect(server.grants.map(({ ended }) => ended)).toEqual([true])
  })

  test('rotates: a used one is answered with the same pair for a while, then it ends the family', async () => {
    const preset = await start({ tokens: { graceSeconds: 60 } })
    const first = await link(preset)
    const second = (await refresh(preset, first.refresh_token)).body
    expect(second.refresh_token).not.toBe(first.refresh_token)
    clock += 59_000
    const again = (await refresh(preset, first.refresh_token)).body
    expect([again.access_token, again.refresh_token]).toEqual([second.access_token, second.refresh_token])
    expect(again.expires_in).toBe(3600 - 59)
    clock += 1_000
    expect((await refresh(preset, first.refresh_token)).body.error).toBe('invalid_grant')
    expect((await refresh(preset, second.refresh_token)).body.error).toBe('invalid_grant')
    expect(works(second)).toBe(false)
  })

  test('rotates without grace: a used one ends the family at once', async () => {
    const preset = await start()
    const first = await link(preset)
    const second = (await refresh(preset, first.refresh_token)).body
    expect((await refresh(preset, first.refresh_token)).body.error).toBe('invalid_grant')
    expect(works(second)).toBe(false)
  })

  test('stays: no new one comes', async () => {
    const preset = await start({ tokens: { refresh: 'stays' } })
    const { refresh_token } = await link(preset)
    expect((await refresh(preset, refresh_token)).body).not.toHaveProperty('refresh_token')
    expect((await refresh(preset, refresh_token)).status).toBe(200)
  })

  test('a refresh may have an endpoint of its own, which takes nothing else', async () => {
    const preset = await start({ tokens: { refresh_endpoint: 'https://api.example/refresh' } })
    const { refresh_token } = await link(preset)
    expect((await refresh(preset, refresh_token)).body.error).toBe('unsupported_grant_type')
    const fields = { ...secret, grant_type: 'refresh_token', refresh_token: String(refresh_token) }
    expect((await post(preset.tokens.refresh_endpoint ?? '', fields)).status).toBe(200)
  })

  test('none: there is none, and an access token without an end works until it is not used for too long', async () => {
    const preset = await start({ tokens: { refresh: 'none', lifetimeSeconds: null, idleDays: 365 } })
    const tokens = await link(preset)
    expect(tokens).not.toHaveProperty('refresh_token')
    expect(tokens).not.toHaveProperty('expires_in')
    expect((await refresh(preset, 'any')).body.error).toBe('unsupported_grant_type')
    clock += 364 * day
    expect((await get(`${server.origin}/api.example/v1/x`, tokens.access_token)).status).toBe(200)
    clock += 364 * day
    expect(works(tokens)).toBe(true)
    clock += day
    expect(works(tokens)).toBe(false)
  })

  test('an access token ends by the clock, a refresh token when it is idle or old', async () => {
    const preset = await start({ tokens: { refresh: 'stays', idleDays: 10, absoluteDays: 15 } })
    const [idle, old] = [await link(preset), await link(preset)]
    expect(old.expires_in).toBe(3600)
    clock += 3_600_000
    expect(works(old)).toBe(false)
    clock += 9 * day
    expect((await refresh(preset, old.refresh_token)).status).toBe(200)
    clock += day
    expect((await refresh(preset, idle.refresh_token)).body.error).toBe('invalid_grant')
    expect((await refresh(preset, old.refresh_token)).status).toBe(200)
    clock += 5 * day
    expect((await refresh(preset, old.refresh_token)).body.error).toBe('invalid_grant')
  })
})

describe('narrowing', () => {
  test('a refresh that names fewer scopes answers just those, and the next one may have all', async () => {
    const preset = await start({ narrow: { offered: true } })
    const whole = await link(preset)
    const narrowed = (await refresh(preset, whole.refresh_token, { scope: 'read' })).body
    expect(narrowed.scope).toBe('read')
    expect((await get(`${server.origin}/api.example/v1`, narrowed.access_token)).body).toEqual({ scopes: ['read'] })
    expect(works(whole)).toBe(true)
    const full = (await refresh(preset, narrowed.refresh_token)).body
    expect(full.scope).toBe('read write')
    expect((await refresh(preset, full.refresh_token, { scope: 'read admin' })).body.error).toBe('invalid_scope')
  })

  test('it may end the tokens of before and the other scopes', async () => {
    const preset = await start({ narrow: { offered: true, oldTokenSurvives: false, fullScopeRemains: false } })
    const whole = await link(preset)
    const narrowed = (await refresh(preset, whole.refresh_token, { scope: 'read' })).body
    expect([works(whole), works(narrowed)]).toEqual([false, true])
    expect((await refresh(preset, narrowed.refresh_token, { scope: 'write' })).body.error).toBe('invalid_scope')
    expect((await refresh(preset, narrowed.refresh_token)).body.scope).toBe('read')
  })

  test('where it is not offered, the scope of a refresh is ignored', async () => {
    const preset = await start()
    const { refresh_token } = await link(preset)
    expect((await refresh(preset, refresh_token, { scope: 'read' })).body.scope).toBe('read write')
  })
})

describe('quirks', () => {
  test('errors come with 200 and in words of its own', async () => {
    const errors = { bad_code: 'invalid_grant', bad_refresh_token: 'invalid_grant' }
    const preset = await start({ quirks: { errorsWithStatus200: true, errors } })
    const code = await exchange(preset, 'none')
    expect([code.status, code.body.error]).toEqual([200, 'bad_code'])
    const token = await refresh(preset, 'none')
    expect([token.status, token.body.error]).toEqual([200, 'bad_refresh_token'])
  })

  test('answers are form-encoded, odd in their types and without a lifetime', async () => {
    const quirks = { formEncodedAnswers: true, oddTokenType: true, unnamedLifetimeSeconds: 100, scopesAnswered: ',' }
    const preset = await start({ quirks })
    const response = await exchange(preset, codeOf(preset))
    expect(response.headers.get('content-type')).toBe('application/x-www-form-urlencoded')
    const first = response.body
    expect(first).not.toHaveProperty('token_type')
    expect(first).not.toHaveProperty('expires_in')
    expect(first.scope).toBe('read,write')
    expect((await link(preset)).token_type).toBe('user')
    clock += 100_000
    expect(works(first)).toBe(false)
  })

  test('scopes may be answered as a list, and there is always something unknown in an answer', async () => {
    const tokens = await link(await start({ quirks: { scopesAnswered: 'array' } }))
    expect(tokens.scope).toEqual(['read', 'write'])
    expect(tokens).toHaveProperty('trace')
  })

  test('the token of the person stands beside another one, which is worth nothing', async () => {
    const preset = await start({ quirks: { tokensAt: '/authed_user' }, account: { id: '/authed_user/id' } })
    const { access_token, authed_user } = await link(preset)
    expect(authed_user).toMatchObject({ id: 'p-1', scope: 'read write', expires_in: 3600 })
    expect(works(authed_user as Record<string, unknown>)).toBe(true)
    expect((await get(`${server.origin}/api.example/v1`, access_token)).status).toBe(401)
    const { refresh_token } = authed_user as Record<string, unknown>
    expect(works((await refresh(preset, refresh_token)).body)).toBe(true)
  })

  test('requests are JSON with a header of its own, and no other ones are taken', async () => {
    const preset = await start({ quirks: { jsonRequests: true, headers: { 'X-Version': '2' } } })
    const json = (version: string, body: unknown) =>
      send(preset.server.token_endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-version': version },
        body: JSON.stringify(body),
      })
    const fields = () => ({
      ...secret,
      grant_type: 'authorization_code',
      code: codeOf(preset),
      redirect_uri: redirectUri,
      code_verifier: verifier,
    })
    expect((await json('2', fields())).status).toBe(200)
    expect((await json('1', fields())).body.error).toBe('invalid_request')
    expect((await json('2', [])).body.error).toBe('invalid_request')
    expect((await exchange(preset, codeOf(preset), {}, { 'x-version': '2' })).body.error).toBe('invalid_request')
  })

  test('a form is wanted otherwise, with each parameter once and none in the address', async () => {
    const preset = await start()
    const { token_endpoint } = preset.server
    const json = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }
    expect((await send(token_endpoint, json)).body.error).toBe('invalid_request')
    const twice = new URLSearchParams([['grant_type', 'refresh_token']].concat([['grant_type', 'refresh_token']]))
    expect((await send(token_endpoint, { method: 'POST', body: twice })).body.error).toBe('invalid_request')
    expect((await post(`${token_endpoint}?code=x`, secret)).body.error).toBe('invalid_request')
  })
})

describe('revocation', () => {
  const own = 'https://api.example/apps/{client_id}/end'
  const rfc7009 = { url: 'https://login.example/revoke', takes: 'refresh_token', ends: 'both' }
  const revoke = (fields: Fields) => post(`${server.origin}/login.example/revoke`, { ...secret, ...fields })
  const json = { 'content-type': 'application/json' }

  test('as in RFC 7009: the grant with all its tokens; an unknown one is as good as revoked', async () => {
    const preset = await start({ revocation: rfc7009 })
    const tokens = await link(preset)
    expect((await revoke({ token: 'unknown' })).status).toBe(200)
    expect((await revoke({ token: String(tokens.refresh_token), client_secret: 'x' })).status).toBe(401)
    expect((await revoke({ token: String(tokens.access_token) })).body.error).toBe('unsupported_token_type')
    expect(works(tokens)).toBe(true)
    expect((await revoke({ token: String(tokens.refresh_token) })).status).toBe(200)
    expect(works(tokens)).toBe(false)
    expect((await refresh(preset, tokens.refresh_token)).body.error).toBe('invalid_grant')
  })

  test('revoking one access token leaves the grant alone where that is so', async () => {
    const preset = await start({ revocation: rfc7009, narrow: { revokeKeepsGrant: true } })
    const tokens = await link(preset)
    await revoke({ token: String(tokens.access_token) })
    expect(works(tokens)).toBe(false)
    expect((await refresh(preset, tokens.refresh_token)).status).toBe(200)
  })

  test('revoking may end the given token alone, or nothing', async () => {
    const preset = await start({ revocation: { ...rfc7009, ends: 'token' } })
    const tokens = await link(preset)
    await revoke({ token: String(tokens.refresh_token) })
    expect(works(tokens)).toBe(true)
    expect((await refresh(preset, tokens.refresh_token)).body.error).toBe('invalid_grant')
    await server.close()

    const idle = await start({ revocation: { ...rfc7009, ends: 'nothing' } })
    const kept = await link(idle)
    expect((await revoke({ token: String(kept.refresh_token) })).status).toBe(200)
    expect((await refresh(idle, kept.refresh_token)).status).toBe(200)
  })

  test('revoking may leave the access tokens, or end all that the person gave this client', async () => {
    const preset = await start({ revocation: { ...rfc7009, ends: 'grant' } })
    const tokens = await link(preset)
    await revoke({ token: String(tokens.refresh_token) })
    expect(works(tokens)).toBe(true)
    expect((await refresh(preset, tokens.refresh_token)).body.error).toBe('invalid_grant')
    await server.close()

    const whole = await start({ revocation: { ...rfc7009, ends: 'account' } })
    const [first, second] = [await link(whole), await link(whole)]
    const others = (await exchange(whole, codeOf(whole, {}, { person: server.people[1] }))).body
    await revoke({ token: String(first.refresh_token) })
    expect([first, second, others].map(works)).toEqual([false, false, true])
  })

  test('with HTTP Basic, its own method, body and address', async () => {
    const body = { as: 'json', name: 'access_token' }
    const way = { authenticated: 'basic', method: 'DELETE', url: own, body, takes: 'access_token', ends: 'both' }
    const tokens = await link(await start({ revocation: way }))
    const address = `${server.origin}/api.example/apps/${encodeURIComponent(clientId)}/end`
    const authorization = `Basic ${btoa(`${clientId}:${clientSecret}`)}`
    const end = (headers: Record<string, string>, access_token: unknown) =>
      send(address, { method: 'DELETE', headers: { ...json, ...headers }, body: JSON.stringify({ access_token }) })
    expect((await end({}, tokens.access_token)).status).toBe(401)
    expect((await end({ authorization }, 'unknown')).status).toBe(404)
    expect((await end({ authorization }, tokens.access_token)).status).toBe(204)
    expect((await end({ authorization }, tokens.access_token)).status).toBe(404)
    expect(works(tokens)).toBe(false)
  })

  test('with the token itself as Bearer, or in the address', async () => {
    const url = 'https://api.example/end'
    const asBearer = { authenticated: 'bearer', url, takes: 'access_token', ends: 'token' }
    const tokens = await link(await start({ revocation: asBearer }))
    const end = () => send(`${server.origin}/api.example/end`, { method: 'POST', headers: bearer(tokens.access_token) })
    expect((await end()).status).toBe(200)
    expect((await end()).status).toBe(401)
    await server.close()

    const inAddress = { authenticated: 'basic', method: 'GET', url: `${own}?token={token}`, takes: 'access_token' }
    const others = await link(await start({ revocation: { ...inAddress, ends: 'token' } }))
    const at = `${server.origin}/api.example/apps/${encodeURIComponent(clientId)}/end?token=${others.access_token}`
    await send(at, { headers: { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` } })
    expect(works(others)).toBe(false)
  })
})

describe('who it is, and the API', () => {
  test('the account is told to a living access token alone', async () => {
    const tokens = await link(await start())
    const me = `${server.origin}/api.example/me`
    expect((await get(me, tokens.access_token)).body.data).toEqual({ id: 'p-1', names: ['The first'] })
    expect((await get(me, tokens.refresh_token)).status).toBe(401)
    expect((await send(`${me}?access_token=${tokens.access_token}`)).status).toBe(401)
  })

  test('a question to the only address of an API is the account, another one the API', async () => {
    const account = { url: 'https://api.example/v1', method: 'POST', body: '{"query":"me"}', id: '/data/me' }
    const { access_token } = await link(await start({ account }))
    const ask = (body: string) =>
      send(`${server.origin}/api.example/v1`, {
        method: 'POST',
        headers: { ...bearer(access_token), 'content-type': 'application/json' },
        body,
      })
    expect((await ask('{"query":"me"}')).body.data).toEqual({ me: 'p-1' })
    expect((await ask('{"query":"all"}')).body).toEqual({ scopes: ['read', 'write'] })
  })

  test('the token answer tells the account where nothing else does', async () => {
    const tokens = await link(await start({ account: { id: '/info/id', name: '/info/name' } }))
    expect(tokens.info).toEqual({ id: 'p-1', name: 'The first' })
  })

  test('openid brings an ID token with a served key, and userinfo', async () => {
    const preset = await start({
      server: {
        jwks_uri: 'https://login.example/keys',
        userinfo_endpoint: 'https://login.example/userinfo',
        id_token_signing_alg_values_supported: ['ES256', 'RS256'],
      },
      scopes: { always: ['openid'] },
    })
    const tokens = await link(preset, { scope: 'openid read', nonce: 'a-nonce' })
    const keys = createLocalJWKSet((await send(preset.server.jwks_uri ?? '')).body as unknown as JSONWebKeySet)
    const expected = { issuer: preset.server.issuer, audience: clientId, currentDate: new Date(clock) }
    const { payload, protectedHeader } = await jwtVerify(String(tokens.id_token), keys, expected)
    expect(protectedHeader.alg).toBe('ES256')
    expect(payload).toMatchObject({ sub: 'p-1', nonce: 'a-nonce' })
    const user = await get(preset.server.userinfo_endpoint ?? '', tokens.access_token)
    expect(user.body).toMatchObject({ sub: 'p-1', name: 'The first' })
    const later = (await refresh(preset, tokens.refresh_token)).body
    expect((await jwtVerify(String(later.id_token), keys, expected)).payload).not.toHaveProperty('nonce')
  })

  test.each([
    ['oidc', 'https://login.example/a/', '/login.example/a/.well-known/openid-configuration'],
    ['oauth2', 'https://login.example/a', '/.well-known/oauth-authorization-server/login.example/a'],
  ] as const)('metadata of %s has its place', async (discovery, issuer, path) => {
    const preset = await start({
      server: { issuer, discovery },
      revocation: { url: 'https://login.example/revoke', takes: 'refresh_token', ends: 'both' },
    })
    expect((await send(`${server.origin}${path}`)).body).toMatchObject({
      issuer: preset.server.issuer,
      token_endpoint: `${server.origin}/login.example/token`,
      revocation_endpoint: `${server.origin}/login.example/revoke`,
      token_endpoint_auth_methods_supported: ['client_secret_post'],
      scopes_supported: ['read', 'write'],
    })
  })
})

test('what came is on record without secrets, and every token that was made', async () => {
  const preset = await start({
    revocation: { url: 'https://login.example/revoke', takes: 'refresh_token', ends: 'both' },
  })
  const tokens = await link(preset)
  await refresh(preset, tokens.refresh_token)
  await refresh(preset, tokens.refresh_token)
  await get(`${server.origin}/elsewhere`, tokens.access_token)
  expect(server.calls.map(({ endpoint, method, status }) => [endpoint, method, status])).toEqual([
    ['authorization', 'GET', undefined],
    ['token', 'POST', 200],
    ['token', 'POST', 200],
    ['token', 'POST', 400],
    ['nowhere', 'GET', 404],
  ])
  expect(server.calls[3]?.refused).toContain('used before')
  expect(server.calls[1]?.parameters).toMatchObject({ client_id: clientId, client_secret: '…', code: '…' })
  const record = JSON.stringify(server.calls)
  expect(server.issued.length).toBe(5)
  expect([clientSecret, verifier, ...server.issued].filter((value) => record.includes(value))).toEqual([])
})

test('a preset with an open variable, or with what no answer can hold, is no server', async () => {
  await start()
  const client = { clientId, redirectUri }
  const open = { name: 'host', label: 'l', hint: 'h', placeholder: 'p', pattern: '^a$' }
  const unfilled = { ...presetOf({ server: { issuer: 'https://{host}' } }), variables: [open] }
  await expect(faithful(unfilled, client)).rejects.toThrow('host')
  const quirks = { formEncodedAnswers: true, scopesAnswered: 'array' }
  await expect(faithful(presetOf({ quirks }), client)).rejects.toThrow('form')
})
