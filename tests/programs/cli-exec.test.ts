// `valetkey exec` as people run it: the bundled command against the product on its own socket.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Cli } from '../../cli/src/cli.ts'
import { execute } from '../../cli/src/exec.ts'
import { createOutput } from '../../cli/src/output.ts'
import { scopes } from '../../lib/actor.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { calledWith, isThere, type Machine, startMachine } from '../support/command.ts'
import { type Between, serve } from '../support/served.ts'

let app: TestApp
let at: Awaited<ReturnType<typeof serve>>
let machine: Machine
let mine: { access_token: string; refresh_token: string }
let between: Between = () => false
beforeAll(async () => {
  app = await startTestApp()
  const browser = await app.signIn('owner@acme.test')
  const link = (project: string, alias: string) =>
    app.linkProject(browser, 'acme', { account: 'owner@acme.test', project, alias })
  const projects = [await link('10231', 'warehouse'), await link('10232', 'archive')]
  const { id } = (await app.call<{ id: string }>(browser, 'GET', '/me')).body
  at = await serve(app, { between: (request, response) => between(request, response) })
  machine = await startMachine()
  mine = await machine.signIn(app, at.origin, { user: id, scopes, ceilings: allOf(projects) })
}, 120_000)
afterAll(async () => {
  await machine?.stop()
  await at?.stop()
  await app?.stop()
})
afterEach(async () => {
  between = () => false
  await app.forgetLimits()
})

/** A grant that may issue whatever its person may. */
const allOf = (projects: string[]) => Object.fromEntries(projects.map((id) => [id, { rights: null, proxy: null }]))
const reading = ['--bucket', 'in.c-crm=read']
/** A program of the machine's own, in Node. */
async function program(text: string): Promise<string> {
  const file = join(machine.bin, `program-${Math.random().toString(36).slice(2)}`)
  await writeFile(file, `#!${process.execPath}\n${text}`)
  await chmod(file, 0o755)
  return file
}
type Row = { id: string; purpose: string; revoked: boolean }
const tokens = async () =>
  (await app.rows(
    'acme',
    `SELECT id, purpose, revoked_at IS NOT NULL OR status = 'failed' AS revoked FROM issued_token ORDER BY created_at`,
  )) as Row[]
/** What work comes to, and how many tokens were issued meanwhile: each of them is revoked. */
async function issuing<T>(work: () => Promise<T>): Promise<{ result: T; issued: number; purposes: string[] }> {
  const known = new Set((await tokens()).map(({ id }) => id))
  const result = await work()
  const made = (await tokens()).filter(({ id }) => !known.has(id))
  expect(made.filter(({ revoked }) => !revoked)).toEqual([])
  return { result, issued: made.length, purposes: made.map(({ purpose }) => purpose) }
}
const exec = (words: string[], options?: Parameters<Machine['valetkey']>[1]) =>
  issuing(() => machine.valetkey(['exec', ...words], options))
const stateOf = async (pid: number) => (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.[0]

/** Whether SIGTSTP stops a process that we start. */
async function isStoppable(): Promise<boolean> {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  await once(child, 'spawn')
  child.kill('SIGTSTP')
  const stopped = await vi
    .waitFor(async () => expect(await stateOf(child.pid ?? 0)).toBe('T'), { timeout: 2000 })
    .then(() => true)
    .catch(() => false)
  child.kill('SIGKILL')
  return stopped
}

const stoppable = await isStoppable()

describe('the program', () => {
  it('has a token that works while it runs, under the names of its tools, and that is revoked when it has ended', async () => {
    const use = await program(`
      const { KBC_TOKEN: token, KBC_URL: url } = process.env
      const verify = new URL('/v2/storage/tokens/verify', url)
      fetch(verify, { headers: { 'x-storageapi-token': token } }).then((answer) => console.log(answer.status, token))`)
    const { result, issued, purposes } = await exec(['warehouse', ...reading, '--', use, 'an argument'])
    const [, status, token = ''] = /^(\d+) (\S+)\n$/.exec(result.stdout) ?? []
    expect([result.code, result.stderr, status, issued]).toEqual([0, '', '200', 1])
    expect(await app.useToken(token)).toBe(401)
    // Its base name alone: arguments may be secret.
    expect(purposes).toEqual([`exec: ${use.split('/').at(-1)}`])
  })

  it('finds in its environment what was there and its tokens, and nothing that is ours', async () => {
    const env = { GREETING: 'hello', VALETKEY_TOKEN: mine.access_token, VALETKEY_SERVER: at.origin, KBC_TOKEN: 'old' }
    const { result } = await exec(['warehouse', ...reading, '--', 'env'], { env })
    expect(result).toMatchObject({ code: 0, stderr: '' })
    const found = Object.fromEntries(
      result.stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/=(.*)/s)),
    )
    const { KBC_TOKEN: token, KBC_URL: url } = found
    expect(token).not.toBe('old')
    expect(found).toMatchObject({ GREETING: 'hello', KBC_STORAGE_TOKEN: token, KBC_STORAGE_API_URL: url })
    expect(found).not.toHaveProperty('VALETKEY_TOKEN')
    for (const secret of Object.values(mine)) expect(result.stdout).not.toContain(secret)
  })

  it('its tokens are in no file and in no list of arguments', async () => {
    const wait = await program(
      `console.log(process.env.KBC_TOKEN); process.stdin.resume(); setInterval(() => {}, 1000)`,
    )
    await issuing(async () => {
      const { child, ended, says } = machine.start(['valetkey', 'exec', 'warehouse', ...reading, '--', wait])
      const [token = ''] = await says(/\S{20,}/)
      expect(await machine.holding(token)).toEqual([])
      expect(await calledWith(token)).toEqual([])
      expect(await calledWith(mine.access_token)).toEqual([])
      child.kill('SIGTERM')
      await ended
    })
    // What we look with finds what is there.
    expect(await machine.holding(mine.refresh_token)).toEqual(['home/valetkey/credentials.json'])
    expect((await calledWith('vitest')).length).toBeGreaterThan(0)
  })

  it('gets our input, and its exit code is ours', async () => {
    const { result } = await exec(['warehouse', ...reading, '--', 'sh', '-c', 'cat; exit 42'], {
      input: 'what comes in',
    })
    expect(result).toEqual({ code: 42, signal: null, stdout: 'what comes in', stderr: '' })
  })

  it('takes what follows "--" as it is', async () => {
    const words = ['--help', '--', '-x', '', 'a b', '$HOME', '*']
    const { result } = await exec(['warehouse', ...reading, '--', 'printf', '[%s]', ...words])
    expect(result.stdout).toBe(words.map((word) => `[${word}]`).join(''))
  })
})

describe('signals', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const)(
    '%s is passed on, and what ends by it exits with 128 and its number',
    async (name) => {
      const wait = await program(`console.log('runs'); setInterval(() => {}, 1000)`)
      const { result, issued } = await issuing(async () => {
        const { child, ended, says } = machine.start(['valetkey', 'exec', 'warehouse', ...reading, '--', wait])
        await says(/runs/)
        child.kill(name)
        return ended
      })
      const number = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1, SIGQUIT: 3 }[name]
      expect(result).toEqual({ code: 128 + number, signal: null, stdout: 'runs\n', stderr: '' })
      expect(issued).toBe(1)
    },
  )

  it('a program that goes on after a signal is waited for, and keeps its token', async () => {
    const patient = await program(`
      const ask = async () => {
        const headers = { 'x-storageapi-token': process.env.KBC_TOKEN }
        console.log('then', (await fetch(process.env.KBC_URL + '/v2/storage/tokens/verify', { headers })).status)
        process.exit(7)
      }
      let told = 0
      process.on('SIGINT', () => (told += 1) === 2 ? ask() : console.log('told'))
      console.log('runs'); setInterval(() => {}, 1000)`)
    const { result } = await issuing(async () => {
      const { child, ended, says } = machine.start(['valetkey', 'exec', 'warehouse', ...reading, '--', patient])
      await says(/runs/)
      child.kill('SIGINT')
      await says(/told/)
      child.kill('SIGINT')
      return ended
    })
    expect(result).toEqual({ code: 7, signal: null, stdout: 'runs\ntold\nthen 200\n', stderr: '' })
  })

  // In an orphaned process group nobody is stopped (POSIX 2.4.3): a run without a terminal and a shell above it is one.
  it.skipIf(!stoppable)('SIGTSTP stops the program and us, and SIGCONT lets both go on', async () => {
    const wait = await program(`console.log(process.pid); setInterval(() => {}, 1000)`)
    const { result } = await issuing(async () => {
      const { child, ended, says } = machine.start(['valetkey', 'exec', 'warehouse', ...reading, '--', wait])
      const inner = Number((await says(/\d+/))[0])
      child.kill('SIGTSTP')
      const states = async () => [await stateOf(inner), await stateOf(child.pid ?? 0)]
      await expect.poll(states).toEqual(['T', 'T'])
      child.kill('SIGCONT')
      await expect.poll(states).not.toContain('T')
      child.kill('SIGTERM')
      return ended
    })
    expect(result.code).toBe(143)
  })

  it('a program that is killed ends with 137, and its token is revoked', async () => {
    const { result, issued } = await exec(['warehouse', ...reading, '--', 'sh', '-c', 'kill -KILL $$'])
    expect([result.code, issued]).toEqual([137, 1])
  })

  it.skipIf(!isThere('script'))('Ctrl-C in a terminal reaches the program once', async () => {
    const count = await program(`
      let told = 0
      process.on('SIGINT', () => { told += 1; setTimeout(() => { console.log('told', told); process.exit(3) }, 200) })
      console.log('runs'); setInterval(() => {}, 1000)`)
    const { result } = await issuing(async () => {
      const line = `exec valetkey exec warehouse ${reading.join(' ')} -- ${count}`
      const { child, ended, says } = machine.start(['script', '--quiet', '--return', '--command', line, '/dev/null'], {
        typing: true,
      })
      await says(/runs/)
      child.stdin?.write('\x03')
      return ended
    })
    expect(result.stdout).toMatch(/told 1\r?\n/)
    expect(result.code).toBe(3)
  })

  it('one that comes while a token is being made waits for it, and revokes it', async () => {
    const { result, issued } = await issuing(async () => {
      let reached = () => {}
      let go = () => {}
      const asked = new Promise<void>((resolve) => {
        reached = resolve
      })
      const released = new Promise<void>((resolve) => {
        go = resolve
      })
      between = async ({ method, url }) => {
        if (method !== 'POST' || !url?.endsWith('/tokens')) return false
        reached()
        await released
        return false
      }
      const { child, ended } = machine.start(['valetkey', 'exec', 'warehouse', ...reading, '--', 'echo', 'runs'])
      await asked
      child.kill('SIGINT')
      go()
      return ended
    })
    expect(result).toEqual({ code: 130, signal: null, stdout: '', stderr: '' })
    expect(issued).toBe(1)
  })

  it('those that come while tokens are being revoked change nothing', async () => {
    const { result } = await issuing(async () => {
      let reached = () => {}
      let go = () => {}
      const asked = new Promise<void>((resolve) => {
        reached = resolve
      })
      const released = new Promise<void>((resolve) => {
        go = resolve
      })
      between = async ({ url }) => {
        if (!url?.endsWith('/revocations')) return false
        reached()
        await released
        return false
      }
      const { child, ended } = machine.start(['valetkey', 'exec', 'warehouse', ...reading, '--', 'true'])
      await asked
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) child.kill(name)
      go()
      return ended
    })
    expect(result.code).toBe(0)
  })
})

describe('what cannot be run', () => {
  it.each([
    ['there is no such program', ['no-such-program-here'], 127, 'no_program'],
    ['it may not be run', ['/etc/passwd'], 126, 'not_executable'],
    ['it is a folder', ['/tmp'], 126, 'not_executable'],
  ])('%s: its token is revoked', async (_, words, code, name) => {
    const { result, issued } = await exec(['warehouse', ...reading, '--json', '--', ...words])
    expect([result.code, result.stdout, issued]).toEqual([code, '', 1])
    expect(JSON.parse(result.stderr).error.code).toBe(name)
  })

  it.each([
    ['nobody is signed in', ['warehouse', '--tenant', 'globex', ...reading], 'signed_out'],
    ['there is no such project', ['nowhere', ...reading], 'not_found'],
    ['nothing says what it may do', ['warehouse'], 'no_rights'],
    ['a right that the kind does not know', ['warehouse', '--repo', 'x'], 'usage'],
    ['more than the server allows', ['warehouse', '--bucket', 'in.c-crm=read', '--expires', '1w'], 'usage'],
    ['a name that is none', ['warehouse=A-B', ...reading], 'usage'],
    ['twice the same', ['warehouse', 'warehouse'], 'usage'],
  ])('125 where nothing was started: %s', async (_, words, code) => {
    const { result, issued } = await exec(['--json', ...words, '--', 'echo', 'runs'])
    expect([result.code, result.stdout, issued]).toEqual([125, '', 0])
    expect(JSON.parse(result.stderr).error.code).toBe(code)
  })
})

describe('several projects', () => {
  const rights = ['--rights', '{"buckets":{"in.c-crm":"read"}}'] as const
  const both = async () => {
    const file = join(machine.work, 'rights.json')
    await writeFile(file, rights[1])
    return ['--rights', `warehouse=${file}`, '--rights', 'archive={"buckets":{"in.c-features":"read"}}']
  }

  it('whose variables collide are an error that names both, before anything is issued', async () => {
    const { result, issued } = await exec(['warehouse', 'archive', ...(await both()), '--', 'env'])
    expect([result.code, issued]).toEqual([125, 0])
    expect(result.stderr).toBe(
      'valetkey: warehouse and archive would both set KBC_TOKEN.\n' +
        '  Say what one of them is called: archive=MY_TOKEN, or archive=MY_ for all its variables.\n',
    )
  })

  it.each([
    ['archive=ARCHIVE_TOKEN', ['ARCHIVE_TOKEN']],
    ['archive=OLD_', ['OLD_KBC_TOKEN', 'OLD_KBC_STORAGE_TOKEN', 'OLD_KBC_STORAGE_API_TOKEN']],
  ])('%s: each has its own', async (aim, names) => {
    const { result, issued } = await exec(['warehouse', aim, ...(await both()), '--', 'env'])
    expect([result.code, issued, result.stderr]).toEqual([0, 2, ''])
    const found = Object.fromEntries(
      result.stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/=(.*)/s)),
    )
    const [token] = new Set(names.map((name) => found[name]))
    expect(token).toMatch(/^10232-/)
    expect(found.KBC_TOKEN).toMatch(/^10231-/)
    expect(Object.keys(found).filter((name) => found[name] === token)).toEqual(names)
  })

  it('one that fails leaves nothing of the others', async () => {
    const file = join(machine.work, 'unknown.json')
    await writeFile(file, '{"buckets":{"in.c-nowhere":"read"},"components":["no.such"]}')
    await writeFile(join(machine.work, 'rights.json'), rights[1])
    const words = ['warehouse', 'archive=A_', '--rights', 'warehouse=rights.json', '--rights', 'archive=unknown.json']
    const { result, issued } = await exec([...words, '--', 'echo', 'runs'])
    expect([result.code, result.stdout]).toEqual([125, ''])
    expect(issued).toBe(2)
  })

  it('what a token may do is said by the linked folder, for its own server alone', async () => {
    const choice = { rights: { buckets: { 'in.c-crm': 'read' } }, expires: '5m' }
    const folder = join(machine.work, 'linked')
    await mkdir(join(folder, '.valetkey'), { recursive: true })
    await mkdir(join(folder, 'below'))
    const write = (server: string) =>
      writeFile(
        join(folder, '.valetkey/config.json'),
        JSON.stringify({ server, tenant: 'acme', exec: { warehouse: choice } }),
      )
    await write(at.origin)
    const cwd = join(folder, 'below')
    expect((await exec(['warehouse', '--', 'echo', 'runs'], { cwd })).result).toMatchObject({
      code: 0,
      stdout: 'runs\n',
    })
    const linking = await machine.valetkey(['link', '--server', at.origin], { cwd: folder })
    expect([linking.code, JSON.parse(await readFile(join(folder, '.valetkey/config.json'), 'utf8')).exec]).toEqual([
      0,
      { warehouse: choice },
    ])
    await write('https://elsewhere.example')
    const { result } = await exec(['warehouse', '--server', at.origin, '--', 'echo', 'runs'], { cwd })
    expect([result.code, result.stdout]).toEqual([125, ''])
  })
})

describe('the end', () => {
  it('a token that ends before the program is told of, while that runs on', async () => {
    let pass = () => {}
    const passed = new Promise<void>((resolve) => {
      pass = resolve
    })
    const noted: string[] = []
    const waited: number[] = []
    const stop = join(machine.work, 'stop')
    const sink = {
      write(text: string) {
        noted.push(text)
        if (/has ended/.test(text)) void writeFile(stop, '')
      },
    }
    const cli: Cli = {
      env: { PATH: process.env.PATH, VALETKEY_TOKEN: mine.access_token },
      cwd: machine.work,
      home: machine.home,
      given: { server: at.origin, tenant: 'acme', caFile: undefined },
      platform: 'linux',
      out: createOutput({ stdout: sink, stderr: sink, stdin: {} }, { json: false, color: false, env: {} }),
      signal: new AbortController().signal,
      signals: {
        interrupted: new AbortController().signal,
        fromTerminal: false,
        take: () => () => {},
        pause: () => {},
      },
      input: async () => '',
      now: () => new Date(),
      monotonicSeconds: () => 0,
      http: (request) => fetch(request),
      wait(seconds) {
        waited.push(seconds)
        pass()
        return passed
      },
    }
    const command = ['sh', '-c', `while [ ! -e '${stop}' ]; do sleep 0.05; done; exit 6`]
    const given = { rights: [], strategy: undefined, expires: '60s', flags: reading, command }
    const ended = await execute(cli, { ...given, aims: [{ project: 'warehouse', as: undefined }] })
    expect([ended, waited[0]]).toEqual([6, expect.closeTo(60, -1)])
    expect(noted).toEqual(['valetkey: the token for warehouse has ended, and the program still runs.\n'])
  })

  it('a server that is away then is told of, and the exit code stays the program’s', async () => {
    between = ({ url, socket }) => {
      const isIt = url?.endsWith('/revocations') === true
      if (isIt) socket.destroy()
      return isIt
    }
    const ran = await machine.valetkey(['exec', 'warehouse', ...reading, '--', 'sh', '-c', 'exit 5'])
    expect(ran).toMatchObject({ code: 5, stdout: '' })
    expect(ran.stderr).toMatch(/could not be revoked: .* It ends by itself at 20\d\d-/)
  })
})
