// The long-running parts: embedded Postgres, demo upstream, server. Started in this order, stopped in the opposite one.
import { spawn } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure, lastLines } from './fail.mjs'
import { ROOT, toolEnv } from './prepare.mjs'
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
    const words = logFile ? `\n${lastLines(await readFile(logFile, 'utf8').catch(() => ''), 15)}` : ''
    return new Failure(
      `${name} ended by itself (${signalCode ?? `code ${exitCode}`}), so everything was stopped.${words}`,
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
   * Starts a bundled program and waits until it prints its ready line.
   * @param {{ name: string, script: string, env: object, logFile?: string, ready: RegExp }} program
   *   without `logFile` its output is passed on to ours
   * @returns {Promise<RegExpMatchArray>} the match of `ready`
   */
  async function start({ name, script, env, logFile, ready }) {
    const log = logFile ? await open(logFile, 'w', 0o600) : undefined
    const traces = env.NODE_ENV === 'production' ? [] : ['--enable-source-maps']
    // The channel tells the child when we are gone, however that came about.
    const child = spawn(process.execPath, [...traces, join(ROOT, script)], {
      cwd: ROOT,
      env: { ...toolEnv(), ...env },
      stdio: ['ignore', log?.fd ?? 'pipe', log?.fd ?? 'inherit', 'ipc'],
      detached: true,
    })
    child.on('error', () => {})
    await log?.close()
    let heard = ''
    let match
    child.stdout?.on('data', (chunk) => {
      process.stdout.write(chunk)
      if (!match) heard += chunk
    })
    const read = () => (logFile ? readFile(logFile, 'utf8') : heard)
    const isReady = async () => {
      match = (await read()).match(ready)
      return match
    }
    await add(name, child, () => stopGroup(child.pid), logFile)
    const up = await waitFor(async () => hasEnded(child) || isReady(), READY_LIMIT_MS, 50)
    if (hasEnded(child)) throw await death(name, child, logFile)
    if (!up) throw new Failure(`${name} did not become ready within two minutes.\n${lastLines(await read(), 15)}`)
    return match
  }

  function stop() {
    stopping ??= stops.reverse().reduce((done, stopOne) => done.then(stopOne), Promise.resolve())
    return stopping
  }

  return { add, start, stop }
}
