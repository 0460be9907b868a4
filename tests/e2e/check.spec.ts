import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { api, expect, expectAccessible, type Page, scriptUpstream, signIn, test } from './support.ts'

const screenshots = process.env.VALETKEY_E2E_SHOTS
/** Looked at by whoever changes the page: VALETKEY_E2E_SHOTS names a folder. */
async function shoot(page: Page, name: string): Promise<void> {
  if (!screenshots) return
  await page.setViewportSize({ width: 1280, height: 900 })
  await page.emulateMedia({ colorScheme: 'light' })
  await page.screenshot({ path: `${screenshots}/${name}-1280-light.png`, fullPage: true })
  await page.setViewportSize({ width: 390, height: 844 })
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.screenshot({ path: `${screenshots}/${name}-390-dark.png`, fullPage: true })
  await page.setViewportSize({ width: 1280, height: 900 })
}

const Instance = z.object({ demo: z.object({ stackClient: z.object({ secret: z.string() }) }) })
/** What the demo's stack knows our client by, where the product that is started here keeps it. */
async function stackSecret(): Promise<string> {
  const file = join(process.env.VALETKEY_E2E_DATA ?? '', 'instance.json')
  return Instance.parse(JSON.parse(await readFile(file, 'utf8'))).demo.stackClient.secret
}

const Providers = z.object({ items: z.array(z.object({ id: z.string(), name: z.string() })) })
async function open(page: Page, tenant: string, name: string): Promise<string> {
  const { items } = Providers.parse(await api(page, 'GET', `/api/v1/tenants/${tenant}/providers`))
  const path = `/t/${tenant}/admin/providers/${items.find((one) => one.name === name)?.id}`
  await page.goto(path)
  return path
}
const row = (page: Page, title: string) => page.getByRole('row', { name: new RegExp(`^${title}`) })
async function run(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Run check' }).click()
  await expect(page.getByText(/^Checked: /).last()).toBeVisible()
}

test('an admin checks a provider: never, with faults, and well again', async ({ page }) => {
  await signIn(page, 'owner@globex.test')
  await page.goto('/t/globex/admin/providers')
  await page.getByRole('link', { name: 'Check and client of Demo tickets' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Demo tickets')
  await expect(page.getByRole('heading', { name: 'Never checked' })).toBeVisible()
  await expectAccessible(page)
  await shoot(page, 'never')

  await scriptUpstream(page, 'globex', 'POST /tickets/token', {
    status: 401,
    body: { kind: 'json', value: { error: 'invalid_client' } },
  })
  await scriptUpstream(page, 'globex', 'GET /tickets/jwks', {
    status: 200,
    body: { kind: 'json', value: { keys: [] } },
  })
  await scriptUpstream(page, 'globex', 'POST /tickets/revoke', { status: 404, body: { kind: 'empty' } })
  await run(page)
  await expect(row(page, 'Client authentication')).toContainText('failed')
  await expect(row(page, 'Signing keys')).toContainText('failed')
  await expect(row(page, 'Revocation')).toContainText('attention')
  await expect(row(page, 'Name and connection')).toContainText('fine')
  await expect(page.getByText(/^Last run .* by /)).toBeVisible()
  await expectAccessible(page)
  await shoot(page, 'faults')

  await run(page)
  await expect(row(page, 'Client authentication')).toContainText('fine')
  await expect(row(page, 'Signing keys')).toContainText('fine')
  await expect(row(page, 'Revocation')).toContainText('fine')
  await expect(row(page, 'Redirect URI')).toContainText('not known')
  await expectAccessible(page)
  await shoot(page, 'well')

  await row(page, 'Trial link').getByRole('button', { name: 'Link project' }).click()
  await expect(page.getByRole('button', { name: 'Continue to Demo tickets' })).toBeVisible()
  await page.keyboard.press('Escape')
})

test('a client secret is tried before it replaces another, which counts until it is dropped', async ({ page }) => {
  await signIn(page, 'owner@globex.test')
  await open(page, 'globex', 'Demo stack')
  await page.getByRole('button', { name: 'Replace secret…' }).click()
  await page.getByLabel('New client secret').fill('mistyped')
  await page.getByRole('button', { name: 'Try and replace' }).click()
  await expect(page.getByRole('dialog').getByRole('alert')).toContainText('Nothing was changed')
  await expectAccessible(page)
  await shoot(page, 'refused')
  await scriptUpstream(page, 'globex', 'POST /oauth/token', { status: 503, body: { kind: 'empty' } })
  await page.getByLabel('New client secret').fill('a-second-one')
  await page.getByRole('button', { name: 'Try and replace' }).click()
  await expect(page.getByText('the upstream did not say whether it knows it')).toBeVisible()
  await expect(page.getByText('the previous one is still accepted')).toBeVisible()
  await run(page)
  await expect(row(page, 'Client authentication')).toContainText('failed')
  await expect(row(page, 'Previous client secret')).toContainText('fine')
  await expectAccessible(page)
  await shoot(page, 'previous')
  // What works becomes the current one again.
  await page.getByRole('button', { name: 'Replace secret…' }).click()
  await page.getByLabel('New client secret').fill(await stackSecret())
  await page.getByRole('button', { name: 'Try and replace' }).click()
  await expect(page.getByText('The upstream knows the new secret')).toBeVisible()
  await page.getByRole('button', { name: 'Drop previous secret…' }).click()
  await page.getByRole('button', { name: 'Drop previous secret', exact: true }).click()
  await expect(page.getByRole('button', { name: 'Drop previous secret…' })).toHaveCount(0)
  await run(page)
  await expect(row(page, 'Client authentication')).toContainText('fine')
})

test('a member gets no page', async ({ page }) => {
  await signIn(page, 'member@acme.test')
  await page.goto('/t/acme/admin/providers/prv_00000000000000000000000000000000')
  await expect(page.getByText('Your role does not allow this page')).toBeVisible()
  await expectAccessible(page)
})
