import type { Prisma, ReadTx, Tx } from './database.ts'

export type AttemptRow = Prisma.AttemptGetPayload<object>

export const insertAttempt = (tx: Tx, row: Prisma.AttemptUncheckedCreateInput) => tx.attempt.create({ data: row })

export const findAttempt = (tx: ReadTx, tenantId: string, id: string) =>
  tx.attempt.findUnique({ where: { tenantId_id: { tenantId, id } } })

/**
 * Takes a pending attempt, once. State, browser, session and person match in the same statement, so a foreign browser
 * consumes nothing (L-01) and of two deliveries one wins (L-09).
 */
export async function consumeAttempt(
  tx: Tx,
  tenantId: string,
  match: { stateHash: Uint8Array; browserHash: Uint8Array; sessionId: string; userId: string },
  now: Date,
): Promise<AttemptRow | undefined> {
  const [row] = await tx.attempt.updateManyAndReturn({
    where: {
      tenantId,
      stateHash: Buffer.from(match.stateHash),
      browserHash: Buffer.from(match.browserHash),
      sessionId: match.sessionId,
      userId: match.userId,
      status: 'pending',
      expiresAt: { gt: now },
    },
    data: { status: 'consumed', consumedAt: now },
  })
  return row
}

export const endAttempt = (
  tx: Tx,
  tenantId: string,
  id: string,
  end: {
    status: 'done' | 'failed'
    outcome?: string
    detail?: string | null
    resultProjectId?: string
    secrets?: string | null
  },
) => tx.attempt.update({ where: { tenantId_id: { tenantId, id } }, data: { secrets: null, ...end } })

const kept = (tenantId: string, id: string, userId: string, now: Date) => ({
  tenantId,
  id,
  userId,
  OR: [
    { status: 'choosing' },
    { status: 'failed', outcome: { in: ['another_project', 'different_account', 'alias_taken'] } },
  ],
  secrets: { not: null },
  expiresAt: { gt: now },
})

/** Keeps a grant until its owner has said what it is for. */
export const keepToChoose = (tx: Tx, tenantId: string, id: string, secrets: string) =>
  tx.attempt.update({ where: { tenantId_id: { tenantId, id } }, data: { status: 'choosing', secrets } })

/**
 * Takes grants that were kept and that nobody has chosen anything for in time, so that they are ended. What is under way is
 * passed by; in the transaction that queues their end.
 */
export async function takeAbandoned(tx: Tx, tenantId: string, now: Date, take: number): Promise<AttemptRow[]> {
  const found = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM attempt WHERE tenant_id = ${tenantId} AND flow IS NOT NULL AND status IN ('choosing', 'failed')
      AND secrets IS NOT NULL AND expires_at <= ${now} ORDER BY id LIMIT ${take} FOR UPDATE SKIP LOCKED`
  return tx.attempt.findMany({ where: { tenantId, id: { in: found.map(({ id }) => id) } } })
}

/** A failed attempt whose grant is kept for its owner to decide about, or one whose owner is to choose. */
export const findKeptGrant = (tx: ReadTx, tenantId: string, id: string, userId: string, now: Date) =>
  tx.attempt.findFirst({ where: kept(tenantId, id, userId, now) })

/** Takes a kept grant, once: false when another call has it. In the transaction that stores it. */
export async function takeKeptGrant(tx: Tx, tenantId: string, id: string, userId: string, now: Date): Promise<boolean> {
  const { count } = await tx.attempt.updateMany({
    where: kept(tenantId, id, userId, now),
    data: { status: 'consumed', consumedAt: now },
  })
  return count > 0
}

/** Ends a pending attempt that its owner gives up. */
export const cancelAttempt = (tx: Tx, tenantId: string, id: string, userId: string) =>
  tx.attempt.updateMany({
    where: { tenantId, id, userId, status: 'pending' },
    data: { status: 'failed', outcome: 'cancelled', secrets: null },
  })

/** Takes what is kept of an attempt that its owner gives up while they choose. */
export async function cancelChoice(tx: Tx, tenantId: string, id: string, userId: string): Promise<AttemptRow | null> {
  const { count } = await tx.attempt.updateMany({
    where: { tenantId, id, userId, status: 'choosing' },
    data: { status: 'failed', outcome: 'cancelled' },
  })
  return count > 0 ? findAttempt(tx, tenantId, id) : null
}

/** Attempts that can still be finished: only the session that began one can. */
export const listOpenAttempts = (tx: ReadTx, tenantId: string, sessionId: string, now: Date) =>
  tx.attempt.findMany({
    // What is open has its secrets, of which there is an index.
    where: {
      tenantId,
      sessionId,
      status: { in: ['pending', 'choosing'] },
      secrets: { not: null },
      expiresAt: { gt: now },
    },
    orderBy: { createdAt: 'desc' },
    take: 20,
  })
