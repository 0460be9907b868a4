import { reconcileIssuing } from '../broker/issue.ts'
import { settleRevocation } from '../broker/revocations.ts'
import type { Context } from '../context.ts'
import { sweepAttempts } from '../store/attempts.ts'
import { drainOutbox } from '../store/audit.ts'
import { withTenant } from '../store/database.ts'
import { dueRevocations, outboxTenants, staleIssuing, tenantIds } from '../store/lookups.ts'
import { sweepSessions } from '../store/sessions.ts'
import { sweepHandles } from '../store/tokens.ts'

const batch = 50
/** An issue takes seconds; a row that is older was cut off. */
const staleMilliseconds = 2 * 60_000

/** One entry's failure is logged and never stops the rest. */
async function each<T>(ctx: Context, work: string, items: T[], handle: (item: T) => Promise<unknown>): Promise<void> {
  for (const item of items)
    await handle(item).catch((error: unknown) =>
      ctx.log.warn({ err: error, work }, 'one entry failed; the rest goes on'),
    )
}

/** Work that is due now, taken from the rows themselves. Safe on any number of instances at once. */
export async function tick(ctx: Context): Promise<void> {
  const now = ctx.now()
  await each(ctx, 'revocations', await dueRevocations(ctx, now, batch), (place) => settleRevocation(ctx, place))
  await each(ctx, 'issuing', await staleIssuing(ctx, new Date(now.getTime() - staleMilliseconds), batch), (place) =>
    reconcileIssuing(ctx, place),
  )
  await each(ctx, 'outbox', await outboxTenants(ctx), (tenantId) =>
    withTenant(ctx, tenantId, (tx) => drainOutbox(tx, tenantId)),
  )
}

/** Deletes what is over: sessions, attempts, handles of tokens that ended by themselves. */
export async function sweep(ctx: Context): Promise<void> {
  const now = ctx.now()
  await sweepSessions(ctx)
  await each(ctx, 'sweep', await tenantIds(ctx), (tenantId) =>
    withTenant(ctx, tenantId, async (tx) => {
      await sweepAttempts(tx, tenantId, now)
      await sweepHandles(tx, tenantId, now)
    }),
  )
}

/** Runs {@link tick} every two seconds and {@link sweep} every five minutes until stopped. */
export function startJobs(ctx: Context): () => Promise<void> {
  let running: Promise<void> = Promise.resolve()
  let lastSweep = 0
  let reported = false
  const run = async () => {
    try {
      await tick(ctx)
      if (performance.now() - lastSweep > 300_000) {
        lastSweep = performance.now()
        await sweep(ctx)
      }
      reported = false
    } catch (error) {
      if (!reported) ctx.log.warn({ err: error }, 'background work waits: the database does not answer')
      reported = true
    }
  }
  let busy = false
  const timer = setInterval(() => {
    if (busy) return
    busy = true
    running = run().finally(() => {
      busy = false
    })
  }, 2_000)
  return async () => {
    clearInterval(timer)
    await running
  }
}
