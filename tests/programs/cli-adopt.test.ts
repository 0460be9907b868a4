// adopt with a product that has a linked project: what is taken out, what stands in, and the way back.
import { chmod, link, lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { approve } from '../../demo/browser.ts'
import { completeLink } from '../../lib/broker/link/complete.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { type CliWorld, startCliWorld } from '../support/cli.ts'

const canary = 'CANARY'
let world: CliWorld
let file: string
let text: string
beforeAll(async () => {
  world = await startCliWorld()
  await linkProject('10231')
  const { items } = (await world.console('GET', '/tenants/acme/projects')).body as {
    items: { external_id: string; provider: { host: string } }[]
  }
  const [project] = items
  await mkdir(join(world.machine, 'k'))
  file = join(world.machine, 'k/config.json')
  const stack_url = `http://${project?.provider.host}`
  const projects = {
    here: { stack_url, token: `1-2-${canary}`, project_id: Number(project?.external_id), active_branch_id: 1234 },
    other: { stack_url, token: `3-4-${canary}`, project_id: 999 },
    far: { stack_url: 'https://elsewhere.example', token: `5-6-${canary}`, project_id: 5 },
  }
  text = `${JSON.stringify({ version: 1, projects }, null, 2)}\n`
})
afterAll(() => world.stop())
beforeEach(async () => {
  await writeFile(file, text)
  await chmod(file, 0o640)
})

async function linkProject(external: string): Promise<void> {
  const { ctx, actorOf, providerOf, callbackOf } = world.app
  const actor = await actorOf('owner@acme.test')
  const { id } = await providerOf(actor)
  const { url } = await startLink(ctx, actor, { providerId: id, alias: 'prod', browser: actor.browser })
  const location = await approve(url, { account: 'owner@acme.test', project: external })
  const done = await completeLink(ctx, callbackOf(location, actor))
  if (!('projectId' in done)) throw new Error(`not linked: ${JSON.stringify(done)}`)
}

/** A keychain with the interface of secret-tool, which keeps everything in a folder. */
async function keychain(): Promise<Record<string, string>> {
  const folder = join(world.machine, 'keychain')
  await mkdir(folder, { recursive: true })
  const program = join(folder, 'secret-tool')
  await writeFile(
    program,
    `#!/bin/sh
act=$1; for key; do :; done
kept='${folder}'/$(printf %s "$key" | cksum | tr ' ' -)
case $act in store) cat > "$kept" ;; lookup) [ -f "$kept" ] && cat "$kept" || exit 1 ;; clear) rm -f "$kept" ;; esac
`,
  )
  await chmod(program, 0o755)
  return { PATH: `${folder}:${process.env.PATH}`, DBUS_SESSION_BUS_ADDRESS: 'unix:path=/none' }
}
const write = (...more: string[]) => world.run(['adopt', '--write', ...more, file])
const seen = ({ stdout, stderr }: { stdout: string; stderr: string }) => stdout + stderr

it('names the project that stands in and the line that uses it, and writes only what is agreed to', async () => {
  const scopes = ['projects:read', 'tokens:issue', 'tokens:revoke', 'tenant:read'] as const
  expect((await world.login({ scopes })).code).toBe(0)
  const dry = await world.run(['adopt', file, '--json'])
  const [{ tokens, diff }] = JSON.parse(dry.stdout).files
  expect([dry.code, tokens.map(({ project }: { project: string | null }) => project)]).toEqual([
    0,
    ['prod', null, null],
  ])
  expect(tokens[0].use).toBe('KBAGENT_PROJECT_FROM_ENV=1 KBAGENT_PROJECT=__env__ valetkey exec prod -- kbagent COMMAND')
  expect(tokens[0].upstream).toContain('delete token 2')
  expect(tokens[1].why_not).toContain('valetkey connect')
  expect(tokens[2].why_not).toContain('no provider for elsewhere.example')
  expect(diff).toContain('-      "token": "********",')
  expect(await readFile(file, 'utf8')).toBe(text)
  const refused = await write()
  expect([refused.code, refused.stderr]).toEqual([
    8,
    expect.stringMatching(/no undo for .*\n.*Nothing was written[\s\S]*--without-undo/),
  ])
  expect(await readFile(file, 'utf8')).toBe(text)
  const done = await write('--without-undo')
  // One host is known and has no project for it: a person has to link one.
  expect([done.code, (await world.sentTo()).pathname]).toEqual([10, '/t/acme/import'])
  // A terminal is not usually let as far: it says where it is done.
  expect(done.stdout).toMatch(/carried: +not branch 1234: .*\/t\/acme\/import/)
  expect(await readFile(file, 'utf8')).toBe(text.replace(`"1-2-${canary}"`, '""'))
  expect((await stat(file)).mode & 0o777).toBe(0o640)
  expect(await readdir(join(world.machine, 'k'))).toEqual(['config.json'])
  for (const run of [dry, refused, done]) expect(seen(run)).not.toContain(canary)
})

it('a link still leads to the file, and a file of two names is refused', async () => {
  const name = join(world.machine, 'linked')
  await mkdir(name)
  await symlink(file, join(name, 'config.json'))
  await world.run(['adopt', '--write', '--without-undo', join(name, 'config.json')])
  expect((await lstat(join(name, 'config.json'))).isSymbolicLink()).toBe(true)
  expect(await readFile(file, 'utf8')).not.toContain(`1-2-${canary}`)
  await writeFile(file, text)
  await link(file, join(name, 'second'))
  const refused = await write('--without-undo')
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('hard links')])
  expect(await readFile(file, 'utf8')).toBe(text)
  await world.run(['adopt', file])
  const { rm } = await import('node:fs/promises')
  await rm(join(name, 'second'))
})

it('a file that somebody changes meanwhile is left to them', async () => {
  const theirs = `${text}\n`
  const refused = world.start(['adopt', '--write', '--without-undo', file], {
    node: ['--import', resolve(import.meta.dirname, '../support/changes-meanwhile.mjs')],
    env: { CHANGES: file },
  })
  const { code, stderr } = await refused.ended
  expect([code, stderr]).toEqual([1, expect.stringContaining('was changed meanwhile')])
  expect(await readFile(file, 'utf8')).toBe(theirs)
})

it('a keychain keeps the old content: undo puts it back once, and not over a change', async () => {
  const env = await keychain()
  const run = (...args: string[]) => world.run(['adopt', ...args, file], { env })
  const done = await run('--write')
  expect([done.code, done.stdout]).toEqual([10, expect.stringContaining('the keychain (Secret Service)')])
  const changed = await readFile(file, 'utf8')
  await writeFile(file, `${changed}\n`)
  const late = await run('--undo')
  expect([late.code, late.stderr]).toEqual([1, expect.stringContaining('changed since')])
  await writeFile(file, changed)
  const undone = await run('--undo')
  expect([undone.code, await readFile(file, 'utf8')]).toEqual([0, text])
  expect((await stat(file)).mode & 0o777).toBe(0o640)
  expect((await run('--undo')).code).toBe(5)
  await run('--write')
  expect([(await run('--forget')).code, (await run('--undo')).code]).toEqual([0, 5])
  for (const one of [done, late, undone]) expect(seen(one)).not.toContain(canary)
})

it('.netrc: git asks valetkey from then on, until it is undone', async () => {
  const env = await keychain()
  const { host } = new URL(JSON.parse(text).projects.here.stack_url)
  const entry = `machine ${host} login ada password ${canary}\n`
  const own = join(world.machine, '.netrc')
  await writeFile(own, `${entry}machine b.example password ${canary}\n`)
  const helpers = () => readFile(join(world.machine, '.gitconfig'), 'utf8').catch(() => '')
  const done = await world.run(['adopt', '--write', own], { env })
  expect([done.code, seen(done).includes(canary)]).toEqual([0, false])
  expect(await readFile(own, 'utf8')).toBe(`machine b.example password ${canary}\n`)
  expect(await helpers()).toMatch(new RegExp(`https://${host}"][\\s\\S]*helper = !valetkey credential-helper git`))
  expect((await world.run(['adopt', '--undo', own], { env })).code).toBe(0)
  expect(await readFile(own, 'utf8')).toBe(`${entry}machine b.example password ${canary}\n`)
  expect(await helpers()).not.toContain('valetkey')
})

it('killed at any step it leaves the old or the new file, with its mode, and the next one does it', async () => {
  const next = text.replace(`"1-2-${canary}"`, '""')
  const node = ['--import', resolve(import.meta.dirname, '../support/dies-at.mjs')]
  let [at, old] = [0, 0]
  for (let survived = false; !survived; ) {
    at += 1
    await writeFile(file, text)
    const { signal } = await world.run(['adopt', '--write', '--without-undo', file], {
      env: { DIES_AT: String(at) },
      node,
    })
    survived = signal === null
    const now = await readFile(file, 'utf8')
    expect([text, next]).toContain(now)
    if (now === text) old += 1
    expect((await stat(file)).mode & 0o777).toBe(0o640)
  }
  expect([at > 10, old > 0, old < at]).toEqual([true, true, true])
  expect(await readFile(file, 'utf8')).toBe(next)
  // What a killed one had beside it is gone.
  expect(await readdir(join(world.machine, 'k'))).toEqual(['config.json'])
}, 120_000)

it('K-25: what was set there beside the token comes along: the branch, and the alias where that is wanted', async () => {
  // Whoever ran it before was sent to a browser.
  if (await world.opened()) await world.sentTo()
  const more = ['projects:read', 'tokens:issue', 'tokens:revoke', 'tenant:read', 'connections:manage']
  expect((await world.login({ args: more.flatMap((scope) => ['--scope', scope]) })).code).toBe(0)
  const projects = async () =>
    ((await world.console('GET', '/tenants/acme/projects')).body as { items: Record<string, unknown>[] }).items
  const dry = await world.run(['adopt', '--aliases', file, '--json'])
  expect(JSON.parse(dry.stdout).files[0].tokens[0]).toMatchObject({
    carries: { alias: 'here', branch: '1234' },
    carried: [],
  })
  expect(await projects()).toMatchObject([{ alias: 'prod', connection: { branch: null } }])
  const done = await write('--without-undo', '--aliases', '--json')
  expect(JSON.parse(done.stdout).files[0].tokens[0]).toMatchObject({ carried: ['branch 1234', 'alias here'] })
  expect(await projects()).toMatchObject([{ alias: 'here', connection: { branch: '1234' } }])
  // A second time there is nothing to do; the former alias keeps working.
  await writeFile(file, text)
  const again = await write('--without-undo', '--aliases', '--json')
  expect(JSON.parse(again.stdout).files[0].tokens[0]).toMatchObject({ carried: [], project: 'here' })
  expect((await world.run(['token', 'prod', '--help'])).code).toBe(0)
  for (const run of [dry, done, again]) expect(seen(run)).not.toContain(canary)
})
