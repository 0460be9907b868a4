import type { Prisma, ReadTx, Tx } from './database.ts'

/**
 * How a server's own access token is handed out. An API may check it by its signature alone, and then asks nobody: whatever the server says,
 * it can work there until it expires.
 */
export const checkedByApis: readonly string[] = ['exchange', 'narrow']
export const isCheckedByApis = (strategy: string): boolean => checkedByApis.includes(strategy)

const related = { token: { include: { project: true } } } as const
export type RevocationRow = Prisma.UpstreamRevocationGetPayload<{ include: typeof related }>
export type RevocationState = 'pending' | 'done' | 'confirmed' | 'failed' | 'impossible'

export const insertRevocations = (tx: Tx, rows: Prisma.UpstreamRevocationCreateManyInput[]) =>
  tx.upstreamRevocation.createMany({ data: rows })

/**
 * Writes work for what came back after its end: it is the act's that ended its token or connection, and what had settled without it
 * has not.
 */
export async function insertLate(tx: Tx, row: Prisma.UpstreamRevocationCreateManyInput): Promise<void> {
  const { tenantId, connectionId, tokenId } = row
  const of = tokenId ? { tokenId } : { connectionId, kind: 'grant' }
  const before = await tx.upstreamRevocation.findFirst({ where: { tenantId, ...of }, orderBy: { id: 'desc' } })
  await insertRevocations(tx, [{ ...row, actId: before?.actId ?? null }])
  if (before?.actId) await reopenAct(tx, tenantId, before.actId)
}

const reopenAct = (tx: Tx, tenantId: string, id: string) =>
  tx.revocationAct.updateMany({ where: { tenantId, id }, data: { settledAt: null } })

const waitingFor = (tenantId: string, tokenId: string) => ({ tenantId, tokenId, kind: 'token', state: 'pending' })

/** Lets the work go on that has waited for a token to be made. Its id; undefined: there is none. */
export async function wakeWaiting(tx: Tx, tenantId: string, tokenId: string, now: Date): Promise<string | undefined> {
  const [row] = await tx.upstreamRevocation.updateManyAndReturn({
    where: waitingFor(tenantId, tokenId),
    data: { nextTryAt: now, lastError: null },
    select: { id: true },
  })
  return row?.id
}

/** Takes back the work that has waited for a token of which it is known that nobody made it. */
export const dropWaiting = (tx: Tx, tenantId: string, tokenId: string) =>
  tx.upstreamRevocation.deleteMany({ where: waitingFor(tenantId, tokenId) })

/** Takes one due piece of work under a lease; undefined when another process has it or it is finished. */
export async function claimRevocation(
  tx: Tx,
  tenantId: string,
  id: string,
  now: Date,
  leaseSeconds: number,
): Promise<RevocationRow | undefined> {
  const { count } = await tx.upstreamRevocation.updateMany({
    where: {
      ...{ tenantId, id },
      AND: [
        { OR: [{ state: 'pending' }, { state: 'done', nextTryAt: { not: null } }] },
        { OR: [{ claimUntil: null }, { claimUntil: { lt: now } }] },
      ],
    },
    data: { claimUntil: new Date(now.getTime() + leaseSeconds * 1000), tries: { increment: 1 } },
  })
  if (count === 0) return undefined
  return (
    (await tx.upstreamRevocation.findUnique({ where: { tenantId_id: { tenantId, id } }, include: related })) ??
    undefined
  )
}

/** Notes that the upstream lets in what is to be revoked. */
export const noteSeen = (tx: Tx, tenantId: string, id: string, seenAt: Date) =>
  tx.upstreamRevocation.update({ where: { tenantId_id: { tenantId, id } }, data: { seenAt } })

/**
 * Takes back that it is done, because it works there still, also from the act that had settled by it. The upstream is asked for its end
 * once more.
 */
export async function reopenRevocation(tx: Tx, tenantId: string, id: string, nextTryAt: Date): Promise<void> {
  const { actId } = await tx.upstreamRevocation.update({
    where: { tenantId_id: { tenantId, id } },
    data: { state: 'pending', lastError: 'alive', nextTryAt, claimUntil: null, finishedAt: null },
  })
  if (actId) await reopenAct(tx, tenantId, actId)
}

/** Ends the work and wipes what it needed, unless a retry by hand could still use it (`keep`), or it is asked about again. */
export const finishRevocation = (
  tx: Tx,
  tenantId: string,
  id: string,
  {
    keep,
    nextTryAt = null,
    ...end
  }: {
    state: Exclude<RevocationState, 'pending'>
    lastError?: string | null
    finishedAt: Date
    keep: boolean
    nextTryAt?: Date | null | undefined
  },
) =>
  tx.upstreamRevocation.update({
    where: { tenantId_id: { tenantId, id } },
    data: { ...end, ...(keep ? {} : { handle: null }), claimUntil: null, nextTryAt },
  })

export const postponeRevocation = (
  tx: Tx,
  tenantId: string,
  id: string,
  later: { lastError: string; nextTryAt: Date },
) => tx.upstreamRevocation.update({ where: { tenantId_id: { tenantId, id } }, data: { ...later, claimUntil: null } })

const orphansOf = (tenantId: string, connectionId: string) => ({
  tenantId,
  connectionId,
  kind: 'orphans',
  state: 'pending',
})

/** What is still looked for of a connection's cut-off issues. Ids. */
export const pendingOrphans = async (tx: Tx, tenantId: string, connectionId: string): Promise<string[]> =>
  (await tx.upstreamRevocation.findMany({ where: orphansOf(tenantId, connectionId), select: { id: true } })).map(
    ({ id }) => id,
  )

/** Puts off work that other work comes before; that is no try. */
export async function awaitOthers(
  tx: Tx,
  tenantId: string,
  id: string,
  { for: others, nextTryAt }: { for: 'cut_off_issue' | 'its_connection' | 'issue_under_way'; nextTryAt: Date },
): Promise<void> {
  const data = { nextTryAt, claimUntil: null, tries: { decrement: 1 } }
  const { lastError } = await tx.upstreamRevocation.update({ where: { tenantId_id: { tenantId, id } }, data })
  if (lastError === null)
    await tx.upstreamRevocation.updateMany({ where: { tenantId, id }, data: { lastError: others } })
}

const grantsOf = (tenantId: string, connectionId: string) => ({
  tenantId,
  connectionId,
  kind: 'grant',
  state: 'pending',
})

/** Whether the end of a connection's grant is still to come. */
export const hasPendingGrant = async (tx: Tx, tenantId: string, connectionId: string): Promise<boolean> =>
  (await tx.upstreamRevocation.count({ where: grantsOf(tenantId, connectionId) })) > 0

/** Lets go on what waits for the end of a connection's grant, unless there is another one to wait for. Ids. */
export async function wakeTokens(tx: Tx, tenantId: string, connectionId: string, now: Date): Promise<string[]> {
  if (await hasPendingGrant(tx, tenantId, connectionId)) return []
  const rows = await tx.upstreamRevocation.updateManyAndReturn({
    where: { tenantId, connectionId, kind: 'token', state: 'pending', lastError: 'its_connection' },
    data: { nextTryAt: now, lastError: null },
    select: { id: true },
  })
  return rows.map(({ id }) => id)
}

/** Lets the ends of a connection's grants go on, now that nothing is looked for with them any more. */
export const wakeGrants = (tx: Tx, tenantId: string, connectionId: string, now: Date) =>
  tx.upstreamRevocation.updateMany({
    where: { tenantId, connectionId, kind: 'grant', state: 'pending' },
    data: { nextTryAt: now },
  })

export type LastGrant = { id: string; connectionId: string; handle: string }
/** Of a grant's work: the upstream refused it. It can still be told to end it, but gives no access token any more. */
const spent = 'refused'

/**
 * Takes the newest grant of a connection that waits to be ended and may still be good for an access token, under a lease.
 * `busy`: another process has it. Undefined: there is none.
 */
export async function claimLastGrant(
  tx: Tx,
  tenantId: string,
  connectionId: string,
  now: Date,
  leaseSeconds: number,
): Promise<LastGrant | 'busy' | undefined> {
  const row = await tx.upstreamRevocation.findFirst({
    where: {
      tenantId,
      connectionId,
      kind: 'grant',
      state: 'pending',
      handle: { not: null },
      OR: [{ lastError: null }, { lastError: { not: spent } }],
    },
    orderBy: { id: 'desc' },
  })
  if (!row?.handle) return undefined
  const { count } = await tx.upstreamRevocation.updateMany({
    where: { tenantId, id: row.id, state: 'pending', OR: [{ claimUntil: null }, { claimUntil: { lt: now } }] },
    data: { claimUntil: new Date(now.getTime() + leaseSeconds * 1000) },
  })
  return count > 0 ? { id: row.id, connectionId, handle: row.handle } : 'busy'
}

/** Gives a claimed grant back. */
export const releaseLastGrant = (tx: Tx, tenantId: string, id: string, { isSpent }: { isSpent: boolean }) =>
  tx.upstreamRevocation.updateMany({
    where: { tenantId, id, state: 'pending' },
    data: { claimUntil: null, ...(isSpent ? { lastError: spent } : {}) },
  })

/**
 * Puts the successor of a grant in its place. Whoever holds one is right, also past the lease: only one of two gets it.
 * False where the work has ended meanwhile, so that the successor must be queued anew.
 */
export async function keepLastGrant(tx: Tx, tenantId: string, id: string, handle: string): Promise<boolean> {
  const data = { handle, claimUntil: null, lastError: null }
  return (await tx.upstreamRevocation.updateMany({ where: { tenantId, id, state: 'pending' }, data })).count > 0
}

/** Keeps an access token with a piece of work that is still to look for orphans. */
export const keepAccess = (tx: Tx, tenantId: string, id: string, handle: string) =>
  tx.upstreamRevocation.updateMany({ where: { tenantId, id, kind: 'orphans', state: 'pending' }, data: { handle } })

/** How much is still to be ended upstream with the client of a provider. */
export const openWork = (tx: ReadTx, tenantId: string, providerId: string): Promise<number> =>
  tx.upstreamRevocation.count({ where: { tenantId, providerId, state: 'pending' } })

/** The newest work for the grant of each connection. */
export const findGrantRevocations = (tx: ReadTx, tenantId: string, connectionIds: string[]) =>
  tx.upstreamRevocation.findMany({
    where: { tenantId, kind: 'grant', connectionId: { in: connectionIds } },
    orderBy: [{ connectionId: 'asc' }, { id: 'desc' }],
    distinct: ['connectionId'],
  })

/** Work that is not finished or has failed, but for tokens that have ended by themselves: what may still be alive upstream. */
const unconfirmedWhere = (tenantId: string, now: Date): Prisma.UpstreamRevocationWhereInput => ({
  tenantId,
  state: { in: ['pending', 'failed'] },
  OR: [{ tokenId: null }, { token: { expiresAt: { gt: now } } }],
})

export const listUnconfirmed = (tx: ReadTx, tenantId: string, { now, take }: { now: Date; take: number }) =>
  tx.upstreamRevocation.findMany({
    where: unconfirmedWhere(tenantId, now),
    orderBy: { id: 'desc' },
    take,
    include: related,
  })

/** How many there are, counted up to `most` and no further. */
export const countUnconfirmed = (tx: ReadTx, tenantId: string, { now, most }: { now: Date; most: number }) =>
  tx.upstreamRevocation.count({ where: unconfirmedWhere(tenantId, now), take: most })

/** Puts all work of a tenant that is not confirmed back into the queue, but for what is under way. How much. */
export const retryAll = async (tx: Tx, tenantId: string, now: Date): Promise<number> =>
  (
    await tx.upstreamRevocation.updateMany({
      where: {
        tenantId,
        state: { in: ['pending', 'failed'] },
        AND: [
          { OR: [{ claimUntil: null }, { claimUntil: { lt: now } }] },
          { OR: [{ tokenId: null }, { token: { expiresAt: { gt: now } } }] },
        ],
      },
      data: { state: 'pending', nextTryAt: now, claimUntil: null, finishedAt: null },
    })
  ).count

/** Of work that an admin has recorded as ended: nobody asked the upstream. */
export const recordedAsEnded = 'recorded_as_ended'

/**
 * Closes work that nobody can do, because somebody knows that the thing has ended, and wipes what it needed. Nobody has asked the
 * upstream, so it is no `done`. Undefined where there is no such work, or it is over.
 */
export async function closeRevocation(tx: Tx, tenantId: string, id: string, now: Date) {
  const [row] = await tx.upstreamRevocation.updateManyAndReturn({
    where: { tenantId, id, state: { in: ['pending', 'failed'] } },
    data: {
      state: 'impossible',
      lastError: recordedAsEnded,
      handle: null,
      claimUntil: null,
      nextTryAt: null,
      finishedAt: now,
    },
    select: { kind: true, tokenId: true, connectionId: true },
  })
  return row
}

/** Puts failed work back into the queue. */
export async function retryRevocation(tx: Tx, tenantId: string, id: string, now: Date) {
  const [row] = await tx.upstreamRevocation.updateManyAndReturn({
    where: { tenantId, id, state: { in: ['pending', 'failed'] } },
    data: { state: 'pending', nextTryAt: now, claimUntil: null, finishedAt: null },
    select: { tokenId: true, connectionId: true },
  })
  return row
}
