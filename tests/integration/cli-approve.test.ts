import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type CliWorld, startCliWorld } from '../support/cli.ts'

const request = `lrq_${'0123456789abcdef'.repeat(2)}`
let world: CliWorld
beforeAll(async () => {
  world = await startCliWorld()
})
afterAll(() => world.stop())

/** What was opened, where a run succeeded. */
async function opened(...args: string[]): Promise<string> {
  const { code, stderr } = await world.run(['approve', ...args, '--server', world.at.origin])
  expect([code, stderr]).toEqual([0, expect.stringContaining('Go on in your browser')])
  return (await world.sentTo()).href.slice(world.at.origin.length)
}

it('opens the page where a person answers, signed in here or not, and asks the server nothing itself', async () => {
  world.requests.length = 0
  expect(await opened()).toBe('/approve')
  for (const code of ['WXYZ-BCDF', 'wxyzbcdf', 'WXYZ BCDF'])
    expect(await opened(code)).toBe('/device?user_code=WXYZ-BCDF')
  expect(await opened(request)).toBe(`/connect/${request}`)
  expect(await opened(`${world.at.origin}/connect/${request}?popup=1#x`)).toBe(`/connect/${request}`)
  expect(await opened(`${world.at.origin}/device?user_code=WXYZ-BCDF`)).toBe('/device?user_code=WXYZ-BCDF')
  expect(world.requests).toEqual([])
})

it('an address of another server is refused, and so is what is neither code nor request: nothing is opened', async () => {
  for (const [what, code] of [
    [`https://elsewhere.example/connect/${request}`, 'other_server'],
    [`${world.at.origin.replace('http:', 'https:')}/connect/${request}`, 'other_server'],
    [`${world.at.origin}@elsewhere.example/connect/${request}`, 'other_server'],
    [`${world.at.origin}/t/acme/projects`, 'usage'],
    [`${world.at.origin}/connect/${request}/../../oauth/authorize`, 'usage'],
    ['../oauth/authorize', 'usage'],
    [`att_${'0'.repeat(32)}`, 'usage'],
    ['javascript:alert(1)', 'usage'],
    ['WXYZ-BCDF-GH', 'usage'],
    ['', 'usage'],
  ] as const) {
    const ran = await world.run(['approve', what, '--json', '--server', world.at.origin])
    expect([ran.code, ran.stdout], what).toEqual([2, ''])
    expect(JSON.parse(ran.stderr).error.code, what).toBe(code)
  }
  // What an earlier run had opened would be there.
  await expect(world.opened()).resolves.toBe('')
})

it('without a browser, or one that cannot be started, the address is printed and the run succeeds', async () => {
  const url = `${world.at.origin}/device?user_code=WXYZ-BCDF`
  const args = ['approve', 'WXYZ-BCDF', '--server', world.at.origin]
  const machines: Record<string, string>[] = [
    { BROWSER: '', SSH_TTY: '/dev/pts/1' },
    { BROWSER: join(world.machine, 'no-such-browser') },
  ]
  for (const env of machines) {
    const { code, stdout, stderr } = await world.run(args, { env })
    expect([code, stdout, stderr]).toEqual([0, '', `Open this address in a browser:\n  ${url}\n`])
    const json = await world.run([...args, '--json'], { env })
    expect([json.code, JSON.parse(json.stdout)]).toEqual([0, { url, opened: false }])
  }
})

it('O-14: a folder alone sends nobody to its server, unless somebody is signed in there', async () => {
  const folder = join(world.machine, 'cloned')
  await mkdir(join(folder, '.valetkey'), { recursive: true })
  await writeFile(join(folder, '.valetkey/config.json'), JSON.stringify({ server: world.at.origin }))
  const run = () => world.run(['approve', 'WXYZ-BCDF'], { cwd: folder })
  const refused = await run()
  expect([refused.code, refused.stderr]).toEqual([3, expect.stringContaining('nobody is signed in there')])
  await expect(world.opened()).resolves.toBe('')
  await world.login()
  expect((await run()).code).toBe(0)
  expect((await world.sentTo()).pathname).toBe('/device')
  expect((await world.run(['approve'], { cwd: '/' })).code).toBe(0)
  expect((await world.sentTo()).href).toBe(`${world.at.origin}/approve`)
})
