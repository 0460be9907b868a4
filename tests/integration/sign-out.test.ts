// Signing out here, and at the identity provider where it has a place for that (OpenID Connect RP-Initiated Logout 1.0): an
// issuer of scripted answers over a real socket, the product through its handler.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Context, putContext } from '../../lib/context.ts'
import { readSession } from '../../lib/http/session.ts'
import { type Issuer, startIssuer } from '../support/issuer.ts'
import { type Browser, origin, type Signin, sessionCookie, startSignin } from '../support/signin.ts'

const clientId = 'valetkey-signin'
let at: Signin
let issuer: Issuer
let ctx: Context
let clockSeconds = 0
const advance = async (seconds: number) => {
  clockSeconds += seconds
  await at.setClock(clockSeconds)
}
beforeAll(async () => {
  at = await startSignin()
  issuer = await startIssuer(clientId, () => at.ctx.now().getTime())
  ctx = await at.makeContext({ VALETKEY_SIGNIN_ISSUER: issuer.url, VALETKEY_SIGNIN_NAME: 'Acme <login>' })
  putContext(ctx)
})
afterAll(async () => {
  await ctx.close()
  await issuer.stop()
  await at.stop()
})
beforeEach(async () => {
  issuer.answer({})
  // Beyond what metadata is kept for.
  await advance(3600)
  await at.owner.query('DELETE FROM rate_limit')
})

/** Signed in at an issuer whose metadata says so. */
async function signedIn(metadata: Record<string, unknown> = {}): Promise<Browser> {
  const browser = at.browser()
  issuer.answer({ metadata })
  const start = new URL(await browser.start())
  issuer.answer({ metadata, claims: { sid: 's-1' } })
  const parameters = { code: start.searchParams.get('nonce') ?? '', state: start.searchParams.get('state') ?? '' }
  await browser.fetch(`/api/auth/callback/signin?${new URLSearchParams(parameters)}`)
  expect(await readSession(ctx, browser.headers())).toBeDefined()
  return browser
}
const withEnd = (path = '/logout') => ({ end_session_endpoint: issuer.url + path })
/** Where a page that moves on by itself leads. */
const wayOn = (answer: Response) => /^0;url=(.*)$/.exec(answer.headers.get('refresh') ?? '')?.[1]
const json = { accept: 'application/json' }
const here = '/signin?state=signed-out-here'

test('N-21 S-09: the session is over here first; then the person goes on to the issuer, by a page that needs neither form nor script', async () => {
  const browser = await signedIn(withEnd('/logout?ui=plain'))
  const copy = browser.copy()
  const answer = await browser.signOut()
  expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store'])
  const next = new URL(wayOn(answer) ?? '')
  expect(next.origin + next.pathname).toBe(`${issuer.url}/logout`)
  // No ID token: none is kept, and none may pass through a browser (S-04).
  expect(Object.fromEntries(next.searchParams)).toEqual({
    ui: 'plain',
    client_id: clientId,
    post_logout_redirect_uri: `${origin}/signin`,
    state: 'signed-out',
  })
  const text = await answer.text()
  expect(text).toContain('You may still be signed in at Acme &lt;login&gt;')
  expect(text).toContain(`<a href="${next.href.replaceAll('&', '&amp;')}">`)
  expect(await readSession(ctx, copy.headers())).toBeUndefined()
  expect([...browser.cookies.keys()]).toEqual([])
  expect(answer.headers.getSetCookie().some((line) => line.startsWith(`${sessionCookie}=; Max-Age=0`))).toBe(true)
})

test('N-21: a script is told where to go on', async () => {
  const browser = await signedIn(withEnd())
  const answer = await browser.post('/api/auth/signout', {}, json)
  expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store'])
  const { next } = (await answer.json()) as { next: string }
  expect(next).toMatch(new RegExp(`^${issuer.url}/logout\\?client_id=${clientId}&`))
  expect([...browser.cookies.keys()]).toEqual([])
})

test('N-17 N-19 N-21: a cookie that was copied before is nobody’s afterwards, whatever becomes of the issuer’s page', async () => {
  const browser = await signedIn(withEnd())
  const copy = browser.copy()
  expect(wayOn(await browser.signOut())).toBeDefined()
  // They close the page there, or say no.
  expect(await readSession(ctx, copy.headers())).toBeUndefined()
  expect((await copy.signOut()).status).toBe(200)
})

test('N-21: an issuer without such a place is left alone', async () => {
  const browser = await signedIn()
  expect((await browser.copy().post('/api/auth/signout', {}, json)).status).toBe(200)
  const answer = await browser.signOut()
  expect([answer.status, answer.headers.get('location'), wayOn(answer)]).toEqual([303, here, undefined])
})

test('N-21: who was not signed in is not sent anywhere', async () => {
  await signedIn(withEnd())
  const answer = await at.browser().signOut()
  expect([answer.status, answer.headers.get('location')]).toEqual([303, here])
})

test('N-21: an issuer that is away, or says nothing, neither fails a sign-out nor holds it up', async () => {
  const last = await signedIn(withEnd())
  const hung = await signedIn(withEnd())
  const browser = await signedIn(withEnd())
  const metadata = withEnd()
  // Known metadata is minutes old by now, and then older than we believe.
  for (const [seconds, one] of [
    [60, browser],
    [3600, hung],
  ] as const) {
    await advance(seconds)
    issuer.answer({ metadata, silent: true })
    const copy = one.copy()
    const began = performance.now()
    const answer = await one.signOut()
    expect(performance.now() - began).toBeLessThan(4_000)
    expect([answer.status, answer.headers.get('location')]).toEqual([303, here])
    expect(await readSession(ctx, copy.headers())).toBeUndefined()
  }
  await issuer.stop()
  try {
    await advance(60)
    const answer = await last.post('/api/auth/signout', {}, json)
    expect([answer.status, await answer.json()]).toEqual([200, { next: here }])
  } finally {
    await issuer.restart()
  }
})

test.each([
  'javascript:alert(1)',
  'data:text/html,x',
  'http://192.168.1.1/logout',
  'http://example.com/logout',
  'https://user:secret@example.com/logout',
  'https://10.0.0.1/logout',
  '//example.com/logout',
  'logout',
  '',
  7,
])(
  'N-21 F-07: a place to sign out that no browser should be sent to (%s) is not gone to',
  async (end_session_endpoint) => {
    const browser = await signedIn()
    const copy = browser.copy()
    await advance(3600)
    issuer.answer({ metadata: { end_session_endpoint } })
    const answer = await browser.signOut()
    expect([answer.status, answer.headers.get('location'), wayOn(answer)]).toEqual([303, here, undefined])
    expect(await readSession(ctx, copy.headers())).toBeUndefined()
  },
)
