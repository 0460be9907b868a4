// Processes: is it alive, is it the one we mean, and ending it.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Repeats `probe` until it is true; false after `limitMs`. */
export async function waitFor(probe, limitMs, everyMs = 15) {
  const end = Date.now() + limitMs
  while (!(await probe())) {
    if (Date.now() > end) return false
    await pause(everyMs)
  }
  return true
}

/** True while a process with this id exists (a zombie, which only waits to be read, does not count). */
export function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** The command line of a process, '' when there is none. */
export async function commandOf(pid) {
  if (process.platform === 'linux')
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ')
  return (await run('ps', ['-o', 'command=', '-p', String(pid)]).catch(() => ({ stdout: '' }))).stdout.trim()
}

/** When a process began, as an opaque string: with the pid it names one process for ever. '' when there is none. */
export async function birthOf(pid) {
  if (process.platform !== 'linux')
    return (await run('ps', ['-o', 'lstart=', '-p', String(pid)]).catch(() => ({ stdout: '' }))).stdout.trim()
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')).split(') ').at(-1)?.split(' ') ?? []
  return fields[0] === 'Z' ? '' : (fields[19] ?? '')
}

/** Asks a process to stop, waits, and kills it only when it does not listen. */
export async function stopProcess(pid, signal = 'SIGTERM', limitMs = 15_000) {
  const gone = async () => !isAlive(pid) || (await birthOf(pid)) === ''
  const send = (what) => {
    try {
      process.kill(pid, what)
    } catch {
      // Gone in the meantime, which is what was asked.
    }
  }
  if (!pid || (await gone())) return
  send(signal)
  if (await waitFor(gone, limitMs)) return
  send('SIGKILL')
  await waitFor(gone, 5_000)
}

/** True when this loopback port can be listened on right now. `host` undefined tries every address. */
export function isPortFree(port, host) {
  return new Promise((done) => {
    const server = createServer()
    server.once('error', () => done(false))
    server.listen({ port, host, exclusive: true }, () => server.close(() => done(true)))
  })
}

/** `preferred` when it is free, otherwise another free loopback port. */
export async function freePort(preferred) {
  if (preferred && (await isPortFree(preferred, '127.0.0.1'))) return preferred
  const server = createServer()
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address()
  await new Promise((done) => server.close(done))
  return port
}
