import { expect, issue, link, signIn, takeToken, test, upstreamTokens } from './support.ts'

test('T-02: a token is shown once: not by reload, back, a second tab or a later page', async ({ page, context }) => {
  await signIn(page, 'owner@acme.test')
  await link(page, 'Acme Sales Reporting', 'owner@acme.test')
  await page.getByRole('link', { name: 'Issue token' }).first().click()
  await issue(page, { purpose: 'once', read: ['in.c-crm'] })
  const form = page.url()
  const { value } = await takeToken(page)
  const shown = async () => (await page.content()).includes(value)

  await page.getByRole('dialog').getByRole('button', { name: 'Show' }).click()
  expect(await shown()).toBe(true)
  await page.getByRole('button', { name: 'Done' }).click()
  expect(await shown()).toBe(false)
  await page.getByRole('link', { name: 'Open the token' }).click()
  await page.waitForURL(/\/tokens\/tok_/)
  expect(await shown()).toBe(false)
  await page.goBack()
  await page.waitForURL(form)
  expect(await shown()).toBe(false)
  await page.reload()
  expect(await shown()).toBe(false)

  const other = await context.newPage()
  for (const path of [form, '/t/acme/tokens', '/t/acme/activity', '/t/acme/admin/revocation']) {
    await other.goto(path)
    expect(await other.content()).not.toContain(value)
  }
})

test('T-02: closing without having copied asks first', async ({ page }) => {
  await signIn(page, 'owner@acme.test')
  await page.getByRole('link', { name: 'Issue token' }).first().click()
  await page.getByRole('checkbox', { name: 'Components: all' }).check()
  await issue(page, { purpose: 'not copied' })
  await page.keyboard.press('Escape')
  await expect(page.getByText('You have not copied the token')).toBeVisible()
  await page.getByRole('button', { name: 'Close without copying' }).click()
  await expect(page.getByRole('dialog')).toHaveCount(0)
})

test('S-04: no token of the upstream reaches the browser, but the issued one in its one answer', async ({ page }) => {
  const heard: { url: string; text: string }[] = []
  page.on('response', async (response) => {
    if (new URL(response.url()).hostname !== 'localhost') return
    const headers = JSON.stringify(await response.allHeaders().catch(() => ({})))
    heard.push({ url: response.url(), text: `${response.url()}\n${headers}\n${await response.text().catch(() => '')}` })
  })
  await signIn(page, 'owner@acme.test')
  await link(page, 'Acme Data Science', 'owner@acme.test')
  await page.getByRole('link', { name: 'Issue token' }).first().click()
  await issue(page, { purpose: 'canary', read: ['in.c-features'] })
  const { value, baseUrl } = await takeToken(page)
  await page.getByRole('button', { name: 'Done' }).click()
  for (const path of ['projects', 'tokens', 'activity', 'admin/revocation', 'admin/providers']) {
    await page.goto(`/t/acme/${path}`)
  }
  const stored = await page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
  )

  // Codes pass through the browser by design, once; they are the callback's business (L-15).
  const tokens = (await upstreamTokens(baseUrl)).filter(({ kind }) => kind !== 'code')
  expect(tokens.some((token) => token.value === value)).toBe(true)
  expect(tokens.length).toBeGreaterThan(3)
  for (const token of tokens) {
    const places = heard.filter(({ text }) => text.includes(token.value)).map(({ url }) => new URL(url).pathname)
    expect(
      places.filter((path) => !/\/projects\/[^/]+\/tokens$/.test(path)),
      `${token.system} ${token.kind}`,
    ).toEqual([])
    if (token.value !== value) expect(places).toEqual([])
    expect(stored).not.toContain(token.value)
  }
})
