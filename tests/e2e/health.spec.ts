import { z } from 'zod'
import {
  api,
  approve,
  expect,
  expectAccessible,
  issue,
  link,
  type Page,
  scriptRefresh,
  scriptUpstream,
  signIn,
  takeToken,
  test,
} from './support.ts'

/** A minute's rest keeps the background from renewing it while the test looks. */
const overloaded = { status: 503, headers: { 'retry-after': '60' } }
const refused = { status: 400, body: { kind: 'json', value: { error: 'invalid_grant' } } }

const Connection = z.object({
  id: z.string(),
  status: z.string(),
  branch: z.string().nullable(),
  project: z.object({ id: z.string(), alias: z.string() }),
  timeline: z.array(z.object({ id: z.string(), action: z.string() })),
})

/** The connection whose page is open, as the API tells it. */
async function connectionOf(page: Page): Promise<z.infer<typeof Connection>> {
  const { pathname } = new URL(page.url())
  const [, , tenant, , id] = pathname.split('/')
  return Connection.parse(await api(page, 'GET', `/api/v1/tenants/${tenant}/connections/${id}`))
}

/** From a project's page to its connection's. */
async function openConnection(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'Open the connection' }).click()
  await page.waitForURL(/\/connections\/con_/)
}

/** Lets the upstream refuse the access token to somebody who asks, so that it must be renewed although it lives. */
async function needRenewal(page: Page, project: string): Promise<void> {
  await scriptUpstream(page, 'acme', 'GET /v2/storage/tokens/verify', { status: 401, body: { kind: 'empty' } })
  await api(page, 'POST', `/api/v1/tenants/acme/projects/${project}/scopes`, {})
}

test('a degraded connection says why, since when and what comes next, and is repaired with one press', async ({
  page,
}) => {
  test.slow()
  await signIn(page, 'owner@acme.test')
  await link(page, 'Acme Data Science', 'owner@acme.test')
  const project = page.url().replace('?linked=1', '')
  await openConnection(page)
  const { id, project: linked } = await connectionOf(page)
  await expectAccessible(page)

  await scriptRefresh(page, 'acme', overloaded)
  await needRenewal(page, linked.id)
  await page.goto('/t/acme/projects')
  const card = page.locator('section').filter({ hasText: 'Acme Data Science' })
  await expect(card.getByText('degraded', { exact: true })).toBeVisible()
  await expect(card).toContainText(/The upstream does not answer, or it fails.*Since just now, next retry in 0:\d\d/)
  await expect(card.getByRole('button', { name: 'Renew now' })).toBeVisible()
  await expect(card.getByRole('link', { name: 'Issue token' })).toHaveCount(0)

  // While the stored access token lives, tokens can still be had.
  await page.goto(project)
  await expect(page.getByText('Tokens can still be issued: the stored access token expires in')).toBeVisible()
  await expectAccessible(page)
  await page.keyboard.press('n')
  await page.waitForURL(/\/issue$/)
  await issue(page, { purpose: 'while degraded', read: [], components: ['Components: all'] })
  await takeToken(page)
  await page.getByRole('button', { name: 'Done' }).click()

  await page.goto(`/t/acme/connections/${id}`)
  await expect(
    page.getByText('The upstream answered 503. The previous access token is used until it expires.'),
  ).toBeVisible()
  await expectAccessible(page)
  await page.setViewportSize({ width: 390, height: 844 })
  await expectAccessible(page)
  expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0)
  await page.setViewportSize({ width: 1280, height: 900 })
  await scriptRefresh(page, 'acme', overloaded)
  await page.getByRole('button', { name: 'Renew now' }).click()
  await expect(page.getByRole('alert').filter({ hasText: 'The renewal failed' })).toContainText('Try again')
  await expectAccessible(page)
  await page.getByRole('button', { name: 'Renew now' }).click()
  await expect(page.getByText('Renewed: the connection works again')).toBeVisible()
  await expect(page.getByText('Now: linked')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Renew now' })).toHaveCount(0)
  // The button is gone with its state; the page's content has the focus in its place.
  await expect(page.locator('#content')).toBeFocused()
  const story = (await page.getByRole('listitem').allTextContents()).join('\n')
  expect(story).toMatch(/Linked[\s\S]*Renewal failed[\s\S]*Recovered: renewed again[\s\S]*Now: linked/)
})

test('a refused grant asks to reconnect, which keeps id, alias, branch and history', async ({ page }) => {
  test.slow()
  await signIn(page, 'owner@acme.test')
  await link(page, 'Acme Data Science', 'owner@acme.test')
  await page.getByLabel('Alias').fill('data-science-kept')
  await page.getByRole('button', { name: 'Change alias' }).click()
  await expect(page.getByText('Alias changed')).toBeVisible()
  await page.getByLabel('Development branch').fill('b-77')
  await page.getByRole('button', { name: 'Save branch' }).click()
  await expect(page.getByText('Branch saved')).toBeVisible()
  await openConnection(page)
  const before = await connectionOf(page)

  await scriptRefresh(page, 'acme', refused)
  await needRenewal(page, before.project.id)
  await page.reload()
  await expect(page.getByText('This connection must be reconnected')).toBeVisible()
  await expect(page.getByText('The upstream refused the stored grant').first()).toBeVisible()
  await expect(page.getByRole('button', { name: 'Renew now' })).toHaveCount(0)
  await expectAccessible(page)
  await page.getByRole('button', { name: 'Reconnect' }).click()
  await approve(page, 'Acme Data Science', 'owner@acme.test')
  await page.waitForURL(/linked=1$/)
  await openConnection(page)
  const after = await connectionOf(page)
  expect(after).toMatchObject({ id: before.id, status: 'linked', branch: 'b-77', project: before.project })
  expect(after.project.alias).toBe('data-science-kept')
  expect(after.timeline.map(({ id }) => id)).toEqual(expect.arrayContaining(before.timeline.map(({ id }) => id)))
  // The queue ends the grant before whenever it comes to it, also right now.
  const acts = after.timeline.map(({ action }) => action).filter((action) => action !== 'revocation.finished')
  expect(acts.slice(0, 2)).toEqual(['link.completed', 'refresh.failed'])
})

test('an admin freezes a member’s connection; they see it and issue nothing until it is lifted', async ({
  page,
  browser,
}) => {
  test.slow()
  const member = await (await browser.newContext()).newPage()
  await signIn(member, 'member@acme.test')
  await link(member, 'Acme Sales Reporting', 'member@acme.test')
  const project = member.url().replace('?linked=1', '')
  await openConnection(member)
  const { id } = await connectionOf(member)
  await expect(member.getByRole('button', { name: 'Freeze…' })).toHaveCount(0)

  await signIn(page, 'owner@acme.test')
  await page.goto('/t/acme/admin/revocation?show=connections')
  const row = page.getByRole('row').filter({ hasText: 'member@acme.test' }).filter({ hasText: 'Acme Sales Reporting' })
  const menu = row.getByRole('button', { name: /^Actions for Acme Sales Reporting of member/ })
  await menu.click()
  await page.getByRole('menuitem', { name: 'Freeze…' }).click()
  const question = page.getByRole('alertdialog')
  await expect(question).toContainText('Freeze Acme Sales Reporting')
  await expect(question).toContainText('member@acme.test')
  await expect(question.getByRole('button', { name: 'Cancel' })).toBeFocused()
  await expectAccessible(page)
  await page.keyboard.press('Escape')
  await expect(question).toHaveCount(0)
  await expect(menu).toBeFocused()

  await menu.press('Enter')
  await page.getByRole('menuitem', { name: 'Freeze…' }).click()
  await question.getByLabel('Reason').fill('laptop lost')
  await question.getByRole('button', { name: 'Freeze connection' }).click()
  await expect(row.getByText('frozen', { exact: true })).toBeVisible()
  await expect(page.getByText('Acme Sales Reporting is frozen')).toBeVisible()
  await expect(menu).toBeFocused()

  await member.goto(project)
  await expect(member.getByText('Frozen by an admin')).toBeVisible()
  await expect(member.getByText('Reason: laptop lost').first()).toBeVisible()
  await expect(member.getByText('Ask an admin to lift it.')).toBeVisible()
  await expect(member.getByRole('link', { name: 'Issue token' })).toHaveCount(0)
  await expectAccessible(member)
  const asked = await api(member, 'POST', `/api/v1${new URL(project).pathname.replace('/t/', '/tenants/')}/tokens`, {
    purpose: 'frozen',
    expires_in: 600,
    scopes: { components: [], buckets: { 'in.c-crm': 'read' }, manage_buckets: false, read_all_files: false },
  })
  expect(asked).toMatchObject({ status: 409, code: 'frozen', title: 'An admin has frozen this' })

  await row.getByRole('link', { name: 'Acme Sales Reporting' }).click()
  await page.waitForURL(new RegExp(id))
  await expectAccessible(page)
  await page.getByRole('button', { name: 'Lift freeze…' }).click()
  await expectAccessible(page)
  await page.getByRole('alertdialog').getByRole('button', { name: 'Lift freeze' }).click()
  await expect(page.getByText('Now: linked')).toBeVisible()
  await expect(page.locator('#content')).toBeFocused()
  await expect(page.getByText('Freeze lifted by you')).toBeVisible()
  await member.reload()
  await expect(member.getByRole('link', { name: 'Issue token' })).toBeVisible()
  await member.context().close()
})

test('Z-02: the connection of another member or tenant does not exist, but for who oversees the tenant', async ({
  page,
  browser,
}) => {
  await signIn(page, 'owner@acme.test')
  await page.goto('/t/acme/admin/revocation?show=connections')
  const row = page.getByRole('row').filter({ hasText: 'owner@acme.test' })
  const path = await row.getByRole('rowheader').getByRole('link').first().getAttribute('href')
  expect((await page.goto(String(path)))?.status()).toBe(200)
  for (const [account, address] of [
    ['member@acme.test', String(path)],
    ['owner@globex.test', String(path)],
    ['owner@globex.test', String(path).replace('/t/acme/', '/t/globex/')],
  ] as const) {
    const stranger = await (await browser.newContext()).newPage()
    await signIn(stranger, account)
    const answer = await stranger.goto(address)
    expect(answer?.status(), `${account} at ${address}`).toBe(404)
    await stranger.context().close()
  }
})
