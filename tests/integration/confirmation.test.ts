// Confirming who one is: a sign-in at the issuer later than the request, and the acts that need a recent one.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Context, putContext } from '../../lib/context.ts'
import { operation } from '../../lib/http/operation.ts'
import { readSession } from '../../lib/http/session.ts'
import { operations } from '../../lib/http/wire.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { type Issuer, type IssuerAnswers, startIssuer } from '../support/issuer.ts'
import { type Browser, type Signin, startSignin } from '../support/signin.ts'

const owner = 'owner@acme.test'
const member = 'member@acme.test'
const back = '/t/acme/admin/trusted-issuers?x=1'
const failedAs = (code: string) => `/confirm?${new URLSearchParams({ error: code, return_to: back })}`

describe('at an issuer that does what it is asked', () => {
  let at: Signin
  let browser: Browser
  beforeAll(async () => {
    at = await startSignin()
  })
  afterAll(() => at.stop())
  beforeEach(async () => {
    putContext(at.ctx)
    at.demo.reset()
    await at.setClock(0)
    at.ctx.discoveries.clear()
    at.ctx.keySets.clear()
    at.logged.length = 0
    await at.owner.query('DELETE FROM rate_limit')
    await at.owner.query('DELETE FROM session')
    browser = at.browser()
    await browser.signIn(owner)
  })
  const who = async (headers: Headers) => readSession(at.ctx, headers)
  const ageSeconds = async (of = browser) => {
    const session = await who(of.headers())
    return session && (at.ctx.now().getTime() - session.authTime.getTime()) / 1000
  }
  const alarms = () => at.logged.map((line) => JSON.parse(line) as { alarm?: boolean }).filter(({ alarm }) => alarm)

  test('S-15: the issuer is asked to sign the person in again, whoever is signed in there', async () => {
    const url = new URL(await browser.start({ return_to: back }, '/api/auth/confirm'))
    expect(Object.fromEntries(url.searchParams)).toMatchObject({ prompt: 'login', max_age: '0', response_type: 'code' })
    const usual = new URL(await browser.start())
    expect([usual.searchParams.get('prompt'), usual.searchParams.get('max_age')]).toEqual([null, null])
  })

  test('S-05: who confirms goes on under a new session id and the one before is dead, back where they were', async () => {
    const before = browser.headers()
    const old = await who(before)
    await at.setClock(1000)
    expect(await ageSeconds()).toBeGreaterThan(990)
    const answer = await browser.confirm(owner, { return_to: back })
    expect([answer.status, answer.headers.get('location')]).toEqual([303, back])
    const now = await who(browser.headers())
    expect(await who(before)).toBeUndefined()
    expect(now?.userId).toBe(old?.userId)
    expect(now?.credential.session).not.toBe(old?.credential.session)
    expect(await ageSeconds()).toBeLessThan(30)
    expect(await at.sessions()).toHaveLength(1)
    expect([...browser.cookies.keys()]).toEqual(['__Host-valetkey-session'])
    expect(await at.events('signin.ended')).toMatchObject([{ details: { cause: 'signed in again' } }])
    expect(alarms()).toEqual([])
  })

  test('S-15: an issuer that ignores prompt=login confirms nobody, and who asked stays signed in', async () => {
    const before = await who(browser.headers())
    at.demo.modes.set({ idToken: 'stale-auth-time' })
    const answer = await browser.confirm(owner, { return_to: back })
    expect(answer.headers.get('location')).toBe(failedAs('signin_not_confirmed'))
    expect(await who(browser.headers())).toEqual(before)
    expect(alarms()).toMatchObject([{ problem: 'signin_not_confirmed', reason: expect.stringMatching(/auth_time/) }])
    expect(await at.events('signin.failed')).toMatchObject([{ details: { code: 'signin_not_confirmed' } }])
  })

  test('S-06: another person who signs in is signed in as themselves, and the first session is over', async () => {
    const before = browser.headers()
    const answer = await browser.confirm(member, { return_to: back })
    expect(answer.headers.get('location')).toBe(back)
    expect((await who(browser.headers()))?.subject).toBe('acct-3002')
    expect(await who(before)).toBeUndefined()
  })

  test('S-15: another person whose sign-in is old is signed in, and no later than they did', async () => {
    at.demo.modes.set({ idToken: 'stale-auth-time' })
    expect((await browser.confirm(member, { return_to: back })).headers.get('location')).toBe(back)
    expect(await ageSeconds()).toBeGreaterThan(86_000)
  })

  test('S-06: the session of somebody else, put into the browser meanwhile, is not theirs to confirm', async () => {
    const other = at.browser()
    await other.signIn(member)
    const url = await browser.approach(owner, { form: { return_to: back }, path: '/api/auth/confirm' })
    browser.cookies.set('__Host-valetkey-session', other.session() ?? '')
    expect((await browser.fetch(url)).headers.get('location')).toBe(back)
    expect((await who(browser.headers()))?.subject).toBe('acct-3001')
    expect(await who(other.headers())).toBeUndefined()
  })

  test('who denies at the issuer stays signed in, and reads why on the page that asks', async () => {
    const before = await who(browser.headers())
    const url = await browser.approach(owner, { deny: true, form: { return_to: back }, path: '/api/auth/confirm' })
    expect((await browser.fetch(url)).headers.get('location')).toBe(failedAs('signin_denied'))
    expect(await who(browser.headers())).toEqual(before)
  })

  test('L-09: the way back counts once: a replay is refused, and the session that it made stays', async () => {
    const url = await browser.approach(owner, { path: '/api/auth/confirm' })
    const thief = browser.copy()
    await browser.fetch(url)
    const session = await who(browser.headers())
    for (const again of [browser, thief]) {
      expect((await again.fetch(url)).headers.get('location')).toMatch(/^\/signin\?error=signin_failed/)
      expect(await who(browser.headers())).toEqual(session)
    }
    expect(await who(thief.headers())).toBeUndefined()
  })

  test('of two tabs that ask, the later one confirms; the other one’s way back takes nothing away', async () => {
    const first = await browser.approach(owner, { form: { return_to: '/t/acme/projects' }, path: '/api/auth/confirm' })
    const second = await browser.approach(owner, { form: { return_to: back }, path: '/api/auth/confirm' })
    expect((await browser.fetch(first)).headers.get('location')).toMatch(/^\/signin\?error=signin_failed/)
    expect((await who(browser.headers()))?.subject).toBe('acct-3001')
    expect((await browser.fetch(second)).headers.get('location')).toBe(back)
    expect(await ageSeconds()).toBeLessThan(30)
  })

  test('S-15: a confirmation that was left lying makes none of the next sign-in', async () => {
    await browser.start({}, '/api/auth/confirm')
    at.demo.modes.set({ idToken: 'stale-auth-time' })
    const left = browser.cookies.get('__Host-valetkey-confirm') ?? ''
    expect((await browser.signIn(owner)).headers.get('location')).toBe('/')
    expect(await ageSeconds()).toBeGreaterThan(86_000)
    // One that was sealed for another state, put back in.
    const url = await browser.approach(owner, { path: '/api/auth/confirm' })
    browser.cookies.set('__Host-valetkey-confirm', left)
    expect((await browser.fetch(url)).headers.get('location')).toBe('/')
    expect(await ageSeconds()).toBeGreaterThan(86_000)
  })

  test('S-10: who signed out meanwhile is not signed in by what was under way', async () => {
    const url = await browser.approach(owner, { path: '/api/auth/confirm' })
    await browser.signOut()
    expect((await browser.fetch(url)).headers.get('location')).toMatch(/^\/signin\?error=signin_failed/)
    expect(await at.sessions()).toEqual([])
  })

  test('S-15: nobody needs a session to ask: it is a sign-in then', async () => {
    const other = at.browser()
    expect((await other.confirm(member, { return_to: back })).headers.get('location')).toBe(back)
    expect((await who(other.headers()))?.subject).toBe('acct-3002')
  })

  test('L-12: a way back that leads elsewhere is refused before anybody leaves', async () => {
    const answer = await browser.post('/api/auth/confirm', { return_to: 'https://elsewhere.test/' })
    expect([answer.status, answer.headers.getSetCookie()]).toEqual([400, []])
  })

  test('C-01 C-02: another site asks for nothing', async () => {
    const foreign: [string, string][] = [
      ['origin', 'https://elsewhere.test'],
      ['sec-fetch-site', 'cross-site'],
    ]
    for (const header of foreign)
      expect((await browser.post('/api/auth/confirm', {}, Object.fromEntries([header]))).status).toBe(403)
    expect((await browser.fetch('/api/auth/confirm')).status).toBe(404)
  })
})

describe('at an issuer of scripted answers', () => {
  let at: Signin
  let issuer: Issuer
  let ctx: Context
  let clockSeconds = 0
  /** How far ahead the issuer's clock is. */
  let aheadSeconds = 0
  beforeAll(async () => {
    at = await startSignin()
    issuer = await startIssuer('valetkey-signin', () => at.ctx.now().getTime() + aheadSeconds * 1000)
    ctx = await at.makeContext({ VALETKEY_SIGNIN_ISSUER: issuer.url })
  })
  afterAll(async () => {
    await ctx.close()
    await issuer.stop()
    await at.stop()
  })
  const wait = (seconds: number) => {
    clockSeconds += seconds
    return at.setClock(clockSeconds)
  }
  beforeEach(async () => {
    putContext(ctx)
    issuer.answer({})
    aheadSeconds = 0
    // A whole second, as issuers count.
    await wait(3600)
    await at.owner.query('DELETE FROM rate_limit')
  })

  /** A sign-in that takes a minute at the issuer, which dates it this long before its ID token. */
  async function visit(browser: Browser, path: string, claims: IssuerAnswers['claims'], agoSeconds?: number) {
    const start = new URL(await browser.start({ return_to: back }, path))
    await wait(60)
    const seconds = Math.floor(ctx.now().getTime() / 1000) + aheadSeconds
    const times = { iat: seconds, nbf: seconds, exp: seconds + 1000 }
    issuer.answer({
      claims: { ...times, ...(agoSeconds !== undefined && { auth_time: seconds - agoSeconds }), ...claims },
    })
    const code = start.searchParams.get('nonce') ?? ''
    const query = new URLSearchParams({ code, state: start.searchParams.get('state') ?? '' })
    return (await browser.fetch(`/api/auth/callback/signin?${query}`)).headers.get('location')
  }
  const signedIn = async () => {
    const browser = at.browser()
    expect(await visit(browser, '/api/auth/signin/signin', {}, 0)).toBe(back)
    return browser
  }
  const ageSeconds = async (browser: Browser) => {
    const session = await readSession(ctx, browser.headers())
    return session && (ctx.now().getTime() - session.authTime.getTime()) / 1000
  }

  test.each([
    [0, back],
    [30, back],
    [59, back],
    // The seconds that two clocks of ours, and whole seconds, may take.
    [63, back],
    [70, failedAs('signin_not_confirmed')],
    [3600, failedAs('signin_not_confirmed')],
    [undefined, failedAs('signin_not_confirmed')],
  ])('S-15: an auth_time %s seconds before the ID token, a minute after the request, leads to %s', async (ago, to) => {
    const browser = await signedIn()
    const before = browser.session()
    expect(await visit(browser, '/api/auth/confirm', {}, ago)).toBe(to)
    expect(browser.session() === before).toBe(to !== back)
    expect(await readSession(ctx, browser.headers())).toBeDefined()
  })

  test.each([-500, -59, 59])(
    'S-15 J-07: an issuer whose clock is %i s ahead confirms who signs in there, and nobody else',
    async (ahead) => {
      const browser = await signedIn()
      aheadSeconds = ahead
      expect(await visit(browser, '/api/auth/confirm', {}, 70)).toBe(failedAs('signin_not_confirmed'))
      expect(await visit(browser, '/api/auth/confirm', {}, 30)).toBe(back)
      const age = (await ageSeconds(browser)) ?? 0
      expect(Math.abs(age - 30)).toBeLessThan(5)
    },
  )

  test('S-15: a sign-in of which the issuer does not say when it was is not recent', async () => {
    const browser = at.browser()
    expect(await visit(browser, '/api/auth/signin/signin', {})).toBe(back)
    expect(await ageSeconds(browser)).toBeGreaterThan(1e9)
  })

  test('S-06: another subject is another person, also where the sign-in is an old one', async () => {
    const browser = await signedIn()
    const before = browser.headers()
    expect(await visit(browser, '/api/auth/confirm', { sub: 'somebody-else' }, 3600)).toBe(back)
    expect(await readSession(ctx, before)).toBeUndefined()
    expect((await readSession(ctx, browser.headers()))?.subject).toBe('somebody-else')
    expect(await ageSeconds(browser)).toBeGreaterThan(3500)
  })
})

describe('what needs a recent sign-in', () => {
  let app: TestApp
  let jar: Jar
  beforeAll(async () => {
    app = await startTestApp()
    jar = await app.signIn(owner)
  })
  afterAll(() => app.stop())

  const trust = () =>
    app.call(jar, 'POST', '/tenants/acme/trusted-issuers', { issuer: app.demo.issuer, name: 'Sign-in' })

  test('S-15: whoever signed in ten minutes ago is asked to confirm who they are, and then it is done', async () => {
    await app.advance(601)
    const refused = await trust()
    expect([refused.status, refused.body.code]).toEqual([403, 'fresh_signin_required'])
    expect(refused.body.next).toMatch(/sign in again/i)
    const rows = await app.rows('acme', `SELECT body FROM audit_event WHERE body->>'request' = $1`, [
      refused.headers.get('x-request-id'),
    ])
    expect(rows).toMatchObject([
      { body: { action: 'access.denied', details: { role: 'owner', code: 'fresh_signin_required' } } },
    ])
    // What does not outlast the session goes on.
    expect((await app.call(jar, 'GET', '/tenants/acme/trusted-issuers')).status).toBe(200)

    jar = await app.confirm(owner, jar)
    expect((await trust()).status).toBe(201)
    await app.advance(590)
    expect((await trust()).body.code).toBe('trusted_issuer_exists')
    await app.advance(20)
    expect((await trust()).body.code).toBe('fresh_signin_required')
  })

  test('S-15: a role that does not allow it is told that, and not to sign in again', async () => {
    const other = await app.signIn(member)
    await app.advance(601)
    const answer = await app.call(other, 'POST', '/tenants/acme/trusted-issuers', { issuer: 'x', name: 'x' })
    expect(answer.body.code).toBe('forbidden')
  })

  test('S-15: what lasts longer than a session, and what programs may do, needs one; taking it away never does', () => {
    expect(operations.filter(({ fresh }) => fresh).map(({ id }) => id)).toEqual([
      'approveAuthorization',
      'addAudience',
      'changeAudience',
      'createClient',
      'changeClient',
      'makeClientSecret',
      'pasteToken',
      'changePolicy',
      'createProvider',
      'changeProvider',
      'trustIssuer',
      'changeTrustedIssuer',
      'trustClient',
      'changeTrustedClient',
    ])
  })

  test('S-15: only what programs never do can need one', () => {
    const base = { id: 'x', method: 'POST', path: '/api/v1/x', summary: '', permission: 'session' } as const
    const rest = { audit: 'none', answer: { status: 204 }, fresh: true } as const
    expect(() => operation({ ...base, ...rest, scope: 'tenant:manage' })).toThrow(/sign in again/)
    expect(operation({ ...base, ...rest, scope: 'cookie only' }).fresh).toBe(true)
  })
})
