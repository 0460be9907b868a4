import type { JWTPayload } from 'jose'
import { decode, encode } from 'next-auth/jwt'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { putContext } from '../../lib/context.ts'
import { errorCodes } from '../../lib/errors.ts'
import { readSession } from '../../lib/http/session.ts'
import { handleAuth } from '../../lib/http/signin.ts'
import { startIssuer } from '../support/issuer.ts'
import { foreignOrigins } from '../support/origins.ts'
import { type Browser, origin, type Signin, startSignin } from '../support/signin.ts'

let at: Signin
beforeAll(async () => {
  at = await startSignin()
})
afterAll(() => at.stop())
beforeEach(async () => {
  at.demo.reset()
  await at.setClock(0)
  at.ctx.discoveries.clear()
  at.ctx.keySets.clear()
  await at.owner.query('DELETE FROM session')
  await at.owner.query('DELETE FROM rate_limit')
})

const owner = 'owner@acme.test'
const stateCookie = '__Host-valetkey-state'

/** The cookie as the product itself would seal it, with one thing different. */
const secret = () => Buffer.from(at.ctx.secrets.signin).toString('base64url')
const seal = (token: Record<string, unknown>, change: { salt?: string; secret?: string; maxAge?: number } = {}) =>
  encode({ token, secret: secret(), salt: stateCookie, maxAge: 600, ...change })
const openSealed = (token: string | undefined) => decode({ token, secret: secret(), salt: stateCookie })
const failedWith = (code: string) => new RegExp(`^/signin\\?error=${code}(&|$)`)

/** A refused callback: a clean page of ours, no session, and as many token calls as named. */
async function expectRefused(answer: Response, { code = 'signin_failed', tokenCalls = 0 } = {}) {
  expect(answer.status).toBe(303)
  expect(answer.headers.get('location')).toMatch(failedWith(code))
  expect(at.tokenCalls()).toBe(tokenCalls)
  expect(await at.sessions()).toEqual([])
}

const withParameters = (url: string, change: (parameters: URLSearchParams) => void) => {
  const changed = new URL(url)
  change(changed.searchParams)
  return changed.href
}

test('a person signs in, is known by issuer and subject, and lands where they wanted to go', async () => {
  const browser = at.browser()
  const answer = await browser.signIn(owner, { return_to: '/t/acme/projects?state=live' })
  expect(answer.status).toBe(303)
  expect(answer.headers.get('location')).toBe('/t/acme/projects?state=live')
  const session = await readSession(at.ctx, browser.headers())
  expect(session).toMatchObject({ issuer: at.demo.issuer, subject: 'acct-3001', email: owner, operator: true })
  const member = at.browser()
  await member.signIn('member@acme.test')
  expect(await readSession(at.ctx, member.headers())).toMatchObject({ subject: 'acct-3002', operator: false })
})

test('a sign-in, a failed one and a sign-out each leave their event, with person, session and address', async () => {
  const browser = at.browser()
  await browser.signIn(owner)
  const [user] = (await at.users()).filter(({ subject }) => subject === 'acct-3001')
  const [session] = await at.sessions()
  await browser.signOut()
  await browser.fetch(await browser.approach(owner, { deny: true }))
  const lastOf = async (action: string) => (await at.events(action)).at(-1)
  const about = { actor: user?.id, session: session?.id, target: { kind: 'session', id: session?.id } }
  expect(await lastOf('signin.succeeded')).toMatchObject({ ...about, outcome: 'ok' })
  expect(await lastOf('signin.ended')).toMatchObject({ ...about, outcome: 'ok', details: { cause: 'signed out' } })
  expect(await lastOf('signin.failed')).toMatchObject({
    actor: null,
    outcome: 'refused',
    details: { code: 'signin_denied' },
  })
})

test('the form is answered with a page that moves on by itself: a redirect would stop at form-action', async () => {
  const answer = await at.browser().post('/api/auth/signin/signin')
  expect(answer.status).toBe(200)
  expect(answer.headers.get('refresh')).toMatch(/^0;url=http:\/\/127\.0\.0\.1:\d+\/idp\/authorize\?/)
  expect(await answer.text()).toContain('<a href="http://127.0.0.1:')
})

test('only five acts exist under /api/auth; everything else is not found', async () => {
  const browser = at.browser()
  await browser.signIn(owner)
  for (const [method, path] of [
    ['GET', 'session'],
    ['POST', 'session'],
    ['GET', 'csrf'],
    ['GET', 'providers'],
    ['POST', '_log'],
    ['GET', 'signout'],
    ['POST', 'signin'],
    ['POST', 'signin/other'],
    ['GET', 'callback'],
    ['POST', 'callback/signin'],
    ['HEAD', 'callback/signin'],
    ['POST', 'callback/credentials'],
    ['GET', 'verify-request'],
    ['GET', 'signin/signin'],
    ['GET', 'callback/signin/'],
    ['GET', 'constructor'],
    ['PUT', 'signin'],
  ] as const) {
    const answer = await browser.fetch(`/api/auth/${path}`, { method, headers: { origin } })
    expect([method, path, answer.status]).toEqual([method, path, 404])
    expect(answer.headers.getSetCookie()).toEqual([])
  }
})

describe('the state', () => {
  test('L-01: a state is random, new every time, and 256 bits long', async () => {
    const states = await Promise.all(
      Array.from({ length: 20 }, async () => new URL(await at.browser().start()).searchParams.get('state') ?? ''),
    )
    expect(new Set(states).size).toBe(20)
    for (const state of states) expect(state).toMatch(/^[A-Za-z0-9_-]{43}$/)
  })

  test('L-01: a state is good once, also for a browser that kept its cookies', async () => {
    const browser = at.browser()
    const url = await browser.approach(owner)
    const kept = browser.copy()
    expect((await browser.fetch(url)).headers.get('location')).toBe('/')
    const replayed = await kept.fetch(url)
    expect(replayed.headers.get('location')).toMatch(failedWith('signin_failed'))
    expect(at.tokenCalls()).toBe(1)
    expect(await at.sessions()).toHaveLength(1)
  })

  test('L-01: a state is over after ten minutes', async () => {
    const browser = at.browser()
    const answer = await browser.post('/api/auth/signin/signin')
    const lines = answer.headers.getSetCookie()
    expect(lines).toHaveLength(4)
    for (const line of lines) expect(line).toContain('; Max-Age=600;')
    const url = await browser.approach(owner)
    const sealed = await openSealed(browser.cookies.get(stateCookie))
    expect(Number(sealed?.exp) - Number(sealed?.iat)).toBeLessThanOrEqual(600)
    const late = browser.copy()
    late.cookies.set(stateCookie, await seal({ value: sealed?.value, provider: 'signin' }, { maxAge: -1 }))
    await expectRefused(await late.fetch(url))
    expect((await browser.fetch(url)).headers.get('location')).toBe('/')
  })

  test('L-01: a changed state is refused and uses nothing up', async () => {
    const browser = at.browser()
    const url = await browser.approach(owner)
    const changed = withParameters(url, (all) => all.set('state', `${all.get('state')?.slice(0, -2)}xx`))
    await expectRefused(await browser.fetch(changed))
    expect((await browser.fetch(url)).headers.get('location')).toBe('/')
  })

  test('L-01: in the right browser a wrong issuer uses the state up', async () => {
    const browser = at.browser()
    const url = await browser.approach(owner)
    const kept = browser.copy()
    const wrong = withParameters(url, (all) => all.set('iss', 'https://somebody-else.example'))
    await expectRefused(await browser.fetch(wrong), { code: 'issuer_mismatch' })
    await expectRefused(await kept.fetch(url))
  })

  test('L-01, L-08: a state made for another purpose or provider is refused', async () => {
    const browser = at.browser()
    const url = await browser.approach(owner)
    const value = new URL(url).searchParams.get('state')
    for (const cookie of [
      await seal({ value, provider: 'other' }),
      await seal({ value, provider: 'signin' }, { salt: '__Host-valetkey-nonce' }),
      await seal({ value, provider: 'signin' }, { secret: 'another secret' }),
    ]) {
      const other = browser.copy()
      other.cookies.set(stateCookie, cookie)
      await expectRefused(await other.fetch(url))
    }
    const right = browser.copy()
    right.cookies.set(stateCookie, await seal({ value, provider: 'signin' }))
    expect((await right.fetch(url)).headers.get('location')).toBe('/')
  })

  test('L-08: a callback of another provider does not exist and uses nothing up', async () => {
    const browser = at.browser()
    const url = await browser.approach(owner)
    expect((await browser.fetch(url.replace('/callback/signin', '/callback/other'))).status).toBe(404)
    expect(at.tokenCalls()).toBe(0)
    expect((await browser.fetch(url)).headers.get('location')).toBe('/')
  })

  test.each(['missing', 'unknown', 'used', 'foreign'])('L-02: no token call for a state that is %s', async (kind) => {
    const browser = at.browser()
    let url = await browser.approach(owner)
    let visitor: Browser = browser
    if (kind === 'missing') url = withParameters(url, (all) => all.delete('state'))
    if (kind === 'unknown') url = withParameters(url, (all) => all.set('state', 'a'.repeat(43)))
    if (kind === 'used') {
      visitor = browser.copy()
      await browser.fetch(url)
      await at.owner.query('DELETE FROM session')
    }
    if (kind === 'foreign') {
      visitor = at.browser()
      await visitor.start()
    }
    await expectRefused(await visitor.fetch(url), { tokenCalls: kind === 'used' ? 1 : 0 })
  })

  test('C-06: a callback address that somebody else obtained completes in no other browser, and stays theirs', async () => {
    const attacker = at.browser()
    const url = await attacker.approach(owner)
    for (const victim of [at.browser(), await signedIn('owner@globex.test')]) {
      const before = victim.session()
      const calls = at.tokenCalls()
      const answer = await victim.fetch(url)
      expect(answer.headers.get('location')).toMatch(failedWith('signin_failed'))
      expect(victim.session()).toBe(before)
      expect(at.tokenCalls()).toBe(calls)
    }
    expect((await attacker.fetch(url)).headers.get('location')).toBe('/')
  })

  test('L-09: twenty deliveries of one callback give one token call and one session', async () => {
    const browser = at.browser()
    const url = await browser.approach(owner)
    const answers = await Promise.all(Array.from({ length: 20 }, () => browser.copy().fetch(url)))
    const locations = answers.map((answer) => answer.headers.get('location') ?? '')
    expect(locations.filter((location) => location === '/')).toHaveLength(1)
    expect(locations.filter((location) => failedWith('signin_failed').test(location))).toHaveLength(19)
    expect(at.tokenCalls()).toBe(1)
    expect(await at.sessions()).toHaveLength(1)
  })

  test('C-04: a browser that only looks ahead uses nothing up', async () => {
    const browser = at.browser()
    const url = await browser.approach(owner)
    for (const headers of [
      { 'sec-purpose': 'prefetch;prerender' },
      { purpose: 'prefetch' },
      { 'sec-fetch-mode': 'no-cors' },
      { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
    ] as Record<string, string>[])
      expect((await browser.fetch(url, { headers })).status).toBe(403)
    expect((await browser.fetch(url)).headers.get('location')).toBe('/')
  })
})

async function signedIn(account: string): Promise<Browser> {
  const browser = at.browser()
  await browser.signIn(account)
  return browser
}

describe('PKCE and nonce', () => {
  test('L-03: every request has a fresh S256 challenge, and no setting turns it off', async () => {
    const starts = await Promise.all(
      Array.from({ length: 5 }, async () => new URL(await at.browser().start()).searchParams),
    )
    for (const parameters of starts) expect(parameters.get('code_challenge_method')).toBe('S256')
    expect(new Set(starts.map((parameters) => parameters.get('code_challenge'))).size).toBe(5)
  })

  test('L-03: the verifier of another sign-in does not redeem the code', async () => {
    const [browser, other] = [at.browser(), at.browser()]
    const url = await browser.approach(owner)
    await other.start()
    browser.cookies.set('__Host-valetkey-verifier', other.cookies.get('__Host-valetkey-verifier') ?? '')
    await expectRefused(await browser.fetch(url), { tokenCalls: 1 })
  })

  test('L-04: a nonce that is missing, wrong or of an earlier sign-in is refused', async () => {
    for (const idToken of ['wrong-nonce', 'missing-nonce'] as const) {
      at.demo.reset()
      at.demo.modes.set({ idToken })
      const browser = at.browser()
      await expectRefused(await browser.fetch(await browser.approach(owner)), { tokenCalls: 1 })
    }
    at.demo.reset()
    const [browser, earlier] = [at.browser(), at.browser()]
    await earlier.start()
    const url = await browser.approach(owner)
    browser.cookies.set('__Host-valetkey-nonce', earlier.cookies.get('__Host-valetkey-nonce') ?? '')
    await expectRefused(await browser.fetch(url), { tokenCalls: 1 })
  })

  test.each(['nonce', 'verifier'])('L-03, L-04: without its %s cookie nobody gets in', async (name) => {
    const browser = at.browser()
    const url = await browser.approach(owner)
    browser.cookies.delete(`__Host-valetkey-${name}`)
    await expectRefused(await browser.fetch(url))
  })
})

describe('the ID token', () => {
  test.each(['missing', 'wrong-key', 'alg-none', 'hs256', 'wrong-iss', 'wrong-aud', 'expired'] as const)(
    'L-05: an ID token that is %s is refused without a session',
    async (idToken) => {
      at.demo.modes.set({ idToken })
      const browser = at.browser()
      // Made for this sign-in and yet expired: only a clock explains that.
      const code = idToken === 'expired' ? 'clocks_differ' : 'signin_failed'
      await expectRefused(await browser.fetch(await browser.approach(owner)), { code, tokenCalls: 1 })
      at.demo.modes.set({ idToken: null })
      expect((await browser.signIn(owner)).headers.get('location')).toBe('/')
    },
  )

  test('L-05: ES256 is taken as well as RS256', async () => {
    at.demo.modes.set({ idTokenAlg: 'ES256' })
    expect((await at.browser().signIn(owner)).headers.get('location')).toBe('/')
  })

  test('L-05: a key that the issuer has withdrawn is believed no longer than ten minutes, a new one taken up', async () => {
    await signedIn(owner)
    at.demo.modes.set({ signingKey: 7 })
    const early = at.browser()
    expect((await early.signIn(owner)).headers.get('location')).toMatch(failedWith('signin_failed'))
    await at.setClock(601)
    const later = at.browser()
    expect((await later.signIn(owner)).headers.get('location')).toBe('/')
  })
})

describe('the issuer of the answer', () => {
  test('L-06: another issuer in the answer stops the sign-in before the code is used', async () => {
    at.demo.modes.set({ iss: 'wrong' })
    const browser = at.browser()
    await expectRefused(await browser.fetch(await browser.approach(owner)), { code: 'issuer_mismatch' })
  })

  test('L-06: an announced issuer that is absent, spelled otherwise or empty stops the sign-in', async () => {
    for (const change of [
      (all: URLSearchParams) => all.delete('iss'),
      (all: URLSearchParams) => all.set('iss', `${all.get('iss')}/`),
      (all: URLSearchParams) => all.set('iss', (all.get('iss') ?? '').toUpperCase()),
      (all: URLSearchParams) => all.set('iss', ''),
    ]) {
      const browser = at.browser()
      const url = withParameters(await browser.approach(owner), change)
      await expectRefused(await browser.fetch(url), { code: 'issuer_mismatch' })
    }
  })

  test('L-06: an issuer that announces nothing may leave it out', async () => {
    at.demo.modes.set({ iss: 'off' })
    expect((await at.browser().signIn(owner)).headers.get('location')).toBe('/')
  })

  test('L-05: metadata that calls itself something else is not used', async () => {
    for (const metadataIssuer of [
      `${at.demo.issuer}/`,
      at.demo.issuer.replace('http', 'HTTP'),
      'https://somebody-else.example',
    ]) {
      at.demo.modes.set({ metadataIssuer })
      const answer = await at.browser().post('/api/auth/signin/signin')
      expect(answer.status).toBe(503)
      expect(answer.headers.get('refresh')).toBeNull()
      expect(await answer.text()).toContain(errorCodes.signin_unavailable.title)
    }
  })
})

describe('what the upstream says', () => {
  const script = '<script>alert(1)</script>'
  test.each([
    ['access_denied', 'signin_denied'],
    ['server_error', 'signin_unavailable'],
    ['temporarily_unavailable', 'signin_unavailable'],
    ['login_required', 'signin_failed'],
    ['something_new', 'signin_failed'],
    [script, 'signin_failed'],
    ['constructor', 'signin_failed'],
  ])('L-10: the error %s becomes a page of ours and uses the state up', async (error, code) => {
    const browser = at.browser()
    const url = await browser.approach(owner)
    const kept = browser.copy()
    const refused = withParameters(url, (all) => {
      all.delete('code')
      all.set('error', error)
      all.set('error_description', script)
      all.set('error_uri', `javascript:${script}`)
    })
    const answer = await browser.fetch(refused)
    await expectRefused(answer, { code })
    expect(`${answer.headers.get('location')}${await answer.text()}`).not.toMatch(/script|alert|something_new/)
    await expectRefused(await kept.fetch(url))
  })

  test('L-10: a refusal on the identity provider’s page leads back as "refused"', async () => {
    const browser = at.browser()
    await expectRefused(await browser.fetch(await browser.approach(owner, { deny: true })), { code: 'signin_denied' })
  })

  test('L-10: nothing out of code, state or the address is reflected', async () => {
    for (const url of [
      `/api/auth/callback/signin?code=${script}&state=${script}`,
      `/api/auth/callback/signin?state=${script}&state=${script}`,
      `/api/auth/error?error=${script}`,
      `/api/auth/${script}`,
    ]) {
      const answer = await at.browser().fetch(url)
      expect(`${answer.headers.get('location')}${await answer.text()}`).not.toMatch(/script/i)
      expect(answer.status).toBeLessThan(500)
    }
  })

  test.each(['code', 'state', 'iss', 'error'])(
    'L-11: a callback with %s twice is refused before anything is used',
    async (name) => {
      const browser = at.browser()
      const url = await browser.approach(owner)
      const doubled = withParameters(url, (all) => {
        all.append(name, all.get(name) ?? 'access_denied')
        if (all.getAll(name).length < 2) all.append(name, 'access_denied')
      })
      const answer = await browser.fetch(doubled)
      expect(answer.status).toBe(400)
      expect(at.tokenCalls()).toBe(0)
      expect((await browser.fetch(url)).headers.get('location')).toBe('/')
    },
  )

  test('L-11: code and error together are refused', async () => {
    const browser = at.browser()
    const url = withParameters(await browser.approach(owner), (all) => all.set('error', 'access_denied'))
    await expectRefused(await browser.fetch(url), { code: 'signin_denied' })
  })

  test('an identity provider that is away leads to "try again", and back in when it answers', async () => {
    at.demo.faults.push('GET /idp/.well-known/openid-configuration', { reset: 'before' })
    const browser = at.browser()
    const answer = await browser.post('/api/auth/signin/signin', { return_to: '/t/acme/projects' })
    expect(answer.status).toBe(503)
    expect(await answer.text()).toContain('href="/signin?return_to=%2Ft%2Facme%2Fprojects"')
    const url = await browser.approach(owner)
    at.demo.faults.push('POST /idp/token', { status: 503, body: { kind: 'html' } })
    expect((await browser.fetch(url)).headers.get('location')).toMatch(failedWith('signin_unavailable'))
    expect((await browser.signIn(owner)).headers.get('location')).toBe('/')
  })
})

describe('what a visitor can influence', () => {
  const bad = [
    '//evil.example',
    'https://evil.example/',
    '/\\evil.example',
    '/%2f/evil.example',
    'javascript:alert(1)',
    '/api/v1/me',
    '',
  ]
  test.each(bad)('L-12: the way back %j is refused with 400 on every entrance', async (target) => {
    const browser = at.browser()
    const posted = await browser.post('/api/auth/signin/signin', { return_to: target })
    const shown = await browser.fetch(`/api/auth/signin?${new URLSearchParams({ return_to: target })}`)
    for (const answer of [posted, shown]) {
      expect(answer.status).toBe(400)
      expect(answer.headers.get('location')).toBeNull()
    }
    expect(browser.cookies.size).toBe(0)
  })

  test('L-12: two ways back are none, and a cookie that was tampered with leads home', async () => {
    const browser = at.browser()
    const twice = new URLSearchParams([
      ['return_to', '/t/acme'],
      ['return_to', '/t/acme'],
    ])
    const answer = await browser.fetch('/api/auth/signin/signin', { method: 'POST', body: twice, headers: { origin } })
    expect(answer.status).toBe(400)
    for (const value of [
      'https%3A%2F%2Fevil.example%2F',
      '%2F%2Fevil.example',
      'javascript%3Aalert(1)',
      '%zz',
      'a'.repeat(3000),
    ]) {
      const url = await browser.approach(owner)
      browser.cookies.set('__Host-valetkey-return', value)
      expect((await browser.fetch(url)).headers.get('location')).toBe('/')
    }
  })

  test('L-13: nothing in the form or its address changes the authorization request', async () => {
    const extra = {
      scope: 'admin',
      redirect_uri: 'https://evil.example/',
      prompt: 'none',
      client_id: 'other',
      resource: 'https://evil.example',
      response_mode: 'fragment',
      code_challenge_method: 'plain',
      state: 'mine',
      callbackUrl: 'https://evil.example/',
    }
    const answer = await at.browser().post(`/api/auth/signin/signin?${new URLSearchParams(extra)}`, {
      ...extra,
      return_to: '/t/acme?scope=admin&client_id=other',
    })
    const url = new URL((answer.headers.get('refresh') ?? '').slice('0;url='.length))
    expect([...url.searchParams.keys()].sort()).toEqual([
      'client_id',
      'code_challenge',
      'code_challenge_method',
      'nonce',
      'redirect_uri',
      'response_type',
      'scope',
      'state',
    ])
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      client_id: 'valetkey-signin',
      scope: 'openid email profile',
      response_type: 'code',
      redirect_uri: `${origin}/api/auth/callback/signin`,
      code_challenge_method: 'S256',
    })
  })

  test('L-14: forged Host and forwarding headers change no address and no cookie', async () => {
    const forged = {
      host: 'evil.example',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'http',
      'x-forwarded-port': '81',
      'x-forwarded-uri': '/evil',
      'x-original-url': '/evil',
      forwarded: 'host=evil.example;proto=http',
    }
    const plain = await at.browser().post('/api/auth/signin/signin', {})
    const answer = await at.browser().post('/api/auth/signin/signin', {}, forged)
    const redirectUri = (one: Response) =>
      new URL((one.headers.get('refresh') ?? '').slice(6)).searchParams.get('redirect_uri')
    expect(redirectUri(answer)).toBe(redirectUri(plain))
    const attributes = (one: Response) =>
      one.headers.getSetCookie().map((line) => line.replace(/=[^;]*/, '=').replace(/Expires=[^;]*/, ''))
    expect(attributes(answer)).toEqual(attributes(plain))
    const browser = at.browser()
    const done = await browser.fetch(await browser.approach(owner), { headers: forged })
    expect(done.headers.get('location')).toBe('/')
    const otherBase = await handleAuth(
      new Request('https://evil.example/api/auth/signout', { method: 'POST', headers: { origin } }),
    )
    expect(otherBase.headers.get('location')).toBe('/signin?state=signed-out-here')
  })

  test('L-15: the code leaves the browser with the callback, and no log line holds it', async () => {
    at.logged.length = 0
    const browser = at.browser()
    const url = await browser.approach(owner)
    const answer = await browser.fetch(url)
    const { searchParams } = new URL(url)
    const answered = `${answer.headers.get('location')}${await answer.text()}${[...answer.headers]}`
    for (const name of ['code', 'state']) {
      expect(answered).not.toContain(searchParams.get(name))
      expect(at.logged.join('')).not.toContain(searchParams.get(name))
    }
    expect(answer.headers.get('referrer-policy')).toBe('same-origin')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(at.logged.length).toBeGreaterThan(0)
  })

  test('C-02: sign-in and sign-out from any Origin or Referer but our Origin are refused, and change nothing', async () => {
    const browser = await signedIn(owner)
    for (const claims of foreignOrigins(origin)) {
      const headers = Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined))
      for (const path of ['/api/auth/signin/signin', '/api/auth/signout']) {
        const answer = await browser.fetch(path, { method: 'POST', headers })
        expect([path, JSON.stringify(claims), answer.status]).toEqual([path, JSON.stringify(claims), 403])
        expect(answer.headers.getSetCookie()).toEqual([])
      }
    }
    expect(await at.sessions()).toHaveLength(1)
    expect((await browser.signOut()).status).toBe(303)
  })

  test.each(['cross-site', 'same-site', 'none'])(
    'C-01: sign-in and sign-out that the browser calls %s are refused',
    async (site) => {
      const browser = await signedIn(owner)
      for (const path of ['/api/auth/signin/signin', '/api/auth/signout'])
        expect((await browser.post(path, {}, { 'sec-fetch-site': site })).status).toBe(403)
      expect(await at.sessions()).toHaveLength(1)
    },
  )

  test('C-12: every redirect is a 303', async () => {
    const browser = at.browser()
    const url = await browser.approach(owner)
    const answers = [
      await browser.fetch(url),
      await browser.fetch(url),
      await browser.signOut(),
      await browser.signOut(),
      await browser.fetch('/api/auth/signin'),
      await browser.fetch('/api/auth/error?error=Callback'),
      await browser.fetch('/api/auth/callback/signin'),
    ]
    expect(answers.map((answer) => [answer.status, answer.headers.has('location')])).toEqual(
      answers.map(() => [303, true]),
    )
  })

  test.each(['signin', 'callback'] as const)(
    'B-01: the limit on %s answers 429 with Retry-After, to that address alone',
    async (name) => {
      const knock = (address: string) =>
        name === 'signin'
          ? at.browser().post('/api/auth/signin/signin', { return_to: 'nowhere' }, { 'x-forwarded-for': address })
          : at.browser().fetch('/api/auth/callback/signin', { headers: { 'x-forwarded-for': address } })
      const answers = await Promise.all(Array.from({ length: 310 }, () => knock('203.0.113.9')))
      const limited = answers.filter((answer) => answer.status === 429)
      expect(limited).toHaveLength(10)
      expect(Number(limited[0]?.headers.get('retry-after'))).toBeGreaterThan(0)
      expect((await knock('203.0.113.10')).status).not.toBe(429)
    },
  )
})

describe('identities', () => {
  test('LK-02: an e-mail address links nothing: another subject or another issuer is another person', async () => {
    const victim = await signedIn(owner)
    const victimId = (await readSession(at.ctx, victim.headers()))?.userId
    const now = () => at.ctx.now().getTime()
    const issuer = await startIssuer('valetkey-signin', now)
    const other = await at.makeContext({ VALETKEY_SIGNIN_ISSUER: issuer.url })
    putContext(other)
    try {
      const people = [
        { sub: 'another', email: owner, email_verified: true },
        { sub: 'unverified', email: owner, email_verified: false },
        { sub: 'acct-3001', email: owner, email_verified: true },
      ]
      const ids = new Set([victimId])
      for (const claims of people) {
        const browser = victim.copy()
        const start = new URL(await browser.start())
        issuer.answer({ claims: { ...claims, nonce: start.searchParams.get('nonce') } })
        const state = start.searchParams.get('state')
        await browser.fetch(`/api/auth/callback/signin?${new URLSearchParams({ code: 'any', state: state ?? '' })}`)
        const session = await readSession(other, browser.headers())
        expect(session).toMatchObject({
          issuer: issuer.url,
          subject: claims.sub,
          email: owner,
          operator: claims.sub === 'acct-3001',
        })
        expect(ids.has(session?.userId)).toBe(false)
        ids.add(session?.userId)
      }
    } finally {
      putContext(at.ctx)
      await other.close()
      await issuer.stop()
    }
  })

  test('LK-02: signing in as somebody else while signed in links nothing', async () => {
    const browser = await signedIn(owner)
    const before = await at.users()
    await browser.signIn('member@acme.test')
    const session = await readSession(at.ctx, browser.headers())
    expect(session).toMatchObject({ subject: 'acct-3002' })
    expect(session?.userId).not.toBe(before.find(({ subject }) => subject === 'acct-3001')?.id)
    const members = await at.owner.query(`SELECT count(*)::int AS n FROM "user" WHERE issuer = $1`, [at.demo.issuer])
    expect(members.rows[0].n).toBe(
      new Set((await at.users()).filter(({ issuer }) => issuer === at.demo.issuer).map(({ subject }) => subject)).size,
    )
  })

  describe('an issuer that answers oddly', () => {
    const now = () => at.ctx.now().getTime()
    const seconds = () => Math.floor(now() / 1000)
    const attempt = async (
      answers: (nonce: string) => Parameters<Awaited<ReturnType<typeof startIssuer>>['answer']>[0],
    ) => {
      const issuer = await startIssuer('valetkey-signin', now)
      const other = await at.makeContext({ VALETKEY_SIGNIN_ISSUER: issuer.url })
      putContext(other)
      try {
        const browser = at.browser()
        const start = new URL(await browser.start())
        issuer.answer(answers(start.searchParams.get('nonce') ?? ''))
        const state = start.searchParams.get('state') ?? ''
        const answer = await browser.fetch(`/api/auth/callback/signin?${new URLSearchParams({ code: 'any', state })}`)
        return { answer, session: await readSession(other, browser.headers()) }
      } finally {
        putContext(at.ctx)
        await other.close()
        await issuer.stop()
      }
    }

    test.each([
      ['an azp of another client', () => ({ azp: 'other' })],
      ['another audience beside ours, without azp', () => ({ aud: ['valetkey-signin', 'other'] })],
      ['an iat long ago', () => ({ iat: seconds() - 3600 }), 'clocks_differ'],
      ['an iat in the future', () => ({ iat: seconds() + 3600, exp: seconds() + 7200 }), 'clocks_differ'],
      ['an exp that is over', () => ({ exp: seconds() - 120 })],
      ['a not-before in the future', () => ({ nbf: seconds() + 3600 })],
      ['an empty subject', () => ({ sub: '' })],
      ['a subject without end', () => ({ sub: 'a'.repeat(300) })],
      ['an issuer with a slash more', () => ({ iss: 'http://127.0.0.1:1/' })],
    ] as [string, () => JWTPayload, code?: string][])('L-05: %s is refused', async (_what, claims, code) => {
      const { answer, session } = await attempt((nonce) => ({ claims: { nonce, ...claims() } }))
      expect(answer.headers.get('location')).toMatch(failedWith(code ?? 'signin_failed'))
      expect(session).toBeUndefined()
    })

    test('N-20: who signed in is what the verified token says: no parameter names anybody, and without a subject there is nobody', async () => {
      const browser = at.browser()
      const claims = { sub: 'acct-3002', user_id: 'acct-3002', email: 'member@acme.test' }
      const named = withParameters(await browser.approach(owner), (all) => {
        for (const [name, value] of Object.entries(claims)) all.set(name, value)
      })
      await browser.fetch(named)
      expect(await readSession(at.ctx, browser.headers())).toMatchObject({ subject: 'acct-3001', email: owner })
      const { answer, session } = await attempt((nonce) => ({ claims: { nonce, sub: undefined } }))
      expect(answer.headers.get('location')).toMatch(failedWith('signin_failed'))
      expect(session).toBeUndefined()
    })

    test('L-05: an algorithm that is not on our list is refused, whatever the issuer announces', async () => {
      const { answer, session } = await attempt((nonce) => ({ alg: 'RS512', claims: { nonce } }))
      expect(answer.headers.get('location')).toMatch(failedWith('signin_failed'))
      expect(session).toBeUndefined()
    })

    test.each(['RS256', 'PS256', 'ES256'])('L-05: %s is taken', async (alg) => {
      expect((await attempt((nonce) => ({ alg, claims: { nonce } }))).session).toMatchObject({ subject: 'somebody' })
    })

    test('name and e-mail come from userinfo where the ID token has none, as one plain line', async () => {
      const userinfo = { sub: 'somebody', name: ' Some\u202ebody\r\n<b>', email: 'some@body.test' }
      const { session } = await attempt((nonce) => ({ claims: { nonce }, userinfo }))
      expect(session).toMatchObject({ name: 'Somebody<b>', email: 'some@body.test' })
    })

    test('userinfo about somebody else is not believed', async () => {
      const userinfo = { sub: 'another', name: 'Another', email: 'another@body.test' }
      const { session } = await attempt((nonce) => ({ claims: { nonce }, userinfo }))
      expect(session).toMatchObject({ name: 'somebody', email: null })
    })
  })
})
