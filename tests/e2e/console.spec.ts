import { type Crowd, startCrowd } from './crowded.ts'
import { api, expect, expectAccessible, issue, link, signIn, takeToken, test } from './support.ts'

let crowd: Crowd
test.beforeAll(async () => {
  crowd = await startCrowd()
})
test.afterAll(() => crowd.stop())
const at = (path: string) => `/t/${crowd.params.tenant}/${path}`

test('a suspended member is told so and whom to ask, on every page of the tenant; the API answers as for any stranger', async ({
  page,
  context,
}) => {
  await crowd.signIn(context, 'suspended')
  for (const path of [at('projects'), at('admin/revocation'), at(`tokens/${crowd.params.token}`), '/']) {
    await page.goto(path)
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Your membership is suspended')
    await expect(page.getByText('An owner or admin of Donaudampf')).toContainText('Ask one of them to reinstate you')
  }
  await expectAccessible(page)
  expect(await api(page, 'GET', `/api/v1/tenants/${crowd.params.tenant}/projects`)).toMatchObject({ code: 'not_found' })
  // Nobody else learns of the tenant.
  await page.goto('/suspended/nobody')
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Page not found')
  const change = (status: string) =>
    crowd.sql('UPDATE member SET status = $1 WHERE user_id = $2', [status, crowd.people.suspended])
  await change('active')
  await page.goto(`/suspended/${crowd.params.tenant}`)
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Projects')
  await change('suspended')
})

test('a session that is over can be renewed from the dialog that found out, and leads back there', async ({
  page,
  context,
}) => {
  await signIn(page, 'owner@acme.test')
  await page.goto('/t/acme/projects?from=here')
  await page.getByRole('button', { name: /^Link (project|your first project)$/ }).click()
  await context.clearCookies({ name: /session/ })
  await page.getByRole('button', { name: /^Continue to/ }).click()
  const alert = page.getByRole('alert').filter({ hasText: 'You are not signed in' })
  await alert.getByRole('link', { name: 'Sign in again' }).click()
  await page.waitForURL(/\/signin\?return_to=/)
  await page.getByRole('button', { name: /^Continue with/ }).click()
  await page.getByRole('button', { name: 'owner@acme.test' }).click()
  await page.waitForURL(/\/t\/acme\/projects\?from=here$/)
})

test('a revoked token says since when, and until when it could still work, never that it ends later', async ({
  page,
  context,
}) => {
  await crowd.signIn(context, 'owner')
  await page.goto(at('tokens?state=revoked'))
  const ends = page.getByRole('row').nth(1).locator('td[data-column="Expires"]')
  // Relative times count from the last full minute.
  await expect(ends).toHaveText(/^(59 min|1 h) agoexpires upstream in \d+ (min|h)$/)
  await page.goto(at(`tokens/${crowd.params.token}`))
  const facts = page.locator('dl').filter({ hasText: 'Strategy' })
  await expect(facts).toContainText('Revoked')
  await expect(facts).toContainText('Original expiry')
  await expect(facts.getByText('Expires', { exact: true })).toHaveCount(0)
  await expect(page.getByText('Latest time it could still work')).toBeVisible()
})

test('what an upstream has not confirmed is named by fingerprint, owner and a link; tokens that have ended are not counted', async ({
  page,
  context,
}) => {
  await crowd.signIn(context, 'owner')
  await page.goto(at('admin/revocation?show=unconfirmed'))
  const rows = page.getByRole('row').filter({ has: page.getByRole('rowheader') })
  const [alive] = await crowd.sql(`SELECT count(*)::int AS count FROM upstream_revocation r
    LEFT JOIN issued_token t ON t.id = r.token_id WHERE t.id IS NULL OR t.expires_at > now()`)
  await expect(rows).toHaveCount(Number(alive?.count))
  await expect(page.getByRole('link', { name: `Unconfirmed ${alive?.count}` })).toBeVisible()
  for (const row of await rows.all()) {
    await expect(row.getByRole('rowheader').getByRole('link')).toHaveAttribute('href', /\/(tokens|connections)\//)
    await expect(row.locator('td[data-column="Owner"]')).not.toHaveText(/^(former member)?$/)
  }
  const [known] = await crowd.sql(`SELECT t.id, t.fingerprint FROM upstream_revocation r JOIN issued_token t
    ON t.id = r.token_id WHERE t.fingerprint IS NOT NULL AND t.expires_at > now() LIMIT 1`)
  await page.getByRole('link', { name: String(known?.fingerprint) }).click()
  await page.waitForURL(new RegExp(`/tokens/${known?.id}$`))
})

test('an upstream revocation that failed is not called finished', async ({ page, context }) => {
  await crowd.signIn(context, 'owner')
  await page.goto(at('activity'))
  await expect(page.getByText('Upstream revocation failed').first()).toBeVisible()
  await expect(page.getByText(/finished/)).toHaveCount(0)
})

test('projects are shown a page at a time, each once, and found by a part of their name or alias', async ({
  page,
  context,
}) => {
  await crowd.signIn(context, 'owner')
  await page.goto(at('projects'))
  const cards = page.locator('h2 > a[href*="/projects/prj_"]')
  const leads = () => cards.evaluateAll((links) => links.map((link) => link.getAttribute('href')))
  await expect(cards).toHaveCount(48)
  const all = Number.parseInt(String(await page.getByText(/^\d+ projects$/).textContent()), 10)
  const first = await leads()
  await expectAccessible(page)
  await page.getByRole('link', { name: 'Next' }).press('Enter')
  await page.waitForURL(/after=prj_/)
  await expect(cards).toHaveCount(all - 48)
  expect(new Set([...first, ...(await leads())]).size).toBe(all)
  await expect(page.getByRole('link', { name: 'Next' })).toHaveCount(0)
  await page.getByRole('link', { name: 'First' }).click()
  await expect(cards).toHaveCount(48)
  await page.getByRole('searchbox', { name: 'Project or alias' }).fill('ALIAS-59')
  await page.keyboard.press('Enter')
  await page.waitForURL(/q=ALIAS-59/)
  await expect(cards).toHaveCount(1)
  await page.getByRole('searchbox', { name: 'Project or alias' }).fill('nothing is called this')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { name: 'Nothing matches' })).toBeVisible()
  await expectAccessible(page)
  // One that is gone begins with the first.
  await page.goto(at('projects?after=prj_gone'))
  await expect(cards).toHaveCount(48)
})

test('Back shows what is so now, not what was kept', async ({ page, context }) => {
  await crowd.signIn(context, 'owner')
  await page.goto(at('tokens'))
  const summary = page.getByText(/^\d+ tokens$/)
  const before = Number.parseInt(String(await summary.textContent()), 10)
  await page.getByRole('rowheader').getByRole('link').first().click()
  await page.waitForURL(/\/tokens\/tok_/)
  const id = new URL(page.url()).pathname.split('/').at(-1)
  await crowd.sql(`UPDATE issued_token SET status = 'revoked', revoked_at = now() WHERE id = $1`, [id])
  await page.goBack()
  await expect(summary).toHaveText(`${before - 1} tokens`)
})

test('a trail of breadcrumbs ends in a name, and toasts have the page’s letters', async ({ page }) => {
  await signIn(page, 'owner@acme.test')
  await link(page, 'Acme Data Science', 'owner@acme.test')
  const trail = page.getByRole('navigation', { name: 'Breadcrumb' })
  expect(await trail.evaluate((nav) => nav.querySelectorAll('svg').length)).toBe(0)
  await page.getByRole('link', { name: 'Issue token' }).first().click()
  await page.waitForURL(/\/issue$/)
  expect(await trail.evaluate((nav) => [...nav.querySelectorAll('svg, a')].map(({ tagName }) => tagName))).toEqual([
    'A',
    'svg',
    'A',
  ])

  await page.goBack()
  await page.getByLabel('Development branch').fill(`b-${Date.now()}`)
  await page.getByRole('button', { name: 'Save branch' }).click()
  const toast = page.getByText('Branch saved')
  await expect(toast).toBeVisible()
  const font = (element: Element) => getComputedStyle(element).fontFamily
  expect(await toast.evaluate(font)).toBe(await page.locator('body').evaluate(font))
  await page.getByLabel('Development branch').fill('')
  await page.getByRole('button', { name: 'Save branch' }).click()
})

test('an invitation names its tenant and role before anybody signs in, and its secret is in no address', async ({
  page,
  browser,
}) => {
  await signIn(page, 'owner@acme.test')
  await page.goto('/t/acme/admin/members')
  const invite = page.getByRole('button', { name: 'Invite' })
  await invite.click()
  await page.getByRole('radio', { name: /^auditor/ }).check()
  await page.getByRole('button', { name: 'Create link' }).click()
  await page
    .getByRole('dialog', { name: /shown once/ })
    .getByRole('button', { name: 'Done' })
    .click()
  await page.getByRole('button', { name: 'Back to the link' }).click()
  await page.getByRole('button', { name: 'Copy link' }).click()
  await expect(page.getByRole('button', { name: 'Copied' })).toBeVisible()
  const url = await page.evaluate(() => navigator.clipboard.readText())
  await page.keyboard.press('Escape')
  await expect(invite).toBeFocused()
  const guest = await (await browser.newContext()).newPage()
  const asked: string[] = []
  guest.on('request', (request) => asked.push(request.url()))
  await guest.goto(url)
  const main = guest.getByRole('main')
  await expect(main).toContainText('Acme')
  await expect(main).toContainText('auditor. Reads everything and changes nothing.')
  await expect(guest).toHaveURL(/\/invitation$/)
  await expectAccessible(guest)
  await guest.getByRole('link', { name: 'Sign in to accept' }).click()
  await guest.getByRole('button', { name: /^Continue with/ }).click()
  await guest.getByRole('button', { name: 'member@acme.test' }).click()
  await guest.waitForURL(/\/invitation$/)
  await guest.getByRole('button', { name: 'Join Acme' }).click()
  await guest.waitForURL(/\/t\/acme\/projects$/)
  await guest.goto(url)
  await expect(guest.getByText('This invitation was used')).toBeVisible()
  await expectAccessible(guest)
  const secret = url.split('#')[1] ?? 'none'
  expect(asked.filter((address) => address.includes(secret))).toEqual([])
  expect(asked.length).toBeGreaterThan(5)
  await guest.context().close()
})

test('everything that a filter matches is previewed and revoked, also what is on other pages', async ({ page }) => {
  test.slow()
  await signIn(page, 'owner@acme.test')
  await page.goto('/t/acme/projects')
  await link(page, 'Acme Data Science', 'owner@acme.test')
  await page.getByRole('link', { name: 'Issue token' }).first().click()
  await page.getByRole('checkbox', { name: 'Components: all' }).check()
  await issue(page, { purpose: 'to be copied' })
  await takeToken(page)
  const own = `SELECT set_config('app.tenant_id', $1, false)`
  await crowd.sql(`SELECT set_config('app.tenant_id', lookup.tenant_by_slug('acme'), false)`)
  await crowd.sql(`INSERT INTO issued_token (tenant_id, id, user_id, project_id, connection_id, provider_id, strategy, status, nonce,
      purpose, scopes_asked, generations, expires_at, created_at)
    SELECT tenant_id, 'tok_' || lpad(to_hex(n), 32, '0'), user_id, project_id, connection_id, provider_id, strategy, 'live', 'n' || n,
      'copy', scopes_asked, generations, expires_at, now() - interval '100 days'
    FROM issued_token, generate_series(1, 70) n WHERE purpose = 'to be copied'`)
  await crowd.sql(own, [crowd.tenantId])
  await page.goto('/t/acme/admin/revocation?age=90')
  const search = page.getByRole('searchbox', { name: 'Purpose, fingerprint, id, person' })
  await search.fill('nobody has this')
  await search.press('Enter')
  await expect(page.getByRole('heading', { name: 'Nothing matches' })).toBeVisible()
  await search.fill('COP')
  await search.press('Enter')
  await expect(page.getByText('70 tokens found')).toBeVisible()
  await page.getByRole('link', { name: 'Expires' }).press('Enter')
  await expect(page.getByRole('columnheader', { name: 'Expires' })).toHaveAttribute('aria-sort', 'ascending')
  await expect(page).toHaveURL(/q=COP.*age=90.*sort=ends/)
  await page.getByRole('checkbox', { name: 'Select all on this page' }).first().check()
  const bar = page.getByRole('region', { name: 'Selection' })
  await bar.getByRole('button', { name: 'Select all 70 matches' }).click()
  await bar.getByRole('button', { name: 'Revoke…' }).click()
  const question = page.getByRole('alertdialog')
  await expect(question).toContainText('Revoke 70 tokens')
  await expect(question).toContainText('owner@acme.test')
  await expect(question).toContainText(/70 tokens of .+: revoked there at once/)
  await expectAccessible(page)
  await question.getByLabel('Reason').fill('laptop lost')
  await question.getByLabel('Type acme to confirm').fill('acme')
  await question.getByRole('button', { name: 'Revoke 70 tokens' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Revocation of 70 tokens', { timeout: 30_000 })
  await expect(page.getByRole('main')).toContainText('70 of 70')
  await expectAccessible(page)
  await page.goto('/t/acme/admin/revocation?age=90')
  await expect(page.getByRole('heading', { name: 'Nothing matches' })).toBeVisible()
  await expectAccessible(page)
})

test('a page is asked for when its link is pressed, and nothing ahead of that', async ({ page, context }) => {
  await crowd.signIn(context, 'owner')
  const ahead: string[] = []
  page.on('request', (request) => {
    if (request.headers()['next-router-prefetch']) ahead.push(request.url())
  })
  await page.goto(at('admin/revocation'))
  const tabs = page.getByRole('navigation', { name: 'What to show' })
  // By the router: its pages come after whatever it had asked for ahead.
  for (const tab of ['Connections', 'Devices and apps', 'Issued tokens']) {
    await tabs.getByRole('link', { name: tab }).click()
    await expect(tabs.getByRole('link', { name: tab })).toHaveAttribute('aria-current', 'page')
  }
  await page.getByRole('link', { name: 'Activity', exact: true }).hover()
  await page.getByRole('link', { name: 'Activity', exact: true }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Activity')
  expect(ahead).toEqual([])
})
