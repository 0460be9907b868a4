// The command in a real terminal, against the product as it runs, and people at a browser.
import { spawnSync } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { buildCommand } from '../../cli/build.mjs'
import { expect, expectAccessible, shoot, signIn, test } from './support.ts'
import { openTerminal } from './terminal.ts'

const origin = `http://localhost:${process.env.VALETKEY_E2E_PORT}`

test.skip(() => spawnSync('tmux', ['-V']).error !== undefined, 'there is no tmux')
test.beforeAll(() => buildCommand())

test('two commands lead from nothing to being signed in, and nothing secret is on the screen or in the history', async ({
  page,
}) => {
  const terminal = await openTerminal()
  try {
    await signIn(page, 'owner@acme.test')
    await terminal.type(`valetkey login ${origin}`)
    await page.goto(await terminal.sentTo())
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Allow Valetkey command line?')
    await page.getByRole('button', { name: 'Allow' }).click()
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Go back to your terminal')
    await terminal.shows(/Signed in to \S+ as owner@acme\.test, tenant acme\./)
    await terminal.type('valetkey status; echo "exit $?"')
    await terminal.shows(/live[\s\S]*exit 0/)
    await terminal.type('valetkey logout; echo "exit $?"')
    await terminal.shows(/signed out; what this terminal was given is revoked[\s\S]*exit 0/)
    const files = (await readdir(terminal.home, { recursive: true, withFileTypes: true })).filter((entry) =>
      entry.isFile(),
    )
    for (const { parentPath, name } of files)
      expect(await readFile(join(parentPath, name), 'utf8'), name).not.toMatch(/vk_(at|rt)_/)
  } finally {
    await terminal.close()
  }
})

test('without a browser it says why, shows a code that is typed anywhere, and goes on by itself', async ({ page }) => {
  const terminal = await openTerminal({ browser: false })
  try {
    await signIn(page, 'owner@acme.test')
    await terminal.type(`valetkey login ${origin}; echo "exit $?"`)
    await terminal.shows(/because there is no display/)
    const [, code = ''] = await terminal.shows(/\n\s+([A-Z0-9]{4}-[A-Z0-9]{4})\n/)
    await terminal.shows(/Waiting for you in the browser … 1[45]:\d\d/)
    await page.goto('/device')
    await page.getByLabel('Code').fill(code)
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByRole('button', { name: 'Allow' }).click()
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Allowed')
    await terminal.shows(/Signed in to .*[\s\S]*exit 0/)
  } finally {
    await terminal.close()
  }
})

test('O-22: a denial ends it at once; Ctrl-C ends it with 130 and leaves nothing behind', async ({ page }) => {
  const terminal = await openTerminal({ browser: false })
  try {
    await signIn(page, 'owner@acme.test')
    await terminal.type(`valetkey login ${origin}; echo "exit $?"`)
    const [, code = ''] = await terminal.shows(/\n\s+([A-Z0-9]{4}-[A-Z0-9]{4})\n/)
    await page.goto('/device')
    await page.getByLabel('Code').fill(code)
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByRole('button', { name: 'Deny', exact: true }).click()
    await terminal.shows(/The request was denied\.[\s\S]*exit 8/)
    await terminal.type(`valetkey login ${origin}; echo "exit $?"`)
    await terminal.shows(/Waiting for you/)
    await terminal.press('C-c')
    await terminal.shows(/exit 130/)
  } finally {
    await terminal.close()
  }
})

test('what waits is answered in the browser: the command opens the page, fills in no code and presses nothing', async ({
  page,
}) => {
  const asking = await openTerminal({ browser: false })
  const terminal = await openTerminal()
  try {
    await signIn(page, 'owner@acme.test')
    await asking.type(`valetkey login ${origin}; echo "exit $?"`)
    const [, code = ''] = await asking.shows(/\n\s+([A-Z0-9]{4}-[A-Z0-9]{4})\n/)
    await terminal.type(`valetkey approve ${code} --server ${origin}; echo "exit $?"`)
    await terminal.shows(/Go on in your browser[\s\S]*exit 0/)
    await page.goto(await terminal.sentTo())
    const field = page.getByLabel('Code')
    await expect(field).toBeFocused()
    await expect(field).toHaveValue('')
    await field.fill(code)
    await page.getByRole('button', { name: 'Continue' }).click()
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Allow Valetkey command line?')
    // Left where it is, it waits, and the command leads back to it.
    await terminal.type(`valetkey approve --server ${origin}; echo "exit $?"`)
    await terminal.shows(/exit 0/)
    await page.goto(await terminal.sentTo())
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Waiting for you')
    await expectAccessible(page)
    await shoot(page, 'approve')
    await page.goto('/t/acme/notifications')
    await expect(page.getByText('One request waits for you')).toBeVisible()
    await shoot(page, 'approve-notifications')
    await page.getByRole('link', { name: 'See what waits' }).click()
    await page.getByRole('link', { name: 'Let in Valetkey command line' }).click()
    await page.getByRole('button', { name: 'Deny', exact: true }).click()
    await asking.shows(/The request was denied\.[\s\S]*exit 8/)
    await page.goto('/approve')
    await expect(page.getByRole('heading', { level: 2 })).toHaveText('Nothing waits for you')
    await terminal.type(
      `valetkey approve https://elsewhere.example/connect/lrq_${'0'.repeat(32)} --server ${origin}; echo "exit $?"`,
    )
    await terminal.shows(/is not of http[\s\S]*exit 2/)
  } finally {
    await asking.close()
    await terminal.close()
  }
})

test('O-24: whatever answers instead of Valetkey is one line with the next step, and an exit code of the table', async () => {
  const me = { id: 'usr_1', name: 'A build', email: null, tenants: [{ slug: 'acme', name: 'Acme', role: 'member' }] }
  let answer: (response: ServerResponse) => void = () => {}
  const server = createServer((_request, response) => answer(response))
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  const url = `http://localhost:${(server.address() as AddressInfo).port}`
  const html = (status: number) => (response: ServerResponse) =>
    response.writeHead(status, { 'content-type': 'text/html' }).end('<h1>Sign in to the Wi-Fi</h1>')
  const json = (text: string) => (response: ServerResponse) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(text)
  const problem =
    (status: number, code: string, headers = {}) =>
    (response: ServerResponse) =>
      response
        .writeHead(status, { 'content-type': 'application/problem+json', ...headers })
        .end(JSON.stringify({ type: 'about:blank', code, title: 'Told', status, next: 'Next.', request_id: 'req_1' }))
  const terminal = await openTerminal()
  try {
    await terminal.type('export VALETKEY_TOKEN=vk_at_of_nobody')
    for (const [what, told, exit] of [
      [html(200), /is not Valetkey/, 9],
      [html(404), /is not Valetkey/, 9],
      [json(''), /is not Valetkey/, 9],
      [json('{"id":"usr_1","ten'), /is not Valetkey/, 9],
      [json('{}'), /Something is missing/, 9],
      [problem(500, 'internal'), /Told/, 6],
      [problem(429, 'rate_limited', { 'retry-after': '900' }), /Told\s+Try again in 900 seconds/, 7],
      [json(JSON.stringify(me)), /acme/, 0],
    ] as const) {
      answer = what
      await terminal.type(`valetkey whoami --server ${url}; echo "exit $?"`)
      await terminal.shows(new RegExp(`${told.source}[\\s\\S]*exit ${exit}`))
      expect(await terminal.screen()).not.toMatch(/\bat .*\.js:\d+/)
    }
  } finally {
    await terminal.close()
    server.closeAllConnections()
    server.close()
  }
})
