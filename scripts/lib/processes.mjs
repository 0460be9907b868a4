// Processes: starting one that is ours to end, is it alive, is it the one we mean, and ending it.
import { execFile, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Failure, lastLines } from './fail.mjs'

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

/** True once a child has ended, or could not be started at all. */
export function hasEnded(child) {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null
}

/** Asks a process to stop, waits, and kills it only when it does not listen. */
export async function stopProcess(pid, signal = 'SIGTERM', limitMs = 35_000) {
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

/** Why this port cannot be listened on right now: an error code, or undefined when it can. */
export async function portProblem(port, hosts = ['127.0.0.1', undefined]) {
  for (const host of hosts) {
    const problem = await new Promise((done) => {
      const server = createServer()
      server.once('error', (error) => done(error.code))
      server.listen({ port, host, exclusive: true }, () => server.close(() => done(undefined)))
    })
    if (problem) return problem
  }
}

/** `preferred` when it is free, otherwise another free loopback port. */
export async function freePort(preferred) {
  if (preferred && !(await portProblem(preferred, ['127.0.0.1']))) return preferred
  const server = createServer()
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address()
  await new Promise((done) => server.close(done))
  return port
}

const tools = new Set()
let toolsStopped = false

/**
 * Runs a tool to its end. Its output is shown only when it fails, unless `onOutput` takes it as it comes.
 * @param {string[]} command
 * @param {import('node:child_process').SpawnOptions & { onOutput?: (chunk: Buffer) => void, timeLimitMs?: number }} [options]
 * @returns {Promise<string>} everything it wrote
 * @throws {Failure} carrying `output` when it ends with anything but 0
 */
export async function runTool([path, ...args], { onOutput, timeLimitMs, ...options } = {}) {
  if (toolsStopped) throw new Failure('Stopped.')
  // A group of its own: a terminal's Ctrl-C reaches us alone, and stopTools ends it with all it started.
  const child = spawn(path, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  tools.add(child)
  const limit = timeLimitMs && setTimeout(() => stopGroup(child.pid), timeLimitMs)
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output += chunk
      onOutput?.(chunk)
    })
  const code = await new Promise((done) => {
    child.once('error', (error) => done(error.message))
    child.once('close', (code, signal) => done(code ?? signal))
  })
  clearTimeout(limit)
  tools.delete(child)
  if (code === 0) return output
  const told = onOutput ? '' : `:\n${lastLines(output, 40)}`
  throw Object.assign(new Failure(`"${[path, ...args].join(' ')}" failed (${code})${told}`), { output, code })
}

/** Ends every tool that is still running, with all it started; none is started any more. */
export async function stopTools() {
  toolsStopped = true
  await Promise.all([...tools].map((child) => stopGroup(child.pid)))
}

/** Ends a process that leads a group, then whatever is left of the group. */
export async function stopGroup(pid, signal) {
  if (!pid) return
  await stopProcess(pid, signal, 35_000)
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nothing was left.
  }
}

/**
 * Calls `stop` once at the first sign that we should end (Ctrl-C, kill, a closed terminal), then ends this process. Any
 * further sign changes nothing: an impatient second Ctrl-C must not leave processes behind.
 * @returns {(code: number) => void} the same for a sign that is no signal
 */
export function stopOnSignals(stop) {
  let stopping = false
  const begin = (code) => {
    if (stopping) return
    stopping = true
    stop().finally(() => process.exit(code))
  }
  for (const [signal, number] of Object.entries({ SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }))
    process.on(signal, () => begin(128 + number))
  // A closed terminal makes every write fail, which must not get in the way of stopping.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  return begin
}

/** Calls `stop` when the process that started us has ended, however that came about. */
export function stopWithParent(stop) {
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watch)
    stop(128 + 15)
  }, 250)
  watch.unref()
}
