import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { bootstrapDatabase, newPassword, urlFor } from '../../scripts/lib/database.mjs'
import { ensureCluster, startCluster } from '../../scripts/lib/postgres.mjs'
import { freePort } from '../../scripts/lib/processes.mjs'
import { applyMigrations } from '../../scripts/migrate.mjs'
import type { TestDatabase } from './database.ts'

const run = promisify(execFile)

export type OwnCluster = TestDatabase & {
  /** SIGKILL to the postmaster and every process that it started: what was not committed never was. */
  kill(): Promise<void>
  /** Starts it again on the same port, crash recovery included. */
  start(): Promise<void>
}

/** A Postgres of a test's own, migrated unless it is said otherwise, that can be killed and started again. */
export async function startOwnCluster({ isMigrated = true } = {}): Promise<OwnCluster> {
  const home = await mkdtemp(join(tmpdir(), 'valetkey-cluster-'))
  await chmod(home, 0o711)
  const [dir, password, port] = [join(home, 'postgres'), newPassword(), await freePort()]
  const [ownerPassword, appPassword] = [newPassword(), newPassword()]
  let postmaster = 0
  let ended: Promise<unknown> = Promise.resolve()
  const start = () =>
    startCluster({
      dir,
      password,
      port,
      logFile: join(home, 'log'),
      settings: { fsync: 'off' },
      onSpawn: async (child) => {
        postmaster = child.pid ?? 0
        ended = new Promise((resolve) => child.once('exit', resolve))
      },
    })
  await ensureCluster({ dir, password })
  let cluster = await start()
  await bootstrapDatabase(cluster, { database: 'valetkey', ownerPassword, appPassword })
  const ownerUrl = urlFor(cluster, 'valetkey_owner', ownerPassword, 'valetkey')
  if (isMigrated) await applyMigrations(ownerUrl)
  return {
    ownerUrl,
    appUrl: urlFor(cluster, 'valetkey_app', appPassword, 'valetkey'),
    async kill() {
      const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(postmaster)])
      for (const pid of [postmaster, ...stdout.split('\n').map(Number)]) if (pid > 0) endAtOnce(pid)
      await ended
    },
    async start() {
      cluster = await start()
    },
    async drop() {
      await cluster.stop()
      await rm(home, { recursive: true, force: true })
    },
  }
}

function endAtOnce(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself in between.
  }
}
