// What waits for a person, as the page that lists it reads it.
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { waitingFor } from '../../lib/authserver/waiting.ts'
import { toAnswerer } from '../../lib/http/authenticate.ts'
import { cookieNames } from '../../lib/http/cookies.ts'
import { readSession } from '../../lib/http/session.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { ask } from '../support/asked.ts'
import { claimed, startDevice } from '../support/authorization.ts'
import { insertClient } from '../support/programs.ts'

let app: TestApp
let owner: Jar
let member: Jar
let ownerId: string
let memberId: string
let project: string

beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  const idOf = async (jar: Jar) => (await app.call<{ id: string }>(jar, 'GET', '/me')).body.id
  ownerId = await idOf(owner)
  memberId = await idOf(member)
  project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
})
afterAll(() => app.stop())
afterEach(async () => {
  await app.forgetLimits()
  await app.rows('acme', 'DELETE FROM link_request')
  await app.owner.query('DELETE FROM authorization_request')
})

/** What somebody's page lists. */
async function waiting(jar: Jar) {
  const session = await readSession(
    app.ctx,
    new Headers({ cookie: `${cookieNames.session}=${jar.get(cookieNames.session)}` }),
  )
  if (!session) throw new Error('nobody is signed in')
  return waitingFor(app.ctx, toAnswerer(session, {}))
}
const ids = async (jar: Jar) => (await waiting(jar)).map(({ id }) => id)

it('N-14 D-07: a person sees what they were asked and the devices that they claimed, the newest first, and nobody else’s', async () => {
  const link = await ask(app, { userId: ownerId, projectId: project })
  const others = await ask(app, { userId: memberId, projectId: project })
  await startDevice(app)
  const mine = await claimed(app, owner)
  const theirs = await claimed(app, member)
  expect(await waiting(owner)).toEqual([
    expect.objectContaining({ kind: 'device', id: mine.id, program: 'Valetkey command line', tenant: null }),
    expect.objectContaining({
      kind: 'link',
      id: link.id,
      cause: 'reconnect',
      tenant: 'Acme',
      project: expect.objectContaining({ id: project }),
    }),
  ])
  expect(await ids(member)).toEqual([theirs.id, others.id])
  expect(await ids(await app.signIn('owner@globex.test'))).toEqual([])
})

it('what was answered, given back, or is over waits no more', async () => {
  const asked = await ask(app, { userId: ownerId, projectId: project })
  const [denied, released, kept] = [await claimed(app, owner), await claimed(app, owner), await claimed(app, owner)]
  await app.call(owner, 'POST', `/tenants/acme/link-requests/${asked.id}/decline`)
  await app.call(owner, 'POST', `/authorizations/${denied.id}/denial`, { not_me: false })
  await app.call(owner, 'POST', `/authorizations/${released.id}/release`)
  expect(await ids(owner)).toEqual([kept.id])
  await ask(app, { userId: ownerId, projectId: project })
  expect(await ids(owner)).toHaveLength(2)
  await app.advance(901)
  expect(await ids(owner)).toEqual([])
})

it('a tenant that refuses the session shows nothing of its own, and one whose member is suspended neither', async () => {
  const client = await insertClient(app, 'acme', { grantTypes: ['device_code'] })
  await ask(app, { userId: memberId, projectId: project })
  await claimed(app, member, { client_id: client.id, client_secret: client.secret })
  expect(await waiting(member)).toEqual([
    expect.objectContaining({ kind: 'device', program: 'A test client', tenant: 'Acme' }),
    expect.objectContaining({ kind: 'link', tenant: 'Acme' }),
  ])
  await app.rows('acme', `UPDATE member SET status = 'suspended' WHERE user_id = $1`, [memberId])
  expect(await ids(member)).toEqual([])
  await app.rows('acme', `UPDATE member SET status = 'active' WHERE user_id = $1`, [memberId])
  expect(await ids(member)).toHaveLength(2)
  const refuse = `INSERT INTO session_refusal (tenant_id, session_id, created_at)
    SELECT current_setting('app.tenant_id'), id, vk_now() FROM session WHERE user_id = $1`
  await app.rows('acme', refuse, [memberId])
  expect(await ids(member)).toEqual([])
})
