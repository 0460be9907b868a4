import { instanceTenant } from '../audit/record.ts'
import { endAbandoned } from '../broker/link/abandoned.ts'
import { timeOutAsked } from '../broker/link/ask.ts'
import type { Context } from '../context.ts'
import { tenantIds } from '../store/lookups.ts'
import { sweepPrograms } from '../store/programs.ts'
import { dueSweeps, type SweepName, sweepBatch, sweepNames, sweepSessions, sweepSingly } from '../store/sweep.ts'
import { settleTenantKeys } from '../vault/rotate.ts'
import { settleSigningKeys } from '../vault/signing.ts'
import { notifyEndings, sweepNotifications } from './notifications.ts'

const batch = 1_000
/** Each is a call upstream; what is left comes with the next sweep. */
const mostAbandoned = 50
/** Batches of one kind and tenant in one go; what is left comes with the next sweep. */
const mostBatches = 200

/**
 * Deletes what is over, in batches, beside any number of other instances (H-09), and ends what key rotations began. A
 * batch that fails goes entry by entry.
 */
export async function sweep(ctx: Context, signal?: AbortSignal): Promise<void> {
  for (let done = batch; done === batch && !signal?.aborted; ) done = await sweepSessions(ctx, batch)
  for (let done = batch; done === batch && !signal?.aborted; ) done = await sweepPrograms(ctx, batch)
  await sweepKind(ctx, instanceTenant, 'logout tokens', signal)
  await notifyEndings(ctx)
  await sweepNotifications(ctx)
  for (const tenantId of await tenantIds(ctx)) {
    for (let done = batch; done === batch && !signal?.aborted; ) done = await timeOutAsked(ctx, tenantId, batch)
    await endAbandoned(ctx, tenantId, mostAbandoned).catch((error: unknown) =>
      ctx.log.warn({ err: error, work: 'unlinked grants' }, 'grants that nobody chose could not be ended; we retry'),
    )
    await sweepDue(ctx, tenantId, signal)
    await settleTenantKeys(ctx, tenantId).catch((error: unknown) =>
      ctx.log.warn({ err: error, work: 'keys' }, 'a key rotation could not be completed; we retry'),
    )
    await settleSigningKeys(ctx, tenantId).catch((error: unknown) =>
      ctx.log.warn({ err: error, work: 'signing keys' }, 'signing keys could not be seen to; we retry'),
    )
  }
}

/** Each kind once, and what one leaves to another after it. All of them where they cannot be asked about at once. */
async function sweepDue(ctx: Context, tenantId: string, signal?: AbortSignal): Promise<void> {
  const swept = new Set<SweepName>()
  while (!signal?.aborted) {
    const due = await dueSweeps(ctx, tenantId).catch(() => sweepNames)
    const name = due.find((each) => !swept.has(each))
    if (!name) return
    swept.add(name)
    await sweepKind(ctx, tenantId, name, signal)
  }
}

async function sweepKind(ctx: Context, tenantId: string, name: SweepName, signal?: AbortSignal): Promise<void> {
  try {
    for (let round = 0; round < mostBatches && !signal?.aborted; round += 1)
      if ((await sweepBatch(ctx, tenantId, name, batch)) < batch) return
  } catch (error) {
    ctx.log.warn({ err: error, work: name }, 'a batch could not be swept; its entries are tried one by one')
    await sweepSingly(ctx, tenantId, name, batch, (id, reason) =>
      ctx.log.warn({ err: reason, work: name, entry: id }, 'one entry could not be swept; the others continue'),
    ).catch((reason: unknown) => ctx.log.warn({ err: reason, work: name }, 'nothing could be swept'))
  }
}
