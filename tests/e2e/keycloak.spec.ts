import { realmClient, startRealm } from '../support/realm.ts'
import { expect, expectAccessible, type Page, signIn, test } from './support.ts'

const screenshots = process.env.VALETKEY_E2E_SHOTS
/** Looked at by whoever changes the page: VALETKEY_E2E_SHOTS names a folder. */
async function shoot(page: Page, name: string): Promise<void> {
  await expectAccessible(page)
  for (const [width, scheme] of [
    [1280, 'light'],
    [390, 'dark'],
    [1280, 'dark'],
  ] as const) {
    await page.setViewportSize({ width, height: 900 })
    await page.emulateMedia({ colorScheme: scheme })
    expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0)
    if (screenshots) await page.screenshot({ path: `${screenshots}/${name}-${width}-${scheme}.png`, fullPage: true })
  }
  await page.setViewportSize({ width: 1280, height: 900 })
  await page.emulateMedia({ colorScheme: 'light' })
}

test('a realm: added, linked, checked, what is missing is told with its commands, and a token is exchanged and revoked', async ({
  page,
}) => {
  test.slow()
  const realm = await startRealm()
  await signIn(page, 'owner@globex.test')
  await page.goto('/t/globex/admin/providers/new')
  await page.getByLabel('Search servers').fill('keycloak')
  await expect(page.locator('[data-tile]')).toHaveCount(1)
  await page.getByRole('button', { name: /^Kc Keycloak realm|Keycloak realm/ }).click()
  const form = page.getByRole('region', { name: 'Add Keycloak realm' })
  await form.getByLabel('Address of the realm').fill(realm.origin)
  await form.getByLabel('Address', { exact: true }).fill(realm.api)
  await form.getByRole('button', { name: 'Check', exact: true }).click()
  await expect(form.getByLabel('Address of the realm')).toHaveAccessibleDescription(/such as https/)
  await form.getByLabel('Address of the realm').fill(`${realm.issuer}/account`)
  await form.getByLabel(/^Name/).first().fill('Files')
  await form.getByLabel('Audience').fill('files-api')
  await form.getByRole('button', { name: 'Check', exact: true }).click()
  await expect(form.getByText('What was found')).toBeVisible()
  await form.getByLabel('Name', { exact: true }).last().fill('Realm of files')
  await form.getByLabel('Client id').first().fill(realmClient.id)
  await form.getByLabel('Client secret').fill(realmClient.secret)
  await form.getByRole('textbox', { name: 'Scopes' }).fill('files:read\nfiles:write')
  await form.getByText('Advanced').click()
  await form.getByRole('button', { name: 'Add audience' }).click()
  await shoot(page, 'keycloak-new')
  await form.getByRole('button', { name: 'Remove audience 1' }).click()
  await form.getByRole('button', { name: 'Add provider' }).click()
  await page.waitForURL(/\/admin\/providers$/)
  await shoot(page, 'keycloak-card')

  await page.getByRole('link', { name: 'Check and client of Realm of files' }).click()
  const row = (title: string) => page.getByRole('row', { name: new RegExp(`^${title}`) })
  realm.is({ standard: false, demandsPkce: false })
  await page.getByRole('button', { name: 'Run check' }).click()
  await expect(row('Token exchange')).toContainText('failed')
  await expect(row('PKCE')).toContainText('attention')
  await row('Token exchange').getByRole('button', { name: 'Copy the commands: Token exchange' }).click()
  expect(await page.evaluate(() => navigator.clipboard.readText())).toContain(
    `-s 'attributes."standard.token.exchange.enabled"=true'`,
  )
  await shoot(page, 'keycloak-check')
  realm.is()
  await page.getByRole('button', { name: 'Run check' }).first().click()
  await expect(row('Token exchange')).toContainText('fine')

  await page.getByRole('button', { name: 'Add member' }).click()
  await page.getByLabel('Usernames at the realm').fill('bob, carol')
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await expect(page.getByText('Saved who may become whom').last()).toBeVisible()
  await shoot(page, 'keycloak-impersonation')

  await page.getByRole('button', { name: 'Link project' }).click()
  await page.getByRole('button', { name: /^Continue to/ }).click()
  await page.waitForURL(/\/projects\/prj_[^/]+\?linked=1$/)
  const project = page.url().replace('?linked=1', '')
  await page.goto(`${project}/issue`)
  await page.getByLabel('Purpose').fill('read files')
  await expect(page.getByRole('checkbox', { name: 'files-api' })).toBeChecked()
  await expect(page.getByRole('checkbox', { name: /^email/ })).toBeDisabled()
  await page.getByRole('checkbox', { name: /files:read/ }).check()
  await expect(page.getByLabel('About whom').locator('option')).toHaveText(['Myself', 'bob', 'carol'])
  await shoot(page, 'keycloak-issue')
  realm.is({ standard: false })
  await page.getByRole('button', { name: 'Issue token' }).click()
  await expect(page.getByText('Token exchange is not switched on for the client')).toBeVisible()
  await shoot(page, 'keycloak-refused')
  realm.is()
  await page.getByRole('button', { name: 'Issue token' }).click()
  await page.getByRole('tab', { name: 'env' }).click()
  await page.getByRole('button', { name: 'Copy env' }).click()
  await page.getByRole('button', { name: 'Done' }).click()
  const [value = ''] = realm.working()
  expect(realm.claimsOf(value)).toMatchObject({ aud: ['files-api'], scope: 'files:read email' })
  await page.getByRole('link', { name: 'Open the token' }).click()
  await shoot(page, 'keycloak-token')
  await page.getByRole('button', { name: 'Revoke…' }).click()
  await page
    .getByRole('alertdialog')
    .getByRole('button', { name: /^Revoke/ })
    .click()
  await expect(page.getByText('revoked upstream', { exact: true })).toBeVisible()
  expect(realm.works(value)).toBe(false)
  await shoot(page, 'keycloak-revoked')
  await realm.stop()
})
