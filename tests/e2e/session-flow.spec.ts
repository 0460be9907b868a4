import { api, disconnect, expect, expectAccessible, type Page, shoot, signIn, test } from './support.ts'

/** Turns the stack's own sign-in for programs on or off, as an admin's browser would. */
async function turn(page: Page, programmatic: boolean): Promise<void> {
  const { items } = (await api(page, 'GET', '/api/v1/tenants/acme/providers')) as {
    items: { id: string; kind: string }[]
  }
  const stack = items.find(({ kind }) => kind === 'keboola')
  await api(page, 'PATCH', `/api/v1/tenants/acme/providers/${stack?.id}`, { settings: { programmatic } })
}

/** Says yes at the stack, as whoever is signed in there or as the owner. */
async function allowAtStack(page: Page): Promise<void> {
  await page.waitForURL((url) => url.hostname === '127.0.0.1')
  const person = page.getByRole('button', { name: 'owner@acme.test' })
  const allow = page.getByRole('button', { name: 'Allow' })
  await person.or(allow).first().waitFor()
  if (!(await allow.isVisible())) await person.click()
  await allow.click()
}

/** From the projects page: signs in at the stack, and comes to the choice of projects. */
async function signInOnce(page: Page): Promise<void> {
  await page.getByRole('button', { name: /^Link (project|your first project)$/ }).click()
  await page.getByLabel('How').selectOption({ label: 'Once, for several projects' })
  await page.getByRole('button', { name: /^Continue to/ }).click()
  await allowAtStack(page)
  await page.waitForURL(/\/connect\/att_/)
  await expect(page.getByRole('heading', { name: 'Which projects is it for?' })).toBeVisible()
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
  await allowAtStack(page)

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

test('ASK-08: a child of the session reads one project, and says before and after that nothing ends it alone', async ({
  page,
}) => {
  await signIn(page, 'owner@acme.test')
  await turn(page, true)
  await disconnect(page, 'acme', 'Acme Data Science', 'Acme & Globex Joint Venture')
  await page.reload()
  await signInOnce(page)
  await page.getByRole('checkbox', { name: /^Acme Data Science/ }).check()
  await page.getByRole('button', { name: 'Link', exact: true }).click()
  await page.waitForURL(/\/projects\/prj_[^/]+\?linked=1$/)

  await page.getByRole('link', { name: 'Issue token' }).first().click()
  await page.waitForURL(/\/issue$/)
  await page.getByLabel('Purpose').fill('look around')
  await page.getByRole('radio', { name: /^The upstream swaps a token/ }).check()
  const read = page.getByRole('radio', { name: /^Read the whole project/ })
  await expect(read).toBeEnabled()
  await expect(page.getByRole('radio', { name: /^Everything that you may do/ })).toBeDisabled()
  await expect(page.getByText(/capped at .+ by the way it is made/)).toBeVisible()
  await read.check()
  await expectAccessible(page)
  await shoot(page, 'session-child-issue')
  await page.getByRole('button', { name: 'Issue token' }).click()
  const dialog = page.getByRole('dialog', { name: /shown once/ })
  await expect(dialog.getByText(/It cannot be revoked alone/)).toBeVisible()
  await shoot(page, 'session-child-shown')
  await dialog.getByRole('button', { name: 'Copy token' }).click()
  const value = await page.evaluate(() => navigator.clipboard.readText())
  expect(value).toMatch(/^kbc_at_/)
  await page.getByRole('button', { name: 'Done' }).click()
  await page.getByRole('link', { name: 'Open the token' }).click()
  await page.waitForURL(/\/tokens\/tok_/)
  await expect(page.getByText('only with its connection: it cannot be revoked alone')).toBeVisible()
  await expectAccessible(page)
  await shoot(page, 'session-child-token')
  await page.getByRole('button', { name: 'Revoke…' }).click()
  await expect(page.getByText(/The upstream cannot end it alone/)).toBeVisible()
  await page.getByRole('button', { name: 'Revoke token' }).click()
  await expect(page.getByText('This upstream cannot revoke it. Only our copy was destroyed.')).toBeVisible()
})

test('ASK-08: a person sees the sessions that they have at the stack, and ends another one by keyboard', async ({
  page,
}) => {
  await signIn(page, 'owner@acme.test')
  await turn(page, true)
  await disconnect(page, 'acme', 'Acme Data Science', 'Acme & Globex Joint Venture')
  await page.reload()
  // A sign-in that nobody follows up: as one of a program elsewhere, no connection here stands on it.
  await signInOnce(page)
  await page.goto('/t/acme/projects')
  await signInOnce(page)
  await page.getByRole('checkbox', { name: /^Acme Data Science/ }).check()
  await page.getByRole('button', { name: 'Link', exact: true }).click()
  await page.waitForURL(/\/projects\/prj_[^/]+\?linked=1$/)
  await page.getByRole('link', { name: 'Open the connection' }).click()
  await page.waitForURL(/\/connections\/con_/)

  await page.getByRole('button', { name: 'Show sessions' }).click()
  const list = page.getByRole('list', { name: 'Sessions' })
  await expect(list.getByText('This connection')).toHaveCount(1)
  const others = list.getByRole('button', { name: /^End the session/ })
  await expect(others.first()).toBeVisible()
  const before = await others.count()
  await expectAccessible(page)
  await shoot(page, 'session-list')
  await others.first().focus()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('alertdialog')).toBeVisible()
  await shoot(page, 'session-list-end')
  await page.getByRole('button', { name: 'End session', exact: true }).focus()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('alertdialog')).toHaveCount(0)
  await expect(page.getByText('The session was ended, and is not listed any more')).toBeVisible()
  await expect(others).toHaveCount(before - 1)
  await expect(list.getByText('This connection')).toHaveCount(1)
})
