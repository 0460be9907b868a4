// By its name the last file: for a minute it leaves its person without reads.
import { expect, signIn, test } from './support.ts'

test('B-01: over the limit a page is 429, says when to come back, and is a page; others go on', async ({
  page,
  browser,
  complaints,
}) => {
  await signIn(page, 'owner@globex.test')
  const me = () => page.request.get('/api/v1/me')
  let status = 200
  for (let rounds = 0; status === 200 && rounds < 40; rounds += 1)
    status = (await Promise.all(Array.from({ length: 50 }, me))).at(-1)?.status() ?? 0
  expect(status).toBe(429)

  const refused = await page.goto('/t/globex/projects')
  expect(refused?.status()).toBe(429)
  expect(Number(refused?.headers()['retry-after'])).toBeGreaterThan(0)
  expect(refused?.headers()['content-security-policy']).toContain("default-src 'none'")
  await expect(page.getByText('Too many pages in a short time')).toBeVisible()
  // React's own words for a page whose server part threw.
  expect(complaints.splice(0).join()).toContain('#441')
  // A navigation inside the console asks for the same, in another form.
  const inside = await page.request.get('/t/globex/tokens', { headers: { rsc: '1' }, maxRedirects: 0 })
  expect([inside.status(), Number(inside.headers()['retry-after']) > 0]).toEqual([429, true])

  const calm = await browser.newPage()
  await signIn(calm, 'member@acme.test')
  await calm.close()
})
