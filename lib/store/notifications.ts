import type { Context } from '../context.ts'
import { newId } from '../security/ids.ts'
import { move, usable } from './connection-states.ts'
import { type Prisma, query, type ReadTx, type Tx, underSavepoint } from './database.ts'

export type NotificationRow = Prisma.NotificationGetPayload<object>

/** Who reads: their own, and what is addressed to everybody who administers where they do. */
export type Reader = { userId: string; admin: boolean }

const readableBy = (tenantId: string, { userId, admin }: Reader) =>
  ({
    tenantId,
    ...(admin ? { OR: [{ userId }, { userId: null }] } : { userId }),
  }) satisfies Prisma.NotificationWhereInput

/** A page, newest first. `before`: the id that the previous page ended with. */
export const listNotifications = (
  tx: ReadTx,
  tenantId: string,
  reader: Reader,
  { before, unread, take }: { before?: string | undefined; unread?: boolean | undefined; take: number },
) =>
  tx.notification.findMany({
    where: {
      ...readableBy(tenantId, reader),
      ...(before ? { id: { lt: before } } : {}),
      ...(unread ? { readAt: null } : {}),
    },
    orderBy: { id: 'desc' },
    take,
  })

/** How many are unread, counted up to `most` and no further: one prepared statement. */
export async function countUnread(
  ctx: Pick<Context, 'pool' | 'config'>,
  tenantId: string,
  { userId, admin }: Reader,
  most: number,
): Promise<number> {
  const values = [tenantId, userId, admin, most]
  const [row] = await query<{ count: number }>(
    ctx,
    'unread_count',
    'SELECT vk.unread_count($1, $2, $3, $4) AS count',
    values,
  )
  return row?.count ?? 0
}

/** Marks what the reader may read: the named ones, or everything up to one that they saw. How many. */
export async function markRead(
  tx: Tx,
  tenantId: string,
  reader: Reader,
  which: { ids: string[] } | { through: string },
  now: Date,
): Promise<number> {
  const id = 'ids' in which ? { in: which.ids } : { lte: which.through }
  const { count } = await tx.notification.updateMany({
    where: { ...readableBy(tenantId, reader), id, readAt: null },
    data: { readAt: now },
  })
  return count
}

type NewNotification = Omit<Prisma.NotificationCreateManyInput, 'details'> & { details: Prisma.InputJsonObject }

/** Tells; what has been told under the same key is not told again. How many were new. */
export const insertNotifications = async (tx: Tx, rows: NewNotification[]) =>
  (await tx.notification.createMany({ data: rows, skipDuplicates: true })).count

/** What was ended of somebody by somebody else, as their notice tells it. */
export type EndedNotice = {
  tenantId: string
  /** Whose it was. */
  userId: string
  by: string
  reason: string | null
  /** The act that it belongs to, of which they are told once. */
  act?: string | undefined
  /** Of all that they held; true: their way in was blocked as well. */
  blocked?: boolean
  counts: { connections: number; tokens: number; grants: number; sessions?: number; requests?: number }
}

/** Tells owners what somebody else ended. What is told is not worth the end itself, so a failure leaves that as it is. */
export const tellEnded = (tx: Tx, notices: EndedNotice[], now: Date): Promise<unknown> =>
  underSavepoint(tx, async () => {
    const told = notices.filter(({ userId, by, counts, blocked }) => {
      const some = Object.values(counts).some((count) => count > 0) || blocked === true
      return userId !== by && some
    })
    await insertNotifications(
      tx,
      told.map(({ tenantId, userId, by, reason, act, blocked, counts }) => ({
        tenantId,
        id: newId('notification'),
        userId,
        kind: 'access.revoked',
        // An act on a selection is not for each of those whom it reaches to read.
        details: { by, reason, act: blocked === undefined ? null : (act ?? null), blocked: blocked ?? false, counts },
        dedupeKey: act ? `act:${act}:${userId}` : null,
        createdAt: now,
      })),
    )
  })

/** What was told under this key may be told again. */
export const rearm = (tx: Tx, tenantId: string, dedupeKey: string) =>
  tx.notification.updateMany({ where: { tenantId, dedupeKey }, data: { dedupeKey: null } })

/** Those of these keys that have been told already. */
export async function toldKeys(tx: ReadTx, tenantId: string, keys: string[]): Promise<Set<string | null>> {
  const rows = await tx.notification.findMany({
    where: { tenantId, dedupeKey: { in: keys } },
    select: { dedupeKey: true },
  })
  return new Set(rows.map((row) => row.dedupeKey))
}

export type EndingGrant = {
  id: string
  userId: string
  providerId: string
  status: string
  grantExpiresAt: Date
  /** Renewals do not move the end. */
  grantFixed: boolean
  projects: { project: { id: string; alias: string } }[]
}

/**
 * Connections whose grant ends before `until` and is not going to be renewed by itself: renewals do not move the end,
 * or they fail. What a healthy schedule keeps alive is not among them. By id; `after`: the last one of the page before.
 */
export const endingGrants = (
  tx: ReadTx,
  tenantId: string,
  { until, after, take }: { until: Date; after?: string | undefined; take: number },
) =>
  tx.connection.findMany({
    where: {
      tenantId,
      status: { in: [...usable] },
      grantExpiresAt: { lte: until },
      ...(after ? { id: { gt: after } } : {}),
      OR: [{ grantFixed: true }, { status: { not: 'linked' } }],
    },
    select: {
      id: true,
      userId: true,
      providerId: true,
      status: true,
      grantExpiresAt: true,
      grantFixed: true,
      projects: { select: { project: { select: { id: true, alias: true } } } },
    },
    orderBy: { id: 'asc' },
    take,
  }) as Promise<EndingGrant[]>

/**
 * Ends a connection whose grant has ended for certain and destroys its refresh token, unless a refresh is under way or the end
 * has moved since. Whether it did.
 */
export async function expireGrant(tx: Tx, tenantId: string, id: string, now: Date): Promise<boolean> {
  const over = {
    tenantId,
    id,
    // Not the end that was read: the column is finer than a Date.
    grantExpiresAt: { lte: now },
    grantFixed: true,
    OR: [{ claimUntil: null }, { claimUntil: { lt: now } }],
  }
  return (await move(tx, over, 'expire', now, {})) > 0
}

const sweepSize = 500

/** Deletes a batch of what was read and made before `before`; an alarm that still stands stays. Whether there is more. */
export async function sweepNotifications(tx: Tx, tenantId: string, before: Date): Promise<boolean> {
  const deleted = await tx.$executeRaw`DELETE FROM notification WHERE tenant_id = ${tenantId} AND id IN (
    SELECT n.id FROM notification n WHERE n.tenant_id = ${tenantId} AND n.created_at < ${before} AND n.read_at IS NOT NULL
      AND NOT (n.kind IN ('provider.client_refused', 'provider.check_failed') AND n.dedupe_key IS NOT NULL) LIMIT ${sweepSize})`
  return deleted === sweepSize
}
