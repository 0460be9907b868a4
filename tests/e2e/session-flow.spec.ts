import { api, disconnect, expect, expectAccessible, type Page, shoot, signIn, test } from './support.ts'

/** Turns the stack's own sign-in for programs on or off, as an admin's browser would. */
async function turn(page: Page, programmatic: boolean): Promise<void> {
  const { items } = (await api(page, 'GET', '/api/v1/tenants/acme/providers')) as {
    items: { id: string; kind: string }[]
  }
  const stack = items.find(({ kind }) => kind === 'keboola')
  await api(page, 'PATCH', `/api/v1/tenants/acme/providers/${stack?.id}`, { settings: { programmatic } })
}

test.afterEach(async ({ page }) => {
  await page.goto('/t/acme/projects')
  await turn(page, false)
})

test('ASK-08: one sign-in, the projects that its person ticks by keyboard, one taken off, and an end of it', async ({
  page,
}) => {
  await signIn(page, 'owner@acme.test')
  await turn(page, true)
  await disconnect(page, 'acme', 'Acme Data Science', 'Acme & Globex Joint Venture')
  await page.reload()
  await page.getByRole('button', { name: /^Link (project|your first project)$/ }).click()
  await page.getByLabel('How').selectOption({ label: 'Once, for several projects' })
  await expect(page.getByLabel('Alias')).toHaveCount(0)
  await expectAccessible(page)
  await shoot(page, 'session-flow-how')
  await page.getByRole('button', { name: /^Continue to/ }).click()
  await page.waitForURL((url) => url.hostname === '127.0.0.1')
  const person = page.getByRole('button', { name: 'owner@acme.test' })
  const allow = page.getByRole('button', { name: 'Allow' })
  await person.or(allow).first().waitFor()
  if (!(await allow.isVisible())) await person.click()
  await allow.click()

  await page.waitForURL(/\/connect\/att_/)
  await expect(page.getByRole('heading', { name: 'Which projects is it for?' })).toBeVisible()
  const link = page.getByRole('button', { name: /^Link/ })
  await expect(link).toBeEnabled()
  await link.click()
  await expect(page.getByText('Choose at least one project.')).toBeVisible()
  await expectAccessible(page)
  await shoot(page, 'session-flow-choose')
  for (const name of [/^Acme Data Science/, /^Acme & Globex Joint Venture/]) {
    await page.getByRole('checkbox', { name }).focus()
    await page.keyboard.press('Space')
    await expect(page.getByRole('checkbox', { name })).toBeChecked()
  }
  await page.getByRole('button', { name: 'Link 2 projects' }).focus()
  await page.keyboard.press('Enter')
  await page.waitForURL(/\/projects\/prj_[^/]+\?linked=1$/)

  await page.getByRole('link', { name: 'Open the connection' }).click()
  await page.waitForURL(/\/connections\/con_/)
  await expect(page.getByRole('heading', { name: 'Projects', exact: true })).toBeVisible()
  await expectAccessible(page)
  await shoot(page, 'session-flow-connection')
  await page.getByRole('button', { name: 'Take Acme & Globex Joint Venture off' }).click()
  await page.getByRole('button', { name: 'Take off', exact: true }).click()
  await expect(page.getByRole('button', { name: 'Take Acme & Globex Joint Venture off' })).toHaveCount(0)
  await expect(page.getByRole('alertdialog')).toHaveCount(0)

  await page.getByRole('button', { name: 'Disconnect…' }).click()
  await page.getByRole('button', { name: 'Disconnect', exact: true }).click()
  await expect(page.getByRole('alertdialog')).toHaveCount(0)
  await expect(page.getByRole('button', { name: 'Disconnect…' })).toHaveCount(0)
})
