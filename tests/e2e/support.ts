import AxeBuilder from '@axe-core/playwright'
import { type BrowserContext, test as base, expect, type Page } from 'playwright/test'
import { z } from 'zod'

export { expect, type Page }
export type Account = 'owner@acme.test' | 'member@acme.test' | 'owner@globex.test'

/** Every test fails on what a page says to its console about the policy, hydration or an exception (C-08). */
export const test = base.extend<{ complaints: string[] }>({
  complaints: [
    async ({ context }, use) => {
      const complaints: string[] = []
      listen(context, complaints)
      await use(complaints)
      expect(complaints, 'what pages complained about').toEqual([])
    },
    { auto: true },
  ],
})

/** Collects what the pages of a browser complain about. A refused request is not a complaint: tests provoke those. */
export function listen(context: BrowserContext, complaints: string[]): void {
  context.on('console', (message) => {
    const text = message.text()
    if (message.type() === 'error' && !text.startsWith('Failed to load resource')) complaints.push(text)
  })
  context.on('weberror', (error) => complaints.push(error.error().message))
}

/** Signs in at the demo's identity provider and waits for the projects. */
export async function signIn(page: Page, account: Account): Promise<void> {
  await page.goto('/signin')
  await page.getByRole('button', { name: /^Continue with/ }).click()
  await page.getByRole('button', { name: account }).click()
  await page.waitForURL(/\/t\/[a-z]+\/projects$/)
}

/** Signs in as somebody who was at the identity provider yesterday; answers the demo's address. */
export async function signInOfYesterday(page: Page, account: Account): Promise<string> {
  await page.goto('/signin')
  await page.getByRole('button', { name: /^Continue with/ }).click()
  await page.waitForURL((url) => url.hostname === '127.0.0.1')
  const demo = new URL(page.url()).origin
  await makeIdTokens(demo, 'stale-auth-time')
  await page.getByRole('button', { name: account }).click()
  await page.waitForURL(/\/t\/[a-z]+\/projects$/)
  await makeIdTokens(demo, null)
  return demo
}

/** Links a project as its owner does: dialog, the upstream's consent page, back. Ends on the project's page. */
export async function link(page: Page, project: string, account: Account): Promise<void> {
  await page.getByRole('button', { name: /^Link (project|your first project)$/ }).click()
  await page.getByRole('button', { name: /^Continue to/ }).click()
  await approve(page, project, account)
  await page.waitForURL(/\/projects\/prj_[^/]+\?linked=1$/)
}

/** At the upstream: picks the account if asked, the project, and allows it. */
export async function approve(page: Page, project: string, account: Account): Promise<void> {
  await page.waitForURL((url) => url.hostname === '127.0.0.1')
  const choice = page.getByRole('radio', { name: project })
  const person = page.getByRole('button', { name: account })
  await choice.or(person).first().waitFor()
  if (await person.isVisible()) await person.click()
  await choice.check()
  await page.getByRole('button', { name: 'Allow' }).click()
}

export type Wanted = { purpose: string; read?: string[]; components?: string[]; wide?: boolean }

/** Fills the form on the issue page and asks for the token; ends with its value on screen. */
export async function issue(page: Page, { purpose, read = [], components = [], wide = false }: Wanted): Promise<void> {
  await page.getByLabel('Purpose').fill(purpose)
  for (const bucket of read) await page.getByRole('checkbox', { name: `read ${bucket}` }).check()
  for (const component of components) await page.getByRole('checkbox', { name: component }).check()
  if (wide) await page.getByRole('checkbox', { name: 'Manage buckets' }).check()
  await page.getByRole('button', { name: 'Issue token' }).click()
  await expect(page.getByRole('dialog')).toContainText('shown once')
}

/** The value and the address that the dialog hands out, read as a person copies them. */
export async function takeToken(page: Page): Promise<{ value: string; baseUrl: string }> {
  await page.getByRole('tab', { name: 'env' }).click()
  await page.getByRole('button', { name: 'Copy env' }).click()
  const text = await page.evaluate(() => navigator.clipboard.readText())
  const env = new Map([...text.matchAll(/^export (\w+)='(.*)'$/gm)].map(([, name, value]) => [name, value]))
  const [value, baseUrl] = [env.get('KBC_TOKEN'), env.get('KBC_URL')]
  if (!value || !baseUrl) throw new Error('the env sample lacks the token or the address')
  return { value, baseUrl }
}

/** What the upstream says to a token: 200 while it lives, 401 afterwards. */
export const verify = async ({ value, baseUrl }: { value: string; baseUrl: string }): Promise<number> =>
  (await fetch(`${baseUrl}/v2/storage/tokens/verify`, { headers: { 'x-storageapi-token': value } })).status

type LedgerToken = { value: string; kind: string; system: 'idp' | 'stack'; tokenId?: string }

/** Every token that the demo upstream ever issued. */
export async function upstreamTokens(demoUrl: string): Promise<LedgerToken[]> {
  const answer = await fetch(`${demoUrl}/control/ledger`, {
    headers: { authorization: `Bearer ${process.env.VALETKEY_E2E_CONTROL}` },
  })
  if (!answer.ok) throw new Error(`the demo's ledger answered ${answer.status}`)
  return ((await answer.json()) as { tokens: LedgerToken[] }).tokens
}

const Providers = z.object({ items: z.array(z.object({ issuer: z.url() })).min(1) })

/** Scripts the next answers of the upstream's token endpoint, and only those. */
export const scriptRefresh = (page: Page, tenant: string, ...answers: object[]): Promise<void> =>
  scriptUpstream(page, tenant, 'POST /oauth/token', ...answers)

/** Scripts the next answers of one route of the upstream. */
export async function scriptUpstream(page: Page, tenant: string, route: string, ...answers: object[]): Promise<void> {
  const { items } = Providers.parse(await api(page, 'GET', `/api/v1/tenants/${tenant}/providers`))
  await control(String(items[0]?.issuer), 'faults', { route, answers })
}

/** Says which role everybody has at the upstream from here on; null: their own. */
export async function playRole(page: Page, tenant: string, role: 'admin' | 'guest' | 'readOnly' | null): Promise<void> {
  const { items } = Providers.parse(await api(page, 'GET', `/api/v1/tenants/${tenant}/providers`))
  await control(String(items[0]?.issuer), 'modes', { role })
}

/** Says how the demo's identity provider makes ID tokens from here on; null: as it should. */
export const makeIdTokens = (demoUrl: string, idToken: 'stale-auth-time' | null): Promise<void> =>
  control(demoUrl, 'modes', { idToken })

/** What the demo's MCP server tells of its tools from here on, by their names; of none: as it should. */
export const scriptNotes = (demoUrl: string, noteTools: Record<string, { description: string }>): Promise<void> =>
  control(demoUrl, 'modes', { noteTools })

async function control(demoUrl: string, part: 'faults' | 'modes', body: object): Promise<void> {
  const answer = await fetch(new URL(`/control/${part}`, demoUrl), {
    method: 'POST',
    headers: {
      authorization: `Bearer ${process.env.VALETKEY_E2E_CONTROL}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify(body),
  })
  if (!answer.ok) throw new Error(`the demo's ${part} answered ${answer.status}: ${await answer.text()}`)
}

/** Calls the JSON API as the page's person; answers the body, a problem as well; null: there is none. */
export const api = (
  page: Page,
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  body?: object,
): Promise<unknown> =>
  page.evaluate(
    async ([method, path, body]) => {
      const headers = { 'X-Valetkey': '1', 'Content-Type': 'application/json' }
      const answer = await fetch(path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
      const text = await answer.text()
      return text ? JSON.parse(text) : null
    },
    [method, path, body] as const,
  )

const screenshots = process.env.VALETKEY_E2E_SHOTS

/** For a look at it, where somebody asks. */
export async function shoot(page: Page, name: string): Promise<void> {
  if (!screenshots) return
  await page.waitForLoadState('networkidle')
  for (const width of [1280, 390])
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.setViewportSize({ width, height: 900 })
      await page.emulateMedia({ colorScheme })
      await page.screenshot({ path: `${screenshots}/${name}-${width}-${colorScheme}.png`, fullPage: width === 1280 })
    }
  await page.setViewportSize({ width: 1280, height: 900 })
  await page.emulateMedia({ colorScheme: 'light' })
}

/**
 * No accessibility violation on the page; what depends on colours also in the dark scheme. A page that is still taking
 * in what an act brought is asked again: what counts is what it comes to.
 */
export async function expectAccessible(page: Page): Promise<void> {
  // Next streams the title in after a navigation.
  await expect(page).toHaveTitle(/./)
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
  await expectNone(page, new AxeBuilder({ page }), 'light')
  await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' })
  await expectNone(page, new AxeBuilder({ page }).withRules(['color-contrast', 'link-in-text-block']), 'dark')
}

async function expectNone(page: Page, builder: AxeBuilder, scheme: string): Promise<void> {
  const message = `${page.url()} in the ${scheme} scheme`
  await expect.poll(() => violationsOf(builder), { message, timeout: 15_000 }).toEqual([])
}

async function violationsOf(builder: AxeBuilder): Promise<string[]> {
  // One frame and no foreign ones: the mode that needs no second page is enough, and several times faster.
  const { violations } = await builder.setLegacyMode().analyze()
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(' ')).join(', ')}`)
}

/** Signs out through the account menu, and at the identity provider, which leads back. */
export async function signOut(page: Page): Promise<void> {
  await page.getByRole('button', { name: /^Account/ }).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await page.getByRole('button', { name: 'Sign out', exact: true }).click()
  await page.waitForURL(/\/signin\?state=signed-out$/)
}

/** Ends the connections to these projects that tests before may have left. */
export async function disconnect(page: Page, tenant: string, ...names: string[]): Promise<void> {
  type Connection = { id: string; status: string; project: { name: string } | null }
  const { items } = (await api(page, 'GET', `/api/v1/tenants/${tenant}/connections`)) as { items: Connection[] }
  const standing = items.filter(({ status, project }) => status !== 'revoked' && names.includes(project?.name ?? ''))
  if (standing.length > 0)
    await api(page, 'POST', `/api/v1/tenants/${tenant}/revocations`, { connections: standing.map(({ id }) => id) })
}
