// By its name the last file: for a minute it leaves its person without reads. The search for traces signs in as another.
import { expect, signIn, test } from './support.ts'

test('B-01: over the limit a page is 429, says when to come back, and is a page; others go on', async ({
  page,
  browser,
  complaints,
}) => {
  await signIn(page, 'member@acme.test')
  const me = () => page.request.get('/api/v1/me')
  let status = 200
  for (let rounds = 0; status === 200 && rounds < 40; rounds += 1)
    status = (await Promise.all(Array.from({ length: 50 }, me))).at(-1)?.status() ?? 0
  expect(status).toBe(429)

  // A navigation inside the console streams, so its head has left by then; it is refused in the stream.
  await page.getByRole('link', { name: 'Tokens', exact: true }).click()
  await expect(page.getByText('Too many pages in a short time')).toBeVisible()

  const refused = await page.goto('/t/acme/projects')
  expect(refused?.status()).toBe(429)
  expect(Number(refused?.headers()['retry-after'])).toBeGreaterThan(0)
  expect(refused?.headers()['content-security-policy']).toContain("object-src 'none'")
  await expect(page.getByText('Too many pages in a short time')).toBeVisible()
  // React's own words for a page whose server part threw.
  const words = complaints.splice(0)
  expect(words.filter((text) => !text.includes('#441'))).toEqual([])

  const calm = await browser.newPage()
  await signIn(calm, 'owner@globex.test')
  await calm.close()
})
