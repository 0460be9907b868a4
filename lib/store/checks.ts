import type { Prisma, ReadTx, Tx } from './database.ts'
import { findFreeze } from './freezes.ts'

export type CheckRow = Prisma.ProviderCheckGetPayload<object>

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour
/** A check takes seconds; whoever was cut off leaves it to the next after this. */
const leaseMs = 10 * minute

export const findCheck = (tx: ReadTx, tenantId: string, providerId: string) =>
  tx.providerCheck.findUnique({ where: { tenantId_providerId: { tenantId, providerId } } })

/** Puts a provider on the schedule, at a moment of its own: many were never checked when a version that checks begins. */
const schedule = (tx: Tx, tenantId: string, providerId: string, now: Date) =>
  tx.providerCheck.createMany({
    data: [{ tenantId, providerId, dueAt: new Date(now.getTime() + hour + Math.random() * (day - hour)), told: [] }],
    skipDuplicates: true,
  })

/** Takes a daily check that is due. False: it is not, somebody else has it, or the provider is frozen and left alone. */
export async function claimCheck(tx: Tx, tenantId: string, providerId: string, now: Date): Promise<boolean> {
  await schedule(tx, tenantId, providerId, now)
  const put = (until: Date) =>
    tx.providerCheck.updateMany({ where: { tenantId, providerId, dueAt: { lte: now } }, data: { dueAt: until } })
  const freeze = await findFreeze(tx, tenantId, 'provider', providerId, now)
  if (freeze) {
    await put(new Date(Math.min(freeze.until?.getTime() ?? Number.POSITIVE_INFINITY, now.getTime() + hour)))
    return false
  }
  return (await put(new Date(now.getTime() + leaseMs))).count > 0
}

/** The next daily check, a little earlier or later each day. */
export const scheduleNext = (tx: Tx, tenantId: string, providerId: string, now: Date) =>
  tx.providerCheck.updateMany({
    where: { tenantId, providerId },
    data: { dueAt: new Date(now.getTime() + day - hour + Math.random() * hour) },
  })

/** Locks the result until the transaction ends, so that of two checks at once each sees what the other wrote. */
export async function lockCheck(tx: Tx, tenantId: string, providerId: string, now: Date): Promise<CheckRow | null> {
  await schedule(tx, tenantId, providerId, now)
  await tx.$queryRaw`
    SELECT 1 FROM provider_check WHERE tenant_id = ${tenantId} AND provider_id = ${providerId} FOR NO KEY UPDATE`
  return findCheck(tx, tenantId, providerId)
}

export const updateCheck = (
  tx: Tx,
  tenantId: string,
  providerId: string,
  data: Pick<Prisma.ProviderCheckUncheckedUpdateInput, 'checkedAt' | 'checkedBy' | 'lines' | 'told'>,
) => tx.providerCheck.update({ where: { tenantId_providerId: { tenantId, providerId } }, data })
