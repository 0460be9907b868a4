// A child of a stack's session, by the command: asked for by its flags, within what the person let this terminal issue.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type CliWorld, startCliWorld } from '../support/cli.ts'
import { linkMany, turnOn } from '../support/session-flow.ts'

let world: CliWorld
let project: string
beforeAll(async () => {
  world = await startCliWorld()
  const owner = await world.app.actorOf('owner@acme.test')
  await turnOn(world.app, owner)
  project = (await linkMany(world.app, owner, 'owner@acme.test', ['10232'])).projectId
  await world.console('PATCH', `/tenants/acme/projects/${project}`, { alias: 'science' })
}, 60_000)
afterAll(() => world.stop())

/** What the person let the terminal issue at most. */
const allow = (rights: object | null) =>
  world.app.rows('acme', 'UPDATE oauth_grant SET ceilings = $1 RETURNING id', [
    JSON.stringify({ [project]: { rights } }),
  ])
const token = (...args: string[]) => world.run(['token', 'science', ...args, '--purpose', 'look around'])
const made = () => world.app.rows('acme', `SELECT strategy FROM issued_token WHERE status = 'live'`)

it('ASK-08: is told by its flag, prints the child alone, and goes no further than the person said', async () => {
  expect((await world.login()).code).toBe(0)
  await allow({ buckets: { 'in.c-experiments': 'read' }, read_all_files: true, manage_buckets: true })
  const beyond = await token('--read-project', '--expires', '15m')
  expect([beyond.code === 0, beyond.stdout, beyond.stderr]).toEqual([
    false,
    '',
    expect.stringContaining('read the whole project'),
  ])
  expect(await made()).toEqual([])

  await allow({ read_project: true })
  const { code, stdout, stderr } = await token('--read-project', '--expires', '15m')
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^kbc_at_\S+\n$/)])
  expect(stderr).toContain('read the whole project')
  expect(await made()).toEqual([{ strategy: 'exchange' }])
  const headers = { authorization: `Bearer ${stdout.trim()}`, 'x-kbc-projectid': '10232' }
  expect((await fetch(`${world.app.demo.url}/v2/storage/buckets`, { headers })).status).toBe(200)

  const { stdout: line } = await token('--read-project', '--expires', '15m', '--format', 'header')
  expect(line).toMatch(/^Authorization: Bearer kbc_at_\S+\n$/)
  const { stdout: env } = await token('--read-project', '--expires', '15m', '--format', 'env')
  expect(env).toContain('KBC_PROJECT_ID')
  expect((await token('--write-project')).code).not.toBe(0)
  expect((await token('--read-project', '--expires', '2h')).code).not.toBe(0)
})

it('ASK-08: flags of a Storage token and of a child are not mixed, and those that there are are shown', async () => {
  const mixed = await token('--read-project', '--bucket', 'in.c-experiments=read')
  expect([mixed.code, mixed.stderr]).toEqual([2, expect.stringContaining('says nothing of a token')])
  const { stderr } = await world.run(['token', 'science'])
  for (const flag of ['--bucket', '--read-project', '--write-project', '--read-only']) expect(stderr).toContain(flag)
  const other = await token('--strategy', 'mint', '--read-project')
  expect([other.code, other.stderr]).toEqual([2, expect.stringContaining('made by mint')])
})
