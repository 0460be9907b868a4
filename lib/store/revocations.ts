import type { Prisma, ReadTx, Tx } from './database.ts'

const related = { token: { include: { project: true } } } as const
export type RevocationRow = Prisma.UpstreamRevocationGetPayload<{ include: typeof related }>
export type RevocationState = 'pending' | 'done' | 'confirmed' | 'failed' | 'impossible'

export const insertRevocations = (tx: Tx, rows: Prisma.UpstreamRevocationCreateManyInput[]) =>
  tx.upstreamRevocation.createMany({ data: rows })

/** Takes one due piece of work under a lease; undefined when another process has it or it is finished. */
export async function claimRevocation(
  tx: Tx,
  tenantId: string,
  id: string,
  now: Date,
  leaseSeconds: number,
): Promise<RevocationRow | undefined> {
  const { count } = await tx.upstreamRevocation.updateMany({
    where: { tenantId, id, state: 'pending', OR: [{ claimUntil: null }, { claimUntil: { lt: now } }] },
    data: { claimUntil: new Date(now.getTime() + leaseSeconds * 1000), tries: { increment: 1 } },
  })
  if (count === 0) return undefined
  return (
    (await tx.upstreamRevocation.findUnique({ where: { tenantId_id: { tenantId, id } }, include: related })) ??
    undefined
  )
}

/** Ends the work and wipes what it needed; failed work keeps it for a retry by hand. */
export const finishRevocation = (
  tx: Tx,
  tenantId: string,
  id: string,
  end: { state: Exclude<RevocationState, 'pending'>; lastError?: string | null; finishedAt: Date },
) =>
  tx.upstreamRevocation.update({
    where: { tenantId_id: { tenantId, id } },
    data: { ...end, ...(end.state === 'failed' ? {} : { handle: null }), claimUntil: null, nextTryAt: null },
  })

export const postponeRevocation = (
  tx: Tx,
  tenantId: string,
  id: string,
  later: { lastError: string; nextTryAt: Date },
) => tx.upstreamRevocation.update({ where: { tenantId_id: { tenantId, id } }, data: { ...later, claimUntil: null } })

/** The newest work for the grant of each connection. */
export const findGrantRevocations = (tx: ReadTx, tenantId: string, connectionIds: string[]) =>
  tx.upstreamRevocation.findMany({
    where: { tenantId, kind: 'grant', connectionId: { in: connectionIds } },
    orderBy: [{ connectionId: 'asc' }, { id: 'desc' }],
    distinct: ['connectionId'],
  })

/** Work that is not finished or has failed, but for tokens that have ended by themselves: what may still be alive upstream. */
export const listUnconfirmed = (tx: ReadTx, tenantId: string, { now, take }: { now: Date; take: number }) =>
  tx.upstreamRevocation.findMany({
    where: {
      tenantId,
      state: { in: ['pending', 'failed'] },
      OR: [{ tokenId: null }, { token: { expiresAt: { gt: now } } }],
    },
    orderBy: { id: 'desc' },
    take,
    include: related,
  })

/** Puts failed work back into the queue. */
export const retryRevocation = (tx: Tx, tenantId: string, id: string, now: Date) =>
  tx.upstreamRevocation.updateMany({
    where: { tenantId, id, state: { in: ['pending', 'failed'] } },
    data: { state: 'pending', nextTryAt: now, claimUntil: null, finishedAt: null },
  })
