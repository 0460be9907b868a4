import { renew } from '../broker/refresh.ts'
import type { Context } from '../context.ts'
import { isBrokerError } from '../errors.ts'
import { takeDue } from '../store/connections.ts'

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
      const one: Promise<void> = renewOne(ctx, upstream.tenantId, connectionId).finally(() => running.delete(one))
      running.add(one)
      await ctx.sleep(1000 / limits.perSecond)
    }
  }
  await Promise.all(running)
}

/** One entry's failure is on its row; it never stops the rest. */
async function renewOne(ctx: Context, tenantId: string, connectionId: string): Promise<void> {
  try {
    await renew(ctx, { tenantId, connectionId }, 'due')
  } catch (error) {
    if (!isBrokerError(error)) ctx.log.warn({ err: error, connection: connectionId }, 'a renewal failed here')
  }
}
