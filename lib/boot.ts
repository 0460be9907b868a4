import { readdir } from 'node:fs/promises'
import { startSealing } from './audit/chain.ts'
import { seedDemo } from './broker/demo.ts'
import type { Context } from './context.ts'
import { isBrokerError } from './errors.ts'
import { startCanary } from './jobs/canary.ts'
import { startJobs } from './jobs/tick.ts'
import { sqlState, tryNamedStatements } from './store/database.ts'
import { appliedMigrations } from './store/schema.ts'
import { checkInstanceKeys, checkSecret } from './vault/keys.ts'

/** Why a process cannot start, in one sentence for whoever runs it. */
export class BootError extends Error {
  override readonly name = 'BootError'
}

/**
 * What a process does once before it serves. Waits for a database that is away, as long as that takes, and ends early when
 * the process is told to stop. Answers how to stop its background work.
 * @throws ConfigError, BootError
 */
export async function boot(ctx: Context): Promise<() => Promise<void>> {
  ctx.metrics.observeProcess()
  await onceReachable(ctx, async () => {
    await checkSchema(ctx)
    await tryNamedStatements(ctx)
    await checkInstanceKeys(ctx)
    await checkSecret(ctx)
    await seedDemo(ctx)
  })
  if (isStopping(ctx)) return async () => {}
  const stops = [startJobs(ctx), startSealing(ctx), startCanary(ctx)]
  return async () => {
    await Promise.all(stops.map((stop) => stop()))
  }
}

const [firstPause, longestPause] = [250, 5_000]

/** Repeats `work` while the database is away, with pauses that grow and differ; says so once, and once when it is over. */
async function onceReachable(ctx: Context, work: () => Promise<void>): Promise<void> {
  for (let pause = firstPause; !isStopping(ctx); pause = Math.min(longestPause, pause * 2)) {
    try {
      await work()
      if (pause > firstPause) ctx.log.info('the database answers: start continues')
      return
    } catch (error) {
      refuseForGood(error)
      if (!isBrokerError(error, 'unavailable')) throw error
      if (pause === firstPause) ctx.log.warn({ err: error.cause }, 'waiting for the database: it does not answer')
      await ctx.sleep(pause * (0.5 + Math.random() / 2))
    }
  }
}

const isStopping = (ctx: Context) => ctx.life.phase === 'stopping'

/** A login or a database that is not there does not come by waiting. While a process serves, it is an outage. */
function refuseForGood(error: unknown): void {
  const state = sqlState(error) ?? ''
  if (/^(28|3D)/.test(state))
    throw new BootError(`The database refuses the user, password or database name in DATABASE_URL (SQLSTATE ${state}).`)
}

const migrations = new URL('../prisma/migrations/', import.meta.url)

/** Every migration that this code was written for is there; more are no fault, for newer code may run beside (H-06). */
async function checkSchema(ctx: Context): Promise<void> {
  const folders = await readdir(migrations, { withFileTypes: true }).catch(() => {
    throw new BootError('The folder prisma/migrations is missing next to dist: it is needed to check the database.')
  })
  const needed = folders.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  const applied = await appliedMigrations(ctx)
  const missing = needed.filter((name) => !applied?.has(name))
  if (missing.length === 0) return
  const lacking = applied ? `lacks ${missing.sort().join(', ')}` : 'has not been migrated'
  throw new BootError(
    `The database ${lacking}: run npm run db:migrate with DATABASE_MIGRATE_URL set, then start again.`,
  )
}
