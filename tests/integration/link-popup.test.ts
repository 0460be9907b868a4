// A link in a pop-up: what the callback answers there, and what the opener can learn and from whom.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { approve } from '../../demo/browser.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'

let app: TestApp
let owner: Jar
const account = 'owner@acme.test'
beforeAll(async () => {
  app = await startTestApp({ notes: true })
  owner = await app.signIn(account)
})
afterAll(() => app.stop())

const begin = async (popup?: boolean) => {
  const provider = await app.demoProvider(owner, 'acme', 'Notes server')
  const body = { provider, ...(popup !== undefined && { popup }) }
  return (await app.call<{ id: string; url: string }>(owner, 'POST', '/tenants/acme/attempts', body)).body
}
const comeBack = async (url: string, deny = false) => {
  const back = await approve(url, { account, ...(deny && { deny }) })
  return { back, location: (await app.follow(owner, back)).headers.get('location') }
}
const attempt = (id: string, jar = owner, tenant = 'acme') =>
  app.call<{ status: string; outcome: string | null; popup?: boolean }>(jar, 'GET', `/tenants/${tenant}/attempts/${id}`)

it('R-13 R-19: the callback of a pop-up leads to a page that knows the attempt’s id alone: neither code, state nor token', async () => {
  const { id, url } = await begin(true)
  const state = new URL(url).searchParams.get('state') ?? ''
  const { back, location } = await comeBack(url)
  expect(location).toBe(`/connect/${id}?popup=1`)
  expect(location).not.toContain(state)
  expect(location).not.toContain(new URL(back).searchParams.get('code'))
  expect((await attempt(id)).body).toMatchObject({ status: 'done', outcome: null })
})

it('ASK-16: a link that asks for no pop-up is a full redirect, as before', async () => {
  expect((await comeBack((await begin()).url)).location).toMatch(/^\/t\/acme\/projects\/prj_\w+\?linked=1$/)
  const { id, url } = await begin(false)
  expect((await comeBack(url, true)).location).toBe(`/connect/${id}`)
})

it('R-12 R-16: denied and cancelled are outcomes of their own, which the server tells', async () => {
  const denied = await begin(true)
  expect((await comeBack(denied.url, true)).location).toBe(`/connect/${denied.id}?popup=1`)
  expect((await attempt(denied.id)).body).toMatchObject({ status: 'failed', outcome: 'link_denied' })

  const closed = await begin(true)
  expect((await attempt(closed.id)).body).toMatchObject({ status: 'pending' })
  await app.call(owner, 'DELETE', `/tenants/acme/attempts/${closed.id}`)
  expect((await attempt(closed.id)).body).toMatchObject({ status: 'failed', outcome: 'cancelled' })
  // The window was open after all: its approval is refused, and nothing is linked twice.
  expect((await comeBack(closed.url)).location).toBe('/connect/failed?code=attempt_used')
})

it('R-16: a link that finished before it was to be cancelled stays finished', async () => {
  const { id, url } = await begin(true)
  await comeBack(url)
  expect((await app.call(owner, 'DELETE', `/tenants/acme/attempts/${id}`)).status).toBe(404)
  expect((await attempt(id)).body).toMatchObject({ status: 'done' })
})

it('R-13: an id that a message names tells nothing to whom it does not belong, and leads nobody to its upstream', async () => {
  const { id, url } = await begin(true)
  const other = await app.signIn('owner@globex.test')
  expect((await attempt(id, other)).status).toBe(404)
  expect((await attempt(id, other, 'globex')).status).toBe(404)
  const colleague = await app.signIn('member@acme.test')
  expect((await attempt(id, colleague)).status).toBe(404)
  expect((await app.call(colleague, 'POST', `/tenants/acme/attempts/${id}/resume`, {})).status).toBe(404)
  // Of the same person, in the browser that began it: the same address again, so that the window goes on to it.
  expect((await app.call<{ url: string }>(owner, 'POST', `/tenants/acme/attempts/${id}/resume`, {})).body.url).toBe(url)
})

it('R-16: while its code is being exchanged a link is going on; it failed only when whoever was at it is gone', async () => {
  const { id, url } = await begin(true)
  const route = 'POST /notes/token'
  app.demo.faults.push(route, { hold: { barrier: 'exchange', at: 'before' } })
  const ending = comeBack(url)
  await app.demo.faults.barrier('exchange').arrived()
  expect((await attempt(id)).body).toMatchObject({ status: 'going_on', outcome: null, detail: null })
  app.demo.faults.barrier('exchange').release()
  await ending
  expect((await attempt(id)).body).toMatchObject({ status: 'done' })

  // Killed in the middle: the code is spent, and nobody takes it up.
  const cut = await begin(true)
  await app.rows(
    'acme',
    `UPDATE attempt SET status = 'consumed', consumed_at = vk_now(), secrets = NULL WHERE id = '${cut.id}'`,
  )
  expect((await attempt(cut.id)).body).toMatchObject({ status: 'going_on' })
  await app.advance(121)
  expect((await attempt(cut.id)).body).toMatchObject({ status: 'failed', outcome: 'link_interrupted' })
})
