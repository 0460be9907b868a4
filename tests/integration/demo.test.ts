import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { approve, type Jar } from '../../demo/browser.ts'
import { type Demo, type DemoOptions, startDemo } from '../../demo/index.ts'
import { bundleDemo } from '../../scripts/lib/prepare.mjs'

const CALLBACK = 'https://app.example/oauth/callback/demo'
const LOOPBACK = 'http://127.0.0.1:4100/callback'
const stackClient = { id: 'stack-client', secret: randomBytes(24).toString('hex'), redirectUris: [CALLBACK, LOOPBACK] }
const signinClient = { id: 'signin-client', secret: randomBytes(24).toString('hex'), redirectUris: [CALLBACK] }
const ticketsClient = { id: 'tickets-client', secret: randomBytes(24).toString('hex'), redirectUris: [CALLBACK] }
const controlSecret = randomBytes(24).toString('hex')
const options: DemoOptions = { stackClient, signinClient, ticketsClient, controlSecret }

const verifier = randomBytes(48).toString('base64url')
const challenge = createHash('sha256').update(verifier).digest('base64url')

type Body = Record<string, unknown>
type Reply = { status: number; headers: Headers; body: Body }

let demo: Demo
beforeAll(async () => {
  demo = await startDemo(options)
})
afterEach(() => demo.reset())
afterAll(() => demo.close())

const authorizeUrl = (change: Record<string, string | undefined> = {}, path = '/oauth/authorize', of = demo) => {
  const parameters: Record<string, string | undefined> = {
    client_id: stackClient.id,
    response_type: 'code',
    redirect_uri: CALLBACK,
    state: 'the-state',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...change,
  }
  const url = new URL(of.url + path)
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) url.searchParams.set(name, value)
  return url.href
}

async function reply(response: Response): Promise<Reply> {
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) }
}

const post = async (path: string, form: Record<string, string>, headers: Record<string, string> = {}, of = demo) =>
  reply(await fetch(of.url + path, { method: 'POST', body: new URLSearchParams(form), headers }))

const asClient = { client_id: stackClient.id, client_secret: stackClient.secret }
const queryOf = (location: string) => Object.fromEntries(new URL(location).searchParams)

async function codeFor(
  account = 'owner@acme.test',
  project = '10231',
  change: Record<string, string | undefined> = {},
) {
  return queryOf(await approve(authorizeUrl(change), { account, project })).code ?? ''
}
const exchange = (code: string, change: Record<string, string> = {}) =>
  post('/oauth/token', {
    ...asClient,
    grant_type: 'authorization_code',
    code,
    redirect_uri: CALLBACK,
    code_verifier: verifier,
    ...change,
  })
const refresh = (token: unknown, change: Record<string, string> = {}, of = demo) =>
  post('/oauth/token', { ...asClient, grant_type: 'refresh_token', refresh_token: String(token), ...change }, {}, of)
const link = async (account?: string, project?: string) => (await exchange(await codeFor(account, project))).body

const storage = async (path: string, auth: Record<string, string>, body?: unknown, method?: string, of = demo) =>
  reply(
    await fetch(`${of.url}/v2/storage/${path}`, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: { ...auth, ...(body !== undefined && { 'content-type': 'application/json' }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    }),
  )
const bearer = (token: unknown) => ({ authorization: `Bearer ${token}` })
const storageToken = (token: unknown) => ({ 'x-storageapi-token': String(token) })

describe('the stack speaks League (upstreams 3.2)', () => {
  test('an approved request comes back with a long code and the state, without iss and without a metadata document', async () => {
    const location = await approve(authorizeUrl(), { account: 'owner@acme.test', project: '10232' })
    expect(location.startsWith(`${CALLBACK}?`)).toBe(true)
    const answer = queryOf(location)
    expect(Object.keys(answer).sort()).toEqual(['code', 'state'])
    expect(answer.state).toBe('the-state')
    expect(answer.code?.length).toBeGreaterThan(300)
    for (const name of ['oauth-authorization-server', 'openid-configuration']) {
      expect((await fetch(`${demo.url}/.well-known/${name}`)).status).toBe(404)
    }
  })

  test('a denial comes back as access_denied with hint and state', async () => {
    const answer = queryOf(await approve(authorizeUrl(), { account: 'owner@acme.test', deny: true }))
    expect(answer).toMatchObject({ error: 'access_denied', state: 'the-state' })
    expect(Object.keys(answer).sort()).toEqual(['error', 'error_description', 'hint', 'state'])
  })

  test.each([
    ['response_type missing', { response_type: undefined }, 400, 'invalid_request'],
    ['response_type unknown', { response_type: 'token' }, 400, 'unsupported_grant_type'],
    ['client unknown', { client_id: 'nobody' }, 401, 'invalid_client'],
    ['redirect of another path', { redirect_uri: `${CALLBACK}/more` }, 401, 'invalid_client'],
    [
      'redirect with a port on https',
      { redirect_uri: 'https://app.example:8443/oauth/callback/demo' },
      401,
      'invalid_client',
    ],
    ['redirect missing though two are registered', { redirect_uri: undefined }, 401, 'invalid_client'],
    ['localhost instead of 127.0.0.1', { redirect_uri: 'http://localhost:4100/callback' }, 401, 'invalid_client'],
    ['challenge too short', { code_challenge: 'short' }, 400, 'invalid_request'],
    ['challenge method unknown', { code_challenge_method: 'S512' }, 400, 'invalid_request'],
  ])('the authorize endpoint answers JSON and does not redirect: %s', async (_name, change, status, error) => {
    const answer = await reply(await fetch(authorizeUrl(change), { redirect: 'manual' }))
    expect([answer.status, answer.body.error]).toEqual([status, error])
    expect(answer.headers.get('location')).toBeNull()
  })

  test('an unknown scope is refused by redirect, with the state', async () => {
    const response = await fetch(authorizeUrl({ scope: 'everything' }), { redirect: 'manual' })
    expect(response.status).toBe(302)
    expect(queryOf(response.headers.get('location') ?? '')).toMatchObject({
      error: 'invalid_scope',
      state: 'the-state',
    })
  })

  test('the port of a loopback IP is free exactly while the mode says so', async () => {
    const elsewhere = authorizeUrl({ redirect_uri: 'http://127.0.0.1:59999/callback' })
    const location = await approve(elsewhere, { account: 'owner@acme.test' })
    expect(location.startsWith('http://127.0.0.1:59999/callback?')).toBe(true)
    demo.modes.set({ loopbackPortIgnored: false })
    expect((await fetch(elsewhere, { redirect: 'manual' })).status).toBe(401)
  })

  test('the code buys a JWT and an opaque refresh token, by secret in the body or Basic, and no scope', async () => {
    const byBody = await exchange(await codeFor())
    expect(byBody.status).toBe(200)
    expect(byBody.headers.get('cache-control')).toBe('no-store')
    expect(Object.keys(byBody.body).sort()).toEqual(['access_token', 'expires_in', 'refresh_token', 'token_type'])
    expect(byBody.body.expires_in).toBe(3600)
    expect(decodeProtectedHeader(String(byBody.body.access_token)).alg).toBe('RS256')
    expect(decodeJwt(String(byBody.body.access_token))).toMatchObject({ aud: stackClient.id, sub: 'acct-3001' })
    const code = await codeFor()
    const basic = { authorization: `Basic ${btoa(`${stackClient.id}:${stackClient.secret}`)}` }
    const form = { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: verifier }
    expect((await post('/oauth/token', form, basic)).status).toBe(200)
  })

  test.each([
    ['unknown client', { client_id: 'nobody' }, 401, 'invalid_client'],
    ['secret missing', { client_secret: '' }, 400, 'invalid_request'],
    ['wrong secret', { client_secret: 'wrong' }, 401, 'invalid_client'],
    ['code missing', { code: '' }, 400, 'invalid_request'],
    ['code undecryptable', { code: 'nonsense' }, 400, 'invalid_request'],
    ['redirect_uri missing', { redirect_uri: '' }, 400, 'invalid_request'],
    ['redirect_uri different', { redirect_uri: LOOPBACK }, 400, 'invalid_request'],
    ['verifier missing', { code_verifier: '' }, 400, 'invalid_request'],
    ['verifier malformed', { code_verifier: 'short' }, 400, 'invalid_request'],
    ['verifier wrong', { code_verifier: 'w'.repeat(64) }, 400, 'invalid_grant'],
    ['grant unknown', { grant_type: 'password' }, 400, 'unsupported_grant_type'],
  ])('the code exchange refuses: %s', async (_name, change, status, error) => {
    const answer = await exchange(await codeFor(), change)
    expect([answer.status, answer.body.error]).toEqual([status, error])
    expect(answer.headers.get('www-authenticate')).toBeNull()
  })

  test('a wrong Basic secret is answered with a challenge', async () => {
    const basic = { authorization: `Basic ${btoa(`${stackClient.id}:wrong`)}` }
    const answer = await post('/oauth/token', { grant_type: 'refresh_token', refresh_token: 'x' }, basic)
    expect([answer.status, answer.headers.get('www-authenticate')?.startsWith('Basic realm=')]).toEqual([401, true])
  })

  test('a verifier without a stored challenge is refused, and a missing method means plain', async () => {
    const bare = await codeFor(undefined, undefined, { code_challenge: undefined, code_challenge_method: undefined })
    expect((await exchange(bare)).body.error).toBe('invalid_request')
    const plain = await codeFor(undefined, undefined, { code_challenge: verifier, code_challenge_method: undefined })
    expect((await exchange(plain)).status).toBe(200)
  })

  test('a code used twice fails and an expired one fails, and what the first use earned stays alive', async () => {
    const code = await codeFor()
    const first = await exchange(code)
    const second = await exchange(code)
    expect([second.status, second.body.error]).toEqual([400, 'invalid_grant'])
    expect((await storage('tokens/verify', bearer(first.body.access_token))).status).toBe(200)
    const late = await codeFor()
    demo.clock.setOffset(3600)
    expect((await exchange(late)).body.error).toBe('invalid_grant')
  })

  test('a refresh ends the old access token and the old refresh token; a replay only fails', async () => {
    const old = await link()
    const fresh = await refresh(old.refresh_token)
    expect(fresh.status).toBe(200)
    expect(fresh.body.refresh_token).not.toBe(old.refresh_token)
    expect((await storage('tokens/verify', bearer(old.access_token))).status).toBe(401)
    const replay = await refresh(old.refresh_token)
    expect(replay.status).toBe(400)
    expect(replay.body).toMatchObject({ error: 'invalid_grant', hint: 'Token has been revoked' })
    expect((await storage('tokens/verify', bearer(fresh.body.access_token))).status).toBe(200)
    expect((await refresh(fresh.body.refresh_token)).status).toBe(200)
  })

  test('a refresh refuses a new scope, a foreign text and an expired token', async () => {
    const { refresh_token } = await link()
    expect((await refresh(refresh_token, { scope: 'more' })).body.error).toBe('invalid_scope')
    expect((await refresh('nonsense')).body.error).toBe('invalid_grant')
    expect((await refresh('')).body.error).toBe('invalid_request')
    demo.clock.setOffset(31 * 86_400)
    expect((await refresh(refresh_token)).body).toMatchObject({ error: 'invalid_grant', hint: 'Token has expired' })
  })

  test('a refresh a month after the last one keeps the link alive for another', async () => {
    let { refresh_token } = await link()
    for (const days of [29, 58, 87]) {
      demo.clock.setOffset(days * 86_400)
      const fresh = await refresh(refresh_token)
      expect(fresh.status).toBe(200)
      refresh_token = fresh.body.refresh_token
    }
  })

  test('League 8 refuses a dead refresh token with 401 invalid_request and a message', async () => {
    demo.modes.set({ league: 8 })
    const answer = await refresh('nonsense')
    expect([answer.status, answer.body.error, typeof answer.body.message]).toEqual([401, 'invalid_request', 'string'])
  })
})

describe('the Storage API (upstreams 3.3)', () => {
  test('verify names account, role, project and organisation', async () => {
    const { access_token } = await link('owner@acme.test', '20877')
    const { status, body } = await storage('tokens/verify', bearer(access_token))
    expect(status).toBe(200)
    expect(body).toMatchObject({
      isMasterToken: true,
      canManageTokens: true,
      admin: { id: 3001, role: 'share' },
      owner: { id: 20877, name: 'Acme & Globex Joint Venture', region: 'us-east-1' },
      organization: { id: '530' },
    })
    demo.modes.set({ ownerId: 'string' })
    const again = await storage('branch/default/tokens/verify', bearer(access_token))
    expect(again.body.owner).toMatchObject({ id: '20877' })
  })

  test('an admin mints what was asked, in the documented shape', async () => {
    const { access_token } = await link()
    const asked = {
      description: 'nightly job',
      expiresIn: 900,
      bucketPermissions: { 'in.c-crm': 'read' },
      componentAccess: ['keboola.ex-salesforce'],
    }
    const minted = await storage('tokens', bearer(access_token), asked)
    expect(minted.status).toBe(201)
    expect(minted.body).toMatchObject({
      id: expect.stringMatching(/^\d+$/),
      token: expect.stringMatching(/^10231-/),
      isMasterToken: false,
      canManageTokens: false,
      canManageBuckets: false,
      bucketPermissions: { 'in.c-crm': 'read' },
      componentAccess: ['keboola.ex-salesforce'],
      creatorToken: { description: 'owner@acme.test' },
      created: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0100$/),
    })
    const bare = await storage('tokens', bearer(access_token), { expiresIn: 60 })
    expect(bare.body.bucketPermissions).toEqual([])
    expect('componentAccess' in bare.body).toBe(false)
    expect(bare.body.description).toBe('Created by owner@acme.test')
    const form = new URLSearchParams({ expiresIn: '60', 'bucketPermissions[in.c-crm]': 'write', canManageBuckets: '0' })
    form.append('componentAccess[]', 'keboola.ex-db-pgsql')
    const byForm = await reply(
      await fetch(`${demo.url}/v2/storage/tokens`, { method: 'POST', body: form, headers: bearer(access_token) }),
    )
    expect(byForm.body).toMatchObject({
      bucketPermissions: { 'in.c-crm': 'write' },
      componentAccess: ['keboola.ex-db-pgsql'],
      canManageBuckets: false,
    })
  })

  test('K-22: a guest gets description and lifetime and nothing else', async () => {
    const { access_token } = await link('member@acme.test', '10231')
    const asked = { expiresIn: 60, bucketPermissions: { 'in.c-crm': 'write' }, canManageBuckets: true }
    const { status, body } = await storage('tokens', bearer(access_token), asked)
    expect(status).toBe(201)
    expect(body).toMatchObject({ bucketPermissions: [], canManageBuckets: false })
    expect(body.expires).not.toBeNull()
    expect((await storage('tokens', bearer(access_token))).status).toBe(403)
  })

  test('a read-only member passes the whole dance and is refused at the mint', async () => {
    const { access_token } = await link('member@acme.test', '10240')
    const { status, body } = await storage('tokens', bearer(access_token), { expiresIn: 60 })
    expect([status, body.code]).toEqual([403, 'accessDenied'])
    expect(body.exceptionId).toBeTruthy()
  })

  test('a made token mints nothing: 403, and 500 when it may manage tokens', async () => {
    const { access_token } = await link()
    const plain = await storage('tokens', bearer(access_token), { expiresIn: 60 })
    const manager = await storage('tokens', bearer(access_token), { expiresIn: 60, canManageTokens: true })
    expect((await storage('tokens', storageToken(plain.body.token), { expiresIn: 60 })).status).toBe(403)
    const failed = await storage('tokens', storageToken(manager.body.token), { expiresIn: 60 })
    expect([failed.status, failed.body.error]).toEqual([500, 'Application error'])
  })

  test.each([
    ['an unknown bucket', { 'in.c-nowhere': 'read' }],
    ['manage', { 'in.c-crm': 'manage' }],
  ])('a mint with %s is refused', async (_name, bucketPermissions) => {
    const { access_token } = await link()
    const answer = await storage('tokens', bearer(access_token), { expiresIn: 60, bucketPermissions })
    expect([answer.status, answer.body.code]).toEqual([400, 'storage.tokens.invalidPermissions'])
  })

  test('tokens are listed without their values, found by id, and deleted by an admin or by themselves', async () => {
    const { access_token } = await link()
    const one = await storage('tokens', bearer(access_token), { expiresIn: 60, description: 'one' })
    const two = await storage('tokens', bearer(access_token), { expiresIn: 60 })
    const list = await storage('tokens', bearer(access_token))
    const listed = Object.values(list.body) as Body[]
    expect(listed.map((token) => token.id)).toEqual(expect.arrayContaining([one.body.id, two.body.id]))
    expect(JSON.stringify(list.body)).not.toContain(String(one.body.token))
    expect((await storage(`tokens/${one.body.id}`, bearer(access_token))).body.description).toBe('one')
    const other = await storage(`tokens/${two.body.id}`, storageToken(one.body.token), undefined, 'DELETE')
    expect(other.status).toBe(403)
    const itself = await storage(`tokens/${one.body.id}`, storageToken(one.body.token), undefined, 'DELETE')
    expect(itself.status).toBe(204)
    const dead = await storage('tokens/verify', storageToken(one.body.token))
    expect([dead.status, dead.body.code]).toEqual([401, 'storage.tokenInvalid'])
    expect((await storage(`tokens/${two.body.id}`, bearer(access_token), undefined, 'DELETE')).status).toBe(204)
    expect((await storage(`tokens/${two.body.id}`, bearer(access_token))).status).toBe(404)
  })

  test('a token of one project does not exist in another', async () => {
    const mine = await link('owner@acme.test', '20877')
    const minted = await storage('tokens', bearer(mine.access_token), { expiresIn: 60 })
    const theirs = await link('owner@globex.test', '20880')
    expect((await storage(`tokens/${minted.body.id}`, bearer(theirs.access_token), undefined, 'DELETE')).status).toBe(
      404,
    )
  })

  test('the data API gives a made token its buckets, its rights and nothing more', async () => {
    const { access_token } = await link()
    const asked = { expiresIn: 60, bucketPermissions: { 'in.c-crm': 'read', 'out.c-reporting': 'write' } }
    const key = storageToken((await storage('tokens', bearer(access_token), asked)).body.token)
    const buckets = Object.values((await storage('buckets', key)).body) as Body[]
    expect(buckets.map((bucket) => bucket.id)).toEqual(['in.c-crm', 'out.c-reporting'])
    expect((await storage('buckets/in.c-web-orders/tables', key)).status).toBe(403)
    const tables = Object.values((await storage('buckets/in.c-crm/tables', key)).body) as Body[]
    expect(tables[0]?.id).toBe('in.c-crm.accounts')
    const preview = await fetch(`${demo.url}/v2/storage/tables/in.c-crm.accounts/data-preview`, { headers: key })
    expect(await preview.text()).toContain('"Northwind"')
    expect((await storage('tables/in.c-crm.accounts/rows', key, {})).status).toBe(403)
    expect((await storage('tables/out.c-reporting.revenue/rows', key, {})).status).toBe(202)
    expect(Object.values((await storage('components', key)).body)).toEqual([])
    demo.clock.setOffset(61)
    expect((await storage('buckets', key)).status).toBe(401)
  })

  test('components, their configurations and branches are those of the project, for a token those that it may use', async () => {
    const { access_token } = await link()
    const asked = { expiresIn: 60, componentAccess: ['keboola.ex-salesforce'] }
    const key = storageToken((await storage('tokens', bearer(access_token), asked)).body.token)
    const list = async (path: string, auth: Record<string, string>) =>
      Object.values((await storage(path, auth)).body) as Body[]
    expect((await list('components', bearer(access_token)))[0]).not.toHaveProperty('configurations')
    const [component, ...others] = await list('components?include=configuration', key)
    expect([component, others]).toMatchObject([
      { id: 'keboola.ex-salesforce', flags: expect.arrayContaining(['genericDockerUI-authorization']) },
      [],
    ])
    expect(component?.configurations).toMatchObject([{ id: '901', name: 'Accounts, nightly' }])
    const at = (path: string, auth: Record<string, string> = key) => storage(`components/${path}`, auth)
    expect((await at('keboola.ex-salesforce/configs/901')).body).toMatchObject({ id: '901', configuration: {} })
    expect((await at('keboola.ex-salesforce/configs/902')).status).toBe(404)
    expect([(await at('keboola.ex-db-pgsql')).status, (await at('keboola.ex-db-pgsql/configs/902')).status]).toEqual([
      403, 403,
    ])
    expect((await at('keboola.ex-nothing', bearer(access_token))).body).toMatchObject({
      code: 'storage.components.notFound',
      exceptionId: expect.any(String),
    })
    expect(await list('dev-branches', key)).toMatchObject([
      { id: 7001, isDefault: true },
      { id: 7101, isDefault: false },
    ])
  })

  test('K-36: the last use of a token is the newest event it made', async () => {
    const { access_token } = await link()
    const { body } = await storage('tokens', bearer(access_token), { expiresIn: 600 })
    const events = async (query: string) =>
      Object.values((await storage(`tokens/${body.id}/events?${query}`, bearer(access_token))).body) as Body[]
    const own = `q=${encodeURIComponent(`token.id:${body.id}`)}`
    expect(await events(own)).toEqual([])
    await storage('buckets', storageToken(body.token))
    expect((await events(own))[0]).toMatchObject({ token: { id: Number(body.id) }, created: expect.any(String) })
    expect((await events('limit=50')).map((event) => event.event)).toContain('storage.tokenCreated')
  })

  test('an expired access token and a token in the wrong header are refused', async () => {
    const { access_token } = await link()
    expect((await storage('tokens/verify', storageToken(access_token))).status).toBe(401)
    demo.clock.setOffset(3601)
    expect((await storage('tokens/verify', bearer(access_token))).body.code).toBe('storage.tokenInvalid')
  })
})

describe('the identity provider', () => {
  const signInUrl = (change: Record<string, string | undefined> = {}) =>
    authorizeUrl(
      { client_id: signinClient.id, scope: 'openid email profile', nonce: 'the-nonce', ...change },
      '/idp/authorize',
    )
  const tokens = (code: string) =>
    post('/idp/token', {
      grant_type: 'authorization_code',
      client_id: signinClient.id,
      client_secret: signinClient.secret,
      code,
      redirect_uri: CALLBACK,
      code_verifier: verifier,
    })
  async function signIn(account = 'owner@acme.test', change: Record<string, string | undefined> = {}, jar: Jar = []) {
    const answer = queryOf(await approve(signInUrl(change), { account, jar }))
    return { answer, token: await tokens(answer.code ?? '') }
  }
  const keys = () => createRemoteJWKSet(new URL(`${demo.issuer}/jwks`))

  test('a code answers with state and iss, and buys a signed ID token with e-mail and name', async () => {
    const { answer, token } = await signIn()
    expect(answer).toMatchObject({ state: 'the-state', iss: demo.issuer })
    const { payload } = await jwtVerify(String(token.body.id_token), keys(), {
      issuer: demo.issuer,
      audience: signinClient.id,
      algorithms: ['RS256'],
    })
    expect(payload).toMatchObject({
      sub: 'acct-3001',
      email: 'owner@acme.test',
      name: 'Acme Owner',
      nonce: 'the-nonce',
      auth_time: expect.any(Number),
    })
    demo.modes.set({ idTokenAlg: 'ES256' })
    expect((await jwtVerify(String((await signIn()).token.body.id_token), keys())).protectedHeader.alg).toBe('ES256')
  })

  test('where it has a place to sign out it asks first, and leads back with the state', async () => {
    const metadata = async () => (await (await fetch(`${demo.issuer}/.well-known/openid-configuration`)).json()) as Body
    expect(await metadata()).not.toHaveProperty('end_session_endpoint')
    demo.modes.set({ endSession: true })
    const url = new URL(String((await metadata()).end_session_endpoint))
    const back = new URL('/signin', CALLBACK).href
    for (const [name, value] of Object.entries({
      client_id: signinClient.id,
      post_logout_redirect_uri: back,
      state: 's',
    }))
      url.searchParams.set(name, value)
    const jar: Jar = []
    await signIn('owner@acme.test', {}, jar)
    const cookies = () => jar.map(({ name, value }) => `${name}=${value}`).join('; ')
    const asked = await fetch(url, { headers: { cookie: cookies() } })
    const page = await asked.text()
    expect(page).toContain('Sign out here as well?')
    const [, action = '', xsrf = ''] = /action="([^"]+)"><input[^>]*value="([^"]+)"/.exec(page) ?? []
    const form = { xsrf, logout: 'yes' }
    const done = await fetch(action, {
      method: 'POST',
      body: new URLSearchParams(form),
      headers: { cookie: cookies() },
      redirect: 'manual',
    })
    expect([done.status, done.headers.get('location')]).toEqual([303, `${back}?state=s`])
  })

  test('PKCE is required, a foreign redirect gets a page, and a refusal is access_denied', async () => {
    const bare = await approve(signInUrl({ code_challenge: undefined, code_challenge_method: undefined }), {
      account: 'owner@acme.test',
    })
    expect(queryOf(bare).error).toBe('invalid_request')
    const foreign = await fetch(signInUrl({ redirect_uri: 'https://evil.example/' }), { redirect: 'manual' })
    expect([foreign.status, foreign.headers.get('location')]).toEqual([400, null])
    const denied = queryOf(await approve(signInUrl(), { account: 'owner@acme.test', deny: true }))
    expect(denied).toMatchObject({ error: 'access_denied', state: 'the-state', iss: demo.issuer })
  })

  test('continuing keeps auth_time; prompt=login and max_age ask again and make it new', async () => {
    const jar: Jar = []
    const at = async (change: Record<string, string> = {}) =>
      decodeJwt(String((await signIn('owner@acme.test', change, jar)).token.body.id_token)).auth_time as number
    const first = await at()
    demo.clock.setOffset(100)
    expect(await at()).toBe(first)
    expect(await at({ max_age: '1000' })).toBe(first)
    const again = await at({ prompt: 'login' })
    expect(again).toBeGreaterThanOrEqual(first + 100)
    demo.clock.setOffset(300)
    expect(await at({ max_age: '50' })).toBeGreaterThanOrEqual(again + 199)
    demo.clock.setOffset(400)
    expect(await at({ max_age: '0', prompt: 'login' })).toBeGreaterThanOrEqual(again + 299)
  })

  test('a signed-in browser can go on as somebody else', async () => {
    const jar: Jar = []
    await signIn('owner@acme.test', {}, jar)
    const { token } = await signIn('owner@globex.test', {}, jar)
    expect(decodeJwt(String(token.body.id_token)).email).toBe('owner@globex.test')
  })

  test('another signing key takes over, and only it is published', async () => {
    const before = (await signIn()).token.body.id_token
    demo.modes.set({ signingKey: 1 })
    const after = (await signIn()).token.body.id_token
    await expect(jwtVerify(String(before), keys())).rejects.toThrow()
    await expect(jwtVerify(String(after), keys())).resolves.toBeTruthy()
  })

  test('metadata and iss lie on demand', async () => {
    const metadata = async () => (await reply(await fetch(`${demo.issuer}/.well-known/openid-configuration`))).body
    expect(await metadata()).toMatchObject({
      issuer: demo.issuer,
      authorization_response_iss_parameter_supported: true,
    })
    demo.modes.set({ metadataIssuer: 'https://other.example', iss: 'off' })
    expect(await metadata()).toMatchObject({
      issuer: 'https://other.example',
      authorization_response_iss_parameter_supported: false,
    })
    expect('iss' in (await signIn()).answer).toBe(false)
    demo.modes.set({ iss: 'wrong' })
    expect((await signIn()).answer.iss).not.toBe(demo.issuer)
  })

  test.each(['wrong-key', 'alg-none', 'hs256', 'wrong-iss', 'wrong-aud', 'expired'] as const)(
    'an ID token that is %s does not verify',
    async (idToken) => {
      demo.modes.set({ idToken })
      const { token } = await signIn()
      const expected = { issuer: demo.issuer, audience: signinClient.id, algorithms: ['RS256'] }
      await expect(jwtVerify(String(token.body.id_token), keys(), expected)).rejects.toThrow()
    },
  )

  test('ID tokens can be absent, or carry another nonce, subject or time of sign-in', async () => {
    const claims = async (idToken: 'wrong-nonce' | 'missing-nonce' | 'other-sub' | 'stale-auth-time') => {
      demo.modes.set({ idToken })
      return decodeJwt(String((await signIn()).token.body.id_token))
    }
    expect((await claims('wrong-nonce')).nonce).not.toBe('the-nonce')
    expect('nonce' in (await claims('missing-nonce'))).toBe(false)
    expect((await claims('other-sub')).sub).not.toBe('acct-3001')
    const stale = await claims('stale-auth-time')
    expect(Number(stale.auth_time)).toBeLessThan(Number(stale.iat) - 80_000)
    demo.modes.set({ idToken: 'missing' })
    expect('id_token' in (await signIn()).token.body).toBe(false)
  })
})

describe('server modes (upstreams 3.9)', () => {
  test('K-19: the mint answers 200 as well as 201', async () => {
    const { access_token } = await link()
    demo.modes.set({ mintStatus: 200 })
    expect((await storage('tokens', bearer(access_token), { expiresIn: 60 })).status).toBe(200)
  })

  test('expires_in as text, or missing; any field missing', async () => {
    demo.modes.set({ expiresIn: 'string' })
    expect((await link()).expires_in).toBe('3600')
    demo.modes.set({ expiresIn: 'missing' })
    expect('expires_in' in (await link())).toBe(false)
    demo.modes.set({ missingFields: ['refresh_token'] })
    expect('refresh_token' in (await link())).toBe(false)
  })

  test('a refresh without a new token leaves the old one working', async () => {
    const { refresh_token } = await link()
    demo.modes.set({ refreshReturnsToken: false })
    const fresh = await refresh(refresh_token)
    expect('refresh_token' in fresh.body).toBe(false)
    expect((await refresh(refresh_token)).status).toBe(200)
  })

  test('rotation none hands the same token back; rotation grace takes the old one for 30 seconds', async () => {
    demo.modes.set({ rotation: 'none' })
    const { refresh_token } = await link()
    expect((await refresh(refresh_token)).body.refresh_token).toBe(refresh_token)
    demo.modes.set({ rotation: 'grace' })
    expect((await refresh(refresh_token)).status).toBe(200)
    demo.clock.setOffset(29)
    const inGrace = await refresh(refresh_token)
    expect(inGrace.status).toBe(200)
    demo.clock.setOffset(31)
    expect((await refresh(refresh_token)).body.error).toBe('invalid_grant')
    expect((await refresh(inGrace.body.refresh_token)).status).toBe(200)
  })

  test('a replay ends the whole family where the server does that', async () => {
    demo.modes.set({ replayRevokesFamily: true })
    const { refresh_token } = await link()
    const fresh = await refresh(refresh_token)
    expect((await refresh(refresh_token)).status).toBe(400)
    expect((await refresh(fresh.body.refresh_token)).status).toBe(400)
    expect((await storage('tokens/verify', bearer(fresh.body.access_token))).status).toBe(401)
  })

  test('K-39: signing in at the stack forgets the request; the second try goes through', async () => {
    demo.modes.set({ loggedOutDropsRequest: true })
    const jar: Jar = []
    await expect(approve(authorizeUrl(), { account: 'owner@acme.test', jar })).rejects.toThrow('forgot')
    expect(queryOf(await approve(authorizeUrl(), { account: 'owner@acme.test', jar })).code).toBeTruthy()
  })

  test('consent denies by itself, or ends with another project than the one chosen', async () => {
    demo.modes.set({ consent: 'denied' })
    expect(queryOf(await approve(authorizeUrl(), { account: 'owner@acme.test' })).error).toBe('access_denied')
    demo.modes.set({ consent: 'ask', consentProject: '10232' })
    const { access_token } = await link('owner@acme.test', '10231')
    expect((await storage('tokens/verify', bearer(access_token))).body.owner).toMatchObject({ id: 10232 })
  })

  test('one role for everybody, and a stack where no client is registered', async () => {
    const { access_token, refresh_token } = await link()
    demo.modes.set({ role: 'readOnly' })
    expect((await storage('tokens', bearer(access_token), { expiresIn: 60 })).status).toBe(403)
    demo.modes.set({ clientKnown: false })
    expect((await refresh(refresh_token)).body.error).toBe('invalid_client')
    expect((await fetch(authorizeUrl(), { redirect: 'manual' })).status).toBe(401)
  })

  test('the stack sends iss only where a mode says so', async () => {
    demo.modes.set({ stackIss: 'on' })
    expect(queryOf(await approve(authorizeUrl(), { account: 'owner@acme.test' })).iss).toBe(demo.url)
  })
})

describe('scripted faults (upstreams 3.9)', () => {
  test('answers come in their order, then the server is itself again; a filter lets other requests pass', async () => {
    const { refresh_token } = await link()
    const only = { grant_type: 'refresh_token' }
    demo.faults.push(
      'POST /oauth/token',
      { when: only, status: 429, headers: { 'retry-after': '2' } },
      { when: only, status: 503, body: { kind: 'json', value: { status: 'maintenance' } } },
    )
    const code = await codeFor()
    expect((await exchange(code)).status).toBe(200)
    const first = await refresh(refresh_token)
    expect([first.status, first.headers.get('retry-after')]).toEqual([429, '2'])
    expect((await refresh(refresh_token)).body).toEqual({ status: 'maintenance' })
    expect((await refresh(refresh_token)).status).toBe(200)
    expect(demo.faults.pending()).toBe(0)
  })

  test('HTML, an empty body, a huge body and wrong types', async () => {
    const verify = async () => fetch(`${demo.url}/v2/storage/tokens/verify`, { headers: bearer(access_token) })
    const { access_token } = await link()
    demo.faults.push(
      'GET /v2/storage/tokens/verify',
      { status: 502, body: { kind: 'html' } },
      { body: { kind: 'empty' } },
      { body: { kind: 'huge', bytes: 3_000_000 } },
      { body: { kind: 'wrong-types' } },
    )
    const html = await verify()
    expect([html.status, html.headers.get('content-type')]).toEqual([502, 'text/html'])
    expect(await html.text()).toContain('<h1>')
    expect(await (await verify()).text()).toBe('')
    expect((await (await verify()).text()).length).toBeGreaterThan(3_000_000)
    expect(((await (await verify()).json()) as Body).id).toBe(7)
  })

  test('a truncated answer breaks off, and a dripping one arrives byte by byte', async () => {
    const { access_token } = await link()
    const verify = () => fetch(`${demo.url}/v2/storage/buckets`, { headers: bearer(access_token) })
    demo.faults.push(
      'GET /v2/storage/buckets',
      { body: { kind: 'truncated' } },
      { body: { kind: 'drip', everyMilliseconds: 5 } },
    )
    await expect(verify().then((response) => response.text())).rejects.toThrow()
    const reader = (await verify()).body?.getReader()
    expect((await reader?.read())?.value?.length).toBeLessThan(5)
    await reader?.cancel()
  })

  test('a reset before leaves nothing behind; a reset after leaves a token that nobody received', async () => {
    const { access_token } = await link()
    const mint = () => storage('tokens', bearer(access_token), { expiresIn: 60, description: 'orphan' })
    const orphans = () => demo.ledger.tokens.filter(({ kind, live }) => kind === 'storage' && live).length
    demo.faults.push('POST /v2/storage/tokens', { reset: 'before' }, { reset: 'after' })
    await expect(mint()).rejects.toThrow()
    expect(orphans()).toBe(0)
    await expect(mint()).rejects.toThrow()
    expect(orphans()).toBe(1)
  })

  test('an error that hides an effect, and a request delivered twice', async () => {
    const { access_token, refresh_token } = await link()
    demo.faults.push('POST /v2/storage/tokens', { status: 500, effect: 'applied' }, { duplicate: true })
    const mint = () => storage('tokens', bearer(access_token), { expiresIn: 60 })
    expect((await mint()).status).toBe(500)
    expect((await mint()).status).toBe(201)
    expect(demo.ledger.tokens.filter(({ kind, live }) => kind === 'storage' && live)).toHaveLength(3)
    demo.faults.push('POST /oauth/token', { duplicate: true })
    expect((await refresh(refresh_token)).body.error).toBe('invalid_grant')
  })

  test('a request waits at a barrier, before or after it took effect, until it is let go', async () => {
    const { access_token } = await link()
    const mint = () => storage('tokens', bearer(access_token), { expiresIn: 60 })
    const live = () => demo.ledger.tokens.filter(({ kind, live }) => kind === 'storage' && live).length
    demo.faults.push('POST /v2/storage/tokens', { hold: { barrier: 'first', at: 'before' } })
    const first = mint()
    await demo.faults.barrier('first').arrived()
    expect(live()).toBe(0)
    demo.faults.barrier('first').release()
    expect((await first).status).toBe(201)
    demo.faults.push('POST /v2/storage/tokens', { hold: { barrier: 'second', at: 'after' } })
    const second = mint()
    await demo.faults.barrier('second').arrived()
    expect(live()).toBe(2)
    demo.faults.barrier('second').release()
    expect((await second).status).toBe(201)
  })
})

describe('ledger, control and persistence', () => {
  test('every request and every token value is in the books', async () => {
    const { access_token, refresh_token } = await link('owner@globex.test', '20880')
    const minted = await storage('tokens', bearer(access_token), { expiresIn: 60, description: 'booked' })
    const values = demo.ledger.tokens.map(({ value }) => value)
    expect(values).toEqual(expect.arrayContaining([access_token, refresh_token, minted.body.token]))
    const [request] = demo.ledger.find('POST /v2/storage/tokens', { description: 'booked' })
    expect(request).toMatchObject({ account: 'owner@globex.test', project: '20880', status: 201, outcome: 'ok' })
    const [entry] = demo.ledger.tokens.filter(({ value }) => value === minted.body.token)
    expect(entry).toMatchObject({ kind: 'storage', tokenId: minted.body.id, live: true, account: 'owner@globex.test' })
    const code = demo.ledger.tokens.find(({ kind, system }) => kind === 'code' && system === 'stack')
    expect(code?.live).toBe(false)
  })

  test('the control API does what the object does, for the secret only', async () => {
    const headers = { authorization: `Bearer ${controlSecret}`, 'content-type': 'application/json' }
    const control = async (path: string, body?: unknown) =>
      reply(
        await fetch(`${demo.url}/control/${path}`, {
          method: body ? 'POST' : 'GET',
          headers,
          body: JSON.stringify(body),
        }),
      )
    expect((await fetch(`${demo.url}/control/ledger`)).status).toBe(401)
    expect((await control('modes', { mintStatus: 200 })).body.mintStatus).toBe(200)
    expect((await control('modes', { mintStatus: 204 })).status).toBe(400)
    expect((await control('faults', { route: 'GET /', answers: [{ status: 503 }] })).status).toBe(200)
    expect((await fetch(demo.url)).status).toBe(503)
    await control('clock', { offsetSeconds: 60 })
    expect(demo.clock.offsetSeconds).toBe(60)
    expect((await control('ledger')).body.requests).toHaveLength(1)
    await control('reset', {})
    expect([demo.clock.offsetSeconds, demo.modes.current.mintStatus, demo.ledger.requests.length]).toEqual([0, 201, 0])
  })

  test('without a secret there is no control API', async () => {
    const closed = await startDemo({ stackClient, signinClient, ticketsClient })
    expect((await fetch(`${closed.url}/control/ledger`, { headers: { authorization: 'Bearer ' } })).status).toBe(404)
    await closed.close()
  })

  test('a foreign Host is turned away', async () => {
    const status = await new Promise((resolve, reject) => {
      const { port } = new URL(demo.url)
      const sent = request({ host: '127.0.0.1', port, headers: { host: 'rebound.example' } }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
      sent.on('error', reject).end()
    })
    expect(status).toBe(421)
  })

  test('links and tokens outlive a restart, though the file holds no token value', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'demo-'))
    const dataFile = join(directory, 'demo.json')
    const first = await startDemo({ ...options, dataFile })
    const location = await approve(authorizeUrl({}, undefined, first), { account: 'owner@acme.test', project: '10232' })
    const form = {
      ...asClient,
      grant_type: 'authorization_code',
      code: queryOf(location).code ?? '',
      redirect_uri: CALLBACK,
    }
    const { body } = await post('/oauth/token', { ...form, code_verifier: verifier }, {}, first)
    const minted = await storage('tokens', bearer(body.access_token), { expiresIn: 600 }, undefined, first)
    // What is answered is already on disk: a killed demo loses nothing that its client relies on.
    const [text, entries] = [await readFile(dataFile, 'utf8'), await readFile(`${dataFile}.journal`, 'utf8')]
    expect(entries.length).toBeGreaterThan(0)
    await first.close()
    expect(await readFile(`${dataFile}.journal`, 'utf8')).toBe('')
    for (const { value } of first.ledger.tokens)
      for (const written of [text, entries, await readFile(dataFile, 'utf8')]) expect(written).not.toContain(value)
    // As a kill leaves it in the middle of a line, whose answer nobody got.
    await writeFile(dataFile, text)
    await writeFile(`${dataFile}.journal`, `${entries}{"nextId":9000000,"tok`)

    const second = await startDemo({ ...options, dataFile })
    expect((await storage('tokens/verify', storageToken(minted.body.token), undefined, undefined, second)).status).toBe(
      200,
    )
    const verified = await storage('tokens/verify', bearer(body.access_token), undefined, undefined, second)
    expect(verified.body.owner).toMatchObject({ id: 10232 })
    const fresh = await refresh(body.refresh_token, {}, second)
    expect(fresh.status).toBe(200)
    expect((await refresh(body.refresh_token, {}, second)).body.error).toBe('invalid_grant')
    await second.close()

    await writeFile(dataFile, '{"version":1,"nextId":7,"eng')
    const third = await startDemo({ ...options, dataFile })
    expect(third.warning).toContain('unreadable')
    expect((await refresh(fresh.body.refresh_token, {}, third)).body.error).toBe('invalid_grant')
    await third.close()
    await rm(directory, { recursive: true })
  })

  test('two hundred mints write what they add and not everything again; kill -9 loses none of what was answered', async () => {
    await bundleDemo()
    const directory = await mkdtemp(join(tmpdir(), 'demo-'))
    const dataFile = join(directory, 'demo.json')
    const env = {
      PATH: process.env.PATH,
      NODE_ENV: 'test' as const,
      DEMO_SIGNIN_CLIENT: JSON.stringify(signinClient),
      DEMO_STACK_CLIENT: JSON.stringify(stackClient),
      DEMO_TICKETS_CLIENT: JSON.stringify(ticketsClient),
      DEMO_DATA_FILE: dataFile,
    }
    const start = async () => {
      const child = spawn(process.execPath, ['dist/demo.mjs'], { env, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
      const [line] = await once(child.stdout ?? child, 'data')
      return { child, of: { url: /^demo ready (\S+)/.exec(String(line))?.[1] ?? '' } as Demo }
    }
    const first = await start()
    const location = await approve(authorizeUrl({}, undefined, first.of), {
      account: 'owner@acme.test',
      project: '10231',
    })
    const form = {
      ...asClient,
      grant_type: 'authorization_code',
      code: queryOf(location).code ?? '',
      redirect_uri: CALLBACK,
    }
    const { body } = await post('/oauth/token', { ...form, code_verifier: verifier }, {}, first.of)
    const size = async (file: string) => (await stat(file)).size
    const [whole, before] = [await stat(dataFile), await size(`${dataFile}.journal`)]
    const tokens: unknown[] = []
    for (let count = 0; count < 200; count += 1)
      tokens.push(
        (await storage('tokens', bearer(body.access_token), { expiresIn: 600 }, undefined, first.of)).body.token,
      )
    const rotated = await refresh(body.refresh_token, {}, first.of)
    expect(rotated.status).toBe(200)
    const ended = once(first.child, 'exit')
    first.child.kill('SIGKILL')
    await ended
    const now = await stat(dataFile)
    expect([now.size, now.mtimeMs]).toEqual([whole.size, whole.mtimeMs])
    expect(((await size(`${dataFile}.journal`)) - before) / 200).toBeLessThan(2_000)

    const second = await start()
    for (const token of tokens)
      expect((await storage('tokens/verify', storageToken(token), undefined, undefined, second.of)).status).toBe(200)
    // The grant goes on from what was answered last, and knows what was spent.
    expect((await refresh(body.refresh_token, {}, second.of)).body.error).toBe('invalid_grant')
    expect((await refresh(rotated.body.refresh_token, {}, second.of)).status).toBe(200)
    const stopped = once(second.child, 'exit')
    second.child.kill('SIGTERM')
    expect(await stopped).toEqual([0, null])
    expect(await size(`${dataFile}.journal`)).toBe(0)
    await rm(directory, { recursive: true })
  })
})
