import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, expectAccessible, signIn, test } from './support.ts'

const consolePages = [
  'projects',
  'import',
  'tokens',
  'tokens?state=all',
  'devices',
  'activity',
  'activity?action=token&since=168',
  'admin/revocation',
  'admin/revocation?q=owner&sort=ends',
  'admin/revocation?q=nobody+has+this',
  'admin/revocation?show=connections',
  'admin/revocation?show=connections&sort=used',
  'admin/revocation?show=devices',
  'admin/revocation?show=sessions',
  'admin/revocation?show=requests',
  'admin/revocation?show=unconfirmed',
  'admin/leaks',
  'admin/members',
  'admin/providers',
  'admin/providers/new',
  'admin/trusted-issuers',
  'admin/clients',
  'admin/webhooks',
  'admin/settings',
  'notifications',
  'notifications?unread=1',
]

test('every page of the console passes axe in both schemes, wide and on a phone', async ({ page }) => {
  test.slow()
  await signIn(page, 'owner@acme.test')
  const project = await page.getByRole('heading', { level: 2 }).getByRole('link').first().getAttribute('href')
  await page.goto('/t/acme/tokens?state=all&everybody=1')
  const token = await page.getByRole('rowheader').getByRole('link').first().getAttribute('href')
  await page.goto('/t/acme/admin/providers')
  const provider = await page
    .getByRole('link', { name: /^Check and client of/ })
    .first()
    .getAttribute('href')
  const details = [String(project), `${project}/issue`, String(token), String(provider)]
  for (const path of [...consolePages.map((one) => `/t/acme/${one}`), ...details]) {
    await page.goto(path)
    if (path.endsWith('/issue')) await expect(page.getByText('Whole project')).toBeVisible()
    await expectAccessible(page)
  }
  await page.setViewportSize({ width: 390, height: 844 })
  for (const path of [
    '/t/acme/projects',
    '/t/acme/tokens?state=all',
    '/t/acme/admin/revocation',
    '/t/acme/admin/trusted-issuers',
    '/t/acme/admin/clients',
    '/t/acme/admin/webhooks',
    '/t/acme/admin/settings',
    '/device',
    '/approve',
    '/t/acme/notifications',
    String(project),
  ]) {
    await page.goto(path)
    await expectAccessible(page)
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
    expect(overflow, `${path} scrolls sideways by`).toBeLessThanOrEqual(0)
  }
})

test('IV-01: a parameter that comes twice breaks no page', async ({ page }) => {
  await signIn(page, 'owner@acme.test')
  const project = await page.getByRole('heading', { level: 2 }).getByRole('link').first().getAttribute('href')
  const names =
    'q person project provider client kind strategy state age used ends sort show before since action unread everybody ' +
    'like branch linked skip way set tenant user_code error return_to'
  const query = names.split(' ').map((name) => `${name}=a&${name}=b`)
  const alone = ['/', '/signin', '/device', '/confirm', '/connect/failed', '/authorize/failed']
  const consoles = consolePages.filter((path) => !path.includes('?')).map((path) => `/t/acme/${path}`)
  for (const path of [...alone, ...consoles, String(project), `${project}/issue`]) {
    const answer = await page.request.get(`${path}?${query.join('&')}`)
    expect(answer.status(), path).toBeLessThan(500)
  }
})

test('sign-in, invitation and link outcomes pass axe in both schemes', async ({ page }) => {
  await page.goto('/signin')
  await expectAccessible(page)
  await page.goto('/invitation')
  await expectAccessible(page)
  await signIn(page, 'owner@acme.test')
  for (const code of ['attempt_unknown', 'attempt_used', 'attempt_expired']) {
    await page.goto(`/connect/failed?code=${code}`)
    await expectAccessible(page)
  }
  await page.goto('/device')
  await expectAccessible(page)
  await page.goto('/approve')
  await expectAccessible(page)
  await page.goto(`/authorize/aut_${'0'.repeat(32)}`)
  await expectAccessible(page)
  await page.goto('/t/acme/nothing')
  await expectAccessible(page)
})

test('with reduced motion another colour scheme is there at once, down to the innermost element', async ({ page }) => {
  await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' })
  await page.goto('/signin')
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
  expect(await page.evaluate(() => document.getAnimations().length)).toBe(0)
})

test('the link dialog, an open attempt and a denied one pass axe in both schemes', async ({ page }) => {
  await signIn(page, 'owner@acme.test')
  await page.getByRole('button', { name: /^Link (project|your first project)$/ }).click()
  await expectAccessible(page)
  await page.getByRole('button', { name: /^Continue to/ }).click()
  await page.waitForURL(/127\.0\.0\.1/)
  const upstream = page.url()
  await page.goto('/t/acme/projects')
  await expect(page.getByText('You started linking')).toBeVisible()
  await expectAccessible(page)
  await page.goto(upstream)
  await page.getByRole('button', { name: 'owner@acme.test' }).click()
  await page.getByRole('button', { name: 'Deny' }).click()
  await page.waitForURL(/\/connect\/att_/)
  await expectAccessible(page)
})

test('the lists can be read and filtered before scripts run', async ({ browser, page }) => {
  await signIn(page, 'owner@acme.test')
  const storageState = await page.context().storageState()
  const context = await browser.newContext({ javaScriptEnabled: false, storageState })
  const still = await context.newPage()
  await still.goto('/t/acme/tokens?state=all')
  await expect(still.getByRole('table')).toBeVisible()
  await still.getByRole('combobox', { name: 'Owner' }).selectOption('1')
  await still.getByRole('button', { name: 'Filter' }).click()
  await expect(still).toHaveURL(/everybody=1/)
  await expect(still.getByRole('columnheader', { name: 'Owner' })).toBeVisible()
  await context.close()
})

test('C-08: every document has its own nonce, and a script without it does not run', async ({ page, complaints }) => {
  await signIn(page, 'owner@acme.test')
  const nonces = new Set<string>()
  for (const path of ['/signin', '/t/acme/projects', '/t/acme/projects', '/t/acme/nothing']) {
    const policy = (await page.goto(path))?.headers()['content-security-policy'] ?? ''
    expect(policy).toContain("object-src 'none'")
    expect(policy).toContain("base-uri 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toMatch(/script-src[^;]*unsafe/)
    nonces.add(/'nonce-([^']+)'/.exec(policy)?.[1] ?? '')
  }
  expect(nonces.size).toBe(4)
  const report = page.waitForRequest('**/api/v1/csp-reports')
  await page.evaluate(() => {
    const script = document.createElement('div')
    script.innerHTML = '<img src="data:," onerror="window.injected = true">'
    document.body.append(script)
  })
  await report
  expect(await page.evaluate(() => 'injected' in window)).toBe(false)
  expect(complaints.splice(0).join()).toMatch(/Content Security Policy/)
})

test('C-11: no page can be framed, by another origin or by our own', async ({ page, baseURL, complaints }) => {
  const host = createServer((request, response) => {
    response.setHeader('content-type', 'text/html')
    response.end(`<iframe src="${baseURL}${request.url}"></iframe>`)
  })
  await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve))
  const { port } = host.address() as AddressInfo
  try {
    for (const framer of [`http://127.0.0.1:${port}`, `http://localhost:${port}`]) {
      const consents = ['/device', `/authorize/aut_${'0'.repeat(32)}`, '/authorize/failed']
      for (const path of ['/signin', '/t/acme/projects', '/t/acme/admin/revocation', '/connect/failed', ...consents]) {
        await page.goto(`${framer}${path}`)
        const [, frame] = page.frames()
        await expect.poll(async () => frame?.url()).toMatch(/^chrome-error:/)
      }
    }
  } finally {
    host.closeAllConnections()
    await new Promise((resolve) => host.close(resolve))
  }
  complaints.splice(0)
})
