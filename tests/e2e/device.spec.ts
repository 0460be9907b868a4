// A program on another machine gets in through a browser (RFC 8628): the program here asks over the network as any would.
import { createHash } from 'node:crypto'
import type { BrowserContext } from 'playwright/test'
import { connect } from './crowded.ts'
import { type Account, api, expect, expectAccessible, link, type Page, signIn, test } from './support.ts'

type Device = { device_code: string; user_code: string; verification_uri: string; verification_uri_complete: string }
const origin = `http://localhost:${process.env.VALETKEY_E2E_PORT}`

const ask = async <T>(path: string, form: Record<string, string>): Promise<T> =>
  (
    await fetch(`${origin}${path}`, { method: 'POST', body: new URLSearchParams({ client_id: 'valetkey', ...form }) })
  ).json() as T

const startDevice = (form: Record<string, string> = {}) => ask<Device>('/oauth/device_authorization', form)
/** What the program hears that asks once more. */
async function poll({ device_code }: Device): Promise<string> {
  const grant_type = 'urn:ietf:params:oauth:grant-type:device_code'
  const answer = await ask<{ error?: string; access_token?: string; scope?: string }>('/oauth/token', {
    grant_type,
    device_code,
  })
  return answer.access_token ? `tokens for ${answer.scope}` : String(answer.error)
}

async function type(page: Page, code: string): Promise<void> {
  await page.goto('/device')
  await page.getByLabel('Code').fill(code)
  await page.getByRole('button', { name: 'Continue' }).click()
}

/** Another person at a browser of their own. */
async function another(page: Page, account: Account): Promise<{ context: BrowserContext; page: Page }> {
  const context = (await page.context().browser()?.newContext({ baseURL: origin })) as BrowserContext
  const other = await context.newPage()
  await signIn(other, account)
  return { context, page: other }
}

test('ASK-07: a person signs in, types the code, gives less than was asked, and the program gets just that', async ({
  page,
}) => {
  await signIn(page, 'owner@acme.test')
  await link(page, 'Acme Data Science', 'owner@acme.test')
  await page.context().clearCookies()
  const device = await startDevice({ scope: 'projects:read tokens:issue audit:read' })
  await page.goto(device.verification_uri)
  await page.getByRole('button', { name: /^Continue with/ }).click()
  await page.getByRole('button', { name: 'owner@acme.test' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Connect a device')
  await expect(page.getByLabel('Code')).toBeFocused()
  await page.keyboard.type(device.user_code.toLowerCase().replace('-', ' '))
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Allow Valetkey command line?')
  expect(await poll(device)).toBe('authorization_pending')
  await expect(page.getByText('High risk').first()).toBeVisible()
  await expectAccessible(page)
  await page.getByRole('checkbox', { name: /^audit:read/ }).uncheck()
  const project = page.getByRole('group', { name: 'Tokens that it may issue' }).getByRole('checkbox').first()
  await project.check()
  await expect(page.getByRole('button', { name: 'Allow' })).toBeDisabled()
  await page
    .getByRole('group', { name: /^Tokens of/ })
    .getByRole('radio', { name: 'At most what I choose' })
    .check()
  await page
    .getByRole('checkbox', { name: /^read in\./ })
    .first()
    .check()
  await expectAccessible(page)
  await page.getByRole('button', { name: 'Allow' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Allowed')
  await expect(page.getByText('go back to your terminal')).toBeVisible()
  await expect.poll(() => poll(device)).toBe('tokens for projects:read tokens:issue')
  await page.reload()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('You allowed this')
})

test('O-22: denied here, the program hears so at once; “This was not me” is on the record', async ({ page }) => {
  await signIn(page, 'owner@acme.test')
  const [denied, reported] = [await startDevice(), await startDevice()]
  await type(page, denied.user_code)
  await page.getByRole('button', { name: 'Deny', exact: true }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Denied')
  expect(await poll(denied)).toBe('access_denied')
  await type(page, reported.user_code)
  await page.getByRole('button', { name: 'This was not me' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Denied and reported')
  await expectAccessible(page)
  expect(await poll(reported)).toBe('access_denied')
  await page.goto('/t/acme/activity')
  await expect(page.getByText('Reported: “This was not me”').first()).toBeVisible()
})

test('O-21 O-22: denied at the identity provider, it is told on a device page, and the program hears of it', async ({
  page,
}) => {
  const device = await startDevice()
  await page.goto(device.verification_uri_complete)
  await page.getByRole('button', { name: /^Continue with/ }).click()
  await page.getByRole('button', { name: /not sign in|cancel|deny/i }).click()
  await page.waitForURL(/\/device\?/)
  await expect(page.getByText('The identity provider refused the sign-in')).toBeVisible()
  await expect(page.getByText('The program was told that access is denied.')).toBeVisible()
  await expectAccessible(page)
  expect(await poll(device)).toBe('access_denied')
})

test('D-09 O-04: a link with a code only focuses the field, its code leaves the address, and markup in it is inert', async ({
  page,
}) => {
  const leaked: string[] = []
  const device = await startDevice()
  page.on('request', (request) => {
    const told = `${request.url()} ${request.headers().referer ?? ''} ${request.postData() ?? ''}`
    if (!request.url().startsWith(origin) && told.includes(device.user_code)) leaked.push(told)
  })
  await page.goto(device.verification_uri_complete)
  await page.getByRole('button', { name: /^Continue with/ }).click()
  await page.getByRole('button', { name: 'owner@acme.test' }).click()
  await expect(page.getByText('Type the code yourself')).toBeVisible()
  await expect(page.getByLabel('Code')).toHaveValue('')
  await expect(page.getByLabel('Code')).toBeFocused()
  await expect(page).toHaveURL(/\/device$/)
  expect(await poll(device)).toBe('authorization_pending')
  expect(leaked).toEqual([])
  for (const hostile of [
    '"><img src=x onerror=alert(1)>',
    '<script>alert(1)</script>',
    "'-alert(1)-'",
    '%00',
    '\u202e',
  ]) {
    await page.goto(`/device?user_code=${encodeURIComponent(hostile)}`)
    await expect(page.getByLabel('Code')).toHaveValue('')
    await expect(page.locator('img[src="x"]')).toHaveCount(0)
  }
  await type(page, '<img src=x onerror=alert(1)>')
  await expect(page.getByText('This code does not work')).toBeVisible()
})

/** Of the two forms of the settings the one about devices. */
const saveDevices = (page: Page) =>
  page.locator('form', { hasText: 'Letting devices in' }).getByRole('button', { name: 'Save' }).click()

test('one click: where every tenant of the person allows it the code is filled in, and still compared and pressed', async ({
  page,
}) => {
  await signIn(page, 'owner@globex.test')
  await page.getByRole('link', { name: 'Settings' }).click()
  await page.getByRole('radio', { name: /A link may bring the code/ }).check()
  await saveDevices(page)
  await expect(page.getByText('Settings saved')).toBeVisible()
  const device = await startDevice()
  await page.goto(device.verification_uri_complete)
  await expect(page.getByLabel('Code')).toHaveValue(device.user_code)
  await expect(page.getByText('Compare the code')).toBeVisible()
  await expectAccessible(page)
  expect(await poll(device)).toBe('authorization_pending')
  await page.getByRole('button', { name: 'Continue' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Allow Valetkey command line?')
  await page.getByRole('button', { name: 'Deny', exact: true }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Denied')
})

test('a tenant that lets no devices in says so, and gives nothing', async ({ page }) => {
  await signIn(page, 'owner@globex.test')
  await page.goto('/t/globex/admin/settings')
  await page.getByRole('radio', { name: /Not at all/ }).check()
  await saveDevices(page)
  await expect(page.getByText('Settings saved')).toBeVisible()
  const device = await startDevice()
  await type(page, device.user_code)
  await expect(page.getByText('Globex lets no devices in')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Allow' })).toHaveCount(0)
  await expectAccessible(page)
  expect(await poll(device)).toBe('authorization_pending')
  await page.goto('/t/globex/admin/settings')
  await page.getByRole('radio', { name: /Members type the code/ }).check()
  await saveDevices(page)
  await expect(page.getByText('Settings saved')).toBeVisible()
})

test('D-03: when its time is over, page and program say so, and its code is unknown', async ({ page }) => {
  await signIn(page, 'owner@acme.test')
  const device = await startDevice()
  await type(page, device.user_code)
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Allow Valetkey command line?')
  const database = await connect()
  await database.query(
    `UPDATE authorization_request SET expires_at = vk_now() - interval '1 second' WHERE secret_hash = $1`,
    [createHash('sha256').update(device.device_code).digest()],
  )
  await database.end()
  // Somebody who has looked at it all the while.
  await page.getByRole('button', { name: 'Allow', exact: true }).click()
  await expect(page.getByRole('alert').filter({ hasText: /over|expired/ })).toBeVisible()
  await page.reload()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('The time is over')
  await expectAccessible(page)
  expect(await poll(device)).toBe('expired_token')
  await page.getByRole('link', { name: 'Enter a code' }).click()
  await page.getByLabel('Code').fill(device.user_code)
  await page.getByRole('button', { name: 'Continue' }).click()
  await expect(page.getByText('This code does not work')).toBeVisible()
})

test('D-07: in another person’s browser the code is unknown and the request is not there', async ({ page }) => {
  await signIn(page, 'owner@acme.test')
  const device = await startDevice()
  await type(page, device.user_code)
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Allow Valetkey command line?')
  const address = page.url()
  const { context, page: other } = await another(page, 'owner@globex.test')
  await type(other, device.user_code)
  await expect(other.getByText('This code does not work')).toBeVisible()
  expect((await other.goto(address))?.status()).toBe(404)
  await expect(other.getByRole('heading', { level: 1 })).toHaveText('There is no such request')
  await expectAccessible(other)
  await context.close()
  // Given back, it is free again.
  await page.getByRole('button', { name: 'Enter another code' }).click()
  await page.waitForURL(/\/device$/)
  await type(page, device.user_code)
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Allow Valetkey command line?')
})

test('O-27: after twenty wrong codes a person has to wait, and others do not', async ({ page }) => {
  test.slow()
  const { context, page: guesser } = await another(page, 'member@acme.test')
  await guesser.goto('/device')
  for (let guess = 0; guess < 20; guess += 1) {
    const body = { user_code: `BBBB-BB${'BCDFGHJKMNPQRSTVWXYZ'[guess]}B` }
    expect(await api(guesser, 'POST', '/api/v1/authorizations/claim', body)).toMatchObject({
      code: 'user_code_unknown',
    })
  }
  await type(guesser, 'BBBB-BBBB')
  await expect(guesser.getByText('Too many requests')).toBeVisible()
  await expectAccessible(guesser)
  await context.close()
  await signIn(page, 'owner@acme.test')
  const device = await startDevice()
  await type(page, device.user_code)
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Allow Valetkey command line?')
})
