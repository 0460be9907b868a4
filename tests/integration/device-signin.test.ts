// Whoever comes to answer a program and cannot sign in: told on the page of the program, and to the device that waits (O-21, O-22).
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { startDevice as startDeviceAs } from '../../lib/authserver/device.ts'
import { newId } from '../../lib/security/ids.ts'
import { type Signin, startSignin } from '../support/signin.ts'

const owner = 'owner@acme.test'
let at: Signin
beforeAll(async () => {
  at = await startSignin()
})
afterAll(() => at.stop())
beforeEach(async () => {
  at.demo.reset()
  await at.owner.query('DELETE FROM rate_limit')
})

const startDevice = () =>
  startDeviceAs(
    at.ctx,
    { id: 'valetkey', secret: null, asserted: null },
    { scope: undefined, resource: undefined },
    { address: '203.0.113.7', agent: 'valetkey-cli/1.0', requestId: newId('request') },
  )
const statusOf = async (): Promise<string> =>
  (await at.owner.query('SELECT status FROM authorization_request ORDER BY created_at DESC LIMIT 1')).rows[0].status
/** Where a browser ends up that the identity provider refused. */
async function refused(return_to: string): Promise<string | null> {
  const browser = at.browser()
  return (await browser.fetch(await browser.approach(owner, { deny: true, form: { return_to } }))).headers.get(
    'location',
  )
}

it('O-21: refused there, a person is told on the page that they were on the way to', async () => {
  const request = `/authorize/${newId('authorization')}`
  expect(await refused('/device')).toBe('/device?error=signin_denied')
  expect(await refused(request)).toBe(`${request}?error=signin_denied`)
  expect(await refused('/device?user_code=BBBB-BBBB')).toBe('/device?user_code=BBBB-BBBB&error=signin_denied')
  // One of ours and no more than looks like one.
  for (const path of ['/t/acme/projects', '/devices', '/authorize/failed?code=bad_request'])
    expect(await refused(path)).toBe(`/signin?${new URLSearchParams({ error: 'signin_denied', return_to: path })}`)
})

it('O-21: the state is judged first: a callback with none, or a forged one, says nothing of a device', async () => {
  const { user_code } = await startDevice()
  const browser = at.browser()
  const back = new URL(
    await browser.approach(owner, { deny: true, form: { return_to: `/device?user_code=${user_code}` } }),
  )
  back.searchParams.set('state', 'forged')
  await browser.fetch(back.pathname + back.search)
  back.searchParams.delete('state')
  await browser.fetch(back.pathname + back.search)
  expect(await statusOf()).toBe('pending')
})

it('O-22 ASK-22: the device whose code they brought is denied at once, and it is on the record', async () => {
  const { user_code } = await startDevice()
  await refused(`/device?user_code=${user_code}`)
  expect(await statusOf()).toBe('denied')
  const [event] = (await at.events('authorization.denied')).slice(-1)
  expect(event).toMatchObject({ actor: null, details: { client: 'valetkey', via: 'device', by: 'identity provider' } })
})

it('O-22: not one that a person has claimed, nor for another failure', async () => {
  const { user_code } = await startDevice()
  const browser = at.browser()
  at.demo.faults.push('POST /idp/token', { status: 500, body: { kind: 'empty' } })
  await browser.fetch(await browser.approach(owner, { form: { return_to: `/device?user_code=${user_code}` } }))
  expect(await statusOf()).toBe('pending')
  await at.owner.query(`UPDATE authorization_request SET claimed_by = 'usr_somebody'`)
  at.demo.reset()
  await refused(`/device?user_code=${user_code}`)
  expect(await statusOf()).toBe('pending')
})

it('D-09: signed out with a code in the address, they come back to the same address', async () => {
  const { verification_uri_complete } = await startDevice()
  const { pathname, search } = new URL(verification_uri_complete)
  const browser = at.browser()
  const answer = await browser.signIn(owner, { return_to: pathname + search })
  expect([answer.status, answer.headers.get('location')]).toEqual([303, pathname + search])
})
