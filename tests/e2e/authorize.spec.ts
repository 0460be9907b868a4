// A program on this computer, and a website, get in through a browser (RFC 6749 4.1 with RFC 7636): both ask as any would, over
// the network, with a library of somebody else's.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as oauth from 'oauth4webapi'
import {
  type Account,
  api,
  expect,
  expectAccessible,
  link,
  makeIdTokens,
  type Page,
  shoot,
  signIn,
  signInOfYesterday,
  test,
} from './support.ts'

const origin = `http://localhost:${process.env.VALETKEY_E2E_PORT}`
const insecure = { [oauth.allowInsecureRequests]: true }
const metadata = async () => {
  const url = new URL(origin)
  return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...insecure }))
}

type Program = {
  client: oauth.Client
  auth: oauth.ClientAuth
  redirectUri: string
  /** Every address that a browser brought, in order. */
  came: URL[]
}
/** One try of a program to get in. */
type Try = { program: Program; url: string; state: string; verifier: string }

/** A program on this computer: it listens at a port that it learns from its system (RFC 8252 7.3). */
async function startNative(): Promise<Program & { stop(): Promise<void> }> {
  const came: URL[] = []
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/callback')) came.push(new URL(request.url, redirectUri))
    response.setHeader('content-type', 'text/html')
    response.end('<!doctype html><title>A program</title><h1>Go back to the program</h1>')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const redirectUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`
  const stop = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return { client: { client_id: 'valetkey' }, auth: oauth.None(), redirectUri, came, stop }
}

/** A website that an admin has registered in acme. What a browser brings to its address ends here. */
async function registerWebsite(page: Page, name: string): Promise<Program & { remove(): Promise<void> }> {
  const redirectUri = 'https://app.example.com/callback'
  const clients = '/api/v1/tenants/acme/clients'
  const made = (await api(page, 'POST', clients, {
    name,
    token_endpoint_auth_method: 'client_secret_basic',
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    scopes: ['projects:read', 'tenant:read'],
  })) as { client: { id: string }; client_secret: string }
  const came: URL[] = []
  await page.context().route('https://app.example.com/**', (route) => {
    came.push(new URL(route.request().url()))
    return route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>App</title><h1>The website</h1>' })
  })
  const { id } = made.client
  const remove = async () => void (await api(page, 'DELETE', `${clients}/${id}`, {}))
  return { client: { client_id: id }, auth: oauth.ClientSecretBasic(made.client_secret), redirectUri, came, remove }
}

/** The address to which a program sends a browser. */
async function ask(program: Program, parameters: Record<string, string> = {}): Promise<Try> {
  const state = oauth.generateRandomState()
  const verifier = oauth.generateRandomCodeVerifier()
  const query = new URLSearchParams({
    client_id: program.client.client_id,
    response_type: 'code',
    redirect_uri: program.redirectUri,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    scope: 'projects:read tenant:read',
    ...parameters,
  })
  return { program, url: `${origin}/oauth/authorize?${query}`, state, verifier }
}

/** What the program reads of the latest answer: its own state, our issuer. @throws of an error that we sent */
const answerTo = async ({ program, state }: Try) =>
  oauth.validateAuthResponse(await metadata(), program.client, program.came.at(-1) ?? new URL(origin), state)

async function redeem(given: Try): Promise<oauth.TokenEndpointResponse> {
  const { program, verifier } = given
  const { client, auth, redirectUri } = program
  const [as, answer] = [await metadata(), await answerTo(given)]
  return oauth.processAuthorizationCodeResponse(
    as,
    client,
    await oauth.authorizationCodeGrantRequest(as, client, auth, answer, redirectUri, verifier, insecure),
  )
}

/** Our API, as a program asks it. */
async function use(
  token: string,
  method: string,
  path: string,
  body?: object,
): Promise<{ status: number; code: string }> {
  const answer = await fetch(`${origin}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
  return { status: answer.status, code: String(((await answer.json()) as { code?: string }).code) }
}

const heading = (page: Page) => page.getByRole('heading', { level: 1 })
const allow = (page: Page) => page.getByRole('button', { name: 'Allow', exact: true })

async function signInFromHere(page: Page, account: Account): Promise<void> {
  await page.getByRole('button', { name: /^Continue with/ }).click()
  await page.getByRole('button', { name: account }).click()
}

let native: Awaited<ReturnType<typeof startNative>>
test.beforeEach(async () => {
  native = await startNative()
})
test.afterEach(() => native.stop())

test('ASK-07 T-07: a program on this computer gets what its person left of what it asked for, and a second use of its code ends that', async ({
  page,
}) => {
  test.slow()
  await signIn(page, 'owner@acme.test')
  await link(page, 'Acme Data Science', 'owner@acme.test')
  await page.goto('/t/acme/projects')
  await link(page, 'Acme Sales Reporting', 'owner@acme.test')
  await page.context().clearCookies()

  const asked = await ask(native, { scope: 'projects:read tokens:issue tenant:read audit:read' })
  await page.goto(asked.url)
  // Whoever is signed out signs in first, and comes back to the same question.
  await signInFromHere(page, 'owner@acme.test')
  await expect(heading(page)).toHaveText('Allow Valetkey command line?')
  await expect(page.getByText(`${new URL(native.redirectUri).host} on this computer`)).toBeVisible()
  await expect(page.getByText('part of this Valetkey')).toBeVisible()
  const scopes = page.getByRole('group', { name: 'It may' })
  await expect(scopes.getByRole('checkbox', { checked: true })).toHaveCount(4)
  for (const [name, words] of [
    ['projects:read', 'See your projects, connections and tokens'],
    ['tokens:issue', 'Issue tokens from your connections, as far as you choose below High risk'],
    ['audit:read', 'Read the activity that you may read Medium risk'],
  ] as const)
    await expect(scopes.getByRole('checkbox', { name: `${name} ${words}` })).toBeVisible()
  await expectAccessible(page)
  await shoot(page, 'authorize')

  // Less: no activity, and of two projects one, with one bucket to read.
  await scopes.getByRole('checkbox', { name: /^audit:read/ }).uncheck()
  const ceilings = page.getByRole('group', { name: 'Tokens that it may issue' })
  await expect(ceilings.getByRole('checkbox', { checked: true })).toHaveCount(0)
  await ceilings.getByRole('checkbox', { name: /^Acme Sales Reporting/ }).check()
  await expect(allow(page)).toBeDisabled()
  await expect(page.getByText('Still to do: choose what it may issue for Acme Sales Reporting.')).toBeVisible()
  await page
    .getByRole('group', { name: /^Tokens of/ })
    .getByRole('radio', { name: 'At most what I choose' })
    .check()
  await page.getByRole('checkbox', { name: 'read in.c-crm' }).check()
  await expectAccessible(page)
  await shoot(page, 'authorize-ceilings')
  await allow(page).click()
  await page.waitForURL(/127\.0\.0\.1:\d+\/callback/)
  await expect(heading(page)).toHaveText('Go back to the program')

  const tokens = await redeem(asked)
  expect(tokens.scope).toBe('projects:read tokens:issue tenant:read')
  const projects = await projectsOf(tokens.access_token)
  const [sales, science] = ['Acme Sales Reporting', 'Acme Data Science'].map((name) => projects.get(name) ?? '')
  const issue = (project: string | undefined, buckets: object) =>
    use(tokens.access_token, 'POST', `/tenants/acme/projects/${project}/tokens`, {
      scopes: { buckets },
      expires_in: 900,
      purpose: 'what a program may',
    })
  expect(await issue(sales, { 'in.c-crm': 'read' })).toMatchObject({ status: 201 })
  expect(await issue(sales, { 'in.c-crm': 'write' })).toMatchObject({ status: 403, code: 'beyond_grant' })
  expect(await issue(sales, { 'out.c-reporting': 'read' })).toMatchObject({ status: 403, code: 'beyond_grant' })
  expect(await issue(science, { 'in.c-features': 'read' })).toMatchObject({ status: 403, code: 'beyond_grant' })
  expect(await use(tokens.access_token, 'GET', '/tenants/acme/audit-events')).toMatchObject({
    status: 403,
    code: 'insufficient_scope',
  })

  // What the browser's history still holds is over, and the code is worse than over.
  await page.goBack()
  await expect(heading(page)).toHaveText('You allowed this')
  await expectAccessible(page)
  await expect(redeem(asked)).rejects.toMatchObject({ error: 'invalid_grant' })
  expect(await use(tokens.access_token, 'GET', '/me')).toMatchObject({ status: 401 })
  const refreshed = await oauth.refreshTokenGrantRequest(
    await metadata(),
    native.client,
    native.auth,
    tokens.refresh_token ?? '',
    insecure,
  )
  expect(await refreshed.json()).toMatchObject({ error: 'invalid_grant' })
})

/** Aliases of the projects that a program sees, by their names. */
async function projectsOf(token: string): Promise<Map<string, string>> {
  const headers = { authorization: `Bearer ${token}` }
  const answer = await fetch(`${origin}/api/v1/tenants/acme/projects`, { headers })
  const { items } = (await answer.json()) as { items: { name: string; alias: string }[] }
  return new Map(items.map(({ name, alias }) => [name, alias]))
}

test('a registered website: denied, it hears so with our issuer and its state; a double click on Allow is one grant', async ({
  page,
}) => {
  await signIn(page, 'owner@acme.test')
  const website = await registerWebsite(page, 'Quarterly reports')
  const denied = await ask(website)
  await page.goto(denied.url)
  await expect(heading(page)).toHaveText('Allow Quarterly reports?')
  await expect(page.getByText('registered by Acme')).toBeVisible()
  await expect(page.getByText('app.example.com', { exact: true })).toBeVisible()
  await expectAccessible(page)
  await shoot(page, 'authorize-website')
  await page.getByRole('button', { name: 'Deny', exact: true }).click()
  await page.waitForURL('https://app.example.com/callback?**')
  const answer = website.came.at(-1)?.searchParams
  expect(Object.fromEntries(answer ?? [])).toEqual({ error: 'access_denied', state: denied.state, iss: origin })
  await expect(answerTo(denied)).rejects.toMatchObject({ error: 'access_denied' })

  const asked = await ask(website)
  const approvals: string[] = []
  page.on('request', (request) => {
    if (request.method() === 'POST' && request.url().endsWith('/approval')) approvals.push(request.url())
  })
  await page.goto(asked.url)
  await allow(page).dblclick()
  await page.waitForURL('https://app.example.com/callback?**')
  expect(approvals).toHaveLength(1)
  expect(website.came).toHaveLength(2)
  const tokens = await redeem(asked)
  expect(tokens.scope).toBe('projects:read tenant:read')
  expect(await use(tokens.access_token, 'GET', '/me')).toMatchObject({ status: 200 })
  await page.goto('/t/acme/devices')
  await expect(page.getByRole('row', { name: /Quarterly reports/ })).toHaveCount(1)
  await website.remove()
  expect(await use(tokens.access_token, 'GET', '/me')).toMatchObject({ status: 401 })
})

test('a program that wants nobody asked, or a sign-in of now, is answered as it says', async ({ page }) => {
  const errorOf = async (parameters: Record<string, string>) => {
    await page.goto((await ask(native, parameters)).url)
    const { searchParams } = native.came.at(-1) ?? new URL(origin)
    expect(searchParams.get('iss')).toBe(origin)
    return searchParams.get('error')
  }
  expect(await errorOf({ prompt: 'none' })).toBe('login_required')
  await signIn(page, 'owner@acme.test')
  expect(await errorOf({ prompt: 'none' })).toBe('consent_required')
  expect(await errorOf({ response_type: 'token' })).toBe('unsupported_response_type')
  expect(await errorOf({ code_challenge_method: 'plain' })).toBe('invalid_request')
  expect(await errorOf({ scope: 'everything' })).toBe('invalid_scope')

  const again = page.getByText('The program wants you to sign in again')
  await page.goto((await ask(native, { max_age: '3600' })).url)
  await expect(heading(page)).toHaveText('Allow Valetkey command line?')
  await expect(again).toHaveCount(0)

  const asked = await ask(native, { prompt: 'login' })
  await page.goto(asked.url)
  await expect(again).toBeVisible()
  await expectAccessible(page)
  await shoot(page, 'authorize-again')
  await page.getByRole('checkbox', { name: /^tenant:read/ }).uncheck()
  await allow(page).click()
  await expect(page.getByRole('dialog', { name: 'Confirm that it is you' })).toBeVisible()
  const [tab] = await Promise.all([
    page.waitForEvent('popup'),
    page.getByRole('button', { name: 'Sign in again in a new tab' }).click(),
  ])
  await tab.getByRole('button', { name: 'owner@acme.test' }).click()
  await expect(heading(tab)).toHaveText('Confirmed: it is you')
  await expect(page.getByRole('dialog')).toBeHidden()
  await tab.close()
  await allow(page).click()
  await page.waitForURL(/127\.0\.0\.1:\d+\/callback/)
  // What was chosen before is what it gets.
  expect((await redeem(asked)).scope).toBe('projects:read')
})

test('a sign-in that is older than the program takes has to be made again', async ({ page }) => {
  const demo = await signInOfYesterday(page, 'owner@acme.test')
  await page.goto((await ask(native, { max_age: '3600' })).url)
  await expect(page.getByText('The program wants you to sign in again')).toBeVisible()
  await makeIdTokens(demo, null)
})

test('a request that was pushed is opened once; the second time our page says so, and the program is sent nothing', async ({
  page,
}) => {
  await signIn(page, 'owner@acme.test')
  const given = await ask(native)
  const as = await metadata()
  const parameters = new URL(given.url).searchParams
  const pushed = await oauth.processPushedAuthorizationResponse(
    as,
    native.client,
    await oauth.pushedAuthorizationRequest(as, native.client, native.auth, parameters, insecure),
  )
  const query = new URLSearchParams({ client_id: 'valetkey', request_uri: pushed.request_uri })
  await page.goto(`/oauth/authorize?${query}`)
  await expect(heading(page)).toHaveText('Allow Valetkey command line?')
  const other = await page.context().newPage()
  await other.goto(`/oauth/authorize?${query}`)
  await expect(heading(other)).toHaveText('This request is unknown, was used before, or has expired')
  await other.close()
  expect(native.came).toEqual([])
  await allow(page).click()
  await page.waitForURL(/127\.0\.0\.1:\d+\/callback/)
  expect((await redeem(given)).scope).toBe('projects:read tenant:read')
})

test('O-21: what is wrong with the program or its address is told on our page, and no browser is sent there', async ({
  page,
}) => {
  for (const [parameters, title] of [
    [{ client_id: 'nobody' }, 'This app is not known here'],
    [{ redirect_uri: `${native.redirectUri}/other` }, 'This app is not registered for the address it names'],
    [{ redirect_uri: 'https://evil.example/callback' }, 'This app is not registered for the address it names'],
    [
      { request_uri: 'urn:ietf:params:oauth:request_uri:none' },
      'This request is unknown, was used before, or has expired',
    ],
  ] as const) {
    await page.goto((await ask(native, parameters)).url)
    await expect(heading(page)).toHaveText(title)
    await expect(page).toHaveURL(new RegExp(`^${origin}/authorize/failed`))
    await expectAccessible(page)
  }
  await shoot(page, 'authorize-failed')
  expect(native.came).toEqual([])
})

test('with the keyboard alone, on a phone: every choice is reached in order, and Allow is pressed', async ({
  page,
}) => {
  await page.setViewportSize({ width: 390, height: 844 })
  await signIn(page, 'owner@acme.test')
  const asked = await ask(native, { scope: 'projects:read tokens:issue tenant:read' })
  await page.goto(asked.url)
  await expect(allow(page)).toBeEnabled()
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
  expect(overflow).toBeLessThanOrEqual(0)
  /** Tabs on until the focus is there, and never in a circle. */
  const tabTo = async (name: RegExp) => {
    for (let presses = 0; presses < 40; presses += 1) {
      await page.keyboard.press('Tab')
      const focused = page.locator(':focus')
      if ((await focused.count()) === 1 && name.test(await nameOf(focused))) return
    }
    throw new Error(`nothing called ${name} has the focus`)
  }
  await tabTo(/^projects:read/)
  await tabTo(/^tokens:issue/)
  await page.keyboard.press('Space')
  await tabTo(/^tenant:read/)
  await tabTo(/^Allow$/)
  // Before Deny, and before what accuses somebody.
  await tabTo(/^Deny$/)
  await tabTo(/^This was not me$/)
  await page.keyboard.press('Shift+Tab')
  await page.keyboard.press('Shift+Tab')
  await page.keyboard.press('Enter')
  await page.waitForURL(/127\.0\.0\.1:\d+\/callback/)
  expect((await redeem(asked)).scope).toBe('projects:read tenant:read')
})

/** What a control is called. */
const nameOf = (control: ReturnType<Page['locator']>) =>
  control.evaluate((element) => {
    const labels = (element as HTMLInputElement).labels
    return (labels?.[0]?.textContent ?? element.textContent ?? '').trim()
  })
