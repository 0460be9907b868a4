// The command as it is packed, run by plain Node in a process of its own, on a machine of nobody's: without a server.
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { commandBundle } from './command-bundle.ts'

export type Ended = { code: number | null; stdout: string; stderr: string }
export type RunOptions = { env?: Record<string, string>; input?: string; cwd?: string; node?: string[] }

/** Runs a program to its end. */
export const ran = (program: string, args: string[], { env, input = '', cwd }: RunOptions = {}): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'pipe', cwd, env: env as NodeJS.ProcessEnv })
    const read = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => {
        read[name] += text
      })
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, ...read }))
    child.stdin.once('error', () => {})
    child.stdin.end(input)
  })

/** A home folder with nothing in it, and the command there. */
export async function startMachine() {
  const script = join(await commandBundle(), 'valetkey.js')
  const home = await mkdtemp(join(tmpdir(), 'valetkey-machine-'))
  const env = (more: Record<string, string> = {}) => ({
    PATH: process.env.PATH ?? '',
    HOME: home,
    TERM: 'dumb',
    ...more,
  })
  return {
    home,
    script,
    env,
    run: (args: string[], { env: more, node = [], ...options }: RunOptions = {}): Promise<Ended> =>
      ran(process.execPath, [...node, script, ...args], { cwd: home, ...options, env: env(more) }),
    stop: () => rm(home, { recursive: true, force: true }),
  }
}
export type Machine = Awaited<ReturnType<typeof startMachine>>
