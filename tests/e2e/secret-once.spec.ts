import { execFileSync } from 'node:child_process'
import { expect, issue, link, type Page, signIn, takeToken, test, upstreamTokens } from './support.ts'

test('T-02: a token is shown once: not by reload, back, a second tab or a later page', async ({ page, context }) => {
  await signIn(page, 'owner@acme.test')
  await link(page, 'Acme Sales Reporting', 'owner@acme.test')
  await page.getByRole('link', { name: 'Issue token' }).first().click()
  await issue(page, { purpose: 'once', read: ['in.c-crm'] })
  const form = page.url()
  const { value } = await takeToken(page)
  const shown = async () => (await page.content()).includes(value)

  await page.getByRole('dialog').getByRole('button', { name: 'Show' }).click()
  expect(await shown()).toBe(true)
  await page.getByRole('button', { name: 'Done' }).click()
  expect(await shown()).toBe(false)
  await page.getByRole('link', { name: 'Open the token' }).click()
  await page.waitForURL(/\/tokens\/tok_/)
  expect(await shown()).toBe(false)
  await page.goBack()
  await page.waitForURL(form)
  expect(await shown()).toBe(false)
  await page.reload()
  expect(await shown()).toBe(false)

  const other = await context.newPage()
  for (const path of [form, '/t/acme/tokens', '/t/acme/activity', '/t/acme/admin/revocation']) {
    await other.goto(path)
    expect(await other.content()).not.toContain(value)
  }
})

/** Issues a token from the projects page, so that there is a page to go back to. */
async function open(page: Page, purpose: string): Promise<void> {
  await signIn(page, 'owner@acme.test')
  await page.getByRole('link', { name: 'Issue token' }).first().click()
  await page.waitForURL(/\/issue$/)
  await page.getByRole('checkbox', { name: 'Components: all' }).check()
  await issue(page, { purpose })
}
const clipboard = (page: Page) => page.evaluate(() => navigator.clipboard.readText())
const question = (page: Page) => page.getByRole('alertdialog', { name: 'You have not copied the token' })
const shown = (page: Page) => page.getByRole('dialog', { name: /shown once/ })

test('T-02: closing without having copied asks first; Escape goes back to the token, where copying is next', async ({
  page,
}) => {
  await open(page, 'not copied')
  const copy = shown(page).getByRole('button', { name: 'Copy token' })
  await expect(copy).toBeFocused()
  await page.keyboard.press('Escape')
  await expect(question(page)).toBeVisible()
  await expect(question(page).getByRole('button', { name: 'Back to the token' })).toBeFocused()
  await page.keyboard.press('Escape')
  await expect(question(page)).toHaveCount(0)
  await expect(shown(page)).toBeVisible()
  await expect(copy).toBeFocused()
  await shown(page).getByRole('button', { name: 'Done' }).click()
  await question(page).getByRole('button', { name: 'Close without copying' }).click()
  await expect(page.getByRole('dialog')).toHaveCount(0)
})

test('T-02: Escape pressed the moment the question takes the focus goes back to the token too', async ({ page }) => {
  await open(page, 'pressed twice')
  await page.evaluate(() =>
    document.addEventListener(
      'focusin',
      (event) => {
        if (!(event.target instanceof Element) || !event.target.closest('[role=alertdialog]')) return
        event.target.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }))
        document.body.dataset.pressed = 'yes'
      },
      { once: true },
    ),
  )
  await page.keyboard.press('Escape')
  await expect(page.locator('body[data-pressed=yes]')).toBeVisible()
  await expect(question(page)).toHaveCount(0)
  await expect(shown(page)).toBeVisible()
})

test('T-02: only copying the value, or a snippet that holds it, counts as copied', async ({ page }) => {
  await open(page, 'what counts')
  const asksAgain = async () => {
    await page.keyboard.press('Escape')
    await question(page).getByRole('button', { name: 'Back to the token' }).click()
  }
  await page.getByRole('button', { name: 'Show' }).click()
  await asksAgain()
  // A snippet that only names a variable.
  await page.getByRole('tab', { name: 'prompt' }).click()
  await page.getByRole('button', { name: 'Copy prompt' }).click()
  await expect(page.getByRole('button', { name: 'Copied' })).toBeVisible()
  const value = String(await page.locator('[data-secret]').textContent())
  expect(await clipboard(page)).not.toContain(value)
  await asksAgain()
  // A browser that refuses to copy.
  await page.evaluate(() => {
    navigator.clipboard.writeText = () => Promise.reject(new Error('refused'))
  })
  await page.getByRole('button', { name: 'Copy token' }).click()
  await expect(page.getByRole('button', { name: 'Select it and copy' })).toBeVisible()
  await asksAgain()
  await page.evaluate(() => Reflect.deleteProperty(navigator.clipboard, 'writeText'))
  await page.getByRole('tab', { name: 'curl' }).click()
  await page.getByRole('button', { name: 'Copy curl' }).click()
  await expect.poll(() => clipboard(page)).toContain(value)
  await page.keyboard.press('Escape')
  await expect(page.getByRole('dialog')).toHaveCount(0)
  await expect(question(page)).toHaveCount(0)
})

test('T-02: Back, links and reload ask before a token that nobody copied is lost', async ({ page }) => {
  await open(page, 'guarded')
  const form = page.url()
  await page.evaluate(() => window.history.back())
  await expect(question(page)).toBeVisible()
  await expect(page).toHaveURL(form)
  await question(page).getByRole('button', { name: 'Back to the token' }).click()
  await expect(shown(page)).toBeVisible()

  // The dialog covers the page's links; a script, an extension or a keyboard may press one all the same.
  await page.evaluate(() => document.querySelector<HTMLElement>('a[href$="/activity"]')?.click())
  await expect(question(page)).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(page).toHaveURL(form)

  const warned = page.waitForEvent('dialog')
  const reloading = page.evaluate(() => window.location.reload()).catch(() => undefined)
  const warning = await warned
  expect(warning.type()).toBe('beforeunload')
  await warning.dismiss()
  await reloading
  await expect(shown(page)).toBeVisible()

  await page.evaluate(() => window.history.back())
  await question(page).getByRole('button', { name: 'Close without copying' }).click()
  await page.waitForURL(/\/t\/acme\/projects$/)
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Projects')
  await page.goForward()
  await expect(page).toHaveURL(form)
  await expect(page.getByRole('dialog')).toHaveCount(0)
})

test('T-02: a link that is pressed leads on after the question; a copied token asks nothing', async ({ page }) => {
  await open(page, 'led on')
  const press = () => page.evaluate(() => document.querySelector<HTMLElement>('a[href$="/activity"]')?.click())
  await press()
  await question(page).getByRole('button', { name: 'Close without copying' }).click()
  await page.waitForURL(/\/activity$/)

  await page.goto('/t/acme/projects')
  await page.getByRole('link', { name: 'Issue token' }).first().click()
  await page.getByRole('checkbox', { name: 'Components: all' }).check()
  await issue(page, { purpose: 'copied' })
  await page.getByRole('button', { name: 'Copy token' }).click()
  await expect(page.getByRole('button', { name: 'Copied' })).toBeVisible()
  await page.evaluate(() => window.history.back())
  await page.waitForURL(/\/t\/acme\/projects$/)
  await expect(page.getByRole('dialog')).toHaveCount(0)
})

test('closing the token’s dialog gives the focus back to the button that opened it, also after Enter in a field', async ({
  page,
}) => {
  await open(page, 'focus')
  await takeToken(page)
  await page.keyboard.press('Escape')
  const button = page.getByRole('button', { name: 'Issue another' })
  await expect(button).toBeFocused()
  await button.press('Enter')
  await page.getByLabel('Purpose').press('Enter')
  await takeToken(page)
  await page.keyboard.press('Escape')
  await expect(button).toBeFocused()
})

test('each snippet works pasted alone into a fresh shell', async ({ page }) => {
  await open(page, 'snippets')
  const snippet = async (name: string) => {
    await page.getByRole('tab', { name }).click()
    await page.getByRole('button', { name: `Copy ${name}` }).click()
    await expect(page.getByRole('button', { name: 'Copied' })).toBeVisible()
    return clipboard(page)
  }
  const [curl, env, prompt] = [await snippet('curl'), await snippet('env'), await snippet('prompt')]
  await page.getByRole('button', { name: 'Copy token' }).click()
  await expect.poll(() => clipboard(page)).not.toBe(prompt)
  const value = await clipboard(page)
  const verify = 'curl -s -H "X-StorageApi-Token: $KBC_TOKEN" "$KBC_URL/v2/storage/tokens/verify"'
  for (const shell of [['sh'], ['bash', '--norc']]) {
    const run = (script: string, input = '') =>
      execFileSync('env', ['-i', `PATH=${process.env.PATH}`, ...shell, '-c', script], {
        input,
        encoding: 'utf8',
        stdio: ['pipe', 'pipe', 'ignore'],
      })
    expect(JSON.parse(run(curl))).toMatchObject({ description: expect.stringContaining('snippets') })
    expect(JSON.parse(run(`${env}\n${verify}`))).toMatchObject({ description: expect.stringContaining('snippets') })
    // No terminal here, so nothing to switch the echo of off.
    const asked = run(`stty() { :; }\n${prompt}\n${verify}`, `${value}\n`)
    expect(JSON.parse(asked.replace(/^Token: \n/, ''))).toMatchObject({
      description: expect.stringContaining('snippets'),
    })
  }
})

test('each snippet of a token through Valetkey works pasted alone into a fresh shell, and none puts it among the arguments', async ({
  page,
}) => {
  await signIn(page, 'owner@acme.test')
  await page.getByRole('link', { name: 'Issue token' }).first().click()
  await page.waitForURL(/\/issue$/)
  await page.getByRole('radio', { name: /^Through Valetkey/ }).check()
  await page.getByRole('radio', { name: /^These paths/ }).check()
  await page.getByRole('checkbox', { name: /^Read tables/ }).check()
  await issue(page, { purpose: 'snippets through Valetkey' })
  const snippet = async (name: string) => {
    await page.getByRole('tab', { name }).click()
    await page.getByRole('button', { name: `Copy ${name}` }).click()
    await expect(page.getByRole('button', { name: 'Copied' })).toBeVisible()
    return clipboard(page)
  }
  const [curl, env, node] = [await snippet('curl'), await snippet('env'), await snippet('Node')]
  const prompt = await snippet('prompt')
  const [, value = ''] = /^export API_TOKEN='(vk_px_.*)'$/m.exec(env) ?? []
  const read = `curl -s --header @- "$API_URL/v2/storage/buckets" <<END\nAuthorization: Bearer $API_TOKEN\nEND`
  for (const shell of [['sh'], ['bash', '--norc']]) {
    const run = (script: string, input = '') =>
      execFileSync('env', ['-i', `PATH=${process.env.PATH}`, ...shell, '-c', script], {
        input,
        encoding: 'utf8',
        stdio: ['pipe', 'pipe', 'ignore'],
      })
    const answers = [
      run(curl),
      run(node),
      run(`${env}\n${read}`),
      // No terminal here, so nothing to switch the echo of off.
      run(`stty() { :; }\n${prompt}\n${read}`, `${value}\n`).replace(/^Token: \n/, ''),
    ]
    // Whichever project comes first in the list: what is read are its buckets.
    const bucket = { id: expect.stringMatching(/^in\.c-/), uri: expect.stringContaining('/v2/storage/buckets/in.c-') }
    for (const answer of answers) expect(JSON.parse(answer)).toContainEqual(expect.objectContaining(bucket))
  }
  for (const line of [curl, node].flatMap((text) => text.split('\n')).filter((text) => /^(?:curl|node) /.test(text)))
    expect(line).not.toContain(value)
})

test('S-04: no token of the upstream reaches the browser, but the issued one in its one answer', async ({ page }) => {
  const heard: { url: string; text: string }[] = []
  page.on('response', async (response) => {
    if (new URL(response.url()).hostname !== 'localhost') return
    const headers = JSON.stringify(await response.allHeaders().catch(() => ({})))
    heard.push({ url: response.url(), text: `${response.url()}\n${headers}\n${await response.text().catch(() => '')}` })
  })
  await signIn(page, 'owner@acme.test')
  await link(page, 'Acme Data Science', 'owner@acme.test')
  await page.getByRole('link', { name: 'Issue token' }).first().click()
  await issue(page, { purpose: 'canary', read: ['in.c-features'] })
  const { value, baseUrl } = await takeToken(page)
  await page.getByRole('button', { name: 'Done' }).click()
  for (const path of ['projects', 'tokens', 'activity', 'admin/revocation', 'admin/providers']) {
    await page.goto(`/t/acme/${path}`)
  }
  const stored = await page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
  )

  // Codes pass through the browser by design, once; they are the callback's business (L-15).
  const tokens = (await upstreamTokens(baseUrl)).filter(({ kind }) => kind !== 'code')
  expect(tokens.some((token) => token.value === value)).toBe(true)
  expect(tokens.length).toBeGreaterThan(3)
  for (const token of tokens) {
    const places = heard.filter(({ text }) => text.includes(token.value)).map(({ url }) => new URL(url).pathname)
    expect(
      places.filter((path) => !/\/projects\/[^/]+\/tokens$/.test(path)),
      `${token.system} ${token.kind}`,
    ).toEqual([])
    if (token.value !== value) expect(places).toEqual([])
    expect(stored).not.toContain(token.value)
  }
})
