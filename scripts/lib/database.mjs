// From nothing to a migrated database: roles, database, passwords.
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { chmod, mkdtemp, readdir, readFile, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { ensureCluster, startCluster, stopOrphan } from './postgres.mjs'
import { birthOf, freePort } from './processes.mjs'

const ROLES = resolve(import.meta.dirname, '../roles.sql')
/**
 * Losing a throw-away cluster costs nothing, so it need not wait for the disk; it ends before a vacuum would pay, or a
 * password of 192 random bits would have to be slow to guess.
 */
const THROW_AWAY = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  autovacuum: 'off',
  scram_iterations: '1',
  max_connections: '200',
}
const MEMORY = '/dev/shm'
const ENOUGH_BYTES = 4 * 2 ** 30

export const newPassword = () => randomBytes(24).toString('base64url')

/**
 * Creates the database if missing and brings its roles to what roles.sql says. Safe to repeat.
 * @param {import('./postgres.mjs').Cluster} cluster
 * @param {{ database: string, ownerPassword: string, appPassword: string }} input
 * @returns {Promise<void>}
 */
export async function bootstrapDatabase(cluster, { database, ownerPassword, appPassword }) {
  await asAdmin(cluster, 'postgres', async (admin) => {
    const { rowCount } = await admin.query('SELECT FROM pg_database WHERE datname = $1', [database])
    if (rowCount === 0) await admin.query(`CREATE DATABASE ${database} TEMPLATE template0`)
  })
  await asAdmin(cluster, database, async (admin) => {
    await admin.query(await readFile(ROLES, 'utf8'))
    // CREATEDB is for authoring migrations (a shadow database); a Postgres of your own does not need it.
    await admin.query(`ALTER ROLE valetkey_owner CREATEDB PASSWORD '${ownerPassword}'`)
    await admin.query(`ALTER ROLE valetkey_app PASSWORD '${appPassword}'`)
  })
}

/** Runs `work` with an administrator's connection. */
export async function asAdmin(cluster, database, work) {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: cluster.adminUrl(database) })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** The connection string of one of our roles on the cluster. */
export function urlFor(cluster, role, password, database) {
  const url = new URL(cluster.adminUrl(database))
  url.username = role
  url.password = password
  return url.href
}

/**
 * Starts a cluster in a temporary folder with a bootstrapped database `valetkey`; `stop` removes every trace.
 * @param {Record<string, string>} [settings] where a bench needs Postgres as it is in production
 * @returns {Promise<{ cluster: import('./postgres.mjs').Cluster, ownerUrl: string, appUrl: string, stop(): Promise<void> }>}
 */
export async function startThrowAway(settings = {}) {
  const folder = settings.fsync === 'on' ? tmpdir() : await roomiest()
  await sweepThrowAways(folder)
  const home = await mkdtemp(join(folder, `valetkey-${process.pid}-${encodeURIComponent(await birthOf(process.pid))}-`))
  const dir = join(home, 'postgres')
  let postgres
  // For whoever ends this process without asking us to stop first.
  const leave = () => {
    postgres?.kill('SIGQUIT')
    rmSync(home, { recursive: true, force: true, maxRetries: 3 })
  }
  process.on('exit', leave)
  const remove = async () => {
    await rm(home, { recursive: true, force: true })
    process.off('exit', leave)
  }
  try {
    await chmod(home, 0o711)
    const [password, ownerPassword, appPassword] = [newPassword(), newPassword(), newPassword()]
    await ensureCluster({ dir, password })
    const port = await freePort()
    const onSpawn = async (child) => {
      postgres = child
    }
    const cluster = await startCluster({
      dir,
      password,
      port,
      logFile: join(home, 'log'),
      settings: { ...THROW_AWAY, ...(folder === MEMORY && { max_wal_size: '256MB' }), ...settings },
      onSpawn,
    })
    await bootstrapDatabase(cluster, { database: 'valetkey', ownerPassword, appPassword })
    return {
      cluster,
      ownerUrl: urlFor(cluster, 'valetkey_owner', ownerPassword, 'valetkey'),
      appUrl: urlFor(cluster, 'valetkey_app', appPassword, 'valetkey'),
      stop: () => cluster.stop().then(remove),
    }
  } catch (error) {
    await stopOrphan(dir)
    await remove()
    throw error
  }
}

/** Memory where there is plenty: a database is cloned there with a tenth of the work. A container often has 64 MB. */
async function roomiest() {
  const { bavail, bsize } = await statfs(MEMORY).catch(() => ({ bavail: 0, bsize: 0 }))
  return bavail * bsize >= ENOUGH_BYTES ? MEMORY : tmpdir()
}

/** Removes throw-away clusters whose maker was killed before it could. */
async function sweepThrowAways(folder) {
  for (const name of await readdir(folder)) {
    const [, pid, birth] = name.match(/^valetkey-(\d+)-([^-]+)-\w+$/) ?? []
    if (pid === undefined || (await birthOf(pid)) === decodeURIComponent(birth)) continue
    await stopOrphan(join(folder, name, 'postgres'))
    await rm(join(folder, name), { recursive: true, force: true })
  }
}
