import {
  api,
  approve,
  disconnect,
  expect,
  expectAccessible,
  type Page,
  shoot,
  signIn,
  test,
  verify,
} from './support.ts'

type Provider = { id: string; name: string; issuer: string }
const list = async <T>(page: Page, what: string) =>
  ((await api(page, 'GET', `/api/v1/tenants/acme/${what}`)) as { items: T[] }).items
const stackOf = async (page: Page) => {
  const found = (await list<Provider>(page, 'providers')).find(({ name }) => name === 'Demo stack')
  if (!found) throw new Error('the demo has no stack')
  return found
}

/** Made by hand in the stack's own pages, as people do. */
async function tokenOf(page: Page, stack: string, kind: string): Promise<string> {
  await page.goto(`${stack}/tokens`)
  await page.getByRole('radio', { name: 'Acme Data Science owner@acme.test' }).check()
  await page.getByRole('radio', { name: kind }).check()
  await page.getByRole('button', { name: 'Make the token' }).click()
  return (await page.locator('#token').textContent()) ?? ''
}

const pasted = (page: Page) =>
  page.locator('section').filter({ has: page.getByRole('heading', { name: 'Pasted Storage token' }) })

test.afterEach(async ({ page }) => {
  await page.goto('/t/acme/projects')
  await disconnect(page, 'acme', 'Acme Data Science')
  const { id } = await stackOf(page)
  await api(page, 'PATCH', `/api/v1/tenants/acme/providers/${id}`, { settings: { allow_pasted_tokens: false } })
})

test('K-33 K-36: a token is pasted, warned about, rotated, and gives way to an account, with the keyboard alone', async ({
  page,
}) => {
  await signIn(page, 'owner@acme.test')
  await disconnect(page, 'acme', 'Acme Data Science')
  const { issuer } = await stackOf(page)
  await expect(page.getByRole('button', { name: 'Paste a token' })).toHaveCount(0)

  // An admin allows it first.
  await page.goto('/t/acme/admin/providers')
  await page.getByRole('button', { name: 'Edit Demo stack' }).click()
  await page.getByRole('checkbox', { name: 'Members may paste Storage tokens' }).check()
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByRole('dialog')).toHaveCount(0)

  const value = await tokenOf(page, issuer, 'Limited reads one bucket')
  await page.goto('/t/acme/projects')
  await page.getByRole('button', { name: 'Paste a token' }).press('Enter')
  const dialog = page.getByRole('dialog', { name: 'Paste a Storage token' })
  const field = dialog.getByLabel('Storage token', { exact: true })
  await expect(field).toHaveAttribute('type', 'password')
  await expect(field).toHaveAttribute('autocomplete', 'new-password')
  await field.fill('10232-1-ofnobody')
  await field.press('Enter')
  await expect(dialog.getByRole('alert')).toContainText('does not accept this token')
  await expectAccessible(page)
  await shoot(page, 'paste-refused')
  await field.fill(value)
  await field.press('Enter')
  await page.waitForURL(/\/projects\/prj_[^/]+$/)

  await expect(page.getByText('This connection stands on a pasted Storage token')).toBeVisible()
  expect((await page.content()).includes(value)).toBe(false)
  await expectAccessible(page)
  await shoot(page, 'pasted-project')
  await page.getByRole('button', { name: 'Don’t warn again' }).press('Enter')
  await expect(page.getByText('This connection stands on a pasted Storage token')).toHaveCount(0)

  await page.getByRole('link', { name: 'looked after at the connection' }).press('Enter')
  const about = pasted(page)
  await expect(about).toContainText('read in.c-features')
  await expect(about).toContainText('never, as far as the upstream says')
  await expectAccessible(page)
  await shoot(page, 'pasted-connection')
  await about.getByLabel('Rotate by itself').selectOption('Every 30 days')
  await about.getByRole('button', { name: 'Save schedule' }).press('Enter')
  await expect(about).not.toContainText('when somebody asks')
  await about.getByRole('button', { name: 'Rotate…' }).press('Enter')
  await page.getByRole('alertdialog').getByRole('button', { name: 'Rotate' }).press('Enter')
  await expect(page.getByRole('alertdialog')).toHaveCount(0)
  await expect(about).not.toContainText('none here')
  expect(await verify({ value, baseUrl: issuer })).toBe(401)

  await about.getByRole('button', { name: 'Link with your account' }).press('Enter')
  await approve(page, 'Acme Data Science', 'owner@acme.test')
  await page.waitForURL(/\/projects\/prj_[^/]+\?linked=1$/)
  await page.getByRole('link', { name: 'Open the connection' }).click()
  await expect(page.getByText('Pasted token replaced with an account')).toBeVisible()
  await expect(pasted(page)).toHaveCount(0)
})
