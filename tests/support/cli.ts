// The command as people have it: bundled, run by plain Node in a process of its own, against the product on a socket.
import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type Scope, scopes } from '../../lib/actor.ts'
import { startTestApp } from './app.ts'
import { commandBundle } from './command-bundle.ts'
import { approveDevice, approveWaitingDevice } from './programs.ts'
import { serve } from './served.ts'
import { personOf } from './strangers.ts'

/** What may be given to a terminal. */
export const allScopes = scopes.filter((scope) => scope !== 'tenant:manage')

export type Run = { code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }
/** Text of a running command as it comes, and its end. */
export type Running = {
  child: ChildProcess
  ended: Promise<Run>
  said: () => string
  says: (text: RegExp) => Promise<RegExpExecArray>
}
/** What becomes of a request on its way: `true` where it was answered, or cut off. */
export type Fate = (request: IncomingMessage, response: ServerResponse) => boolean

/** A product, a machine of somebody's, and their browser, which tests play. */
export async function startCliWorld() {
  const app = await startTestApp()
  const owner = await app.signIn('owner@acme.test')
  const user = (await app.call<{ id: string }>(owner, 'GET', '/me')).body.id
  const fates: Fate[] = []
  const requests: string[] = []
  const at = await serve(app, {
    between(request, response) {
      requests.push(`${request.method} ${request.url}`)
      return fates[0]?.(request, response) ?? false
    },
  })
  const bundle = await commandBundle()
  const script = join(bundle, 'valetkey.js')
  const machine = await mkdtemp(join(tmpdir(), 'valetkey-machine-'))
  const asked = join(machine, 'asked')
  const browser = join(machine, 'browser')
  await writeFile(browser, `#!/bin/sh\nprintf %s "$1" > '${asked}.new' && mv '${asked}.new' '${asked}'\n`)
  await chmod(browser, 0o755)
  const started = new Set<ChildProcess>()

  /** Of a machine without a keychain and with nothing of ours in its environment. */
  const environment = (more: Environment = {}): NodeJS.ProcessEnv => {
    const { PATH } = process.env
    return { PATH, HOME: machine, BROWSER: browser, NODE_ENV: 'production', TERM: 'dumb', ...more } as NodeJS.ProcessEnv
  }

  function start(args: string[], { env = {}, input, cwd = machine, node = [] }: StartOptions = {}): Running {
    const child = spawn(process.execPath, [...node, script, ...args], { cwd, env: environment(env), stdio: 'pipe' })
    started.add(child)
    let [stdout, stderr] = ['', '']
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    if (input !== undefined) child.stdin?.end(input)
    const ended = new Promise<Run>((resolve) =>
      child.once('close', (code, signal) => {
        started.delete(child)
        resolve({ code, signal, stdout, stderr })
      }),
    )
    const said = () => stdout + stderr
    return {
      child,
      ended,
      said,
      async says(text) {
        const found = await expect
          .poll(() => text.exec(said()) ?? undefined, { message: said() })
          .toBeDefined()
          .then(() => text.exec(said()))
        return found as RegExpExecArray
      },
    }
  }

  /** Where the browser was opened and nobody has looked yet; empty: nowhere. */
  const opened = () => readFile(asked, 'utf8').catch(() => '')

  /** Where the command has sent the browser. */
  async function sentTo(): Promise<URL> {
    await expect.poll(opened, { message: 'the browser was opened' }).not.toBe('')
    const url = new URL(await readFile(asked, 'utf8'))
    await rm(asked)
    return url
  }

  /** Signs in through the browser, which allows these scopes. */
  async function login(more: { args?: string[]; env?: Environment; scopes?: readonly Scope[] } = {}): Promise<Run> {
    const { args = [], env = {}, scopes = allScopes } = more
    const running = start(['login', at.origin, ...args], { env })
    const back = await personOf({ app, ctx: at.ctx, user, scopes }).allow(await sentTo())
    await fetch(back)
    return running.ended
  }

  return {
    app,
    at,
    user,
    machine,
    fates,
    requests,
    environment,
    start,
    bundle,
    run: (args: string[], options?: StartOptions) => start(args, options).ended,
    opened,
    sentTo,
    login,
    /** Answers the device that waits. */
    approveDevice: (deviceCode: string, scopes: readonly Scope[]) =>
      approveDevice(app, 'acme', deviceCode, { user, scopes }),
    /** Answers the only device that waits, whatever its code. */
    approveWaitingDevice: () => approveWaitingDevice(app, 'acme', { user, scopes: allScopes }),
    /** What the owner does in the console. */
    console: (method: string, path: string, body?: unknown) =>
      app.call(owner, method, path, body, { origin: at.origin }),
    person: (scopes: readonly Scope[]) => personOf({ app, ctx: at.ctx, user, scopes }),
    async stop() {
      for (const child of started) child.kill('SIGKILL')
      await at.stop()
      await app.stop()
      await rm(machine, { recursive: true, force: true })
    },
  }
}
export type CliWorld = Awaited<ReturnType<typeof startCliWorld>>

type Environment = Record<string, string>
type StartOptions = { env?: Environment; input?: string; cwd?: string; node?: string[] }
