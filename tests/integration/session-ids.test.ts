import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { putContext } from '../../lib/context.ts'
import { cookieNames } from '../../lib/http/cookies.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.stop())
afterEach(() => putContext(app.ctx))

const me = async (jar: Jar) => (await app.call(jar, 'GET', '/me')).status
/** What an act makes of the session of a browser: its id before and after, and what each is good for now. */
async function renewedBy(jar: Jar, act: () => Promise<unknown>) {
  const before = new Map(jar)
  const [{ count } = { count: 0 }] = await app.rows('acme', 'SELECT count(*)::int AS count FROM session')
  await act()
  const [{ count: after } = { count: 0 }] = await app.rows('acme', 'SELECT count(*)::int AS count FROM session')
  expect(after).toBe(count)
  return {
    isNew: before.get(cookieNames.session) !== jar.get(cookieNames.session),
    before: await me(before),
    now: await me(jar),
  }
}
const dead = { isNew: true, before: 401, now: 200 }

describe('S-05: a session goes on under a new id, and the one before is dead,', () => {
  it('after signing in again in the same browser', async () => {
    const jar = await app.signIn('member@acme.test')
    expect(
      await renewedBy(jar, async () => {
        for (const [name, value] of await app.signIn('member@acme.test', jar)) jar.set(name, value)
      }),
    ).toEqual(dead)
  })

  it('after founding a tenant, which makes an owner of its person', async () => {
    putContext(await app.makeContext({ VALETKEY_OPEN_TENANTS: '1' }))
    const jar = await app.signIn('owner@globex.test')
    const found = () => app.call(jar, 'POST', '/tenants', { name: 'Third', slug: 'third' })
    expect(await renewedBy(jar, found)).toEqual(dead)
    expect((await app.call(jar, 'GET', '/tenants/third/members')).status).toBe(200)
  })

  it('after accepting an invitation, whatever the role; attempts that it began go on', async () => {
    const owner = await app.signIn('owner@acme.test')
    const jar = await app.signIn('owner@globex.test')
    const attempt = await app.startLink(jar, 'globex')
    const { body } = await app.call(owner, 'POST', '/tenants/acme/invitations', { role: 'admin' })
    const secret = String(body.url ?? '')
      .split('#')
      .at(-1)
    const accept = () => app.call(jar, 'POST', '/invitations/accept', { secret })
    expect(await renewedBy(jar, accept)).toEqual(dead)
    expect((await app.call(jar, 'GET', '/tenants/acme/members')).status).toBe(200)
    expect((await app.call(jar, 'POST', `/tenants/globex/attempts/${attempt.id}/resume`)).status).toBe(200)
    const [cookie] = (await app.call(owner, 'POST', '/invitations/accept', { secret })).headers.getSetCookie()
    expect(cookie).toBeUndefined()
  })

  it('with a cookie like the one of a sign-in', async () => {
    putContext(await app.makeContext({ VALETKEY_OPEN_TENANTS: '1' }))
    const jar = await app.signIn('owner@globex.test')
    const { headers } = await app.call(jar, 'POST', '/tenants', { name: 'Fourth', slug: 'fourth' })
    const [line = ''] = headers.getSetCookie()
    expect(line).toMatch(
      /^__Host-valetkey-session=[\w-]{43}; Expires=[^;]+ GMT; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    )
    // The absolute end stays what it was.
    const [row] = await app.rows('acme', 'SELECT expires_at FROM session ORDER BY created_at DESC LIMIT 1')
    const expires = /Expires=([^;]+)/.exec(line)?.[1] ?? ''
    expect(Math.abs(Date.parse(expires) - Date.parse(String(row?.expires_at)))).toBeLessThan(1000)
  })
})
