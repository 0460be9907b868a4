import { readdirSync } from 'node:fs'
import { type Crowd, startCrowd } from './crowded.ts'
import { expect, type Page, test } from './support.ts'

const widths = [320, 390, 768, 1024, 1280]

/** What a page shows in more than one way, beside its bare address. */
const queries: Record<string, string[]> = {
  '/t/[tenant]/tokens': ['?state=all', '?state=revoked', '?state=all&everybody=1'],
  '/t/[tenant]/admin/revocation': [
    '?state=all',
    '?show=connections&state=all',
    '?show=devices&state=all',
    '?show=sessions',
    '?show=requests',
    '?show=unconfirmed',
  ],
  '/t/[tenant]/devices': ['?state=all', '?state=all&everybody=1'],
  '/t/[tenant]/notifications': ['?unread=1'],
  '/t/[tenant]/projects/[project]/agent': ['?way=sign-in'],
  '/connect/failed': ['?code=attempt_used'],
  '/device': ['?user_code=WXYZ-BCDF'],
}
/** What an MCP server's project shows otherwise. */
const ofServers = ['', '/issue', '/agent'].map((page) => `/t/[tenant]/projects/[project]${page}`)
/** Development only. */
const left = ['/design']

/** Every page there is, from the files: a new one is walked without anybody thinking of it. */
const pages = readdirSync('app', { recursive: true, encoding: 'utf8' })
  .filter((file) => /(^|\/)page\.tsx$/.test(file))
  .map((file) => `/${file.replace(/\/?page\.tsx$/, '')}`)
  .filter((path) => !left.includes(path))
  .sort()

/** The address of a page's example. */
function addressOf(path: string, { params, invitation }: Crowd): string {
  const filled = path.replace(/\[(\w+)\]/g, (_, name: string) => {
    const value = params[name]
    if (!value) throw new Error(`${path}: the crowd has no example of ${name}`)
    return value
  })
  return path === '/invitation' ? `${filled}#${invitation}` : filled
}

/** What scrolls sideways, is cut off, or leaves the screen. */
const faults = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    const root = document.documentElement
    const found =
      root.scrollWidth > root.clientWidth ? [`scrolls ${root.scrollWidth - root.clientWidth} px sideways`] : []
    const name = (element: Element) => `${element.textContent?.trim().slice(0, 40)}`
    const inside = (inner: DOMRect, outer: { left: number; right: number }) =>
      inner.left >= outer.left - 1 && inner.right <= outer.right + 1
    const clips = new Map<Element, DOMRect | null>()
    const clipOf = (element: Element) => {
      if (!clips.has(element))
        clips.set(element, getComputedStyle(element).overflowX === 'visible' ? null : element.getBoundingClientRect())
      return clips.get(element)
    }
    // States, and the cells that say when something ends.
    const kept = [...document.querySelectorAll('[data-badge], td[data-column="State"], td[data-column="Expires"]')]
    for (const element of kept) {
      const box = element.getBoundingClientRect()
      if (box.width === 0 || box.height === 0) found.push(`not shown: ${name(element)}`)
      if (!inside(box, { left: 0, right: root.clientWidth })) found.push(`off the screen: ${name(element)}`)
      if (element.scrollWidth > element.clientWidth + 1) found.push(`cut off: ${name(element)}`)
      for (let around = element.parentElement; around && around !== document.body; around = around.parentElement) {
        const clip = clipOf(around)
        if (clip && !inside(box, clip)) found.push(`clipped: ${name(element)}`)
      }
    }
    // Nothing runs over into the next cell.
    for (const cell of document.querySelectorAll('.data-table tbody :is(td, th)'))
      if (cell.scrollWidth > cell.clientWidth + 1) found.push(`runs over: ${name(cell)}`)
    return [...new Set(found)]
  })

let crowd: Crowd
test.beforeAll(async () => {
  crowd = await startCrowd()
})
test.afterAll(() => crowd.stop())

test.beforeEach(async ({ page }) => {
  // What can be chosen comes from an upstream that this tenant does not have.
  await page.route('**/api/v1/tenants/*/projects/*/scopes', (route) =>
    route.fulfill({
      json: {
        role: 'admin',
        components: [{ id: 'c'.repeat(80), name: 'Component'.repeat(9) }],
        buckets: [{ id: `in.c-${'bucket'.repeat(12)}`, name: 'Bucket'.repeat(13) }],
        server: null,
        tools: ['tool_'.repeat(60), 'search'].map((name) => ({
          name,
          title: 'Title'.repeat(30),
          description: 'word'.repeat(150),
          read_only: true,
          destructive: true,
          is_plain: false,
          looks_like_another: true,
          looked: 'changed',
          held_back: true,
        })),
        ...Object.fromEntries(
          ['resources', 'resource_templates', 'prompts'].map((kind) => [
            kind,
            [`${kind}://${'address'.repeat(60)}`, 'short'].map((name) => ({
              name,
              title: 'Title'.repeat(30),
              description: 'word'.repeat(100),
              is_plain: false,
              looks_like_another: true,
            })),
          ]),
        ),
      },
    }),
  )
})

/** The page's faults at every width in the light scheme, and at the narrowest in the dark one. */
async function walk(page: Page, address: string): Promise<string[]> {
  const found: string[] = []
  await page.setViewportSize({ width: 1280, height: 900 })
  await page.goto(address)
  await expect(page.getByRole('status', { name: /^Loading/ })).toHaveCount(0)
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    for (const width of colorScheme === 'light' ? widths : [320]) {
      await page.setViewportSize({ width, height: 900 })
      found.push(...(await faults(page)).map((fault) => `${address} at ${width} px, ${colorScheme}: ${fault}`))
    }
  }
  return found
}

for (const path of pages) {
  // A page of its own each, so that the first to fail is not the only one that is heard of.
  test(`nothing scrolls sideways and no state is cut off, with long names and sixty rows, at 320 to 1280 px: ${path}`, async ({
    page,
    context,
  }) => {
    test.slow()
    if (path !== '/signin') await crowd.signIn(context, path.startsWith('/suspended') ? 'suspended' : 'owner')
    const address = addressOf(path, crowd)
    const { params } = crowd
    if (ofServers.includes(path)) {
      const ofServer = { ...crowd, params: { ...params, project: String(params.server) } }
      expect.soft(await walk(page, addressOf(path, ofServer))).toEqual([])
    }
    for (const query of ['', ...(queries[path] ?? [])]) expect.soft(await walk(page, `${address}${query}`)).toEqual([])
  })
}

test('the walk above sees a state that leaves the screen, one that is cut off, and a page that scrolls', async ({
  page,
  context,
}) => {
  await crowd.signIn(context, 'owner')
  await page.goto(`/t/${crowd.params.tenant}/tokens`)
  expect(await faults(page)).toEqual([])
  const spoiled = async (style: string) => {
    const sheet = await page.addStyleTag({ content: style })
    const found = (await faults(page)).join('\n')
    await sheet.evaluate((element) => (element as Element).remove())
    return found
  }
  expect(await spoiled('.data-table { width: 1400px }')).toMatch(/scrolls \d+ px sideways[\s\S]*off the screen/)
  expect(await spoiled('[data-badge] { width: 20px; overflow: hidden }')).toMatch(/cut off/)
  expect(await spoiled('.data-table { overflow: hidden; display: block; width: 400px }')).toMatch(/clipped/)
  expect(await spoiled('td[data-column="Expires"] { display: none }')).toMatch(/not shown/)
})
