import { startIssuer } from '../support/issuer.ts'
import { expect, expectAccessible, makeIdTokens, type Page, signIn, signInOfYesterday, test } from './support.ts'

const account = 'owner@acme.test'

/** Presses what leads to the sign-in, and answers the tab that it opens. */
async function tabOf(page: Page, press: () => Promise<void>): Promise<Page> {
  const [tab] = await Promise.all([page.waitForEvent('popup'), press()])
  await tab.waitForURL((url) => url.hostname === '127.0.0.1')
  return tab
}

test('S-15: who signed in long ago confirms who they are in another tab, and nothing that was typed is lost', async ({
  page,
}) => {
  const issuer = await startIssuer('unused', () => Date.now())
  const demo = await signInOfYesterday(page, account)
  await page.goto('/t/acme/admin/trusted-issuers')
  await page.getByRole('button', { name: 'Trust issuer' }).first().click()
  const form = page.getByRole('dialog', { name: 'Trust an issuer' })
  // It says so before anything is typed.
  await expect(form.getByText('Saving this needs a recent sign-in')).toBeVisible()
  await expectAccessible(page)
  await form.getByRole('textbox', { name: 'Issuer' }).fill(issuer.url)
  await form.getByLabel('Name').fill('Company realm')
  await form.getByRole('checkbox', { name: 'Also ask the issuer about each token' }).check()
  await form.getByLabel('Client id').fill('valetkey')
  await form.getByLabel('Client secret').fill('never stored by the browser')
  await form.getByRole('button', { name: 'Trust issuer' }).click()

  const question = page.getByRole('dialog', { name: 'Confirm that it is you' })
  await expect(question).toBeVisible()
  await expectAccessible(page)
  await page.keyboard.press('Escape')
  await expect(question).toBeHidden()
  await form.getByRole('button', { name: 'Confirm that it is you' }).last().click()
  const away = question.getByRole('button', { name: 'Sign in again in a new tab' })
  await expect(away).toBeFocused()

  // An identity provider that does not ask confirms nobody, and says so in that tab.
  await makeIdTokens(demo, 'stale-auth-time')
  const tab = await tabOf(page, () => page.keyboard.press('Enter'))
  await tab.getByRole('button', { name: account }).click()
  await expect(tab.getByText('did not ask you to sign in again')).toBeVisible()
  await expectAccessible(tab)
  await makeIdTokens(demo, null)
  await tab.getByRole('button', { name: /^Sign in again with/ }).click()
  await tab.getByRole('button', { name: account }).click()
  await expect(tab.getByRole('heading', { level: 1 })).toHaveText('Confirmed: it is you')
  await expectAccessible(tab)

  await expect(question).toBeHidden()
  await expect(form.getByText('Confirmed: it is you')).toHaveCount(2)
  await expect(form.getByLabel('Client secret')).toHaveValue('never stored by the browser')
  await form.getByRole('button', { name: 'Trust issuer' }).click()
  await expect(page.getByRole('heading', { level: 2, name: 'Company realm' })).toBeVisible()

  await page.getByRole('button', { name: 'Actions for Company realm' }).click()
  await page.getByRole('menuitem', { name: 'Remove' }).click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'Remove issuer' }).click()
  await expect(page.getByText('No issuer is trusted')).toBeVisible()
  await issuer.stop()
})

test('a form asks nobody who has just signed in, and its page leads back without scripts', async ({
  browser,
  page,
  context,
}) => {
  await signIn(page, account)
  await page.goto('/t/acme/admin/trusted-issuers')
  await page.getByRole('button', { name: 'Trust issuer' }).first().click()
  await expect(page.getByRole('dialog').getByLabel('Name')).toBeVisible()
  await expect(page.getByText('needs a recent sign-in')).toHaveCount(0)

  const plain = await browser.newContext({ javaScriptEnabled: false, storageState: await context.storageState() })
  const other = await plain.newPage()
  await other.goto(`/confirm?error=signin_denied&return_to=${encodeURIComponent('/t/acme/projects')}`)
  await other.getByRole('button', { name: /^Sign in again with/ }).click()
  await other.getByRole('button', { name: account }).click()
  await other.waitForURL(/\/t\/acme\/projects$/)
  await plain.close()
})
