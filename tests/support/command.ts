import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestApp } from './app.ts'
import { commandBundle } from './command-bundle.ts'
import { deviceLogin } from './programs.ts'

/** As the package has them in its `bin`. */
const installed = { valetkey: 'valetkey.js', 'docker-credential-valetkey': 'docker-credential-valetkey.js' }
type Folders = [home: string, work: string, bin: string]

export type Ran = { code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }

/** `input`: all that comes in; nothing unless it is said. `typing`: the test writes to it itself. */
type Circumstances = { env?: Record<string, string>; cwd?: string; input?: string; typing?: boolean }

/** Whether a program is there to be tried. */
export function isThere(program: string, ...args: string[]): boolean {
  try {
    execFileSync(program, args.length > 0 ? args : ['--version'], { stdio: 'ignore', timeout: 30_000 })
    return true
  } catch {
    return false
  }
}

/**
 * A machine of somebody's own, on which the command is installed as a package has it: home, working folder and programs, and
 * nothing of the environment of these tests.
 */
export async function startMachine() {
  const root = await mkdtemp(join(tmpdir(), 'valetkey-machine-'))
  const [home, work, bin] = ['home', 'work', 'bin'].map((name) => join(root, name)) as Folders
  const lib = await commandBundle()
  for (const folder of [home, work, bin]) await mkdir(folder)
  for (const [name, file] of Object.entries(installed))
    await writeFile(join(bin, name), `#!/bin/sh\nexec '${process.execPath}' '${join(lib, file)}' "$@"\n`, {
      mode: 0o755,
    })
  const env = {
    HOME: home,
    PATH: `${bin}:${process.env.PATH}`,
    VALETKEY_HOME: join(home, 'valetkey'),
    VALETKEY_VAULT: 'file',
    NODE_ENV: 'test' as const,
  }
  const alive = new Set<ChildProcess>()
  /** A program of the machine. */
  function start(
    [program = '', ...args]: string[],
    { env: more = {}, cwd = work, input = '', typing = false }: Circumstances = {},
  ) {
    const child = spawn(program, args, { cwd, env: { ...env, ...more }, stdio: ['pipe', 'pipe', 'pipe'] })
    alive.add(child)
    const said = { stdout: '', stderr: '' }
    const waiting = new Set<() => void>()
    for (const stream of ['stdout', 'stderr'] as const)
      child[stream].setEncoding('utf8').on('data', (text: string) => {
        said[stream] += text
        for (const look of waiting) look()
      })
    child.stdin.on('error', () => {})
    if (!typing) child.stdin.end(input)
    const ended = new Promise<Ran>((done) => {
      child.once('close', (code, signal) => {
        alive.delete(child)
        done({ code, signal, ...said })
      })
    })
    return {
      child,
      said,
      ended,
      /** What it says, once that has come. */
      says: (pattern: RegExp, stream: 'stdout' | 'stderr' = 'stdout') =>
        new Promise<RegExpExecArray>((found, failed) => {
          const look = () => {
            const match = pattern.exec(said[stream])
            if (match) found(match)
            return match !== null
          }
          if (!look()) waiting.add(look)
          void ended.then((ran) => failed(new Error(`it ended without saying ${pattern}: ${JSON.stringify(ran)}`)))
        }),
    }
  }
  return {
    root,
    home,
    work,
    bin,
    start,
    run: (words: string[], options?: Parameters<typeof start>[1]) => start(words, options).ended,
    /** The command itself. */
    valetkey: (args: string[], options?: Parameters<typeof start>[1]) => start(['valetkey', ...args], options).ended,
    /** Somebody is signed in there, as `valetkey login` leaves it. */
    async signIn(app: TestApp, server: string, answer: Parameters<typeof deviceLogin>[2]) {
      const tokens = await deviceLogin(app, 'acme', answer)
      const { scopes } = answer
      const key = `${server}/t/acme`
      const account = { server, tenant: 'acme', person: 'owner@acme.test', scopes, vault: 'file', over: null }
      const accounts = { [key]: { ...account, signed_in_at: new Date().toISOString() } }
      const { access_token, refresh_token } = tokens
      await mkdir(env.VALETKEY_HOME, { recursive: true, mode: 0o700 })
      const write = (name: string, content: object) =>
        writeFile(join(env.VALETKEY_HOME, name), JSON.stringify(content), { mode: 0o600 })
      await write('accounts.json', { version: 1, default: key, accounts })
      await write('credentials.json', { [key]: JSON.stringify({ access_token, refresh_token }) })
      return { access_token, refresh_token }
    },
    /** Every file of the machine that holds a text. */
    async holding(text: string): Promise<string[]> {
      const files = await readdir(root, { recursive: true, withFileTypes: true })
      const found: string[] = []
      for (const file of files.filter((one) => one.isFile())) {
        const path = join(file.parentPath, file.name)
        if ((await readFile(path, 'latin1').catch(() => '')).includes(text)) found.push(path.slice(root.length + 1))
      }
      return found
    },
    async stop() {
      for (const child of alive) child.kill('SIGKILL')
      await rm(root, { recursive: true, force: true })
    },
  }
}

export type Machine = Awaited<ReturnType<typeof startMachine>>

/** Processes of this machine that are called with a text. */
export async function calledWith(text: string): Promise<string[]> {
  const found: string[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')
    if (line.includes(text)) found.push(line.replaceAll('\0', ' '))
  }
  return found
}
