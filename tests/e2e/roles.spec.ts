import { expect, expectAccessible, issue, link, playRole, shoot, signIn, takeToken, test } from './support.ts'

test('K-22: what a role upstream gives no token is said before the form is filled in, and cannot be chosen', async ({
  page,
}) => {
  await signIn(page, 'member@acme.test')
  await expect(page.getByRole('link', { name: 'Revocation' })).toHaveCount(0)
  await link(page, 'Acme Sales Reporting', 'member@acme.test')
  await page.getByRole('link', { name: 'Issue token' }).first().click()
  await expect(page.getByText('Your role upstream is guest')).toBeVisible()
  for (const name of ['read in.c-crm', 'Components: all', 'Manage buckets', 'Manage tokens'])
    await expect(page.getByRole('checkbox', { name })).toBeDisabled()
  await page.getByLabel('Purpose').fill('guest export')
  await expect(page.getByText('choose another way, because your role upstream gives no rights')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Issue token' })).toBeDisabled()
  await expectAccessible(page)
  await shoot(page, 'issue-guest')
  // What works through Valetkey can do what they may themselves.
  await page.getByRole('radio', { name: /^Through Valetkey/ }).check()
  await page.getByRole('radio', { name: /^Read only/ }).check()
  await page.getByRole('button', { name: 'Issue token' }).click()
  await expect(page.getByRole('dialog')).toContainText('shown once')
  await page.getByRole('dialog').getByRole('button', { name: 'Copy token' }).click()
  await page.getByRole('button', { name: 'Done' }).click()
})

test('K-20 K-22 K-25: an admin upstream chooses rights and a branch; what came back is compared all the same', async ({
  page,
}) => {
  await signIn(page, 'owner@acme.test')
  await link(page, 'Acme Sales Reporting', 'owner@acme.test')
  await page.getByRole('link', { name: 'Issue token' }).first().click()
  const tokens = page.getByRole('checkbox', { name: 'Manage tokens' })
  await expect(tokens).toBeDisabled()
  await expect(tokens).toHaveAccessibleDescription(/An admin can change that/)
  await page.getByLabel('Purpose').fill('euro export')
  await page.getByLabel('Development branch').selectOption({ label: 'currencies · 7101' })
  await page.waitForURL(/branch=7101$/)
  await expect(page.getByLabel('Development branch')).toHaveValue('7101')
  await expect(page.getByLabel('Purpose')).toHaveValue('euro export')
  await shoot(page, 'issue-admin')
  await playRole(page, 'acme', 'guest')
  try {
    await issue(page, { purpose: 'euro export', read: ['in.c-crm'], wide: true })
  } finally {
    await playRole(page, 'acme', null)
  }
  const dialog = page.getByRole('dialog')
  await expect(dialog).toContainText(/Granted 0 of 2 rights that you asked for/)
  await expect(dialog).toContainText('manage buckets')
  await takeToken(page)
  const env = await page.evaluate(() => navigator.clipboard.readText())
  expect(env).toContain("export KBC_BRANCH_ID='7101'")
  await page.getByRole('button', { name: 'Done' }).click()
  await page.getByRole('link', { name: 'Open the token' }).click()
  await expect(page.getByRole('row', { name: /manage buckets/ })).toContainText('no')
})

test('Z-02: another tenant’s pages and things do not exist, whoever asks', async ({ page, browser }) => {
  await signIn(page, 'owner@acme.test')
  const project = await page.getByRole('heading', { level: 2 }).getByRole('link').first().getAttribute('href')
  const stranger = await (await browser.newContext()).newPage()
  await signIn(stranger, 'owner@globex.test')
  const paths = ['/t/acme/projects', '/t/acme/admin/revocation', '/t/acme/activity', String(project)]
  const swapped = String(project).replace('/t/acme/', '/t/globex/')
  const refused = async (path: string, title: string) => {
    const answer = await stranger.goto(path)
    expect(answer?.status(), path).toBe(404)
    await expect(stranger.getByRole('heading', { level: 1 })).toHaveText(title)
  }
  for (const path of [...paths, swapped, '/t/nobody/projects']) await refused(path, 'Page not found')
  // One text for what is somebody else's and for what is not there.
  await refused('/connect/att_00000000000000000000000000000000', 'There is no such request for you')
  await stranger.context().close()
})

test('Z-04: a member sees the admin pages as not for their role', async ({ page }) => {
  await signIn(page, 'member@acme.test')
  for (const path of ['revocation', 'members', 'providers', 'webhooks']) {
    await page.goto(`/t/acme/admin/${path}`)
    await expect(page.getByRole('heading', { level: 2 })).toHaveText('Your role does not allow this page')
  }
})

test('an admin revokes a selection of everybody’s tokens and is told the three truths', async ({ page }) => {
  await signIn(page, 'owner@acme.test')
  for (const purpose of ['first of two', 'second of two']) {
    await page.goto('/t/acme/projects')
    await page.getByRole('link', { name: 'Issue token' }).first().click()
    await page.getByRole('checkbox', { name: 'Components: all' }).check()
    await issue(page, { purpose })
    await takeToken(page)
    await page.getByRole('button', { name: 'Done' }).click()
    await expect(page.getByRole('dialog')).toHaveCount(0)
  }
  await page.goto('/t/acme/admin/revocation')
  await page.getByRole('checkbox', { name: /first of two/ }).check()
  await page.getByRole('checkbox', { name: /second of two/ }).check()
  await page.getByRole('region', { name: 'Selection' }).getByRole('button', { name: 'Revoke…' }).click()
  const question = page.getByRole('alertdialog')
  await expect(question).toContainText('Revoke 2 tokens')
  await expect(question).toContainText('owner@acme.test')
  await expect(question.getByRole('button', { name: 'Cancel' })).toBeFocused()
  await question.getByRole('button', { name: 'Revoke 2 tokens' }).click()
  await expect(page.getByText('blocked here 2 of 2 · revoked upstream and confirmed 2')).toBeVisible()
  await expect(page.getByRole('row', { name: /first of two/ })).toHaveCount(0)
})
