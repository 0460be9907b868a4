// Sessions of everybody in a tenant that it accepts. A session is its person's and not a tenant's (docs/decisions/0091), so they
// are read from the members.
import { Prisma, type ReadTx, type Tx } from './database.ts'
import { livingIn } from './members.ts'
import { behindSql, type Order, type Place } from './order.ts'
import type { Found } from './search.ts'
import type { Chosen } from './selections.ts'

export type SessionFilter = Pick<Chosen, 'of' | 'userId' | 'madeBefore' | 'endsBefore' | 'endsAfter' | 'found'> & {
  idleSeconds: number
  /** Not this one: who asks does not end themselves. */
  except?: string | undefined
  ids?: string[] | undefined
}

export type TenantSession = { id: string; userId: string; agent: string | null; createdAt: Date; expiresAt: Date }

const text = (found: Extract<Found, { kind: 'text' }>) =>
  Prisma.sql`(s.user_id = ANY(${found.people}) OR strpos(lower(s.agent), ${found.key}) > 0)`

/** A person, the name of a browser, an id. */
function sessionsFound(found: Found): Prisma.Sql {
  if (found.kind === 'text') return text(found)
  if (found.kind === 'session') return Prisma.sql`s.id = ${found.id}`
  return found.kind === 'user' ? Prisma.sql`s.user_id = ${found.id}` : Prisma.sql`false`
}

/**
 * The sessions of active members that live and that are accepted: `member m, session s`. OFFSET 0 keeps Postgres from walking the sessions
 * of all tenants in the order of a list, in the hope that the first fifty are soon found.
 */
function acceptedSql(tenantId: string, filter: SessionFilter): Prisma.Sql {
  const { of, userId, madeBefore, endsBefore, endsAfter, found, idleSeconds, except, ids } = filter
  const also: Prisma.Sql[] = []
  if (of !== undefined) also.push(Prisma.sql`m.user_id = ${of}`)
  if (userId !== undefined) also.push(Prisma.sql`m.user_id = ${userId}`)
  if (found) also.push(sessionsFound(found))
  if (madeBefore) also.push(Prisma.sql`s.created_at <= ${madeBefore}`)
  // Every session has an end.
  if (endsBefore === 'unknown') also.push(Prisma.sql`false`)
  else if (endsBefore) also.push(Prisma.sql`s.expires_at < ${endsBefore}`)
  if (endsAfter) also.push(Prisma.sql`s.expires_at >= ${endsAfter}`)
  if (except !== undefined) also.push(Prisma.sql`s.id <> ${except}`)
  if (ids) also.push(Prisma.sql`s.id = ANY(${ids})`)
  const where = [
    Prisma.sql`m.tenant_id = ${tenantId} AND m.status = 'active' AND ${livingIn(tenantId, idleSeconds)}`,
    ...also,
  ]
  return Prisma.sql`member m CROSS JOIN LATERAL (SELECT x.* FROM session x WHERE x.user_id = m.user_id OFFSET 0) s
      WHERE ${Prisma.join(where, ' AND ')}`
}

const sessionOrders = {
  newest: { column: Prisma.sql`o.id`, by: Prisma.sql`o.id DESC` },
  ends: { column: Prisma.sql`o."expiresAt"`, by: Prisma.sql`o."expiresAt" ASC, o.id ASC` },
}
/** By last use no list is sorted: it tells of other tenants. */
export type SessionOrder = Exclude<Order, 'used'>

/** A page of them behind `before`. Ends are as precise as a place can say (docs/decisions/0096). */
export function listTenantSessions(
  tx: ReadTx,
  tenantId: string,
  filter: SessionFilter,
  { before, order = 'newest', take }: { before?: Place | undefined; order?: SessionOrder | undefined; take: number },
): Promise<TenantSession[]> {
  const { column, by } = sessionOrders[order]
  const behind = before === undefined ? Prisma.sql`true` : behindSql(order, column, before)
  return tx.$queryRaw<TenantSession[]>`
    SELECT * FROM (SELECT s.id, s.user_id AS "userId", s.agent, s.created_at AS "createdAt",
        date_trunc('milliseconds', s.expires_at) AS "expiresAt"
      FROM ${acceptedSql(tenantId, filter)}) o WHERE ${behind} ORDER BY ${by} LIMIT ${take}`
}

/** How many there are, counted up to `most` and no further. */
export async function countTenantSessions(
  tx: ReadTx,
  tenantId: string,
  filter: SessionFilter,
  most?: number,
): Promise<number> {
  const [row] = await tx.$queryRaw<[{ count: number }]>`
    SELECT count(*)::int AS count FROM (SELECT 1 FROM ${acceptedSql(tenantId, filter)} LIMIT ${most ?? null}::int) counted`
  return row.count
}

/** Ids in their order, behind `after`. */
export async function selectSessionIds(
  tx: ReadTx,
  tenantId: string,
  filter: SessionFilter,
  { after, take }: { after: string; take: number },
): Promise<string[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT s.id FROM ${acceptedSql(tenantId, filter)} AND s.id > ${after} ORDER BY s.id LIMIT ${take}`
  return rows.map(({ id }) => id)
}

/** Whose they are. */
export const sessionOwners = (
  tx: ReadTx,
  tenantId: string,
  filter: SessionFilter,
): Promise<{ ownerId: string; count: number }[]> =>
  tx.$queryRaw`SELECT s.user_id AS "ownerId", count(*)::int AS count FROM ${acceptedSql(tenantId, filter)}
    GROUP BY s.user_id ORDER BY 2 DESC, 1`

/** Keeps sessions from being deleted until the transaction ends. */
export const holdSessions = (tx: Tx, ids: string[]): Promise<unknown> =>
  tx.$queryRaw`SELECT id FROM session WHERE id = ANY(${ids}) ORDER BY id FOR KEY SHARE`

/** Which of these sessions are of people who are or were members, and whose; held. The tenant may refuse them already. */
export const findTenantSessions = (
  tx: Tx,
  tenantId: string,
  ids: string[],
): Promise<{ id: string; userId: string }[]> =>
  tx.$queryRaw`SELECT s.id, s.user_id AS "userId" FROM session s JOIN member m ON m.tenant_id = ${tenantId} AND m.user_id = s.user_id
    WHERE s.id = ANY(${ids}) AND s.expires_at > vk_now() ORDER BY s.id FOR KEY SHARE OF s`

/** Makes the tenant refuse these sessions of its members: those that it did not refuse yet. A new sign-in is a new session. */
export async function refuseSessionsById(tx: Tx, tenantId: string, ids: string[]): Promise<Set<string>> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    INSERT INTO session_refusal (tenant_id, session_id, created_at)
    SELECT ${tenantId}, s.id, vk_now() FROM session s WHERE s.id = ANY(${ids})
      AND EXISTS (SELECT FROM member m WHERE m.tenant_id = ${tenantId} AND m.user_id = s.user_id)
    ORDER BY s.id FOR KEY SHARE OF s ON CONFLICT DO NOTHING RETURNING session_id AS id`
  return new Set(rows.map(({ id }) => id))
}
