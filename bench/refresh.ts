// npm run bench:refresh [-- connections [refreshes per second]]
// Mass expiry (RR-11): thousands of connections whose access tokens expire within one minute, all due at once as after a
// downtime, two app processes, one upstream. Then slow refreshes beside reads on a pool of five (RR-06).

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { seedDemo } from '../lib/broker/demo.ts'
import { tokenPlace } from '../lib/broker/refresh/refresh.ts'
import { type Context, createContext } from '../lib/context.ts'
import { newId } from '../lib/security/ids.ts'
import { tenantBySlug } from '../lib/store/lookups.ts'
import { listProviders } from '../lib/store/providers.ts'
import { asSystem } from '../lib/store/system.ts'
import { checkInstanceKeys, vaultOf } from '../lib/vault/keys.ts'
import { startThrowAway } from '../scripts/lib/database.mjs'
import { generateClient } from '../scripts/lib/prepare.mjs'
import { stopOnSignals } from '../scripts/lib/processes.mjs'
import { step } from '../scripts/lib/progress.mjs'
import { applyMigrations } from '../scripts/migrate.mjs'
import { bundleProcesses } from '../tests/support/processes.ts'
import { benchConfig } from './config.ts'
import { tokenOf, type UpstreamCommand, type UpstreamReport } from './upstream.ts'

const [connections = 10_000, refreshesPerSecond = 200] = process.argv.slice(2).map(Number)
const accessSeconds = 3600
const instances = 2
const slowConnections = 50
/** Close to what an upstream may take before it counts as silent. */
const slowMilliseconds = 4_000
/** What the background uses of the cap, and some room for a busy machine. */
const leadSeconds = Math.max(30, (connections / (refreshesPerSecond * 0.75)) * 1.2)

/** The upstream in a process of its own. */
async function startUpstream() {
  const entry = join(import.meta.dirname, `../dist/bench-upstream-${process.pid}.mjs`)
  await build({
    entryPoints: [join(import.meta.dirname, 'upstream.ts')],
    outfile: entry,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'silent',
  })
  const child = fork(entry, { execArgv: [], env: { ...process.env, BENCH_ACCESS_SECONDS: String(accessSeconds) } })
  const [{ port }] = await once(child, 'message')
  const tell = (command: UpstreamCommand) => void child.send(command)
  return {
    url: `http://127.0.0.1:${port}`,
    tell,
    async report(): Promise<UpstreamReport> {
      tell({ kind: 'report' })
      const [report] = await once(child, 'message')
      return report
    },
    async stop() {
      child.kill()
      await rm(entry, { force: true })
    },
  }
}

/** Sealed connections of one person; `expiresIn` in seconds from now, by index. Ids. */
async function seed(
  ctx: Context,
  count: number,
  isDue: boolean,
  expiresIn: (index: number) => number,
): Promise<string[]> {
  const { tenantId, provider, userId } = await place(ctx)
  const vault = await vaultOf(ctx, tenantId)
  const now = Date.now()
  const at = (seconds: number) => new Date(now + seconds * 1000)
  const ids: string[] = []
  for (let done = 0; done < count; done += 500) {
    const data = await Promise.all(
      Array.from({ length: Math.min(500, count - done) }, async (_, index) => {
        const connection = { id: newId('connection'), userId }
        ids.push(connection.id)
        const token = tokenOf(connection.id, 1)
        const expires = expiresIn(done + index)
        return {
          ...connection,
          tenantId,
          providerId: provider.id,
          accountId: 'bench',
          accountName: 'bench',
          status: 'linked',
          statusSince: at(0),
          linkedAt: at(expires - accessSeconds),
          usedAt: at(0),
          refreshToken: await vault.seal(tokenPlace(connection, 'refresh_token', 1), token),
          accessToken: await vault.seal(tokenPlace(connection, 'access_token', 1), `a.${token}`),
          accessExpiresAt: at(expires),
          refreshDueAt: isDue ? at(0) : null,
        }
      }),
    )
    await asSystem(ctx, tenantId, 'job', (tx) => tx.connection.createMany({ data }))
  }
  return ids
}

async function place(ctx: Context) {
  const tenantId = await tenantBySlug(ctx, 'acme')
  if (!tenantId) throw new Error('no tenant')
  const [provider] = await asSystem(ctx, tenantId, 'job', (tx) => listProviders(tx, tenantId))
  const member = await asSystem(ctx, tenantId, 'job', (tx) =>
    tx.member.findFirst({ where: { tenantId, role: 'owner' } }),
  )
  if (!provider || !member) throw new Error('the seed is not complete')
  return { tenantId, provider, userId: member.userId }
}

/** Connections not yet renewed, and those renewed only after their access token had ended. */
async function progress(ctx: Context, tenantId: string): Promise<{ left: number; unserved: number; lost: number }> {
  const [row] = await asSystem(
    ctx,
    tenantId,
    'job',
    (tx) => tx.$queryRaw<{ left: number; unserved: number; lost: number }[]>`
      SELECT (count(*) FILTER (WHERE last_refresh_at IS NULL))::int AS left,
        (count(*) FILTER (WHERE coalesce(last_refresh_at, now()) > linked_at + make_interval(secs => ${accessSeconds})))::int AS unserved,
        (count(*) FILTER (WHERE status <> 'linked'))::int AS lost
      FROM connection`,
  )
  return row ?? { left: 0, unserved: 0, lost: 0 }
}

const quantile = (values: number[], share: number) => {
  const sorted = [...values].sort((a, b) => a - b)
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
}

const cleanUps: (() => Promise<unknown>)[] = []
async function cleanUp() {
  for (const work of cleanUps.splice(0).reverse()) await work()
}

async function main() {
  await generateClient()
  const upstream = await startUpstream()
  cleanUps.push(upstream.stop)
  const database = await step('Starting a database', () => startThrowAway({ autovacuum: 'on' }))
  cleanUps.push(database.stop)
  await applyMigrations(database.ownerUrl)
  const config = benchConfig(database.appUrl, upstream.url, {
    VALETKEY_REFRESH_RATE: String(refreshesPerSecond),
    VALETKEY_LOG: 'silent',
  })
  const ctx = await createContext(config)
  cleanUps.push(ctx.close)
  await checkInstanceKeys(ctx)
  await seedDemo(ctx)
  const { tenantId, userId } = await place(ctx)
  const processes = await bundleProcesses()
  cleanUps.push(processes.stop)
  const findings: [string, string, boolean][] = []

  await step(`Sealing ${connections} connections that expire within one minute`, () =>
    seed(ctx, connections, true, (index) => leadSeconds + (60 * index) / connections),
  )
  const workers = []
  for (let index = 0; index < instances; index += 1) workers.push(await processes.start(config, { realWaits: true }))
  const began = performance.now()
  await Promise.all(workers.map((worker) => worker.ask({ kind: 'delays' })))
  await Promise.all(workers.map((worker) => worker.ask({ kind: 'jobs' })))
  const end = began + (leadSeconds + 90) * 1000
  await step(`Renewing, at most ${refreshesPerSecond} a second over ${instances} processes`, async () => {
    while ((await progress(ctx, tenantId)).left > 0 && performance.now() < end)
      await new Promise((resolve) => setTimeout(resolve, 1000))
  })
  const seconds = (performance.now() - began) / 1000
  const { left, unserved, lost } = await progress(ctx, tenantId)
  const { perSecond, peakInAnySecond, refused } = await upstream.report()
  const delays = await Promise.all(workers.map((worker) => worker.ask({ kind: 'delays' })))
  await Promise.all(workers.map((worker) => worker.kill()))
  const asked = perSecond.reduce((sum, count) => sum + count, 0)
  findings.push(
    [
      'renewed',
      `${connections - left} of ${connections} in ${seconds.toFixed(0)} s, ${asked} requests`,
      left === 0 && asked === connections,
    ],
    [
      'upstream, most in any second',
      `${peakInAnySecond} of ${refreshesPerSecond}`,
      peakInAnySecond <= refreshesPerSecond,
    ],
    ['expired unserved', String(unserved), unserved === 0],
    ['lost or refused', `${lost} and ${refused}`, lost === 0 && refused === 0],
    ['event loop delay p99', delays.map(({ p99, max }) => `${p99} ms (most ${max} ms)`).join(', '), true],
  )

  const ids = await seed(ctx, slowConnections, false, () => -1)
  const narrow = await processes.start({ ...config, poolSize: 5 }, { realWaits: true })
  const actor = { userId, credential: { kind: 'cookie', session: '-' }, tenantId, slug: 'acme', role: 'owner' } as const
  const [connectionId = ''] = ids
  upstream.tell({ kind: 'delay', milliseconds: slowMilliseconds })
  await narrow.ask({ kind: 'read', actor, connectionId, times: 5 })
  const times: number[] = []
  let idleInTransaction = 0
  await step(
    `Reading beside ${slowConnections} refreshes that take ${slowMilliseconds / 1000} s, pool of five`,
    async () => {
      const keys = ids.map((id) => ({ tenantId, connectionId: id }))
      let isRunning = true
      const refreshing = narrow.ask({ kind: 'fresh', keys, callers: 1 }).finally(() => {
        isRunning = false
      })
      while (isRunning) {
        times.push(...(await narrow.ask({ kind: 'read', actor, connectionId, times: 2 })))
        const { rows } = await ctx.pool.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
         AND state LIKE 'idle in transaction%' AND state_change < clock_timestamp() - interval '1 second'`,
        )
        idleInTransaction += rows.length
      }
      const failed = (await refreshing).flat().find((result) => !result.ok)
      if (failed) throw new Error(`a slow refresh failed: ${JSON.stringify(failed)}`)
    },
  )
  const p99 = quantile(times, 0.99)
  findings.push(
    [
      'reads beside slow refreshes',
      `${times.length}, p50 ${quantile(times, 0.5)} ms, p99 ${p99} ms (limit 300 ms)`,
      p99 < 300,
    ],
    ['sessions idle in a transaction for a second', String(idleInTransaction), idleInTransaction === 0],
  )

  for (const [what, figure, good] of findings) console.log(`${good ? ' ' : '✗'} ${what}: ${figure}`)
  console.log(`  upstream requests by second: ${perSecond.join(' ')}`)
  process.exitCode = findings.every(([, , good]) => good) ? 0 : 1
}

stopOnSignals(cleanUp)
main()
  .catch((error: unknown) => {
    console.error(error)
    process.exitCode = 1
  })
  .finally(cleanUp)
