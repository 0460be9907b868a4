// What is open and would give somebody or something a way in once it is answered: a link that a person has begun, a link that a
// program asks a person for, a device or an app that waits for a person, or for what a person has allowed it. Three tables, one list.
import { Prisma, type ReadTx, type Tx } from './database.ts'
import type { LinkCause } from './link-requests.ts'
import { behindSql, type Place } from './order.ts'
import type { Found } from './search.ts'
import type { Chosen } from './selections.ts'

/** `link`: a person has begun it. `ask`: a program asks a person to link. `device`, `app`: a program wants to be let in. */
export const requestKinds = ['link', 'ask', 'device', 'app'] as const
export type RequestKind = (typeof requestKinds)[number]

export type RequestFilter = Pick<
  Chosen,
  'of' | 'userId' | 'providerId' | 'madeBefore' | 'endsBefore' | 'endsAfter' | 'found'
> & { clientId?: string | undefined; request?: RequestKind | undefined; ids?: string[] | undefined }

export type OpenRequest = {
  id: string
  kind: RequestKind
  /** Whom it waits for, or who began it; null: nobody has typed the code yet. */
  userId: string | null
  providerId: string | null
  providerName: string | null
  projectId: string | null
  projectName: string | null
  clientId: string | null
  clientName: string | null
  /** A person has allowed it already, and its program has not fetched what it got. */
  approved: boolean
  address: string | null
  createdAt: Date
  expiresAt: Date
}

/**
 * What is open in a tenant. A device or an app belongs to one as soon as it is of a program of that tenant, or a person has chosen it:
 * before, no tenant knows of it.
 */
const openIn = (tenantId: string) => Prisma.sql`(
  SELECT a.id, 'link' AS kind, a.user_id, a.provider_id, NULL::text AS project_id, NULL::text AS client_id, false AS approved,
    NULL::text AS address, a.created_at, a.expires_at
  FROM attempt a WHERE a.tenant_id = ${tenantId} AND a.status = 'pending' AND a.expires_at > (SELECT vk_now())
  UNION ALL
  SELECT l.id, 'ask', l.user_id, l.provider_id, l.project_id, g.client_id, false, NULL, l.created_at, l.expires_at
  FROM link_request l LEFT JOIN oauth_grant g ON g.tenant_id = l.tenant_id AND g.id = l.grant_id
  WHERE l.tenant_id = ${tenantId} AND l.status IN ('asked', 'accepted') AND l.expires_at > (SELECT vk_now())
  UNION ALL
  SELECT r.id, CASE r.kind WHEN 'device' THEN 'device' ELSE 'app' END, r.claimed_by, NULL, NULL, r.client_id, false, r.address,
    r.created_at, r.expires_at
  FROM api_client c JOIN authorization_request r ON r.client_id = c.id AND r.status = 'pending' AND r.expires_at > (SELECT vk_now())
  WHERE c.tenant_id = ${tenantId}
  UNION ALL
  SELECT r.id, CASE r.kind WHEN 'device' THEN 'device' ELSE 'app' END, r.claimed_by, NULL, NULL, r.client_id, true, r.address,
    r.created_at, r.expires_at
  FROM authorization_request r WHERE r.tenant_chosen = ${tenantId} AND r.status = 'approved' AND r.expires_at > (SELECT vk_now())
) o`

const has = (column: Prisma.Sql, id: string) => Prisma.sql`${column} = ${id}`

/** Who and which program, whence it came, and ids. */
function requestsFound(found: Found): Prisma.Sql {
  switch (found.kind) {
    case 'text':
      return Prisma.sql`(o.user_id = ANY(${found.people}) OR o.client_id = ANY(${found.clients}) OR o.address = ${found.text})`
    case 'attempt':
    case 'link_request':
    case 'authorization':
      return has(Prisma.sql`o.id`, found.id)
    case 'user':
      return has(Prisma.sql`o.user_id`, found.id)
    case 'provider':
      return has(Prisma.sql`o.provider_id`, found.id)
    case 'project':
      return has(Prisma.sql`o.project_id`, found.id)
    case 'client':
      return has(Prisma.sql`o.client_id`, found.id)
    default:
      return Prisma.sql`false`
  }
}

/** What a filter matches: the open ones as `o`. */
function matchingSql(tenantId: string, filter: RequestFilter): Prisma.Sql {
  const { of, userId, providerId, clientId, madeBefore, endsBefore, endsAfter, found, request, ids } = filter
  const where: Prisma.Sql[] = [Prisma.sql`true`]
  if (of !== undefined) where.push(has(Prisma.sql`o.user_id`, of))
  if (userId !== undefined) where.push(has(Prisma.sql`o.user_id`, userId))
  if (providerId !== undefined) where.push(has(Prisma.sql`o.provider_id`, providerId))
  if (clientId !== undefined) where.push(has(Prisma.sql`o.client_id`, clientId))
  if (request !== undefined) where.push(has(Prisma.sql`o.kind`, request))
  if (found) where.push(requestsFound(found))
  if (madeBefore) where.push(Prisma.sql`o.created_at <= ${madeBefore}`)
  // Every request has an end.
  if (endsBefore === 'unknown') where.push(Prisma.sql`false`)
  else if (endsBefore) where.push(Prisma.sql`o.expires_at < ${endsBefore}`)
  if (endsAfter) where.push(Prisma.sql`o.expires_at >= ${endsAfter}`)
  if (ids) where.push(Prisma.sql`o.id = ANY(${ids})`)
  return Prisma.sql`${openIn(tenantId)} WHERE ${Prisma.join(where, ' AND ')}`
}

/**
 * A page behind `before`, what ends soonest first: ids of several kinds are in no order of time. Ends are as precise as a place can say
 * (docs/decisions/0096).
 */
export const listOpenRequests = (
  tx: ReadTx,
  tenantId: string,
  filter: RequestFilter,
  { before, take }: { before?: Place | undefined; take: number },
): Promise<OpenRequest[]> => {
  const end = Prisma.sql`date_trunc('milliseconds', o.expires_at)`
  const behind = before === undefined ? Prisma.sql`true` : behindSql('ends', end, before)
  return tx.$queryRaw<OpenRequest[]>`
    SELECT o.*, p.name AS "providerName", j.name AS "projectName", c.name AS "clientName" FROM (SELECT o.id, o.kind, o.user_id AS "userId", o.provider_id AS "providerId", o.project_id AS "projectId",
      o.client_id AS "clientId", o.approved, o.address, o.created_at AS "createdAt", ${end} AS "expiresAt"
    FROM ${matchingSql(tenantId, filter)} AND ${behind} ORDER BY ${end}, o.id LIMIT ${take}) o
      LEFT JOIN provider p ON p.tenant_id = ${tenantId} AND p.id = o."providerId"
      LEFT JOIN project j ON j.tenant_id = ${tenantId} AND j.id = o."projectId"
      LEFT JOIN api_client c ON c.id = o."clientId"
    ORDER BY o."expiresAt", o.id`
}

/** How many there are, counted up to `most` and no further. */
export async function countOpenRequests(
  tx: ReadTx,
  tenantId: string,
  filter: RequestFilter,
  most?: number,
): Promise<number> {
  const [row] = await tx.$queryRaw<[{ count: number }]>`
    SELECT count(*)::int AS count FROM (SELECT 1 FROM ${matchingSql(tenantId, filter)} LIMIT ${most ?? null}::int) counted`
  return row.count
}

/** Ids in their order, behind `after`. */
export async function selectRequestIds(
  tx: ReadTx,
  tenantId: string,
  filter: RequestFilter,
  { after, take }: { after: string; take: number },
): Promise<string[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT o.id FROM ${matchingSql(tenantId, filter)} AND o.id > ${after} ORDER BY o.id LIMIT ${take}`
  return rows.map(({ id }) => id)
}

/** Whom they wait for; null: nobody yet. */
export const requestOwners = (
  tx: ReadTx,
  tenantId: string,
  filter: RequestFilter,
): Promise<{ ownerId: string | null; count: number }[]> =>
  tx.$queryRaw`SELECT o.user_id AS "ownerId", count(*)::int AS count FROM ${matchingSql(tenantId, filter)}
    GROUP BY o.user_id ORDER BY 2 DESC, 1`

/** Those of these ids that are or were a request of the tenant, whatever became of it. */
export async function findRequests(tx: ReadTx, tenantId: string, ids: string[]): Promise<Set<string>> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM attempt WHERE tenant_id = ${tenantId} AND id = ANY(${ids})
    UNION ALL SELECT id FROM link_request WHERE tenant_id = ${tenantId} AND id = ANY(${ids})
    UNION ALL SELECT r.id FROM authorization_request r WHERE r.id = ANY(${ids}) AND (r.tenant_chosen = ${tenantId}
      OR r.client_id IN (SELECT c.id FROM api_client c WHERE c.tenant_id = ${tenantId}))`
  return new Set(rows.map(({ id }) => id))
}

export type Withdrawn = { id: string; kind: RequestKind; userId: string | null; cause?: LinkCause }

/**
 * Withdraws what is still open of these: whoever would answer it, fetch it or come back with it is refused. What a program asked
 * for and its person has begun ends as one, whichever of the two is named. Attempts come before what asked for them, as everybody locks them.
 */
export async function withdrawRequests(tx: Tx, tenantId: string, ids: string[], detail: string): Promise<Withdrawn[]> {
  const attempts = await tx.$queryRaw<Withdrawn[]>`
    UPDATE attempt SET status = 'failed', outcome = 'withdrawn', detail = ${detail}, secrets = NULL
    WHERE tenant_id = ${tenantId} AND id IN (SELECT a.id FROM attempt a WHERE a.tenant_id = ${tenantId} AND (a.id = ANY(${ids})
        OR a.id IN (SELECT l.attempt_id FROM link_request l WHERE l.tenant_id = ${tenantId} AND l.id = ANY(${ids})
          AND l.status = 'accepted')) AND a.status = 'pending' AND a.expires_at > vk_now() ORDER BY a.id FOR UPDATE)
    RETURNING id, 'link' AS kind, user_id AS "userId"`
  const asked = await tx.$queryRaw<Withdrawn[]>`
    UPDATE link_request SET status = 'cancelled'
    WHERE tenant_id = ${tenantId} AND id IN (SELECT l.id FROM link_request l WHERE l.tenant_id = ${tenantId}
      AND (l.id = ANY(${ids}) OR l.attempt_id = ANY(${attempts.map(({ id }) => id)}) AND l.status = 'accepted')
      AND l.status IN ('asked', 'accepted') AND l.expires_at > vk_now() ORDER BY l.id FOR UPDATE)
    RETURNING id, 'ask' AS kind, user_id AS "userId", cause`
  const programs = await tx.$queryRaw<Withdrawn[]>`
    UPDATE authorization_request SET status = 'denied', decided_at = vk_now(), user_code_hash = NULL
    WHERE id IN (SELECT r.id FROM authorization_request r WHERE r.id = ANY(${ids}) AND r.expires_at > vk_now()
      AND (r.status = 'approved' AND r.tenant_chosen = ${tenantId} OR r.status = 'pending'
        AND r.client_id IN (SELECT c.id FROM api_client c WHERE c.tenant_id = ${tenantId})) ORDER BY r.id FOR UPDATE)
    RETURNING id, CASE kind WHEN 'device' THEN 'device' ELSE 'app' END AS kind, claimed_by AS "userId"`
  return [...attempts, ...asked, ...programs]
}
