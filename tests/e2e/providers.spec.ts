import { z } from 'zod'
import { api, expect, expectAccessible, type Page, signIn, test } from './support.ts'

const Providers = z.object({ items: z.array(z.object({ name: z.string(), issuer: z.url() })) })

/** The issuer of the demo's ticket service, as the console knows it. */
async function ticketsIssuer(page: Page): Promise<string> {
  const { items } = Providers.parse(await api(page, 'GET', '/api/v1/tenants/globex/providers'))
  return items.find(({ name }) => name === 'Demo tickets')?.issuer ?? ''
}

const card = (page: Page, name: string) =>
  page.locator('section').filter({ has: page.getByRole('heading', { level: 2, name }) })

async function toGallery(page: Page): Promise<void> {
  await page.goto('/t/globex/admin/providers')
  await page.getByRole('link', { name: 'Add provider' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Add a provider')
}

test('a well-known server is added by keyboard alone: search, arrow, Enter, client, and its redirect URI is told before and after', async ({
  page,
}) => {
  test.slow()
  await signIn(page, 'owner@globex.test')
  await toGallery(page)
  await expectAccessible(page)
  const tiles = page.locator('[data-tile]')
  await expect(tiles.filter({ hasText: 'GitLab' })).toContainText('documentation only')
  await page.getByLabel('Search servers').focus()
  await page.keyboard.type('issues tick')
  await expect(tiles.filter({ hasText: 'Linear' })).toBeVisible()
  await expect(tiles.filter({ hasText: 'Slack' })).toHaveCount(0)
  await page.keyboard.press('ArrowDown')
  // Typing goes on filtering from a tile.
  await page.keyboard.type('ets')
  await expect(page.getByLabel('Search servers')).toHaveValue('issues tickets')
  await page.keyboard.press('Enter')
  await expect(tiles.filter({ hasText: 'Linear' })).toBeFocused()
  await page.keyboard.press('Enter')

  const chosen = page.getByRole('region', { name: 'Add Linear' })
  await expect(chosen).toBeFocused()
  const uri = chosen.locator('code').filter({ hasText: '/oauth/callback/linear-app-' })
  await expect(uri).toBeVisible()
  await page.getByRole('button', { name: 'Copy redirect URI' }).click()
  const copied = await page.evaluate(() => navigator.clipboard.readText())
  expect(await uri.textContent()).toBe(copied)
  const there = chosen.getByRole('link', { name: /^linear\.app/ })
  await expect(there).toHaveAttribute('rel', /noopener/)
  await expect(chosen).toContainText('not yet tried against the real server')
  for (const fold of ['Reached from inside your network', 'Advanced']) await chosen.getByText(fold).click()
  await expectAccessible(page)

  await page.getByLabel('Client id').fill('of-globex')
  await page.getByLabel('Client secret').fill('a-secret-of-linear')
  await chosen.getByRole('checkbox', { name: /issues:create/ }).check()
  await page.getByRole('button', { name: 'Add provider' }).click()
  await page.waitForURL(/\/admin\/providers$/)
  const made = card(page, 'Linear')
  await expect(made).toContainText(copied)
  await expect(made).toContainText('issues:create · create issues with attachments')
  await expect(made).toContainText('Limited tokens')
  await expectAccessible(page)
  await page.setViewportSize({ width: 390, height: 844 })
  await toGallery(page)
  expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0)
})

test('what does not fit stands at its field, is focused, and nothing that was typed is lost', async ({ page }) => {
  await signIn(page, 'owner@globex.test')
  await toGallery(page)
  await page.getByRole('button', { name: 'GitLab' }).click()
  const host = page.getByLabel('Host', { exact: true })
  await expect(host).toHaveValue('gitlab.com')
  await host.fill('git.example.com/evil')
  await page.getByRole('button', { name: 'Check', exact: true }).click()
  await expect(page.getByRole('alert').filter({ hasText: '1 field to correct' })).toBeVisible()
  await expect(host).toBeFocused()
  await expect(host).toHaveAttribute('aria-invalid', 'true')
  await expect(host).toHaveAccessibleDescription(/Write it like gitlab\.example\.com/)
  await expectAccessible(page)
  await page.getByRole('button', { name: 'Choose another' }).click()
  await page.getByRole('button', { name: 'Linear' }).click()
  await expect(host).toBeHidden()
  await page.getByRole('button', { name: 'Choose another' }).click()
  await page.getByRole('button', { name: 'GitLab' }).click()
  await expect(host).toHaveValue('git.example.com/evil')
})

test('any server is added by its issuer: an address without metadata is refused at its field, a right one shows what was found', async ({
  page,
}) => {
  await signIn(page, 'owner@globex.test')
  const issuer = await ticketsIssuer(page)
  await toGallery(page)
  await page.getByRole('button', { name: 'Any OpenID Connect' }).click()
  const field = page.getByLabel('Issuer')
  await field.fill(`${issuer}/nothing`)
  await page.getByLabel('Address').fill(`${issuer}/api`)
  await page.getByRole('button', { name: 'Check', exact: true }).click()
  await expect(field).toHaveAccessibleDescription(/No metadata was found there/)
  await expect(page.getByLabel('Address')).toHaveValue(`${issuer}/api`)
  await field.fill(issuer)
  await page.getByRole('button', { name: 'Check', exact: true }).click()
  await expect(page.getByText('What was found')).toBeVisible()
  await expect(page.getByText(`${issuer}/token`)).toBeVisible()
  await page.getByLabel('Name', { exact: true }).last().fill('Tickets by issuer')
  await page.getByLabel('Client id').fill('globex-tickets')
  await page.getByText('Advanced').click()
  await page.getByLabel('Client authentication').selectOption('private_key_jwt')
  await expect(page.getByLabel('Client secret')).toHaveCount(0)
  await page.getByRole('textbox', { name: 'Scopes' }).fill('openid\noffline_access\ntickets:read')
  // The server does not offer it: that is found out when the provider is made.
  await page.getByLabel(/Bind tokens to a key/).check()
  await page.getByRole('button', { name: 'Add provider' }).click()
  await expect(page.getByText('The server does not offer DPoP with ES256.')).toBeVisible()
  await expect(page.getByLabel(/Bind tokens to a key/)).toBeFocused()
  await expectAccessible(page)
  await page.getByLabel(/Bind tokens to a key/).uncheck()
  await page.getByRole('button', { name: 'Add provider' }).click()
  await page.waitForURL(/\/admin\/providers$/)
  const made = card(page, 'Tickets by issuer')
  await expect(made).toContainText(`${issuer}/api`)
  const keys = made.locator('code').filter({ hasText: '/jwks.json' })
  const answer = await page.request.get(String(await keys.textContent()))
  expect(await answer.json()).toMatchObject({ keys: [{ use: 'sig' }] })
  await expect(made).toContainText('It is not known whether a refresh makes tokens with fewer scopes')
})

test('a member sees that adding providers is not for their role', async ({ page }) => {
  await signIn(page, 'member@acme.test')
  await page.goto('/t/acme/admin/providers/new')
  await expect(page.getByRole('heading', { level: 2 })).toHaveText('Your role does not allow this page')
})

test('a token with one scope of a connection works for that alone, says both its ends, and is dead once it is revoked', async ({
  page,
}) => {
  test.slow()
  await signIn(page, 'owner@globex.test')
  const issuer = await ticketsIssuer(page)
  await page.getByRole('button', { name: /^Link (project|your first project)$/ }).click()
  const provider = page.getByLabel('Provider')
  const option = provider.locator('option', { hasText: 'Demo tickets' })
  await provider.selectOption(String(await option.getAttribute('value')))
  await page.getByRole('button', { name: /^Continue to/ }).click()
  await page.waitForURL((url) => url.hostname === '127.0.0.1')
  const person = page.getByRole('button', { name: 'owner@globex.test' })
  const allow = page.getByRole('button', { name: 'Allow' })
  await person.or(allow).first().waitFor()
  if (await person.isVisible()) await person.click()
  await allow.click()
  await page.waitForURL(/\/projects\/prj_[^/]+\?linked=1$/)
  await page.getByRole('link', { name: 'Issue token' }).first().click()

  const scopes = page.getByRole('group', { name: 'Scopes' })
  await expect(scopes.getByRole('checkbox')).toHaveCount(3)
  await expect(scopes.getByRole('checkbox', { checked: true })).toHaveCount(0)
  await expect(scopes.locator('label').filter({ hasText: 'tickets:delete' })).toContainText('High risk')
  await expectAccessible(page)
  await page.getByLabel('Purpose').fill('read tickets')
  await scopes.getByRole('checkbox', { name: /tickets:read/ }).check()
  await page.getByText('15 min').click()
  await page.getByRole('button', { name: 'Issue token' }).click()
  const dialog = page.getByRole('dialog')
  await expect(dialog).toContainText('the upstream itself would let it live until')
  await expectAccessible(page)
  await page.getByRole('tab', { name: 'env' }).click()
  await page.getByRole('button', { name: 'Copy env' }).click()
  const text = await page.evaluate(() => navigator.clipboard.readText())
  const [, value = ''] = /^export API_TOKEN='(.*)'$/m.exec(text) ?? []
  expect(text).toContain(`export API_URL='${issuer}/api'`)
  const use = async (path: string, method = 'GET') =>
    (await fetch(`${issuer}/api/${path}`, { method, headers: { authorization: `Bearer ${value}` } })).status
  expect([await use('tickets'), await use('tickets/none', 'DELETE')]).toEqual([200, 403])
  await page.getByRole('button', { name: 'Done' }).click()
  await page.getByRole('link', { name: 'Open the token' }).click()
  await page.waitForURL(/\/tokens\/tok_/)
  await expect(page.getByText('the upstream itself would let it live until')).toBeVisible()
  await page.getByRole('button', { name: 'Revoke…' }).click()
  await page
    .getByRole('alertdialog')
    .getByRole('button', { name: /^Revoke/ })
    .click()
  await expect(page.getByText('revoked upstream', { exact: true })).toBeVisible()
  expect(await use('tickets')).toBe(401)
})
