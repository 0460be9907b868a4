import { expect, expectAccessible, type Page, signIn, test } from './support.ts'

const leave = async (page: Page) => {
  await page.getByRole('button', { name: /^Account/ }).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
}

test('N-21: signing out leads to the identity provider; whoever stays signed in there is signed out here all the same', async ({
  page,
}) => {
  await signIn(page, 'owner@acme.test')
  await leave(page)
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Sign out here as well?')
  expect(new URL(page.url()).hostname).toBe('127.0.0.1')
  // Somebody goes back instead of answering.
  await page.goto('/t/acme/projects')
  await expect(page).toHaveURL(/\/signin\?return_to=/)
  await signIn(page, 'owner@acme.test')
  await leave(page)
  await page.getByRole('button', { name: 'Stay signed in here' }).click()
  await page.waitForURL(/\/signin\?state=signed-out$/)
  await expect(page.getByText('You are signed out', { exact: true })).toBeVisible()
  await expectAccessible(page)
  await page.goto('/t/acme/projects')
  await expect(page).toHaveURL(/\/signin\?return_to=/)
})

test('N-21: without scripts a form leads there as well, past form-action', async ({ browser, page, context }) => {
  await signIn(page, 'owner@acme.test')
  const plain = await browser.newContext({ javaScriptEnabled: false, storageState: await context.storageState() })
  const form = await plain.newPage()
  await form.route('**/leave', (route) =>
    route.fulfill({
      contentType: 'text/html',
      headers: { 'content-security-policy': "form-action 'self'" },
      body: '<form action="/api/auth/signout" method="post"><button>Leave</button></form>',
    }),
  )
  await form.goto('/leave')
  await form.getByRole('button', { name: 'Leave' }).click()
  await expect(form.getByRole('heading', { level: 1 })).toHaveText('Sign out here as well?')
  await plain.close()
  await page.goto('/t/acme/projects')
  await expect(page).toHaveURL(/\/signin\?return_to=/)
})

test('N-21: where the identity provider has no place for it, the page says that its session may live on', async ({
  page,
}) => {
  await page.goto('/signin?state=signed-out-here')
  await expect(page.getByText('You may still be signed in at')).toBeVisible()
  await expectAccessible(page)
  await page.goto('/signin?state=%3Cb%3Ehello')
  await expect(page.getByText('hello')).toHaveCount(0)
  await signIn(page, 'owner@acme.test')
  await page.goto('/signin?state=signed-out-here')
  await expect(page).toHaveURL(/\/t\/acme\/projects$/)
})
