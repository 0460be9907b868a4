import type { Context } from '../context.ts'
import { dueOfAct, endBatch, settleAct } from '../store/acts.ts'
import { readTenant } from '../store/database.ts'
import { asSystem } from '../store/system.ts'
import { settleAll, soon } from './upstream-revocation.ts'

type Place = { tenantId: string; id: string }

/** One transaction marks this many, so that nobody waits long for its locks. */
const batchSize = 2_000
/** So many pieces of upstream work are taken at a time. */
const workSize = 200

/**
 * Goes on with an act that ends many things, wherever whoever was at it stopped: marks in batches what has been dead here since
 * it committed, and asks the upstreams. Safe on any number of instances at once, and any number of times: nothing is done twice.
 */
export async function runAct(ctx: Context, { tenantId, id }: Place, signal?: AbortSignal): Promise<void> {
  for (let done = false; !done; ) {
    if (signal?.aborted) return
    const batch = await asSystem(ctx, tenantId, 'job', (tx) =>
      endBatch(tx, tenantId, id, { limit: batchSize, now: ctx.now() }),
    )
    if (batch.busy) return
    done = batch.done
  }
  // Once through, in the order of ids: what could not be done now has a later turn.
  for (let after = '', isLast = false; !isLast; ) {
    if (signal?.aborted) return
    const due = await readTenant(ctx, tenantId, (tx) =>
      dueOfAct(tx, tenantId, id, { after, now: ctx.now(), take: workSize }),
    )
    await settleAll(ctx, tenantId, due)
    after = due.at(-1) ?? after
    isLast = due.length < workSize
  }
  await asSystem(ctx, tenantId, 'job', (tx) => settleAct(tx, tenantId, id, ctx.now()))
}

/** The same at once, for an answer that waits for a while. What fails is left to the tick. */
export const runSoon = (ctx: Context, place: Place): Promise<void> =>
  soon(
    ctx,
    runAct(ctx, place).catch((error: unknown) => {
      ctx.log.warn({ err: error, act: place.id, tenant: place.tenantId }, 'a revocation goes on with the next tick')
    }),
  )
