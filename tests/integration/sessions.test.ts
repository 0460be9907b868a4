import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Context, putContext } from '../../lib/context.ts'
import { cookieNames } from '../../lib/http/cookies.ts'
import { readSession } from '../../lib/http/session.ts'
import { hash, randomToken } from '../../lib/security/secrets.ts'
import { touchSession } from '../../lib/store/sessions.ts'
import { startProxy } from '../support/proxy.ts'
import { type Browser, makeBrowser, type Signin, sessionCookie, startSignin } from '../support/signin.ts'
import { makeSearch } from '../support/traces.ts'

let at: Signin
beforeAll(async () => {
  at = await startSignin({ VALETKEY_SESSION_IDLE_SECONDS: '3600', VALETKEY_SESSION_SECONDS: '86400' })
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
const member = 'member@acme.test'
const signedIn = async (account = owner): Promise<Browser> => {
  const browser = at.browser()
  await browser.signIn(account)
  return browser
}
const whoIs = async (headers: Headers, ctx = at.ctx) => (await readSession(ctx, headers))?.subject
const withCookie = (cookie: string) => new Headers({ cookie })
/** As raw bytes arrive in a header: each byte a character. */
const bytes = (text: string) => Buffer.from(text).toString('latin1')

describe('cookies', () => {
  test('S-01: every cookie on every way through is __Host-, Secure, HttpOnly, Lax, Path=/ and without Domain', async () => {
    const browser = at.browser()
    const url = await browser.approach(owner)
    const refused = browser.copy()
    const answers = [
      await at.browser().post('/api/auth/signin/signin', { return_to: '/t/acme/projects' }),
      await refused.fetch(`${url}&error=access_denied`),
      await browser.fetch(url),
      await (await signedIn()).fetch('/api/auth/callback/signin?state=x'),
      await browser.signOut(),
      await browser.signOut(),
      await browser.fetch('/api/auth/error'),
      await browser.fetch('/api/auth/session'),
      await browser.fetch('/api/auth/csrf'),
    ]
    const lines = answers.flatMap((answer) => answer.headers.getSetCookie())
    expect(lines.length).toBeGreaterThan(10)
    for (const line of lines) {
      const [pair = '', ...attributes] = line
        .split('; ')
        .map((part, index) => (index === 0 ? part : part.toLowerCase()))
      expect(pair).toMatch(/^__Host-valetkey-[a-z]+=/)
      expect(attributes).toEqual(expect.arrayContaining(['path=/', 'secure', 'httponly', 'samesite=lax']))
      expect(attributes.some((attribute) => attribute.startsWith('domain'))).toBe(false)
    }
  })

  test('S-02: a session id is 256 random bits without meaning; one changed character is nobody', async () => {
    const ids = await Promise.all(Array.from({ length: 30 }, async () => (await signedIn()).session() ?? ''))
    expect(new Set(ids).size).toBe(30)
    for (const id of ids) {
      expect(id).toMatch(/^[A-Za-z0-9_-]{43}$/)
      expect(Buffer.from(id, 'base64url')).toHaveLength(32)
    }
    const seen = new Set(ids.flatMap((id) => [...Buffer.from(id, 'base64url')]))
    expect(seen.size).toBeGreaterThan(200)
    // The last character carries four bits only.
    for (let index = 0; index < 42; index++) expect(new Set(ids.map((id) => id[index])).size).toBeGreaterThan(8)
    const [id = ''] = ids
    for (let index = 0; index < id.length; index++) {
      const changed = `${id.slice(0, index)}${id[index] === 'A' ? 'B' : 'A'}${id.slice(index + 1)}`
      expect(await whoIs(withCookie(`${sessionCookie}=${changed}`))).toBeUndefined()
    }
  })

  test('S-03: no column of the database holds a session id in any spelling, only its hash', async () => {
    const id = (await signedIn()).session() ?? ''
    const raw = Buffer.from(id, 'base64url')
    const everything = await at.everything()
    const search = makeSearch(new Map([[id, 'the id']]))
    expect(search.in(everything)).toEqual([])
    expect(everything).not.toContain(raw.toString('hex'))
    expect(everything).not.toContain(raw.toString('base64'))
    expect(everything).toContain(Buffer.from(hash(id)).toString('hex'))
  })

  test('S-04: no token of the identity provider reaches the browser, a log line or the database', async () => {
    at.logged.length = 0
    const browser = at.browser()
    const url = await browser.approach(owner)
    const answers = [await browser.fetch(url), await browser.fetch('/api/auth/session'), await browser.signOut()]
    const shown = await Promise.all(answers.map(async (answer) => `${[...answer.headers]}${await answer.text()}`))
    const everywhere = [...shown, ...browser.cookies.values(), ...at.logged, await at.everything()].join('\n')
    const tokens = at.demo.ledger.tokens.filter(({ system }) => system === 'idp')
    expect(new Set(tokens.map(({ kind }) => kind))).toEqual(new Set(['code', 'access', 'id']))
    for (const { value } of tokens) expect(everywhere).not.toContain(value)
  })

  test('S-12: a hundred abandoned sign-ins leave a handful of small cookies, and the next one works', async () => {
    const browser = at.browser()
    for (let count = 0; count < 100; count++) await browser.start({ return_to: `/t/acme/projects?n=${count}` })
    expect(browser.cookies.size).toBe(4)
    const pairs = [...browser.cookies].map(([name, value]) => `${name}=${value}`)
    for (const pair of pairs) expect(pair.length).toBeLessThan(4096)
    expect(pairs.join('; ').length).toBeLessThan(4096)
    expect((await browser.signIn(owner)).headers.get('location')).toBe('/')
    expect([...browser.cookies.keys()]).toEqual([sessionCookie])
  })

  test('S-12: the longest way back that is taken still fits a cookie', async () => {
    const browser = at.browser()
    // Every one of these takes three bytes in a cookie.
    const path = `/t/acme?${'&'.repeat(1019)}`
    const url = await browser.approach(owner, { form: { return_to: path } })
    for (const [name, value] of browser.cookies) expect(`${name}=${value}`.length).toBeLessThan(4096)
    expect((await browser.fetch(url)).headers.get('location')).toBe(path)
  })

  const id = randomToken()
  test.each([
    '',
    'x',
    id.slice(0, 42),
    `${id}A`,
    `${id}=`,
    `"${id}"`,
    ` ${id}.`,
    '\u00ff'.repeat(43),
    bytes('ключ'.repeat(6)),
    '%00'.repeat(20),
    "' OR 1=1 --",
    '{"$ne":null}',
    '__proto__',
    'eyJhbGciOiJub25lIn0.e30.',
    'a'.repeat(4096),
    'a'.repeat(60_000),
    '=;=;=;',
    ';'.repeat(15_000),
    'undefined',
  ])('S-13: a session cookie that is garbage (%#) is nobody, with no error and no query', async (value) => {
    const headers = withCookie(`${sessionCookie}=${value}`)
    expect(await readSession(at.ctx, headers)).toBeUndefined()
    const broken = { ...at.ctx, pool: undefined } as unknown as Context
    expect(await readSession(broken, headers)).toBeUndefined()
    for (const name of Object.values(cookieNames)) {
      const browser = makeBrowser(new Map([[name, value]]))
      for (const answer of [
        await browser.signOut(),
        await browser.fetch(`/api/auth/callback/signin?code=a&state=${id}`),
        await makeBrowser(new Map([[name, value]])).post('/api/auth/signin/signin'),
      ])
        expect(answer.status).toBeLessThan(400)
    }
  })

  test('S-13: an expired and an unknown id are nobody', async () => {
    const browser = await signedIn()
    await at.owner.query(`UPDATE session SET expires_at = now() - interval '1 second'`)
    expect(await whoIs(browser.headers())).toBeUndefined()
    expect(await whoIs(withCookie(`${sessionCookie}=${randomToken()}`))).toBeUndefined()
  })

  test('S-14: no spelling of a Cookie header puts another session in place of the person’s', async () => {
    const own = (await signedIn(owner)).session() ?? ''
    const foreign = (await signedIn(member)).session() ?? ''
    const good = `${sessionCookie}=${own}`
    const tricks = [
      `${sessionCookie}=${foreign}`,
      `$Version=1; ${sessionCookie}="${foreign}"; $Path="/"`,
      `$Version=1; ${sessionCookie}=${foreign}`,
      `$Version="1", ${sessionCookie}="${foreign}"`,
      `"${sessionCookie}"=${foreign}`,
      `${sessionCookie.toLowerCase()}=${foreign}`,
      `${sessionCookie}.0=${foreign}`,
      `${sessionCookie}[]=${foreign}`,
      `=${sessionCookie}=${foreign}`,
      `${encodeURIComponent(sessionCookie).replace('_', '%5f')}=${foreign}`,
      ...['\u00a0', '\u2000', '\u2003', '\u3000', '\ufeff', '\u0085', '\u200b', '\u1680'].flatMap((space) => [
        bytes(`${space}${sessionCookie}=${foreign}`),
        bytes(`${sessionCookie}${space}=${foreign}`),
      ]),
      `\u00a0${sessionCookie}=${foreign}`,
      `\t${sessionCookie}\t=\t${foreign}\t`,
    ]
    expect(await whoIs(withCookie(good))).toBe('acct-3001')
    for (const trick of tricks)
      for (const cookie of [`${good}; ${trick}`, `${trick}; ${good}`, `${good};${trick}`, `${trick},${good}`])
        expect([cookie, await whoIs(withCookie(cookie))]).not.toEqual([cookie, 'acct-3002'])
  })

  test('S-14: two cookies of the session’s name are nobody, in either order and also when they agree', async () => {
    const own = (await signedIn(owner)).session()
    const foreign = (await signedIn(member)).session()
    for (const [first, second] of [
      [own, foreign],
      [foreign, own],
      [own, own],
      [own, 'x'],
      ['', own],
    ])
      expect(await whoIs(withCookie(`${sessionCookie}=${first}; ${sessionCookie}=${second}`))).toBeUndefined()
  })

  test('S-14: a name behind Unicode white space is another name', async () => {
    const foreign = (await signedIn(member)).session()
    for (const space of ['\u00a0', bytes('\u2000'), bytes('\ufeff'), '\u0085', '\v', '\f'])
      expect(await whoIs({ get: () => `${space}${sessionCookie}=${foreign}` } as unknown as Headers)).toBeUndefined()
  })
})

describe('a session’s life', () => {
  test('S-05: a planted id and the one before are dead after a sign-in', async () => {
    const planted = randomToken()
    const browser = makeBrowser(new Map([[sessionCookie, planted]]))
    await browser.signIn(owner)
    const first = browser.session()
    await browser.signIn(owner)
    const second = browser.session()
    expect(new Set([planted, first, second]).size).toBe(3)
    expect(await whoIs(withCookie(`${sessionCookie}=${planted}`))).toBeUndefined()
    expect(await whoIs(withCookie(`${sessionCookie}=${first}`))).toBeUndefined()
    expect(await whoIs(browser.headers())).toBe('acct-3001')
    expect(await at.sessions()).toHaveLength(1)
  })

  test('S-06: signing in as somebody else in the same browser ends the first person’s session', async () => {
    const browser = await signedIn(owner)
    const copy = browser.copy()
    const elsewhere = await signedIn(owner)
    await browser.signIn(member)
    expect(await whoIs(copy.headers())).toBeUndefined()
    expect(await whoIs(browser.headers())).toBe('acct-3002')
    expect(await whoIs(elsewhere.headers())).toBe('acct-3001')
    expect((await at.events('signin.ended')).at(-1)).toMatchObject({ details: { cause: 'signed in again' } })
  })

  test('S-07: a session ends after its idle time; polling does not prolong it, acting does', async () => {
    const [polling, acting] = [await signedIn(), await signedIn(member)]
    for (let minute = 10; minute <= 60; minute += 10) {
      await at.setClock(minute * 60)
      if (minute < 60) await readSession(at.ctx, polling.headers(), { passive: true })
      await readSession(at.ctx, acting.headers())
      await at.settled()
    }
    expect(await whoIs(polling.headers())).toBeUndefined()
    expect(await whoIs(acting.headers())).toBe('acct-3002')
  })

  test('S-08: activity never carries a session past its absolute limit', async () => {
    const browser = await signedIn()
    for (let minute = 50; minute < 1440; minute += 50) {
      await at.setClock(minute * 60)
      expect(await whoIs(browser.headers())).toBe('acct-3001')
      await at.settled()
    }
    await at.setClock(86_401)
    expect(await whoIs(browser.headers())).toBeUndefined()
  })

  test('S-09: signing out deletes the row and takes the cookies away with the attributes they were set with', async () => {
    const browser = at.browser()
    const url = await browser.approach(owner)
    const set = [...(await browser.fetch(url)).headers.getSetCookie()]
    await browser.start()
    const copy = browser.copy()
    const answer = await browser.signOut()
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/signin?state=signed-out-here'])
    expect(await at.sessions()).toEqual([])
    expect(await whoIs(copy.headers())).toBeUndefined()
    expect(browser.cookies.size).toBe(0)
    const attributes = (lines: string[]) =>
      lines
        .filter((line) => line.startsWith(`${sessionCookie}=`))
        .map(
          (line) =>
            new Set(
              line
                .toLowerCase()
                .split('; ')
                .slice(1)
                .filter((one) => !/^(expires|max-age)=/.test(one)),
            ),
        )
    expect(attributes(answer.headers.getSetCookie())).toEqual(attributes(set))
  })

  test('S-09: only a form of ours signs out: not a link, not another site', async () => {
    const browser = await signedIn()
    expect((await browser.fetch('/api/auth/signout')).status).toBe(404)
    expect((await browser.fetch('/api/auth/signout', { method: 'POST' })).status).toBe(403)
    expect((await browser.post('/api/auth/signout', {}, { origin: 'https://evil.example' })).status).toBe(403)
    expect(await whoIs(browser.headers())).toBe('acct-3001')
  })

  test('S-09: a browser that sends two sessions is signed out of both', async () => {
    const [first, second] = [await signedIn(), await signedIn(member)]
    const both = `${sessionCookie}=${first.session()}; ${sessionCookie}=${second.session()}`
    expect((await at.browser().post('/api/auth/signout', {}, { cookie: both })).status).toBe(303)
    expect(await at.sessions()).toEqual([])
  })

  test('S-10: a request under way does not bring back a session that ends meanwhile', async () => {
    const browser = await signedIn()
    const [row] = await at.sessions()
    await at.setClock(120)
    // The row is locked by its deletion while the reader notes activity.
    await at.owner.query('BEGIN')
    await at.owner.query('DELETE FROM session')
    expect(await whoIs(browser.headers())).toBe('acct-3001')
    await at.owner.query('COMMIT')
    await at.settled()
    expect(await at.sessions()).toEqual([])
    await touchSession(at.ctx, row?.id ?? '')
    expect(await at.sessions()).toEqual([])
    expect(await whoIs(browser.headers())).toBeUndefined()
  })

  test('S-10: noting activity does not bring back a session past its idle limit', async () => {
    const browser = await signedIn()
    const [row] = await at.sessions()
    await at.setClock(3601)
    await touchSession(at.ctx, row?.id ?? '')
    expect(await whoIs(browser.headers())).toBeUndefined()
  })

  test('S-11: a row that is gone already is no error, for reading and for signing out once more', async () => {
    const browser = await signedIn()
    const copy = browser.copy()
    await at.owner.query('DELETE FROM session')
    expect(await whoIs(browser.headers())).toBeUndefined()
    for (const one of [browser, copy, copy]) {
      const answer = await one.signOut()
      expect([answer.status, answer.headers.get('location')]).toEqual([303, '/signin?state=signed-out-here'])
    }
    expect((await copy.signIn(owner)).headers.get('location')).toBe('/')
  })
})

describe('an outage', () => {
  /** The product on a database that can be cut off. */
  async function withProxy(work: (ctx: Context, proxy: Awaited<ReturnType<typeof startProxy>>) => Promise<void>) {
    const proxy = await startProxy(at.ctx.config.databaseUrl)
    const ctx = await at.makeContext({ DATABASE_URL: proxy.url })
    putContext(ctx)
    try {
      await work(ctx, proxy)
    } finally {
      putContext(at.ctx)
      await ctx.close()
      await proxy.stop()
    }
  }

  function expectUnavailable(answer: Response) {
    expect(answer.status).toBe(503)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(answer.headers.getSetCookie()).toEqual([])
  }

  test('H-02, Z-05: a reader that cannot see the database throws: nobody becomes anonymous or signed in', () =>
    withProxy(async (ctx, proxy) => {
      const browser = await signedIn()
      proxy.cut()
      await expect(readSession(ctx, browser.headers())).rejects.toMatchObject({ code: 'unavailable' })
      await expect(readSession(ctx, withCookie(`${sessionCookie}=${randomToken()}`))).rejects.toMatchObject({
        code: 'unavailable',
      })
      proxy.mend()
      expect(await whoIs(browser.headers(), ctx)).toBe('acct-3001')
    }))

  test('H-02, S-09: signing out without the database is 503, and the person stays signed in', () =>
    withProxy(async (ctx, proxy) => {
      const browser = await signedIn()
      proxy.cut()
      expectUnavailable(await browser.signOut())
      proxy.mend()
      expect(await whoIs(browser.headers(), ctx)).toBe('acct-3001')
      expect((await browser.signOut()).status).toBe(303)
      expect(await at.sessions()).toEqual([])
    }))

  test('H-02: a sign-in is 503 at its start and on its way back; an earlier session lives on', () =>
    withProxy(async (ctx, proxy) => {
      const browser = await signedIn()
      const url = await browser.approach(member)
      proxy.cut()
      expectUnavailable(await browser.fetch(url))
      expectUnavailable(await browser.post('/api/auth/signin/signin'))
      proxy.mend()
      expect(await whoIs(browser.headers(), ctx)).toBe('acct-3001')
      expect((await browser.fetch(url)).headers.get('location')).toBe('/')
      expect(await whoIs(browser.headers(), ctx)).toBe('acct-3002')
    }))

  test('H-02: the database going away while the code is redeemed is 503, without a session or a cookie', () =>
    withProxy(async (_ctx, proxy) => {
      const browser = await signedIn()
      const url = await browser.approach(member)
      at.demo.faults.push('POST /idp/token', { hold: { barrier: 'redeemed', at: 'after' } })
      const barrier = at.demo.faults.barrier('redeemed')
      const answering = browser.fetch(url)
      await barrier.arrived()
      proxy.cut()
      barrier.release()
      expectUnavailable(await answering)
      expect(await at.sessions()).toHaveLength(1)
      proxy.mend()
      expect((await browser.signIn(member)).headers.get('location')).toBe('/')
    }))

  test('H-02: the answer of an outage is JSON for programs and a page for people, both without a trace', () =>
    withProxy(async (_ctx, proxy) => {
      const browser = await signedIn()
      proxy.cut()
      const page = await browser.signOut()
      const problem = await browser.post('/api/auth/signout', {}, { accept: 'application/json' })
      expect(page.headers.get('content-type')).toMatch(/^text\/html/)
      expect(problem.headers.get('content-type')).toBe('application/problem+json')
      for (const text of [await page.text(), await problem.text()])
        expect(text).not.toMatch(/postgres|prisma|ECONN|127\.0\.0\.1|at .*\.ts/i)
    }))

  test('Z-05: with another secret, an unreachable or a wrong issuer, no way leads to a session', async () => {
    const browser = at.browser()
    const url = await browser.approach(owner)
    for (const change of [
      { VALETKEY_SECRET: randomToken() },
      { VALETKEY_SIGNIN_ISSUER: 'http://127.0.0.1:9' },
      { VALETKEY_SIGNIN_CLIENT_SECRET: 'another-secret' },
    ] as Record<string, string>[]) {
      const ctx = await at.makeContext(change)
      putContext(ctx)
      const visitor = browser.copy()
      const answer = await visitor.fetch(url)
      expect(answer.headers.get('location')).toMatch(/^\/signin\?error=/)
      expect(visitor.session()).toBeUndefined()
      await at.owner.query('DELETE FROM rate_limit')
      putContext(at.ctx)
      await ctx.close()
    }
    expect(await at.sessions()).toEqual([])
  })

  test('Z-05: a person that cannot be written makes no session', async () => {
    const browser = at.browser()
    const url = await browser.approach(owner)
    const before = await at.events('signin.succeeded')
    await at.owner.query(`ALTER TABLE session ADD CONSTRAINT never CHECK (false) NOT VALID`)
    try {
      const answer = await browser.fetch(url)
      expect(answer.headers.get('location')).toMatch(/^\/signin\?error=signin_failed/)
      expect(browser.session()).toBeUndefined()
    } finally {
      await at.owner.query('ALTER TABLE session DROP CONSTRAINT never')
    }
    expect(await at.sessions()).toEqual([])
    expect(await at.events('signin.succeeded')).toHaveLength(before.length)
  })
})

test('a session is touched at most once a minute', async () => {
  const browser = await signedIn()
  const query = vi.spyOn(at.ctx.pool, 'query')
  const touches = () =>
    query.mock.calls.filter(([statement]) => JSON.stringify(statement).includes('touch_session')).length
  await readSession(at.ctx, browser.headers())
  expect(touches()).toBe(0)
  await at.setClock(61)
  await readSession(at.ctx, browser.headers())
  await at.settled()
  await readSession(at.ctx, browser.headers())
  await at.settled()
  expect(touches()).toBe(1)
})
