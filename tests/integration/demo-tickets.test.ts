import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as oauth from 'oauth4webapi'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { approve, type Jar } from '../../demo/browser.ts'
import { type Demo, type DemoOptions, startDemo } from '../../demo/index.ts'

const CALLBACK = 'https://app.example/oauth/callback/tickets-demo'
const client = (name: string) => ({ id: name, secret: randomBytes(24).toString('hex'), redirectUris: [CALLBACK] })
const ticketsClient = client('tickets-client')
const stackClient = client('stack-client')
const options: DemoOptions = { ticketsClient, stackClient, signinClient: client('signin-client') }

const FULL = 'openid offline_access tickets:read tickets:write tickets:delete'
const verifier = randomBytes(48).toString('base64url')
const challenge = createHash('sha256').update(verifier).digest('base64url')
const basic = `Basic ${btoa(`${ticketsClient.id}:${ticketsClient.secret}`)}`

type Body = Record<string, unknown>
type Reply = { status: number; headers: Headers; body: Body }

let demo: Demo
beforeAll(async () => {
  demo = await startDemo(options)
})
afterEach(() => demo.reset())
afterAll(() => demo.close())

async function reply(response: Response): Promise<Reply> {
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) }
}
const queryOf = (location: string) => Object.fromEntries(new URL(location).searchParams)

function authorizeUrl(change: Record<string, string | undefined> = {}, of = demo): string {
  const parameters: Record<string, string | undefined> = {
    client_id: ticketsClient.id,
    response_type: 'code',
    redirect_uri: CALLBACK,
    scope: FULL,
    prompt: 'consent',
    state: 'the-state',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...change,
  }
  const url = new URL(`${of.ticketsIssuer}/authorize`)
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) url.searchParams.set(name, value)
  return url.href
}

const post = async (path: string, form: Record<string, string>, authorization: string | undefined = basic, of = demo) =>
  reply(
    await fetch(of.ticketsIssuer + path, {
      method: 'POST',
      body: new URLSearchParams(form),
      headers: authorization ? { authorization } : {},
    }),
  )

async function codeFor(account = 'owner@acme.test', change: Record<string, string | undefined> = {}, of = demo) {
  return queryOf(await approve(authorizeUrl(change, of), { account })).code ?? ''
}
const exchange = (code: string, change: Record<string, string> = {}, authorization?: string, of = demo) =>
  post(
    '/token',
    { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: verifier, ...change },
    authorization,
    of,
  )
const refresh = (token: unknown, change: Record<string, string> = {}, authorization?: string, of = demo) =>
  post('/token', { grant_type: 'refresh_token', refresh_token: String(token), ...change }, authorization, of)
const revoke = (token: unknown, authorization?: string) => post('/revoke', { token: String(token) }, authorization)
const link = async (account?: string, change: Record<string, string | undefined> = {}, of = demo) =>
  (await exchange(await codeFor(account, change, of), {}, undefined, of)).body

const api = async (token: unknown, call: string, body?: unknown, of = demo) => {
  const [method = '', path = ''] = call.split(' ')
  return reply(
    await fetch(`${of.ticketsIssuer}/api/${path}`, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
    }),
  )
}
const isAlive = async (token: unknown, of = demo) => (await api(token, 'GET me', undefined, of)).status === 200

describe('the ticket service is an OpenID issuer of its own', () => {
  test('its metadata says what it does, and neither its keys nor its client are the others’', async () => {
    const { body } = await reply(await fetch(`${demo.ticketsIssuer}/.well-known/openid-configuration`))
    expect(body).toMatchObject({
      issuer: demo.ticketsIssuer,
      authorization_endpoint: `${demo.ticketsIssuer}/authorize`,
      token_endpoint: `${demo.ticketsIssuer}/token`,
      revocation_endpoint: `${demo.ticketsIssuer}/revoke`,
      pushed_authorization_request_endpoint: `${demo.ticketsIssuer}/par`,
      scopes_supported: FULL.split(' '),
      response_types_supported: ['code'],
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: ['client_secret_basic'],
      authorization_response_iss_parameter_supported: true,
    })
    expect(body.require_pushed_authorization_requests ?? false).toBe(false)
    const kids = async (issuer: string) => {
      const { keys } = (await (await fetch(`${issuer}/jwks`)).json()) as { keys: { kid: string }[] }
      return keys.map(({ kid }) => kid)
    }
    const [own, others] = [await kids(demo.ticketsIssuer), await kids(demo.issuer)]
    expect(own.length).toBeGreaterThan(0)
    expect(own.filter((kid) => others.includes(kid))).toEqual([])
    const stranger = `Basic ${btoa(`${stackClient.id}:${stackClient.secret}`)}`
    expect((await exchange(await codeFor(), {}, stranger)).body.error).toBe('invalid_client')
  })

  test('a certified client goes the whole way with a pushed request, at any hour of the demo’s clock', async () => {
    const insecure = { [oauth.allowInsecureRequests]: true }
    const issuer = new URL(demo.ticketsIssuer)
    const found = await oauth.discoveryRequest(issuer, { algorithm: 'oidc', ...insecure })
    const server = await oauth.processDiscoveryResponse(issuer, found)
    for (const days of [0, 400]) {
      demo.clock.setOffset(days * 86_400)
      const us: oauth.Client = { client_id: ticketsClient.id, [oauth.clockSkew]: days * 86_400 }
      const auth = oauth.ClientSecretBasic(ticketsClient.secret)
      const nonce = oauth.generateRandomNonce()
      const parameters = { ...queryOf(authorizeUrl()), nonce }
      const pushed = await oauth.pushedAuthorizationRequest(server, us, auth, parameters, insecure)
      const { request_uri } = await oauth.processPushedAuthorizationResponse(server, us, pushed)
      const url = `${server.authorization_endpoint}?${new URLSearchParams({ client_id: us.client_id, request_uri })}`
      const back = new URL(await approve(url, { account: 'owner@globex.test' }))
      expect(back.searchParams.get('iss')).toBe(demo.ticketsIssuer)
      const answer = oauth.validateAuthResponse(server, us, back, 'the-state')
      const sent = await oauth.authorizationCodeGrantRequest(server, us, auth, answer, CALLBACK, verifier, insecure)
      const tokens = await oauth.processAuthorizationCodeResponse(server, us, sent, {
        expectedNonce: nonce,
        requireIdToken: true,
      })
      await oauth.validateApplicationLevelSignature(server, sent, insecure)
      expect(oauth.getValidatedIdTokenClaims(tokens)?.sub).toBe('acct-4001')
      expect(tokens).toMatchObject({ expires_in: 3600, scope: FULL, refresh_token: expect.any(String) })
      expect(tokens.access_token.split('.')).toHaveLength(1)
    }
  })

  test('consent shows what is asked, in words and as the protocol has it, and nothing else', async () => {
    const pages: string[] = []
    const asked = authorizeUrl({ scope: 'openid tickets:read' })
    await approve(asked, { account: 'owner@acme.test', look: (page) => pages.push(page) })
    const text = pages.at(-1)
    expect(text).toContain('owner@acme.test')
    expect(text).toContain('Read the tickets of your organisation')
    expect(text?.match(/\((openid|offline_access|tickets:\w+)\)/g)).toEqual(['(openid)', '(tickets:read)'])
  })

  test('a denial comes back with state and issuer; a mode denies for everybody', async () => {
    const denied = { error: 'access_denied', state: 'the-state', iss: demo.ticketsIssuer }
    expect(queryOf(await approve(authorizeUrl(), { account: 'owner@acme.test', deny: true }))).toMatchObject(denied)
    demo.modes.set({ consent: 'denied' })
    expect(queryOf(await approve(authorizeUrl(), { account: 'owner@acme.test' }))).toMatchObject(denied)
  })

  test('somebody else may approve in the same browser, and each approval is a grant of its own', async () => {
    const jar: Jar = []
    const codes: string[] = []
    for (const account of ['owner@acme.test', 'member@acme.test', 'member@acme.test'])
      codes.push(queryOf(await approve(authorizeUrl(), { account, jar })).code ?? '')
    const [first, second, third] = await Promise.all(codes.map(async (code) => (await exchange(code)).body))
    expect((await api(first?.access_token, 'GET me')).body).toEqual({ id: '3001', name: 'Acme Owner' })
    expect((await api(second?.access_token, 'GET me')).body).toEqual({ id: '3002', name: 'Acme Member' })
    await revoke(second?.refresh_token)
    expect([await isAlive(second?.access_token), await isAlive(third?.access_token)]).toEqual([false, true])
    // Also where a client does not ask to be asked.
    const pages: string[] = []
    const unasked = authorizeUrl({ prompt: undefined })
    await approve(unasked, { account: 'member@acme.test', jar, look: (page) => pages.push(page) })
    expect(pages).toHaveLength(1)
  })

  test('the issuer in the answer (RFC 9207) is there, missing or wrong as a mode says', async () => {
    const issOf = async () => queryOf(await approve(authorizeUrl(), { account: 'owner@acme.test' })).iss
    expect(await issOf()).toBe(demo.ticketsIssuer)
    demo.modes.set({ ticketsIss: 'wrong' })
    expect(await issOf()).toBe('https://somebody-else.example')
    demo.modes.set({ ticketsIss: 'off' })
    expect(await issOf()).toBeUndefined()
    const { body } = await reply(await fetch(`${demo.ticketsIssuer}/.well-known/openid-configuration`))
    expect(body.authorization_response_iss_parameter_supported).toBe(false)
  })

  test.each([
    ['no challenge', { code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'],
    ['a plain challenge', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['another response type', { response_type: 'id_token' }, 'unsupported_response_type'],
  ])('an authorization request is refused by redirect: %s', async (_name, change, error) => {
    const response = await fetch(authorizeUrl(change), { redirect: 'manual' })
    const answer = queryOf((response.headers.get('location') ?? '').replace('#', '?'))
    expect(answer).toMatchObject({ error, state: 'the-state', iss: demo.ticketsIssuer })
  })

  test('another redirect URI gets a page and no redirect', async () => {
    const response = await fetch(authorizeUrl({ redirect_uri: `${CALLBACK}/more` }), { redirect: 'manual' })
    expect([response.status, response.headers.get('location')]).toEqual([400, null])
    expect(await response.text()).toContain('This request cannot continue')
  })

  test('offline_access without prompt=consent is ignored (OpenID Connect Core 11)', async () => {
    const { body } = await exchange(await codeFor(undefined, { prompt: undefined }))
    expect(body.refresh_token).toBeUndefined()
    expect(body.scope).toBe('openid tickets:read tickets:write tickets:delete')
  })

  test.each([
    ['wrong secret', {}, `Basic ${btoa(`${ticketsClient.id}:wrong`)}`, 401, 'invalid_client'],
    [
      'secret in the body',
      { client_id: ticketsClient.id, client_secret: ticketsClient.secret },
      '',
      401,
      'invalid_client',
    ],
    ['verifier wrong', { code_verifier: 'w'.repeat(64) }, basic, 400, 'invalid_grant'],
    ['verifier missing', { code_verifier: '' }, basic, 400, 'invalid_grant'],
    ['redirect_uri different', { redirect_uri: 'https://app.example/other' }, basic, 400, 'invalid_grant'],
    ['code unknown', { code: 'nonsense' }, basic, 400, 'invalid_grant'],
  ])('the code exchange refuses: %s', async (_name, change, authorization, status, error) => {
    const answer = await exchange(await codeFor(), change, authorization)
    expect([answer.status, answer.body.error]).toEqual([status, error])
  })

  test('a code used twice ends what the first use earned (RFC 6749 4.1.2), and an expired one fails', async () => {
    const code = await codeFor()
    const { body } = await exchange(code)
    expect(await isAlive(body.access_token)).toBe(true)
    expect((await exchange(code)).body.error).toBe('invalid_grant')
    expect(await isAlive(body.access_token)).toBe(false)
    expect((await refresh(body.refresh_token)).body.error).toBe('invalid_grant')
    const late = await codeFor()
    demo.clock.setOffset(61)
    expect((await exchange(late)).body.error).toBe('invalid_grant')
  })
})

describe('renewing', () => {
  test('a refresh rotates; access tokens from before go on until their hour is over', async () => {
    const old = await link()
    demo.clock.setOffset(1800)
    const fresh = await refresh(old.refresh_token)
    expect(fresh.status).toBe(200)
    expect(fresh.body).toMatchObject({ scope: FULL, expires_in: 3600, token_type: 'Bearer' })
    expect(fresh.body.refresh_token).not.toBe(old.refresh_token)
    expect([await isAlive(old.access_token), await isAlive(fresh.body.access_token)]).toEqual([true, true])
    demo.clock.setOffset(3601)
    expect([await isAlive(old.access_token), await isAlive(fresh.body.access_token)]).toEqual([false, true])
  })

  test('a spent refresh token ends the whole family, access tokens included', async () => {
    const old = await link()
    const fresh = await refresh(old.refresh_token)
    const replay = await refresh(old.refresh_token)
    expect([replay.status, replay.body.error]).toEqual([400, 'invalid_grant'])
    expect((await refresh(fresh.body.refresh_token)).body.error).toBe('invalid_grant')
    expect([await isAlive(old.access_token), await isAlive(fresh.body.access_token)]).toEqual([false, false])
  })

  test('of ten refreshes at once with one token one wins, and the others end the family', async () => {
    const { refresh_token } = await link()
    const answers = await Promise.all(Array.from({ length: 10 }, () => refresh(refresh_token)))
    const won = answers.filter(({ status }) => status === 200)
    expect(won).toHaveLength(1)
    expect(await isAlive(won[0]?.body.access_token)).toBe(false)
  })

  test('a smaller scope makes a token of exactly that; the refresh token keeps the full one', async () => {
    const { refresh_token } = await link()
    const narrow = await refresh(refresh_token, { scope: 'tickets:read' })
    expect(narrow.body.scope).toBe('tickets:read')
    expect(narrow.body.id_token).toBeUndefined()
    expect((await api(narrow.body.access_token, 'GET tickets')).status).toBe(200)
    expect((await api(narrow.body.access_token, 'POST tickets', { title: 'no' })).status).toBe(403)
    const full = await refresh(narrow.body.refresh_token)
    expect(full.body.scope).toBe(FULL)
    expect((await api(full.body.access_token, 'POST tickets', { title: 'yes' })).status).toBe(201)
    expect(await isAlive(narrow.body.access_token)).toBe(true)
  })

  test('a wider scope than was granted is refused and spends nothing', async () => {
    const { refresh_token } = await link(undefined, { scope: 'openid offline_access tickets:read' })
    expect((await refresh(refresh_token, { scope: 'tickets:read tickets:write' })).body.error).toBe('invalid_scope')
    expect((await refresh(refresh_token)).status).toBe(200)
  })

  test('a refresh token ends after its term, which each rotation begins anew', async () => {
    let { refresh_token } = await link()
    for (const days of [29, 58]) {
      demo.clock.setOffset(days * 86_400)
      const fresh = await refresh(refresh_token)
      expect(fresh.status).toBe(200)
      refresh_token = fresh.body.refresh_token
    }
    demo.clock.setOffset(89 * 86_400)
    expect((await refresh(refresh_token)).body.error).toBe('invalid_grant')
  })

  test('with a grace the spent token works thirty seconds more, and only for its own client', async () => {
    demo.modes.set({ rotation: 'grace' })
    const { refresh_token } = await link()
    expect((await refresh(refresh_token)).status).toBe(200)
    demo.clock.setOffset(29)
    const inGrace = await refresh(refresh_token)
    expect(inGrace.status).toBe(200)
    expect((await refresh(refresh_token, {}, `Basic ${btoa(`${ticketsClient.id}:wrong`)}`)).status).toBe(401)
    demo.clock.setOffset(31)
    expect((await refresh(refresh_token)).body.error).toBe('invalid_grant')
    expect((await refresh(inGrace.body.refresh_token)).body.error).toBe('invalid_grant')
  })

  test('no rotation, and answers without a refresh token', async () => {
    demo.modes.set({ rotation: 'none' })
    const { refresh_token } = await link()
    expect((await refresh(refresh_token)).body.refresh_token).toBe(refresh_token)
    demo.modes.set({ rotation: 'strict', refreshReturnsToken: false })
    const bare = await refresh(refresh_token)
    expect([bare.status, bare.body.refresh_token]).toEqual([200, undefined])
    expect((await refresh(refresh_token)).status).toBe(200)
  })
})

describe('revoking (RFC 7009)', () => {
  test('an access token ends alone: the grant and its other tokens stay', async () => {
    const { refresh_token, access_token } = await link()
    const narrow = await refresh(refresh_token, { scope: 'tickets:read' })
    expect((await revoke(narrow.body.access_token)).status).toBe(200)
    expect([await isAlive(narrow.body.access_token), await isAlive(access_token)]).toEqual([false, true])
    expect((await refresh(narrow.body.refresh_token)).status).toBe(200)
  })

  test('the refresh token ends the grant and all of its tokens', async () => {
    const { refresh_token, access_token } = await link()
    const narrow = await refresh(refresh_token, { scope: 'tickets:read' })
    expect((await revoke(narrow.body.refresh_token)).status).toBe(200)
    expect([await isAlive(narrow.body.access_token), await isAlive(access_token)]).toEqual([false, false])
    expect((await refresh(narrow.body.refresh_token)).body.error).toBe('invalid_grant')
  })

  test('a dead or unknown token is answered as done; a stranger is not heard', async () => {
    const { access_token } = await link()
    const stranger = await revoke(access_token, `Basic ${btoa(`${ticketsClient.id}:wrong`)}`)
    expect([stranger.status, stranger.body.error, await isAlive(access_token)]).toEqual([401, 'invalid_client', true])
    expect((await revoke(access_token)).status).toBe(200)
    expect((await revoke(access_token)).status).toBe(200)
    expect((await revoke('nonsense')).status).toBe(200)
  })

  test('a person ends here what they allowed here', async () => {
    const tokens = await link()
    const others = await link('owner@globex.test')
    await demo.endGrants('owner@acme.test')
    expect(await isAlive(tokens.access_token)).toBe(true)
    await demo.endGrants('owner@acme.test', 'tickets')
    expect([await isAlive(tokens.access_token), await isAlive(others.access_token)]).toEqual([false, true])
    expect((await refresh(tokens.refresh_token)).body.error).toBe('invalid_grant')
  })
})

describe('the API', () => {
  const calls = [
    ['GET tickets', 'tickets:read'],
    ['GET tickets/101', 'tickets:read'],
    ['POST tickets', 'tickets:write'],
    ['PATCH tickets/101', 'tickets:write'],
    ['DELETE tickets/101', 'tickets:delete'],
    ['GET me', undefined],
  ] as const

  test.each(calls)('%s says 401 without a live token, as RFC 6750 wants it', async (call) => {
    const missing = await api(undefined, call)
    expect([missing.status, missing.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="tickets"'])
    const { access_token } = await link()
    demo.clock.setOffset(3601)
    for (const token of ['nonsense', access_token]) {
      const dead = await api(token, call)
      expect(dead.status).toBe(401)
      expect(dead.headers.get('www-authenticate')).toBe('Bearer realm="tickets", error="invalid_token"')
    }
  })

  test.each(calls.filter(([, scope]) => scope))('%s needs %s and nothing else', async (call, scope) => {
    const { refresh_token } = await link()
    const others = FULL.split(' ').filter((name) => name.startsWith('tickets:') && name !== scope)
    const without = await refresh(refresh_token, { scope: others.join(' ') })
    const body = call.startsWith('GET') ? undefined : { title: 'x' }
    const refused = await api(without.body.access_token, call, body)
    expect([refused.status, refused.body.error]).toEqual([403, 'insufficient_scope'])
    const challenge = `Bearer realm="tickets", error="insufficient_scope", scope="${scope}"`
    expect(refused.headers.get('www-authenticate')).toBe(challenge)
    const just = await refresh(without.body.refresh_token, { scope: String(scope) })
    expect((await api(just.body.access_token, call, body)).status).toBeLessThan(300)
  })

  test('tickets are listed, made, changed and deleted', async () => {
    const { access_token } = await link('member@acme.test')
    const idsNow = async () =>
      ((await api(access_token, 'GET tickets')).body.items as { id: string }[]).map(({ id }) => id)
    expect(await idsNow()).toEqual(['101', '102', '103'])
    const made = await api(access_token, 'POST tickets', { title: 'The lift is stuck', assignee: '3001' })
    expect([made.status, made.headers.get('location')]).toEqual([201, `/tickets/api/tickets/${made.body.id}`])
    expect(made.body).toMatchObject({ title: 'The lift is stuck', status: 'open', reporter: '3002', assignee: '3001' })
    demo.clock.setOffset(60)
    const changed = await api(access_token, `PATCH tickets/${made.body.id}`, { status: 'closed', assignee: null })
    expect(changed.body).toMatchObject({ title: 'The lift is stuck', status: 'closed', assignee: null })
    expect(Date.parse(String(changed.body.updated))).toBeGreaterThan(Date.parse(String(made.body.updated)))
    expect((await api(access_token, `GET tickets/${made.body.id}`)).body).toEqual(changed.body)
    expect((await api(access_token, `DELETE tickets/${made.body.id}`)).status).toBe(204)
    expect((await api(access_token, `GET tickets/${made.body.id}`)).status).toBe(404)
    expect(await idsNow()).toEqual(['101', '102', '103'])
  })

  test('an organisation’s tickets do not exist for another', async () => {
    const { access_token } = await link('owner@globex.test')
    const { items } = (await api(access_token, 'GET tickets')).body as { items: { id: string }[] }
    expect(items.map(({ id }) => id)).toEqual(['201', '202'])
    for (const method of ['GET', 'PATCH', 'DELETE'])
      expect((await api(access_token, `${method} tickets/101`, method === 'PATCH' ? {} : undefined)).status).toBe(404)
  })

  test.each([
    ['a title missing', {}],
    ['a list', ['x']],
    ['an unknown field', { title: 'x', organization: '530' }],
    ['an unknown status', { title: 'x', status: 'lost' }],
    ['an assignee of another organisation', { title: 'x', assignee: '4001' }],
  ])('a ticket is refused for %s', async (_name, body) => {
    const { access_token } = await link()
    const answer = await api(access_token, 'POST tickets', body)
    expect([answer.status, answer.body.error]).toEqual([400, 'invalid_request'])
  })

  test('a token of the stack means nothing here, nor one of here there; nor does a refresh token', async () => {
    const { access_token, refresh_token } = await link()
    expect(await isAlive(refresh_token)).toBe(false)
    const url = `${demo.url}/v2/storage/tokens/verify`
    expect((await fetch(url, { headers: { authorization: `Bearer ${access_token}` } })).status).toBe(401)
    const query = { client_id: stackClient.id, response_type: 'code', redirect_uri: CALLBACK, state: 's' }
    const location = await approve(`${demo.url}/oauth/authorize?${new URLSearchParams(query)}`, {
      account: 'owner@acme.test',
    })
    const form = { grant_type: 'authorization_code', code: queryOf(location).code ?? '', redirect_uri: CALLBACK }
    const answer = await reply(
      await fetch(`${demo.url}/oauth/token`, {
        method: 'POST',
        body: new URLSearchParams({ ...form, client_id: stackClient.id, client_secret: stackClient.secret }),
      }),
    )
    expect(answer.status).toBe(200)
    expect(await isAlive(answer.body.access_token)).toBe(false)
  })
})

describe('faults, books and memory', () => {
  test('answers are scripted here as everywhere', async () => {
    const { access_token, refresh_token } = await link()
    demo.faults.push('POST /tickets/token', { status: 429, headers: { 'retry-after': '2' } }, { reset: 'after' })
    expect((await refresh(refresh_token)).headers.get('retry-after')).toBe('2')
    await expect(refresh(refresh_token)).rejects.toThrow()
    // It took effect, though nobody was told: this is a replay.
    expect((await refresh(refresh_token)).body.error).toBe('invalid_grant')
    const { access_token: other } = await link()
    demo.faults.push('PATCH /tickets/api/tickets/*', { body: { kind: 'wrong-types' } })
    expect((await api(other, 'PATCH tickets/101', { status: 'closed' })).body.status).toBe(7)
    expect(await isAlive(access_token)).toBe(false)
  })

  test('a refresh waits at a barrier, before or after it took effect', async () => {
    let { refresh_token } = await link()
    const living = () => demo.ledger.tokens.filter(({ kind, live }) => kind === 'access' && live).length
    for (const [at, made] of [
      ['before', 0],
      ['after', 1],
    ] as const) {
      const count = living()
      demo.faults.push('POST /tickets/token', { when: { scope: 'tickets:read' }, hold: { barrier: at, at } })
      const waiting = refresh(refresh_token, { scope: 'tickets:read' })
      await demo.faults.barrier(at).arrived()
      expect(living() - count).toBe(made)
      demo.faults.barrier(at).release()
      refresh_token = (await waiting).body.refresh_token
      expect(living() - count).toBe(1)
    }
  })

  test('token answers and ID tokens have the faults that modes ask for', async () => {
    demo.modes.set({ expiresIn: 'string', missingFields: ['scope'], idToken: 'missing' })
    const body = await link()
    expect([body.expires_in, body.scope, body.id_token]).toEqual(['3600', undefined, undefined])
    // What the answer leaves out holds nevertheless.
    expect((await api(body.access_token, 'GET tickets')).status).toBe(200)
  })

  test('every request and every token value is in the books', async () => {
    const code = await codeFor('owner@globex.test')
    const { body } = await exchange(code)
    const narrow = (await refresh(body.refresh_token, { scope: 'openid tickets:read' })).body
    const entryOf = (value: unknown) => demo.ledger.tokens.find((token) => token.value === value)
    const about = { system: 'tickets', account: 'owner@globex.test', client: ticketsClient.id }
    for (const [value, kind, live] of [
      [code, 'code', false],
      [body.access_token, 'access', true],
      [body.id_token, 'id', true],
      [body.refresh_token, 'refresh', false],
      [narrow.access_token, 'access', true],
      [narrow.id_token, 'id', true],
      [narrow.refresh_token, 'refresh', true],
    ])
      expect(entryOf(value)).toMatchObject({ ...about, kind, live })
    await revoke(narrow.refresh_token)
    expect([body.access_token, narrow.access_token].map((value) => entryOf(value)?.live)).toEqual([false, false])
    const [request] = demo.ledger.find('POST /tickets/token', { grant_type: 'refresh_token' })
    expect(request).toMatchObject({ account: 'owner@globex.test', client: ticketsClient.id, outcome: 'ok' })
    await api(narrow.access_token, 'POST tickets', { title: 'x' })
    expect(demo.ledger.find('POST /tickets/api/tickets').at(-1)).toMatchObject({
      status: 401,
      outcome: 'invalid_token',
    })
  })

  test('after a reset no token lives and the tickets are those of the first moment', async () => {
    const { access_token } = await link()
    await api(access_token, 'DELETE tickets/102')
    await api(access_token, 'POST tickets', { title: 'one more' })
    demo.reset()
    expect(await isAlive(access_token)).toBe(false)
    const { items } = (await api((await link()).access_token, 'GET tickets')).body as { items: { id: string }[] }
    expect(items.map(({ id }) => id)).toEqual(['101', '102', '103'])
  })

  test('links, tokens and tickets outlive a kill, though the files hold no token value', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'demo-'))
    const dataFile = join(directory, 'demo.json')
    const first = await startDemo({ ...options, dataFile })
    const { access_token, refresh_token } = await link(undefined, {}, first)
    const made = await api(access_token, 'POST tickets', { title: 'kept' }, first)
    await api(access_token, 'DELETE tickets/102', undefined, first)
    const revoked = await link('member@acme.test', {}, first)
    expect((await post('/revoke', { token: String(revoked.refresh_token) }, undefined, first)).status).toBe(200)
    // As a kill would leave it: what was answered is on disk by then.
    const files = [await readFile(dataFile, 'utf8'), await readFile(`${dataFile}.journal`, 'utf8')] as const
    await first.close()
    const whole = await readFile(dataFile, 'utf8')
    for (const { value } of first.ledger.tokens)
      for (const written of [...files, whole]) expect(written).not.toContain(value)
    await writeFile(dataFile, files[0])
    await writeFile(`${dataFile}.journal`, files[1])

    const second = await startDemo({ ...options, dataFile })
    expect([await isAlive(access_token, second), await isAlive(revoked.access_token, second)]).toEqual([true, false])
    const { items } = (await api(access_token, 'GET tickets', undefined, second)).body as { items: { id: string }[] }
    expect(items.map(({ id }) => id)).toEqual(['101', '103', made.body.id])
    // What revoking needs is kept, too.
    expect((await post('/revoke', { token: String(access_token) }, undefined, second)).status).toBe(200)
    expect(await isAlive(access_token, second)).toBe(false)
    const fresh = await refresh(refresh_token, {}, undefined, second)
    expect(fresh.status).toBe(200)
    expect((await refresh(refresh_token, {}, undefined, second)).body.error).toBe('invalid_grant')
    await second.close()

    // A file from before there were tickets is one where nothing has happened to them yet.
    const { tickets, ...older } = JSON.parse(whole)
    expect(tickets).toHaveLength(5)
    await writeFile(dataFile, JSON.stringify(older))
    const third = await startDemo({ ...options, dataFile })
    expect(third.warning).toBeUndefined()
    expect((await api(access_token, 'GET tickets/102', undefined, third)).status).toBe(200)
    await third.close()
    await rm(directory, { recursive: true })
  })
})
