// The pages for people who come from other programs: every command on them, in their order, against the demo.
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { approve } from '../../demo/browser.ts'
import { completeLink } from '../../lib/broker/link/complete.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { type CliWorld, startCliWorld } from '../support/cli.ts'

// A device waits five seconds between two questions, and so does the command.
vi.setConfig({ testTimeout: 120_000 })

const account = 'owner@acme.test'
const canary = 'CANARY'
let world: CliWorld
beforeAll(async () => {
  world = await startCliWorld()
})
afterAll(() => world.stop())

/** The commands of a page as they are written, without what stands around them. */
async function commandsOf(page: string): Promise<string[]> {
  const text = await readFile(new URL(`../../docs/switching/${page}.md`, import.meta.url), 'utf8')
  return [...text.matchAll(/^( *)```sh\n(.*?)^ *```$/gms)].flatMap(([, indent = '', lines = '']) =>
    lines.split('\n').flatMap((line) => line.slice(indent.length) || []),
  )
}

/** A line as a shell takes it apart: what is set before the command, and its arguments. */
function taken(line: string): { env: Record<string, string>; args: string[] } {
  const script = `valetkey() { printf '%s\\0' "$KBAGENT_PROJECT" "$KBAGENT_PROJECT_FROM_ENV" "$@"; }; ${line}`
  const env: NodeJS.ProcessEnv = { ...process.env, HOME: world.machine }
  const [project, isSet, ...args] = execFileSync('bash', ['-c', script], { env, encoding: 'utf8' })
    .split('\0')
    .slice(0, -1)
  const set = { KBAGENT_PROJECT: project, KBAGENT_PROJECT_FROM_ENV: isSet }
  return { env: Object.fromEntries(Object.entries(set).filter(([, value]) => value)) as Record<string, string>, args }
}

/** What a person does in the browser: the approval at an upstream. */
async function linkProject(provider: string, alias: string, project?: string): Promise<void> {
  const { ctx, actorOf, providerOf, callbackOf } = world.app
  const actor = await actorOf(account)
  const { id } = await providerOf(actor, provider)
  const { url } = await startLink(ctx, actor, { providerId: id, alias, browser: actor.browser })
  const location = await approve(url, { account, ...(project && { project }) })
  const done = await completeLink(ctx, callbackOf(location, actor))
  if (!('projectId' in done)) throw done.error
}

/** As the page of a sign-in asks: at each project that the person has linked before it, whatever they may do there. */
async function allowProjects(): Promise<void> {
  const projects = await world.app.rows('acme', 'SELECT id FROM project')
  const ceilings = Object.fromEntries(projects.map(({ id }) => [String(id), { rights: null, proxy: null }]))
  await world.app.rows('acme', 'UPDATE oauth_grant SET ceilings = $1 RETURNING id', [JSON.stringify(ceilings)])
}

/** A program of this name that tells which variables it finds, and no value of a token. */
async function standIn(name: string): Promise<string> {
  const folder = join(world.machine, 'bin')
  await mkdir(folder, { recursive: true })
  await writeFile(
    join(folder, name),
    `#!/bin/sh\necho "${name} $*"\nenv | grep -E '^(KBC|KBAGENT|OSA)_' | sed 's/_TOKEN=..*/_TOKEN=set/' | sort\n`,
  )
  await chmod(join(folder, name), 0o755)
  return folder
}

type Play = { link: () => Promise<void>; env: Record<string, string> }

/** Runs a page from top to bottom, as a person with a browser does. Answers what each command said. */
async function play(page: string, { link, env }: Play): Promise<Map<string, { code: number | null; out: string }>> {
  const said = new Map<string, { code: number | null; out: string }>()
  for (const line of await commandsOf(page)) {
    const { env: set, args } = taken(line.replaceAll('https://valetkey.example.com', world.at.origin))
    const options = { env: { ...env, ...set } }
    const [command] = args
    let ended: ReturnType<typeof world.run>
    if (command === 'login' && args.includes('--device')) {
      const running = world.start(args, options)
      await running.says(/[A-Z0-9]{4}-[A-Z0-9]{4}/)
      await world.approveWaitingDevice()
      ended = running.ended
    } else if (command === 'login') ended = world.login({ args: args.slice(2), env })
    else if (command === 'connect') {
      const running = world.start(args, options)
      await world.sentTo()
      await link()
      ended = running.ended
    } else ended = world.run(args, options)
    const { code, stdout, stderr } = await ended
    if (command === 'login') await allowProjects()
    expect(stdout + stderr, line).not.toContain(canary)
    said.set(line, { code, out: stdout + stderr })
  }
  return said
}

describe('a page for people who come from another program', () => {
  it('K-25: from kbagent, command by command', async () => {
    const bin = await standIn('kbagent')
    const file = join(world.machine, '.config/keboola-agent-cli/config.json')
    await mkdir(dirname(file), { recursive: true })
    const stack_url = world.app.demo.url
    const projects = { prod: { stack_url, token: `10231-7-${canary}`, project_id: 10231, active_branch_id: 99 } }
    await writeFile(file, JSON.stringify({ version: 1, projects }, null, 2))
    await linkProject('Demo stack', 'prod', '10231')
    const said = await play('kbagent', {
      link: () => linkProject('Demo stack', 'another', '10232'),
      env: { PATH: `${bin}:${process.env.PATH}` },
    })
    expect([...said].filter(([, { code }]) => code !== 0)).toEqual([])
    const of = (part: string) => [...said].find(([line]) => line.includes(part))?.[1].out ?? ''
    expect(of('adopt --write')).toContain('branch 99')
    expect(await readFile(file, 'utf8')).not.toContain(canary)
    expect(of('-- kbagent')).toBe(
      [
        'kbagent storage buckets',
        'KBAGENT_PROJECT=__env__',
        'KBAGENT_PROJECT_FROM_ENV=1',
        'KBC_BRANCH_ID=99',
        `KBC_STORAGE_API_HOST=${new URL(stack_url).host}`,
        'KBC_STORAGE_API_TOKEN=set',
        `KBC_STORAGE_API_URL=${stack_url}`,
        'KBC_STORAGE_TOKEN=set',
        'KBC_TOKEN=set',
        `KBC_URL=${stack_url}`,
        '',
      ].join('\n'),
    )
    expect(of('tokens --project')).toContain('nightly export')
    expect(world.app.demo.ledger.tokens.filter(({ kind, live }) => kind === 'storage' && live)).toEqual([])
    await rm(join(world.machine, '.valetkey'), { recursive: true })
  })

  it('O-13: from osa, command by command', async () => {
    const bin = await standIn('osa')
    const file = join(world.machine, '.config/osa/credentials.json')
    await mkdir(dirname(file), { recursive: true })
    const server = world.app.demo.ticketsIssuer
    await writeFile(file, JSON.stringify({ [server]: { access_token: `${canary}1`, refresh_token: `${canary}2` } }))
    await linkProject('Demo tickets', 'tickets')
    const said = await play('osa', {
      link: async () => undefined,
      env: { PATH: `${bin}:${process.env.PATH}` },
    })
    expect([...said].filter(([, { code }]) => code !== 0)).toEqual([])
    const of = (part: string) => [...said].find(([line]) => line.includes(part))?.[1].out ?? ''
    expect(of('-- osa deploy')).toBe('osa deploy\nOSA_TOKEN=set\n')
    expect(await readFile(file, 'utf8')).not.toContain(canary)
  })
})
