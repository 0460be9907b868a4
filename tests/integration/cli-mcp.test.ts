// Tokens for the gateway by the command: the flags of an MCP server's rights, and what programs are told of it.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type CliWorld, startCliWorld } from '../support/cli.ts'
import { insertMcpServer, linkMcpServer } from '../support/mcp-project.ts'

let world: CliWorld
beforeAll(async () => {
  world = await startCliWorld()
}, 60_000)
afterAll(() => world.stop())

it('a person signs the terminal in, and lets it issue for an MCP server', async () => {
  const place = await insertMcpServer(world.app, 'acme', { url: 'https://mcp.example/mcp', alias: 'notes' })
  await linkMcpServer(world.app, 'acme', place, await world.app.actorOf('owner@acme.test'))
  expect((await world.login()).code).toBe(0)
  await world.app.rows('acme', 'UPDATE oauth_grant SET ceilings = $1 RETURNING id', [
    JSON.stringify({ [place.project]: { rights: null, proxy: null } }),
  ])
})

const run = (...args: string[]) => world.run(args)
const gateway = () => `${world.at.origin}/mcp/acme/notes`

it('its flags are listed, each with what it means', async () => {
  const { stderr } = await run('token', 'notes')
  for (const line of [
    /--tool <id> +Tools that it may call, by name; may be repeated/,
    /--read-only-tools +Call every tool that the server marks as read-only/,
    /--all-tools +Call every tool, also those that come later/,
    /--resource <id> +Resources that it may read/,
  ])
    expect(stderr).toMatch(line)
})

it('a token has the rights of its flags and names the gateway', async () => {
  const { stdout } = await run(
    'token',
    'notes',
    '--read-only-tools',
    '--tool',
    'add_note',
    '--purpose',
    'an agent',
    '--json',
  )
  const body = JSON.parse(stdout)
  expect(body.granted).toMatchObject({ tools: ['add_note'], read_only_tools: true, all_tools: false })
  expect([body.strategy, body.environment]).toEqual(['proxy', { MCP_TOKEN: body.value, MCP_URL: gateway() }])
})

it('a program is started with both, and the helper of clients answers with the header', async () => {
  const print = 'process.stdout.write(process.env.MCP_URL + " " + process.env.MCP_TOKEN.slice(0, 6))'
  const { stdout } = await run('exec', 'notes', '--read-only-tools', '--', process.execPath, '-e', print)
  expect(stdout).toBe(`${gateway()} vk_px_`)
  const { stdout: headers } = await run('credential-helper', 'mcp', '--project', 'notes', '--read-only-tools')
  expect(JSON.parse(headers)).toEqual({ Authorization: expect.stringMatching(/^Bearer vk_px_/) })
})

it('nothing is allowed that no flag names', async () => {
  const { code, stderr } = await run('token', 'notes', '--purpose', 'x', '--rights', '{}')
  expect(code).not.toBe(0)
  expect(stderr).toContain('right')
})
