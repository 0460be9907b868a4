// What somebody had in kbagent comes over: the file is read in the browser, and its tokens go nowhere.
import { api, approve, expect, expectAccessible, type Page, shoot, signIn, test } from './support.ts'

const account = 'owner@globex.test'
const canary = 'CANARY-of-a-master-token'

type Project = {
  alias: string
  external_id: string
  provider: { host: string }
  connection: { branch: string | null } | null
}
const projects = async (page: Page) =>
  ((await api(page, 'GET', '/api/v1/tenants/globex/projects')) as { items: Project[] }).items

/** As kbagent writes it, for the demo's stack and one that nobody added. */
const configOf = (stack_url: string) =>
  JSON.stringify({
    version: 1,
    default_project: 'Weekly Räport',
    projects: {
      'Weekly Räport': {
        stack_url,
        token: `20877-1-${canary}`,
        project_name: 'Acme & Globex Joint Venture',
        active_branch_id: 77,
      },
      far: { stack_url: 'https://connection.elsewhere.example', token: `5-6-${canary}`, project_id: 5 },
      nameless: { stack_url, token: canary },
    },
  })

const choose = (page: Page, text: string) =>
  page
    .getByLabel('config.json of kbagent')
    .setInputFiles({ name: 'config.json', mimeType: 'application/json', buffer: Buffer.from(text) })

test('ASK-09 K-25: projects of kbagent are shown before anything is sent, linked by their person, and keep alias and branch', async ({
  page,
}) => {
  test.slow()
  await signIn(page, account)
  const { items } = (await api(page, 'GET', '/api/v1/tenants/globex/providers')) as {
    items: { name: string; issuer: string }[]
  }
  const stack = String(items.find(({ name }) => name === 'Demo stack')?.issuer)
  const sent: string[] = []
  page.on('request', (request) => sent.push(`${request.method()} ${request.url()} ${request.postData() ?? ''}`))
  await page.getByRole('link', { name: 'Bring from kbagent' }).click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Bring projects from kbagent')
  const file = page.getByLabel('config.json of kbagent')
  await expect(file).toBeEnabled()
  await choose(page, '{"projects": [1]}')
  await expect(page.getByText('It is not as kbagent writes it.')).toBeVisible()
  const before = sent.length
  await choose(page, configOf(stack))
  const list = page.getByRole('list', { name: 'Projects of the file' })
  await expect(list.getByRole('listitem')).toHaveCount(3)
  const first = list.getByRole('listitem').nth(0)
  await expect(first).toContainText('Acme & Globex Joint Venture (20877)')
  await expect(first).toContainText('Weekly Räport becomes weekly-raport')
  await expect(first).toContainText('branch 77')
  await expect(list.getByRole('listitem').nth(1)).toContainText('no provider for its stack')
  await expect(list.getByRole('listitem').nth(2)).toContainText('does not say which project it is')
  // Read here, shown here: nothing of it went out. A link that is shown may have its page fetched beforehand.
  for (const request of sent.slice(before)) {
    expect(request).toMatch(/^GET \S+ $/)
    expect(request).not.toMatch(/elsewhere|20877|R%C3%A4port|Joint|CANARY/)
  }
  await expectAccessible(page)
  await shoot(page, 'import-read')

  const bring = page.getByRole('button', { name: 'Bring over 1 project' })
  const [popup] = await Promise.all([page.waitForEvent('popup'), bring.click()])
  await expect(first).toContainText('In the window, choose the project Acme & Globex Joint Venture (20877).')
  await approve(popup, 'Acme & Globex Joint Venture', account)
  await expect(first).toContainText('Linked, with branch 77 and alias weekly-raport.')
  await expect(page.getByRole('button', { name: 'Nothing to bring over' })).toBeDisabled()
  expect((await projects(page)).find(({ external_id }) => external_id === '20877')).toMatchObject({
    alias: 'weekly-raport',
    connection: { branch: '77' },
  })
  expect(sent.filter((text) => text.includes(canary))).toEqual([])
  await expectAccessible(page)
  await shoot(page, 'import-done')
})
