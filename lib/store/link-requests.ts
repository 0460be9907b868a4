import type { Prisma, ReadTx, Tx } from './database.ts'

export type LinkRequestRow = Prisma.LinkRequestGetPayload<object>
/** How it stands. The first two are open. */
export type LinkRequestStatus = 'asked' | 'accepted' | 'declined' | 'cancelled' | 'timed_out' | 'completed'
export type LinkCause = 'link' | 'reconnect' | 'step_up'

const open = ['asked', 'accepted']

export const findLinkRequest = (tx: ReadTx, tenantId: string, id: string) =>
  tx.linkRequest.findUnique({ where: { tenantId_id: { tenantId, id } } })

/** The one that a person was asked in and has not answered yet about the same subject. */
export const findOpenLinkRequest = (tx: ReadTx, tenantId: string, userId: string, subject: Uint8Array, now: Date) =>
  tx.linkRequest.findFirst({
    where: { tenantId, userId, subject: Buffer.from(subject), status: { in: open }, expiresAt: { gt: now } },
  })

/** The one that an attempt was begun for. */
export const linkRequestOfAttempt = (tx: ReadTx, tenantId: string, attemptId: string) =>
  tx.linkRequest.findFirst({ where: { tenantId, attemptId } })

/** Those that a person was asked in and has not answered yet, the newest first. */
export const waitingLinkRequests = (tx: ReadTx, tenantId: string, userId: string, now: Date) =>
  tx.linkRequest.findMany({
    where: { tenantId, userId, status: { in: open }, expiresAt: { gt: now } },
    orderBy: { createdAt: 'desc' },
  })

/** When the first of a person's open requests ends, and how many there are. */
export async function openLinkRequests(tx: ReadTx, tenantId: string, userId: string, now: Date) {
  const { _count, _min } = await tx.linkRequest.aggregate({
    where: { tenantId, userId, status: { in: open }, expiresAt: { gt: now } },
    _count: true,
    _min: { expiresAt: true },
  })
  return { count: _count, firstEnd: _min.expiresAt }
}

/** Makes those of one person who are asked for wait for one another, so that their bound is exact. */
export const lockAsked = (tx: Tx, tenantId: string, userId: string) =>
  tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`link_request ${tenantId} ${userId}`}, 0))`

export const insertLinkRequest = (tx: Tx, row: Prisma.LinkRequestUncheckedCreateInput) =>
  tx.linkRequest.create({ data: row })

/** Ends what nobody has answered in time: of one person, or a batch of all. What each was about. */
export async function timeOutLinkRequests(
  tx: Tx,
  tenantId: string,
  which: { userId?: string; now: Date; most: number },
): Promise<LinkCause[]> {
  const rows = await tx.$queryRaw<{ cause: LinkCause }[]>`
    UPDATE link_request SET status = 'timed_out' WHERE tenant_id = ${tenantId} AND id IN (
      SELECT id FROM link_request WHERE tenant_id = ${tenantId} AND status IN ('asked', 'accepted')
        AND expires_at <= ${which.now} AND user_id = coalesce(${which.userId ?? null}::text, user_id)
        LIMIT ${which.most} FOR UPDATE SKIP LOCKED)
    RETURNING cause`
  return rows.map(({ cause }) => cause)
}

/** Its person continues: as often as they like, while it is open. False: it is open no more. */
export async function acceptLinkRequest(
  tx: Tx,
  { tenantId, id, userId }: Pick<LinkRequestRow, 'tenantId' | 'id' | 'userId'>,
  attempt: { id: string; expiresAt: Date },
  now: Date,
): Promise<boolean> {
  const { count } = await tx.linkRequest.updateMany({
    where: { tenantId, id, userId, status: { in: open }, expiresAt: { gt: now } },
    data: { status: 'accepted', attemptId: attempt.id, expiresAt: attempt.expiresAt },
  })
  return count > 0
}

/** False: it was answered before, or its time is over. */
export async function declineLinkRequest(
  tx: Tx,
  { tenantId, id, userId }: Pick<LinkRequestRow, 'tenantId' | 'id' | 'userId'>,
  now: Date,
): Promise<boolean> {
  const { count } = await tx.linkRequest.updateMany({
    where: { tenantId, id, userId, status: { in: open }, expiresAt: { gt: now } },
    data: { status: 'declined' },
  })
  return count > 0
}

/** Ends the one that an attempt was begun for, with that attempt. What it was about. */
export async function endRequestOfAttempt(
  tx: Tx,
  tenantId: string,
  attemptId: string,
  status: 'declined' | 'cancelled',
): Promise<LinkCause[]> {
  const rows = await tx.linkRequest.updateManyAndReturn({
    where: { tenantId, attemptId, status: 'accepted' },
    data: { status },
  })
  return rows.map(({ cause }) => cause as LinkCause)
}

/**
 * A person has linked projects: whatever asked them for that is done, through whichever page they came. More scopes are only
 * there where they were granted; an attempt that was to bring them and did not is a refusal.
 */
export async function completeLinkRequests(
  tx: Tx,
  { tenantId, userId, attemptId }: { tenantId: string; userId: string; attemptId: string },
  { projectIds, granted }: { projectIds: string[]; granted: string[] },
): Promise<{ cause: LinkCause; outcome: 'completed' | 'declined' }[]> {
  return tx.$queryRaw<{ cause: LinkCause; outcome: 'completed' | 'declined' }[]>`
    UPDATE link_request SET status = CASE WHEN cause <> 'step_up' OR scopes <@ ${granted}::text[] THEN 'completed' ELSE 'declined' END
    WHERE tenant_id = ${tenantId} AND user_id = ${userId} AND status IN ('asked', 'accepted') AND project_id = ANY(${projectIds})
      AND (cause <> 'step_up' OR scopes <@ ${granted}::text[] OR attempt_id = ${attemptId})
    RETURNING cause, status AS outcome`
}
