// The long-running parts: embedded Postgres, demo upstream, server. Started in this order, stopped in the opposite one.
import { spawn } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure, lastLines, plainLog } from './fail.mjs'
import { ROOT, SERVER_ENV, SERVER_FLAGS, toolEnv } from './prepare.mjs'
import { hasEnded, stopGroup, waitFor } from './processes.mjs'

const READY_LIMIT_MS = 120_000

/**
 * Holds what was started. `stop` ends it, last started first, and may be called any number of times.
 * @param {(name: string, pid: number) => Promise<void>} remember notes a process for a run after a crash
 * @param {(failure: Failure) => void} onDeath called when one ends that was not asked to
 */
export function createServices(remember, onDeath) {
  const stops = []
  let stopping
  const death = async (name, { signalCode, exitCode }, logFile) => {
    const words = logFile ? `\n${lastLines(plainLog(await readFile(logFile, 'utf8').catch(() => '')), 15)}` : ''
    return new Failure(
      `${name} stopped unexpectedly (${signalCode ?? `code ${exitCode}`}), so everything was stopped.${words}`,
    )
  }

  /** Takes over what was just started. `stop` must be safe to call when it has ended already. */
  async function add(name, child, stop, logFile) {
    stops.push(stop)
    if (stopping) {
      await stop()
      throw new Failure('Stopped.')
    }
    child.once('exit', () => stopping ?? death(name, child, logFile).then(onDeath))
    if (child.pid) await remember(name, child.pid)
  }

  /**
   * Starts a bundled program and waits until it says that it is ready: by a message `{ ready }` over its channel, or by a
   * line in its log.
   * @param {{ name: string, script: string, env: object, logFile?: string, ready?: RegExp }} program
   *   without `logFile` it writes to our own output; `ready` needs a log
   * @returns {Promise<RegExpMatchArray | unknown>} the match of `ready`, or what was sent
   */
  async function start({ name, script, env, logFile, ready }) {
    const log = logFile ? await open(logFile, 'w', 0o600) : undefined
    const flags = env.NODE_ENV === 'production' ? SERVER_FLAGS : ['--enable-source-maps']
    // The channel tells the child when we are gone, however that came about.
    const child = spawn(process.execPath, [...flags, join(ROOT, script)], {
      cwd: ROOT,
      env: { ...SERVER_ENV, ...toolEnv(), ...env },
      stdio: ['ignore', log?.fd ?? 'inherit', log?.fd ?? 'inherit', 'ipc'],
      detached: true,
    })
    child.on('error', () => {})
    await log?.close()
    let said
    child.on('message', (message) => {
      said ??= message?.ready
    })
    const read = () => (logFile ? readFile(logFile, 'utf8') : '')
    const isReady = async () => {
      if (ready) said ??= (await read()).match(ready) ?? undefined
      return said !== undefined
    }
    await add(name, child, () => stopGroup(child.pid), logFile)
    const up = await waitFor(async () => hasEnded(child) || isReady(), READY_LIMIT_MS, 50)
    if (hasEnded(child)) throw await death(name, child, logFile)
    if (!up)
      throw new Failure(`${name} did not become ready within two minutes.\n${lastLines(plainLog(await read()), 15)}`)
    return said
  }

  function stop() {
    stopping ??= stops.reverse().reduce((done, stopOne) => done.then(stopOne), Promise.resolve())
    return stopping
  }

  return { add, start, stop }
}
