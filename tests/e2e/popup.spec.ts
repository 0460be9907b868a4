import { api, expect, type Page, signIn, test } from './support.ts'

const account = 'owner@globex.test'
const tenant = 'globex'

test.describe.configure({ mode: 'serial' })

const connectAll = (page: Page) => page.getByRole('button', { name: 'Connect all' })
const said = (page: Page) => page.getByRole('region', { name: 'MCP servers' })

async function openPopup(page: Page): Promise<Page> {
  const [popup] = await Promise.all([page.waitForEvent('popup'), connectAll(page).click()])
  await popup.waitForURL((url) => url.hostname === '127.0.0.1')
  await expect(said(page)).toContainText('Notes server: Under way')
  return popup
}

/** At the demo's notes. */
async function answer(popup: Page, name: 'Allow' | 'Deny'): Promise<void> {
  const person = popup.getByRole('button', { name: account })
  const decide = popup.getByRole('button', { name })
  await person.or(decide).first().waitFor()
  if (await person.isVisible()) await person.click()
  await decide.click()
}

const openAttempt = async (page: Page): Promise<string> => {
  const { items } = (await api(page, 'GET', `/api/v1/tenants/${tenant}/attempts`)) as { items: { id: string }[] }
  return String(items[0]?.id)
}

test('R-12 ASK-16: where the browser blocks the window, the page says so and the full redirect works', async ({
  page,
}) => {
  await page.addInitScript(() => {
    window.open = () => null
  })
  await signIn(page, account)
  await connectAll(page).click()
  await expect(said(page)).toContainText('Your browser blocked the window')
  await said(page).getByRole('button', { name: 'Link Notes server in this page' }).click()
  await page.waitForURL((url) => url.hostname === '127.0.0.1')
  await answer(page, 'Deny')
  await page.waitForURL(/\/connect\/att_[0-9a-f]{32}$/)
})

test('R-16: a closed window is a cancelled link, at the server too', async ({ page }) => {
  await signIn(page, account)
  const popup = await openPopup(page)
  const id = await openAttempt(page)
  // By its first question to the server the page has seen the window at the upstream.
  await page.waitForResponse((response) => response.url().endsWith(id))
  await popup.close()
  await expect(said(page)).toContainText('Notes server: Cancelled.')
  expect(await api(page, 'GET', `/api/v1/tenants/${tenant}/attempts/${id}`)).toMatchObject({ outcome: 'cancelled' })
})

test('R-11: what is denied is told, and the window closes', async ({ page }) => {
  await signIn(page, account)
  const popup = await openPopup(page)
  const closed = popup.waitForEvent('close')
  await answer(popup, 'Deny')
  await expect(said(page)).toContainText('Notes server: Denied at the upstream.')
  await closed
})

test('R-11 R-13 R-16 R-19: messages are believed by nobody, and the link finishes without leaving the page', async ({
  page,
  context,
}) => {
  const asked: string[] = []
  page.on('request', (request) => {
    if (request.method() === 'GET' && request.url().includes('/attempts/')) asked.push(request.url())
  })
  await signIn(page, account)
  const popup = await openPopup(page)
  const id = await openAttempt(page)
  const before = asked.length
  const forger = await context.newPage()
  await forger.goto('/t/globex/activity')
  await forger.evaluate((own) => {
    const channel = new BroadcastChannel('valetkey-link-ends')
    for (const message of ['success', { type: 'success', id: own }, null, `att_${'0'.repeat(32)}`, own])
      channel.postMessage(message)
  }, id)
  await expect.poll(() => asked.length).toBeGreaterThan(before)
  await expect(said(page)).toContainText('Notes server: Under way')
  expect(asked.every((url) => url.endsWith(id))).toBe(true)

  const heard = page.evaluate(
    () =>
      new Promise<unknown>((resolve) => {
        new BroadcastChannel('valetkey-link-ends').onmessage = ({ data }) => resolve(data)
      }),
  )
  const addresses: string[] = []
  popup.on('framenavigated', (frame) => addresses.push(frame.url()))
  const closed = popup.waitForEvent('close')
  await answer(popup, 'Allow')
  expect(await heard).toBe(id)
  await expect(said(page)).toContainText('Notes server: Linked.')
  await closed
  const ours = addresses.filter((url) => url.startsWith(new URL(page.url()).origin)).map((url) => new URL(url))
  // A page may be told to have navigated to itself.
  expect(new Set(ours.map(({ pathname, search }) => pathname + search))).toEqual(new Set([`/connect/${id}?popup=1`]))
  await expect(page.getByRole('heading', { level: 2, name: /notes/i })).toBeVisible()
  await expect(page).toHaveURL(/\/t\/globex\/projects$/)
  await expect(connectAll(page)).toHaveCount(0)
})
