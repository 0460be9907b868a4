import { createRemoteJWKSet, jwtVerify } from 'jose'
import { api, expect, expectAccessible, type Page, signIn, test } from './support.ts'

/** Fills the form for an audience; one scope is there already. */
async function fillAudience(page: Page, audience: { uri: string; name: string; alias: string; offline?: boolean }) {
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('textbox', { name: 'Audience' }).fill(audience.uri)
  await dialog.getByLabel('Name').first().fill(audience.name)
  await dialog.getByLabel('Alias').fill(audience.alias)
  if (audience.offline) await dialog.getByRole('radio', { name: /By its signature/ }).check()
  await dialog.getByLabel('Name').nth(1).fill(`${audience.alias}:read`)
  await dialog.getByLabel('Lets do').fill('read everything there')
}

test('an admin adds own APIs; a member issues an opaque and a signed token, revokes both, and reads the truth', async ({
  page,
  browser,
}) => {
  await signIn(page, 'owner@acme.test')
  await page.goto('/t/acme/admin/providers/new')
  await page.getByRole('button', { name: /Own APIs/ }).click()
  await expectAccessible(page)
  await page.getByRole('button', { name: 'Add own APIs' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Own APIs')
  await expect(page.getByText('No audience yet')).toBeVisible()
  await expectAccessible(page)

  await page.getByRole('button', { name: 'Add audience' }).click()
  const dialog = page.getByRole('dialog')
  await fillAudience(page, { uri: `${new URL(page.url()).origin}/api/v1`, name: 'Reports', alias: 'reports' })
  await dialog.getByRole('button', { name: 'Add audience' }).click()
  await expect(dialog.getByRole('alert')).toContainText('an address of Valetkey itself')
  await dialog.getByRole('textbox', { name: 'Audience' }).fill('https://reports.acme.test')
  await expectAccessible(page)
  await dialog.getByRole('button', { name: 'Add audience' }).click()
  await expect(page.getByRole('row', { name: /Reports/ })).toContainText('by asking Valetkey')
  await page.getByRole('button', { name: 'Add audience' }).click()
  await fillAudience(page, { uri: 'https://metrics.acme.test', name: 'Metrics', alias: 'metrics', offline: true })
  await dialog.getByRole('button', { name: 'Add audience' }).click()
  await expect(page.getByRole('row', { name: /Metrics/ })).toContainText('by signature')
  await expectAccessible(page)

  const context = await browser.newContext()
  const member = await context.newPage()
  await signIn(member, 'member@acme.test')
  await member.getByRole('link', { name: 'Metrics' }).click()
  await expect(member.getByText('signed; the API verifies them without asking Valetkey')).toBeVisible()
  const value = await issue(member, 'metrics:read')
  await expect(member.getByText('the API accepts it until it expires')).toBeVisible()
  const issuer = `${new URL(member.url()).origin}/t/acme`
  const { payload } = await jwtVerify(value, createRemoteJWKSet(new URL(`${issuer}/jwks.json`)), {
    issuer,
    audience: 'https://metrics.acme.test',
    typ: 'at+jwt',
  })
  expect(payload.scope).toBe('metrics:read')
  await revoke(member)
  await expect(member.getByText('Impossible: the API verifies it by its signature')).toBeVisible()
  await expect(member.getByText('when it expires.')).toBeVisible()
  await expectAccessible(member)

  await member.goto('/t/acme/projects')
  await member.getByRole('link', { name: 'Reports' }).click()
  expect(await issue(member, 'reports:read')).toMatch(/^vk_sg_/)
  await revoke(member)
  await expect(member.getByText('Nothing to revoke elsewhere: the API asks Valetkey about it.')).toBeVisible()
  await expect(member.getByText('Over: Valetkey tells every API that asks.')).toBeVisible()
  await context.close()

  // Taken away, it is gone for everybody; the next tests find the tenant as it was.
  for (const name of ['Reports', 'Metrics']) {
    await page.reload()
    await page.getByRole('button', { name: `Actions for ${name}` }).click()
    await page.getByRole('menuitem', { name: 'Remove' }).click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Remove audience' }).click()
    await expect(page.getByRole('row', { name: new RegExp(name) })).toBeHidden()
  }
  await expect(page.getByText('No audience yet')).toBeVisible()
  expect(await api(page, 'GET', '/api/v1/tenants/acme/projects/reports')).toMatchObject({ code: 'not_found' })
})

/** From the project's page to the token's value; ends on what remains of the form. */
async function issue(page: Page, scope: string): Promise<string> {
  await page.waitForURL(/\/projects\/prj_[^/]+$/)
  await page.getByRole('link', { name: 'Issue token' }).click()
  await page.getByLabel('Purpose').fill('a test')
  await expect(page.getByRole('checkbox', { checked: true })).toHaveCount(0)
  await page.getByRole('checkbox', { name: new RegExp(scope) }).check()
  await expectAccessible(page)
  await page.getByRole('button', { name: 'Issue token' }).click()
  const dialog = page.getByRole('dialog')
  await expect(dialog).toContainText('shown once')
  await page.getByRole('tab', { name: 'env' }).click()
  await page.getByRole('button', { name: 'Copy env' }).click()
  const text = await page.evaluate(() => navigator.clipboard.readText())
  await page.keyboard.press('Escape')
  await expect(dialog).toBeHidden()
  return /^export API_TOKEN='(.*)'$/m.exec(text)?.[1] ?? ''
}

/** Opens the token that was just made, and revokes it. */
async function revoke(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'Open the token' }).click()
  await page.getByRole('button', { name: 'Revoke…' }).click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'Revoke token' }).click()
  await expect(page.getByRole('heading', { name: 'Revocation' })).toBeVisible()
}
