import { recover, renew } from '../broker/refresh/refresh.ts'
import type { Context } from '../context.ts'
import { isBrokerError } from '../errors.ts'
import { takeDue } from '../store/connections.ts'
import type { Interrupted } from '../store/lookups.ts'

type Upstream = { tenantId: string; providerId: string }

/** Renewals of one upstream under way in one process: a slow upstream holds sockets, not the process. */
const atOnce = 32
/** The bucket refills a little slower than the cap, so that a burst on top of it stays within one second's cap (RR-11). */
const refill = 0.75

/**
 * Renews what is due at one upstream until nothing more is, at most `refreshesPerSecond` over all instances, evenly
 * spaced. Healthy connections in use are renewed before their access token ends, idle ones before their grant does.
 */
export async function renewDue(ctx: Context, upstream: Upstream, signal?: AbortSignal): Promise<void> {
  const cap = ctx.config.refreshesPerSecond
  const limits = { perSecond: cap * refill, burst: Math.max(1, Math.floor(cap * (1 - refill))) }
  const running = new Set<Promise<void>>()
  while (!signal?.aborted) {
    const ids = await takeDue(ctx, upstream, limits)
    if (ids.length === 0) break
    for (const connectionId of ids) {
      if (running.size >= atOnce) await Promise.race(running)
      const work = renew(ctx, { tenantId: upstream.tenantId, connectionId }, 'due')
      const one: Promise<void> = alone(ctx, connectionId, work).finally(() => running.delete(one))
      running.add(one)
      await ctx.sleep(1000 / limits.perSecond)
    }
  }
  await Promise.all(running)
}

/** Takes up the rotations of one upstream that were cut off, started as evenly as renewals are; each is tried once. */
export async function recoverAll(ctx: Context, interrupted: Interrupted[], signal?: AbortSignal): Promise<void> {
  const running: Promise<void>[] = []
  for (const one of interrupted) {
    if (signal?.aborted) break
    running.push(alone(ctx, one.id, recover(ctx, one)))
    await ctx.sleep(1000 / ctx.config.refreshesPerSecond)
  }
  await Promise.all(running)
}

/** One entry's failure is on its row; it never stops the rest. */
async function alone(ctx: Context, connectionId: string, work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!isBrokerError(error))
      ctx.log.warn({ err: error, connection: connectionId }, 'a renewal failed inside Valetkey')
  }
}
