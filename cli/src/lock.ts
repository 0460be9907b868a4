import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { link, readdir, readFile, readlink, rm, truncate, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { isMissing, privateFolder, readText } from './files.ts'

/** `place`: where its pid means something. `started`: of which process with that pid; null where the system does not say. */
type Holder = { id: string; place: string; pid: number; started: string | null }

/** Milliseconds between two looks. */
const pause = 25

/** Another process has held a lock for too long. */
export class LockedError extends Error {
  override readonly name = 'LockedError'
  readonly pid: number
  readonly folder: string
  constructor(folder: string, { pid }: Holder) {
    super(`process ${pid} has held ${folder} for too long`)
    this.folder = folder
    this.pid = pid
  }
}

/**
 * Runs `work` while no other process does so for the same folder. A holder that was killed holds it no longer.
 *
 * Each holder makes the file of the next number, which only one can make; the highest number counts. It is held while the
 * process that its file names lives, and free once the file is empty. Files below the highest are removed and that one never,
 * so that no number is given twice. Clocks have no part in it. Whether a process lives that another machine or container
 * started cannot be seen from here: it is waited for as long as for any other, and then counts as gone.
 * @throws LockedError after `patienceSeconds`, where the holder lives
 */
export async function withLock<T>(
  folder: string,
  { signal, patienceSeconds = 120 }: { signal: AbortSignal; patienceSeconds?: number },
  work: () => Promise<T>,
): Promise<T> {
  await privateFolder(folder)
  const self = await ownHolder()
  let since = performance.now()
  let watched: string | undefined
  for (;;) {
    const taken = await take(folder, self, watched !== undefined && performance.now() - since > patienceSeconds * 1000)
    if (typeof taken === 'string') {
      try {
        return await work()
      } finally {
        await release(taken)
      }
    }
    if (taken && taken.id !== watched) [watched, since] = [taken.id, performance.now()]
    await sleep(pause * (0.5 + Math.random()), undefined, { signal })
  }
}

/** One who counted as gone, and was not, has no file any more. */
const release = (file: string) =>
  truncate(file).catch((error: unknown) => {
    if (!isMissing(error)) throw error
  })

/** The path of the holder's file; else who holds it, or undefined where somebody else was faster just now. */
async function take(folder: string, self: Holder, isImpatient: boolean): Promise<string | Holder | undefined> {
  const highest = (await numbersIn(folder)).at(-1)
  const holder = highest === undefined ? undefined : await readHolder(join(folder, String(highest)))
  if (holder && (await isHeld(holder, self))) {
    if (!isImpatient) return holder
    if (holder.place === self.place) throw new LockedError(folder, holder)
  }
  const mine = (highest ?? 0) + 1
  const file = join(folder, String(mine))
  if (!(await create(file, self))) return undefined
  const present = await numbersIn(folder)
  // Whoever looked long ago makes a number that others have passed since.
  if (present.some((number) => number > mine)) {
    await rm(file, { force: true })
    return undefined
  }
  for (const number of present) if (number < mine) await rm(join(folder, String(number)), { force: true })
  return file
}

/** Who holds a lock now. `here`: on this machine, where its pid means something. */
export async function holderOf(folder: string): Promise<{ pid: number; here: boolean } | undefined> {
  const highest = (await numbersIn(folder)).at(-1)
  const holder = highest === undefined ? undefined : await readHolder(join(folder, String(highest)))
  const self = await ownHolder()
  if (!holder || !(await isHeld(holder, self))) return undefined
  return { pid: holder.pid, here: holder.place === self.place }
}

const numbersIn = async (folder: string) =>
  (await readdir(folder))
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b)

/** Undefined: nobody holds it, or it is gone already. */
async function readHolder(file: string): Promise<Holder | undefined> {
  const text = await readText(file)
  return text ? (JSON.parse(text) as Holder) : undefined
}

/** With its content from the first moment: an empty one is free. */
async function create(file: string, holder: Holder): Promise<boolean> {
  const beside = `${file}.${holder.id}`
  await writeFile(beside, JSON.stringify(holder), { mode: 0o600 })
  try {
    await link(beside, file)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  } finally {
    await rm(beside, { force: true })
  }
}

async function isHeld(holder: Holder, self: Holder): Promise<boolean> {
  if (holder.place !== self.place) return true
  if (!isAlive(holder.pid)) return false
  return holder.started === (await startOf(holder.pid))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

const ownHolder = async (): Promise<Holder> => ({
  id: randomUUID(),
  place: [
    hostname(),
    await readOr('', readlink('/proc/self/ns/pid')),
    await readOr('', readFile('/proc/sys/kernel/random/boot_id', 'utf8')),
  ].join(' '),
  pid: process.pid,
  started: await startOf(process.pid),
})

/** When a process began, in whatever form: a pid is given again. */
async function startOf(pid: number): Promise<string | null> {
  if (process.platform === 'linux') {
    const stat = await readOr('', readFile(`/proc/${pid}/stat`, 'utf8'))
    // proc_pid_stat(5): the name, which may hold anything, is in parentheses; starttime is the 20th field after it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
  }
  if (process.platform === 'win32') return null
  const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)]).catch(() => ({ stdout: '' }))
  return stdout.trim() || null
}

const readOr = async <T>(otherwise: T, reading: Promise<T>): Promise<T> =>
  reading.catch((error: unknown) => {
    if (isMissing(error) || (error instanceof Error && 'code' in error)) return otherwise
    throw error
  })
