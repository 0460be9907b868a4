import { reconcileIssuing } from '../broker/issue.ts'
import { settleRevocation } from '../broker/revocations.ts'
import type { Context } from '../context.ts'
import { sweepAttempts } from '../store/attempts.ts'
import { drainOutbox } from '../store/audit.ts'
import { withTenant } from '../store/database.ts'
import { dueDeliveries, dueRevocations, outboxTenants, staleIssuing, tenantIds } from '../store/lookups.ts'
import { sweepSessions } from '../store/sessions.ts'
import { sweepHandles } from '../store/tokens.ts'
import { notifyEndings, sweepNotifications } from './notifications.ts'
import { deliverWebhook } from './webhooks.ts'

const batch = 50
/** An issue takes seconds; a row that is older was cut off. */
const staleMilliseconds = 2 * 60_000

type Place = { tenantId: string; id: string }

/**
 * Works on what is due: tenants (or whatever `laneOf` names) beside each other, the entries of each one after another,
 * so that one tenant's slow upstream holds up nobody else. One entry's failure is logged and never stops the rest.
 */
async function fairly<T extends { tenantId: string }>(
  ctx: Context,
  work: string,
  underWay: Set<string>,
  due: Promise<T[]>,
  handle: (item: T) => Promise<unknown>,
  laneOf: (item: T) => string = (item) => item.tenantId,
): Promise<void> {
  const lanes = new Map<string, T[]>()
  for (const item of await due) lanes.set(laneOf(item), [...(lanes.get(laneOf(item)) ?? []), item])
  await Promise.all(
    [...lanes].map(async ([lane, items]) => {
      const slot = `${work}:${lane}`
      if (underWay.has(slot)) return
      underWay.add(slot)
      for (const item of items)
        await handle(item).catch((error: unknown) =>
          ctx.log.warn({ err: error, work }, 'one entry failed; the rest goes on'),
        )
      underWay.delete(slot)
    }),
  )
}

const inTenant = async (tenantIds: Promise<string[]>) => (await tenantIds).map((tenantId) => ({ tenantId }))

/** Work that is due now, taken from the rows themselves. Safe on any number of instances at once. */
export async function tick(ctx: Context, underWay = new Set<string>()): Promise<void> {
  const now = ctx.now()
  const stale = new Date(now.getTime() - staleMilliseconds)
  await Promise.all([
    fairly<Place>(ctx, 'revocations', underWay, dueRevocations(ctx, now, batch), (place) =>
      settleRevocation(ctx, place),
    ),
    fairly<Place>(ctx, 'issuing', underWay, staleIssuing(ctx, stale, now, batch), (place) =>
      reconcileIssuing(ctx, place),
    ),
    fairly(
      ctx,
      'webhooks',
      underWay,
      dueDeliveries(ctx, now, batch),
      (place) => deliverWebhook(ctx, place),
      ({ webhookId }) => webhookId,
    ),
    fairly(ctx, 'outbox', underWay, inTenant(outboxTenants(ctx)), ({ tenantId }) =>
      withTenant(ctx, tenantId, (tx) => drainOutbox(tx, tenantId)),
    ),
  ])
}

/** Deletes what is over: sessions, attempts, handles of tokens that ended by themselves. */
export async function sweep(ctx: Context): Promise<void> {
  const now = ctx.now()
  await sweepSessions(ctx)
  await notifyEndings(ctx)
  await sweepNotifications(ctx)
  await fairly(ctx, 'sweep', new Set(), inTenant(tenantIds(ctx)), ({ tenantId }) =>
    withTenant(ctx, tenantId, async (tx) => {
      await sweepAttempts(tx, tenantId, now)
      await sweepHandles(tx, tenantId, now)
    }),
  )
}

const tickMilliseconds = 2_000
const ticksPerSweep = 150

/** Runs {@link tick} every two seconds and {@link sweep} every five minutes until stopped. */
export function startJobs(ctx: Context): () => Promise<void> {
  const underWay = new Set<string>()
  const running = new Set<Promise<void>>()
  let ticks = 0
  let reported = false
  const run = async (sweeps: boolean) => {
    try {
      await tick(ctx, underWay)
      if (sweeps) await sweep(ctx)
      reported = false
    } catch (error) {
      if (!reported) ctx.log.warn({ err: error }, 'background work waits: the database does not answer')
      reported = true
    }
  }
  const timer = setInterval(() => {
    const work: Promise<void> = run(ticks++ % ticksPerSweep === 0).finally(() => running.delete(work))
    running.add(work)
  }, tickMilliseconds)
  return async () => {
    clearInterval(timer)
    await Promise.allSettled(running)
  }
}
