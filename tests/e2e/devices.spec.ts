import { type Crowd, startCrowd } from './crowded.ts'
import { expect, expectAccessible, shoot, signIn, test } from './support.ts'

let crowd: Crowd
test.beforeAll(async () => {
  crowd = await startCrowd()
})
test.afterAll(() => crowd.stop())

test('ASK-21: a person sees their devices and apps, freezes one, lifts it, and revokes it', async ({
  page,
  context,
}) => {
  await crowd.signIn(context, 'owner')
  await page.goto(`/t/${crowd.params.tenant}/projects`)
  await page.getByRole('link', { name: 'Devices' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Devices and apps')
  await expect(page.getByRole('row')).not.toHaveCount(0)
  await shoot(page, 'devices')
  await page.goto(`/t/${crowd.params.tenant}/devices/${crowd.params.grant}`)
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Valetkey command line')
  await expect(page.getByText('whatever policy allows')).toBeVisible()
  await expectAccessible(page)
  await shoot(page, 'device')
  await page.getByRole('button', { name: 'Freeze…', exact: true }).click()
  await shoot(page, 'freeze')
  await page.getByLabel('Reason').fill('incident 7')
  await page.getByRole('button', { name: 'Freeze device or app' }).click()
  await expect(page.getByRole('alertdialog')).toHaveCount(0)
  await expect(page.getByText('incident 7')).toBeVisible()
  await shoot(page, 'device-frozen')
  await page.getByRole('button', { name: 'Lift freeze…' }).click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'Lift freeze' }).click()
  await expect(page.getByText('incident 7')).toHaveCount(0)
  await page.getByRole('button', { name: 'Revoke…' }).first().click()
  const question = page.getByRole('alertdialog')
  await expect(question).toContainText('1 live token')
  await shoot(page, 'revoke')
  await question.getByRole('button', { name: 'Revoke device' }).click()
  await expect(page.getByText(/blocked here/)).toBeVisible()
  await expect(page.getByRole('heading', { name: 'Live tokens that it issued' })).toHaveCount(0)
  await page.reload()
  await expect(page.getByText('It was signed out, and the tokens that it had issued were revoked.')).toBeVisible()
  await shoot(page, 'device-ended')
})

test('ASK-21: an admin revokes everybody’s devices and apps from the revocation page, and is told of each', async ({
  page,
  context,
}) => {
  await crowd.signIn(context, 'owner')
  await page.goto(`/t/${crowd.params.tenant}/admin/revocation?show=devices&state=frozen`)
  await expect(page.getByRole('link', { name: 'Devices and apps' })).toHaveAttribute('aria-current', 'page')
  await shoot(page, 'revocation')
  const boxes = page.getByRole('rowheader')
  const before = await boxes.count()
  await page.getByRole('checkbox', { name: 'Select all on this page' }).check()
  await page.getByRole('region', { name: 'Selection' }).getByRole('button', { name: 'Revoke…' }).click()
  const question = page.getByRole('alertdialog')
  await expect(question).toContainText('devices and apps')
  await question.getByRole('button', { name: /^Revoke/ }).click()
  await expect(page.getByRole('status').filter({ hasText: `blocked here ${before} of ${before}` })).toBeVisible()
  await expect(page.getByText('Nothing matches', { exact: true })).toBeVisible()
})

test('Z-04: who has none is told what would be there, and a member sees no owner to choose', async ({ page }) => {
  await signIn(page, 'member@acme.test')
  await page.getByRole('link', { name: 'Devices' }).click()
  await expect(page.getByText('No device or app')).toBeVisible()
  await shoot(page, 'devices-none')
  await expect(page.getByLabel('Owner')).toHaveCount(0)
  await page.goto(`/t/acme/devices/${crowd.params.grant}`)
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Page not found')
})
