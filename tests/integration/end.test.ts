import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'

let app: TestApp
let owner: Jar
let member: Jar
let globex: Jar
let receiver: Receiver
let userId: string
beforeAll(async () => {
  app = await startTestApp()
  receiver = await startReceiver()
  owner = await app.signIn('owner@acme.test')
  globex = await app.signIn('owner@globex.test')
  member = await app.signIn('member@acme.test')
  userId = (await app.call<{ id: string }>(member, 'GET', '/me')).body.id
})
afterAll(async () => {
  await app.stop()
  await receiver.stop()
})
beforeEach(async () => {
  await app.rows('acme', `UPDATE member SET role = 'member', status = 'active' WHERE user_id = $1`, [userId])
  member = await app.signIn('member@acme.test')
})
afterEach(() => app.forgetLimits())

const path = () => `/tenants/acme/members/${userId}`
const change = (body: object) => app.call(owner, 'PATCH', path(), body)
const preview = async () => (await app.call(owner, 'GET', `${path()}/ending`)).body
const invite = async (jar: Jar, role: string, tenant = 'acme') => {
  const { status, body } = await app.call<{ url: string; id: string }>(jar, 'POST', `/tenants/${tenant}/invitations`, {
    role,
  })
  expect(status).toBe(201)
  return new URL(body.url).hash.slice(1)
}
const accept = (jar: Jar, secret: string) => app.call(jar, 'POST', '/invitations/accept', { secret })
const openRoles = async () =>
  (await app.call<{ items: { role: string }[] }>(owner, 'GET', '/tenants/acme/invitations')).body.items
    .map(({ role }) => role)
    .sort()
const reaches = async (jar: Jar, tenant = 'acme') => (await app.call(jar, 'GET', `/tenants/${tenant}/projects`)).status

describe('invitations stand on their maker’s rights', () => {
  it('Z-06: a demoted admin’s invitations are withdrawn and admit nobody; those of others stand', async () => {
    await change({ role: 'admin' })
    const secret = await invite(member, 'admin')
    await invite(owner, 'auditor')
    expect(await preview()).toMatchObject({ invitations: 1 })
    await change({ role: 'member' })
    expect(await openRoles()).toEqual(['auditor'])
    expect((await accept(globex, secret)).body).toMatchObject({ code: 'invitation_unknown' })
    expect(await reaches(globex)).toBe(404)
  })

  it('Z-06: who is no owner any more takes back only the invitations of owners', async () => {
    await change({ role: 'owner' })
    await invite(member, 'owner')
    await invite(member, 'member')
    await change({ role: 'admin' })
    expect(await openRoles()).toEqual(['auditor', 'member'])
  })

  it('Z-06: an invitation that was kept in spite of it admits nobody while its maker is suspended or demoted', async () => {
    for (const [role, status] of [
      ['admin', 'suspended'],
      ['member', 'active'],
      ['owner', 'removed'],
    ]) {
      await change({ role: 'admin' })
      const secret = await invite(member, 'member')
      await app.rows('acme', 'UPDATE member SET role = $1, status = $2 WHERE user_id = $3', [role, status, userId])
      expect((await accept(globex, secret)).status).toBe(404)
      await app.rows('acme', `UPDATE member SET role = 'member', status = 'active' WHERE user_id = $1`, [userId])
      member = await app.signIn('member@acme.test')
    }
    expect(await reaches(globex)).toBe(404)
  })

  it('admins are asked to take over a demoted admin’s webhooks, and can', async () => {
    await change({ role: 'admin' })
    const hook = await app.call<{ webhook: { id: string } }>(member, 'POST', '/tenants/acme/webhooks', {
      url: receiver.url,
    })
    const { id } = hook.body.webhook
    await change({ role: 'member' })
    const told = await app.call<{ items: { kind: string }[] }>(owner, 'GET', '/tenants/acme/notifications')
    expect(told.body.items[0]).toMatchObject({ kind: 'webhook.orphaned' })
    const listed = async () =>
      (await app.call<{ items: object[] }>(owner, 'GET', '/tenants/acme/webhooks')).body.items.find(
        (one) => 'id' in one && one.id === id,
      )
    expect(await listed()).toMatchObject({ orphaned: true })
    await app.call(owner, 'PATCH', `/tenants/acme/webhooks/${id}`, { owner: 'me' })
    expect(await listed()).toMatchObject({ orphaned: false })
  })
})

describe('a suspended member', () => {
  it('A-02: loses this tenant and their tokens, keeps their links and other tenants, and comes back by signing in anew', async () => {
    const project = await app.linkProject(member, 'acme', { account: 'member@acme.test', project: '10231' })
    const { value } = (await app.issue(member, 'acme', project)).body
    await accept(member, await invite(globex, 'auditor', 'globex'))
    expect(await preview()).toMatchObject({ connections: 1, tokens: 1 })
    const sessions = Number((await preview()).sessions)
    expect((await change({ status: 'suspended', reason: 'left their laptop' })).status).toBe(204)

    expect(await app.useToken(value)).toBe(401)
    expect(await reaches(member)).toBe(404)
    expect(await reaches(member, 'globex')).toBe(200)
    const [event] = await app.rows(
      'acme',
      `SELECT body FROM audit_event WHERE body->>'action' = 'member.changed' ORDER BY id DESC LIMIT 1`,
    )
    expect(event?.body).toMatchObject({
      details: { status: 'suspended', tokens: 1, sessions, reason: 'left their laptop' },
    })

    await change({ status: 'active' })
    expect((await app.call(member, 'GET', '/tenants/acme/projects')).body).toMatchObject({ code: 'session_refused' })
    expect((await app.issue(member, 'acme', project)).status).toBe(401)
    expect(await reaches(member, 'globex')).toBe(200)
    member = await app.signIn('member@acme.test')
    expect((await app.issue(member, 'acme', project)).status).toBe(201)
  })

  it('Z-03: no tenant sees which sessions another one refuses', async () => {
    const seen = await app.rows('globex', 'SELECT * FROM session_refusal')
    expect(seen).toEqual([])
    expect((await app.rows('acme', 'SELECT * FROM session_refusal')).length).toBeGreaterThan(0)
  })
})

describe('who is removed or leaves', () => {
  it('A-02: loses connections and tokens as well, is listed no more, and can be invited again', async () => {
    const project = await app.linkProject(member, 'acme', { account: 'member@acme.test', project: '10231' })
    const { value, token } = (await app.issue(member, 'acme', project)).body
    expect((await app.call(owner, 'DELETE', path(), { reason: 'gone' })).status).toBe(204)
    expect(await app.useToken(value)).toBe(401)
    const [connection] = await app.rows('acme', 'SELECT status, refresh_token FROM connection WHERE id = $1', [
      token.connection_id,
    ])
    expect(connection).toEqual({ status: 'revoked', refresh_token: null })
    expect(await reaches(member)).toBe(404)
    expect((await app.call<{ tenants: object[] }>(member, 'GET', '/me')).body.tenants).not.toContainEqual(
      expect.objectContaining({ slug: 'acme' }),
    )
    const { items } = (await app.call<{ items: { user_id: string }[] }>(owner, 'GET', '/tenants/acme/members')).body
    expect(items.map(({ user_id }) => user_id)).not.toContain(userId)
    expect((await app.call(owner, 'DELETE', path())).status).toBe(404)
    expect((await change({ role: 'owner' })).status).toBe(404)

    const secret = await invite(owner, 'auditor')
    member = await app.signIn('member@acme.test')
    expect((await accept(member, secret)).status).toBe(200)
    expect(await reaches(member)).toBe(200)
    expect((await app.issue(member, 'acme', project)).status).toBe(403)
  })

  it('anybody may leave but the last owner; nobody but admins removes others', async () => {
    const me = (await app.call<{ id: string }>(owner, 'GET', '/me')).body.id
    expect((await app.call(owner, 'DELETE', `/tenants/acme/members/${me}`)).body).toMatchObject({ code: 'last_owner' })
    expect((await app.call(member, 'DELETE', `/tenants/acme/members/${me}`)).status).toBe(404)
    expect((await app.call(member, 'GET', `/tenants/acme/members/${me}/ending`)).status).toBe(404)
    expect((await app.call(member, 'GET', `${path()}/ending`)).status).toBe(200)
    await change({ role: 'admin' })
    expect((await app.call(member, 'DELETE', `/tenants/acme/members/${me}`)).status).toBe(403)
    await change({ role: 'auditor' })
    expect((await app.call(member, 'DELETE', path())).status).toBe(204)
    expect(await reaches(member)).toBe(404)
  })

  it('A-04: two owners who leave at once leave one behind', async () => {
    const me = (await app.call<{ id: string }>(owner, 'GET', '/me')).body.id
    await change({ role: 'owner' })
    const left = await Promise.all([
      app.call(owner, 'DELETE', `/tenants/acme/members/${me}`),
      app.call(member, 'DELETE', path()),
    ])
    expect(left.map(({ status }) => status).sort()).toEqual([204, 409])
  })
})
