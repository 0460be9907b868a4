import { startIssuer } from '../support/issuer.ts'
import { expect, expectAccessible, signIn, test } from './support.ts'

test('an admin trusts an issuer, lists a client, sees why a token was refused, and takes it all back', async ({
  page,
  request,
}) => {
  const issuer = await startIssuer('unused', () => Date.now())
  await signIn(page, 'owner@acme.test')
  await page.getByRole('link', { name: 'Issuers' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Trusted issuers')
  await expect(page.getByText('No issuer is trusted')).toBeVisible()
  await page.getByRole('button', { name: 'Trust issuer' }).first().click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('textbox', { name: 'Issuer' }).fill(`${issuer.url}/`)
  await dialog.getByLabel('Name').fill('Company realm')
  await dialog.getByRole('button', { name: 'Trust issuer' }).click()
  await expect(dialog.getByRole('alert')).toContainText('exactly as its metadata names it')
  await dialog.getByRole('textbox', { name: 'Issuer' }).fill(issuer.url)
  await dialog.getByRole('checkbox', { name: 'Also ask the issuer about each token' }).check()
  await expectAccessible(page)
  await dialog.getByRole('checkbox', { name: 'Also ask the issuer about each token' }).uncheck()
  await dialog.getByRole('button', { name: 'Trust issuer' }).click()
  await expect(page.getByRole('heading', { level: 2, name: 'Company realm' })).toBeVisible()
  await expect(page.getByText('No client is listed')).toBeVisible()

  await page.getByRole('button', { name: 'Add a client of Company realm' }).click()
  await dialog.getByLabel('Client id').fill('reporting')
  await dialog.getByLabel('Name').fill('Reporting')
  expect(await dialog.getByRole('checkbox', { checked: true }).count()).toBe(0)
  await dialog.getByRole('checkbox', { name: /tenant:read/ }).check()
  await expectAccessible(page)
  await dialog.getByRole('button', { name: 'Add client' }).click()
  await expect(page.getByRole('listitem').filter({ hasText: 'reporting' })).toContainText('May see the tenant')

  const origin = new URL(page.url()).origin
  const token = await issuer.accessToken({ aud: 'account', azp: 'reporting' })
  const answer = await request.get('/api/v1/tenants/acme/members', { headers: { authorization: `Bearer ${token}` } })
  expect(answer.status()).toBe(401)
  const stranger = await issuer.accessToken({ aud: origin, azp: 'some-app' })
  await request.get('/api/v1/tenants/acme/members', { headers: { authorization: `Bearer ${stranger}` } })
  await expect(async () => {
    await page.reload()
    await page.getByText('Last refused').click()
    await expect(page.getByText('The client is not listed')).toBeVisible({ timeout: 1_000 })
  }).toPass()
  await expect(page.getByText('The token is for another audience')).toBeVisible()
  await page.getByText('What to set at the issuer').click()
  await expectAccessible(page)

  await page.getByRole('button', { name: 'Actions for Reporting' }).click()
  await page.getByRole('menuitem', { name: 'Remove' }).click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'Remove client' }).click()
  await expect(page.getByText('No client is listed')).toBeVisible()
  await page.getByRole('button', { name: 'Actions for Company realm' }).click()
  await page.getByRole('menuitem', { name: 'Remove' }).click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'Remove issuer' }).click()
  await expect(page.getByText('No issuer is trusted')).toBeVisible()
  await issuer.stop()
})
