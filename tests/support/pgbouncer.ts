import { spawn } from 'node:child_process'
import { chmod, chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { findPgbouncer } from '../../scripts/lib/pgbouncer.mjs'
import { freePort, waitFor } from '../../scripts/lib/processes.mjs'

/** Where pgbouncer is, or undefined: then what needs a pooler is skipped. */
export const pgbouncer = await findPgbouncer()

export type Pooler = {
  /** The target's address by way of the pooler. Named statements do not outlive a transaction there. */
  url: string
  stop(): Promise<void>
}

/** pgbouncer in transaction mode in front of a database, on a port and in a folder of its own. */
export async function startPgbouncer(target: string, { poolSize = 5 } = {}): Promise<Pooler> {
  if (!pgbouncer) throw new Error('pgbouncer is not installed')
  const { hostname, port, username, password, pathname } = new URL(target)
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-pgbouncer-'))
  const own = await freePort()
  const config = join(folder, 'pgbouncer.ini')
  const users = join(folder, 'users.txt')
  const log = join(folder, 'log')
  await writeFile(users, `"${username}" "${decodeURIComponent(password)}"\n`)
  await writeFile(
    config,
    `[databases]
* = host=${hostname} port=${port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${own}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${poolSize}
max_client_conn = 200
logfile = ${log}
`,
  )
  // It refuses to run as root; `nobody` has this id everywhere.
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined
  if (nobody) for (const path of [folder, config, users]) await chown(path, nobody.uid, nobody.gid)
  await chmod(folder, 0o700)
  const child = spawn(pgbouncer, ['--quiet', config], { ...nobody, cwd: '/', stdio: 'ignore' })
  let problem: Error | undefined
  child.once('error', (error) => {
    problem = error
  })
  const hasEnded = () => problem !== undefined || child.exitCode !== null || child.signalCode !== null
  const url = `postgres://${username}:${password}@127.0.0.1:${own}${pathname}`
  const stop = async () => {
    if (!hasEnded()) {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await ended
    }
    await rm(folder, { recursive: true, force: true })
  }
  const ready = await waitFor(async () => hasEnded() || accepts(url), 10_000)
  if (ready && !hasEnded()) return { url, stop }
  const words = problem?.message ?? (await readFile(log, 'utf8').catch(() => ''))
  await stop()
  throw new Error(`pgbouncer did not start:\n${words}`)
}

async function accepts(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('SELECT 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}
