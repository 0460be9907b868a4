import { expect, expectAccessible, link, shoot, signIn, test, verify } from './support.ts'

const choose = 'Choose a component'

test('K-30 K-34: the address of a component is made on its project’s page, shown once, copied and opened', async ({
  page,
  context,
}) => {
  await signIn(page, 'owner@acme.test')
  await link(page, 'Acme Sales Reporting', 'owner@acme.test')
  await page.getByRole('button', { name: choose }).click()
  await expect(page.getByLabel('Component', { exact: true })).toHaveValue('keboola.ex-salesforce')
  await expect(page.getByLabel('Configuration')).toHaveValue('901')
  await expectAccessible(page)
  await shoot(page, 'component-url')
  await page.getByRole('button', { name: 'Make the address' }).click()
  const dialog = page.getByRole('dialog', { name: /shown once/ })
  await expect(dialog).toContainText('Authorize Accounts, nightly in Acme Sales Reporting')
  await shoot(page, 'component-url-shown')
  await dialog.getByRole('button', { name: 'Copy address' }).click()
  const address = await page.evaluate(() => navigator.clipboard.readText())
  expect(address).toMatch(
    /^http:\/\/127\.0\.0\.1:\d+\/external\/oauth\/index\.html\?\S+#\/keboola\.ex-salesforce\/901$/,
  )
  const token = new URL(address).searchParams.get('token') ?? ''
  // Masked, so the document does not hold it, nor does any link.
  expect((await page.content()).includes(token)).toBe(false)

  const [opened] = await Promise.all([
    context.waitForEvent('page'),
    dialog.getByRole('button', { name: 'Open', exact: true }).click(),
  ])
  await expect(opened.getByRole('status')).toHaveText('Accounts, nightly · keboola.ex-salesforce')
  expect(await opened.evaluate(() => [window.opener, document.referrer])).toEqual([null, ''])
  await opened.close()

  await dialog.getByRole('button', { name: 'Done' }).click()
  await expect(page.getByRole('dialog')).toHaveCount(0)
  const row = page.getByRole('row').filter({ hasText: 'Authorize keboola.ex-salesforce/901' }).first()
  await expect(row).toContainText('component')
  // Revoking its token ends the address.
  await row.getByRole('button', { name: /^Actions for/ }).click()
  await page.getByRole('menuitem', { name: 'Revoke…' }).click()
  await page.getByRole('button', { name: 'Revoke token' }).click()
  await expect(page.getByRole('alertdialog')).toHaveCount(0)
  expect(await verify({ value: token, baseUrl: new URL(address).searchParams.get('sapiUrl') ?? '' })).toBe(401)
  await page.reload()
  expect((await page.content()).includes(token)).toBe(false)
})

test('K-31: a guest upstream is told why there is no address before they choose', async ({ page }) => {
  await signIn(page, 'member@acme.test')
  await link(page, 'Acme Sales Reporting', 'member@acme.test')
  await page.getByRole('button', { name: choose }).click()
  await expect(page.getByText('Your role upstream is guest')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Make the address' })).toHaveCount(0)
})
