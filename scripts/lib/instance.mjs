// The data folder: who uses it, and what was made up on the first run.
import { randomBytes } from 'node:crypto'
import { access, constants, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { newPassword } from './database.mjs'
import { Failure } from './fail.mjs'
import { ROOT } from './prepare.mjs'
import { birthOf, stopGroup } from './processes.mjs'

const randomKey = () => randomBytes(32).toString('base64url')
const ticketsClient = () => ({ id: 'valetkey-tickets', secret: randomKey() })
const notesClient = () => ({ id: 'valetkey-notes', secret: randomKey() })

/** Absolute path of the data folder, made if missing. */
export async function openDataDir(env) {
  const dir = resolve(ROOT, env.VALETKEY_DATA_DIR || '.data')
  // Root hands the database below to another user, who has to be able to walk there.
  const mode = process.getuid?.() === 0 ? 0o711 : 0o700
  try {
    await makeDir(dir, mode)
    await access(dir, constants.W_OK | constants.X_OK)
  } catch (error) {
    throw new Failure(`The data folder ${dir} is not writable (${error.code}). Set VALETKEY_DATA_DIR to another one.`)
  }
  return dir
}

/** mkdir -p by hand: Node's own never returns where a file system answers ENOENT for good, as /proc does. */
async function makeDir(dir, mode) {
  const make = () =>
    mkdir(dir, { mode }).catch(async (error) => {
      if (error.code !== 'EEXIST' || !(await stat(dir)).isDirectory()) throw error
    })
  await make().catch(async (error) => {
    if (error.code !== 'ENOENT' || (await stat(dirname(dir)).catch(() => null))) throw error
    await makeDir(dirname(dir), mode)
    await make()
  })
}

/**
 * Takes the folder for this process, and ends what a killed run left behind.
 * @returns {Promise<{ remember(name: string, pid: number): Promise<void>, release(): Promise<void> }>}
 * @throws {Failure} while another run is using it
 */
export async function lockDataDir(dir) {
  const file = join(dir, 'lock')
  const mine = { pid: process.pid, birth: await birthOf(process.pid), children: [] }
  const take = () => writeFile(file, JSON.stringify(mine), { flag: 'wx', mode: 0o600 })
  try {
    await take()
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    const other = parseOr(await readFile(file, 'utf8').catch(() => ''), { children: [] })
    if (other.pid && (await birthOf(other.pid)) === other.birth)
      throw new Failure(
        `Valetkey is already running on ${dir} (process ${other.pid}). Stop it, or set VALETKEY_DATA_DIR to another folder.`,
      )
    for (const child of other.children) if ((await birthOf(child.pid)) === child.birth) await stopGroup(child.pid)
    await rm(file, { force: true })
    await take()
  }
  return {
    async remember(name, pid) {
      mine.children.push({ name, pid, birth: await birthOf(pid) })
      await writeAtomically(file, mine)
    },
    release: () => rm(file, { force: true }),
  }
}

/**
 * What makes this instance itself: keys, passwords and the ports it once chose. Made on the first run, 0600.
 * Losing it loses every sealed secret, so a database without it is refused.
 */
export async function openInstance(dir) {
  const file = join(dir, 'instance.json')
  const text = await readFile(file, 'utf8').catch((error) => {
    if (error.code !== 'ENOENT') throw error
  })
  const instance = text === undefined ? await makeInstance(dir) : parseOr(text)
  if (!instance?.postgres || !instance.demo)
    throw new Failure(`${file} cannot be read. Restore it from a backup, or remove ${dir} to start over.`)
  const save = () => writeAtomically(file, instance)
  // A folder from before the demo had a ticket service, or notes.
  const isOlder = !instance.demo.ticketsClient || !instance.demo.notesClient
  instance.demo.ticketsClient ??= ticketsClient()
  instance.demo.notesClient ??= notesClient()
  if (text === undefined || isOlder) await save()
  return { ...instance, save }
}

async function makeInstance(dir) {
  if (await stat(join(dir, 'postgres')).catch(() => null))
    throw new Failure(
      `${dir} has a database but no instance.json. Restore that file, or remove the folder to start over.`,
    )
  return {
    keys: `k1:${randomKey()}`,
    secret: randomKey(),
    postgres: { adminPassword: newPassword(), ownerPassword: newPassword(), appPassword: newPassword() },
    demo: {
      signinClient: { id: 'valetkey-signin', secret: randomKey() },
      stackClient: { id: 'valetkey-stack', secret: randomKey() },
      ticketsClient: ticketsClient(),
      notesClient: notesClient(),
      controlSecret: randomKey(),
    },
  }
}

function parseOr(text, fallback) {
  try {
    return JSON.parse(text)
  } catch {
    return fallback
  }
}

async function writeAtomically(file, value) {
  await writeFile(`${file}.new`, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 })
  await rename(`${file}.new`, file)
}
