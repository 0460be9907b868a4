import { Webhook } from 'standardwebhooks'
import { startReceiver } from '../support/receiver.ts'
import { expect, signIn, test } from './support.ts'

test('an admin adds a webhook, keeps its key, tests it, sees what was sent, and deletes it', async ({ page }) => {
  const receiver = await startReceiver()
  const host = new URL(receiver.url).host
  await signIn(page, 'owner@globex.test')
  await page.getByRole('link', { name: 'Webhooks' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Webhooks')
  await page.getByRole('button', { name: 'Add webhook' }).first().click()
  await page.getByLabel('Address').fill('http://10.0.0.1/hook')
  await page.getByRole('dialog').getByRole('button', { name: 'Add webhook' }).click()
  await expect(page.getByRole('dialog').getByRole('alert')).toBeVisible()
  await page.getByLabel('Address').fill(receiver.url)
  await page.getByRole('dialog').getByRole('button', { name: 'Add webhook' }).click()

  const keyDialog = page.getByRole('dialog', { name: /signing key/i })
  const key = /whsec_[\w+/=]+/.exec(await keyDialog.innerText())?.[0] ?? ''
  const question = page.getByRole('alertdialog', { name: 'You have not copied the signing key' })
  await keyDialog.getByRole('button', { name: 'Done' }).click()
  await question.getByRole('button', { name: 'Back to the signing key' }).click()
  await keyDialog.getByRole('button', { name: 'Copy key' }).click()
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(key)
  await keyDialog.getByRole('button', { name: 'Done' }).click()
  await expect(page.getByText(key)).toHaveCount(0)

  await page.getByRole('button', { name: `Send a test to ${host}` }).click()
  await expect(page.getByText('The test message was delivered')).toBeVisible()
  const [message] = receiver.received
  expect(message?.type).toBe('webhook.test')
  expect(() => new Webhook(key).verify(message?.body ?? '', message?.headers ?? {})).not.toThrow()

  await page.getByRole('link', { name: `Messages to ${host}` }).click()
  await expect(page.getByRole('row', { name: /webhook.test|Test/ })).toContainText(/delivered/i)
  await page.goBack()
  await page.getByRole('button', { name: `Actions for ${host}` }).click()
  await page.getByRole('menuitem', { name: /Delete/ }).click()
  await page
    .getByRole('alertdialog')
    .getByRole('button', { name: /Delete/ })
    .click()
  await expect(page.getByText('No webhook yet')).toBeVisible()
  await receiver.stop()
})
