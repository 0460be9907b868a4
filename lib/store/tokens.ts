import { newId } from '../security/ids.ts'
import type { Prisma, ReadTx, Tx } from './database.ts'
import { insertRevocations } from './revocations.ts'

export type TokenRow = Prisma.IssuedTokenGetPayload<object>
const related = {
  project: true,
  connection: { include: { provider: true } },
  revocations: true,
} as const
export type TokenWithRelations = Prisma.IssuedTokenGetPayload<{ include: typeof related }>

/** Generations that a token is made under, in the order of the column: token, connection, project, provider, member, tenant, instance. */
export async function currentGenerations(
  tx: ReadTx,
  {
    tenantId,
    userId,
    connectionId,
    projectId,
    providerId,
  }: Pick<TokenRow, 'tenantId' | 'userId' | 'connectionId' | 'projectId' | 'providerId'>,
): Promise<number[] | undefined> {
  const rows = await tx.$queryRaw<{ generations: number[] }[]>`
    SELECT ARRAY[0, c.generation, p.generation, r.generation, m.generation, n.generation, i.generation] AS generations
    FROM connection c, project p, provider r, member m, tenant n, instance i
    WHERE c.tenant_id = ${tenantId} AND c.id = ${connectionId} AND p.tenant_id = ${tenantId} AND p.id = ${projectId}
      AND r.tenant_id = ${tenantId} AND r.id = ${providerId} AND m.tenant_id = ${tenantId} AND m.user_id = ${userId}
      AND n.id = ${tenantId} AND i.id = 1`
  return rows[0]?.generations
}

export const insertToken = (tx: Tx, row: Prisma.IssuedTokenUncheckedCreateInput) => tx.issuedToken.create({ data: row })

/**
 * Completes an issuing row, if everything it was made under still stands: generations equal, nothing revoked or frozen,
 * member active. The rows are locked FOR SHARE, so a revocation or freeze either is seen here or comes after the
 * completed token (A-03).
 */
export async function completeToken(
  tx: Tx,
  tenantId: string,
  id: string,
  made: {
    upstreamId: string
    handle: string
    fingerprint: string
    scopesGranted: Prisma.InputJsonObject
    expiresAt: Date
  },
): Promise<boolean> {
  // In the order in which a revocation locks, connection before token, so that the two cannot wait for each other.
  await tx.$queryRaw`
    SELECT 1 FROM issued_token t
      JOIN connection c ON c.tenant_id = t.tenant_id AND c.id = t.connection_id
      JOIN project p ON p.tenant_id = t.tenant_id AND p.id = t.project_id
      JOIN provider r ON r.tenant_id = t.tenant_id AND r.id = t.provider_id
      JOIN member m ON m.tenant_id = t.tenant_id AND m.user_id = t.user_id
      JOIN tenant n ON n.id = t.tenant_id
      CROSS JOIN instance i
    WHERE t.tenant_id = ${tenantId} AND t.id = ${id}
    FOR SHARE OF c, p, r, m, n, i`
  const current = await tx.$queryRaw<{ id: string }[]>`
    SELECT t.id FROM issued_token t
      JOIN connection c ON c.tenant_id = t.tenant_id AND c.id = t.connection_id
      JOIN project p ON p.tenant_id = t.tenant_id AND p.id = t.project_id
      JOIN provider r ON r.tenant_id = t.tenant_id AND r.id = t.provider_id
      JOIN member m ON m.tenant_id = t.tenant_id AND m.user_id = t.user_id
      JOIN tenant n ON n.id = t.tenant_id
      CROSS JOIN instance i
    WHERE t.tenant_id = ${tenantId} AND t.id = ${id} AND t.status = 'issuing'
      AND t.generations = ARRAY[t.generation, c.generation, p.generation, r.generation, m.generation, n.generation, i.generation]
      AND m.status = 'active' AND c.status <> 'revoked'
      AND NOT EXISTS (SELECT FROM vk.frozen_by(t.tenant_id, t.user_id, t.provider_id, t.connection_id, ARRAY[t.project_id]))
    FOR NO KEY UPDATE OF t`
  if (current.length === 0) return false
  await tx.issuedToken.update({ where: { tenantId_id: { tenantId, id } }, data: { ...made, status: 'live' } })
  return true
}

/** Ends an issuing row; false when it was not issuing any more. */
export async function endIssuing(
  tx: Tx,
  tenantId: string,
  id: string,
  end: { status: 'failed' | 'revoked'; failure: string; upstreamId?: string; handle?: string; fingerprint?: string },
): Promise<boolean> {
  const { count } = await tx.issuedToken.updateMany({ where: { tenantId, id, status: 'issuing' }, data: end })
  return count > 0
}

/**
 * Ends a row whose token came back and is not handed out: revoked or frozen meanwhile, given up by the reconciling job, or
 * beyond what was asked. What revoking it needs is kept with it, and its end is queued. Id of that work.
 */
export async function endUnwanted(
  tx: Tx,
  tenantId: string,
  made: {
    id: string
    upstreamId: string
    handle: string
    fingerprint: string
    /** Undefined: as it was asked. */
    expiresAt: Date | undefined
    endless: boolean
    failure: 'revoked_meanwhile' | 'frozen' | 'excess_rights'
    now: Date
  },
): Promise<string> {
  const [row] = await tx.$queryRaw<{ providerId: string; connectionId: string }[]>`
    UPDATE issued_token SET status = 'revoked', upstream_id = ${made.upstreamId}, handle = ${made.handle},
      fingerprint = ${made.fingerprint}, expires_at = coalesce(${made.expiresAt ?? null}::timestamptz, expires_at),
      endless = ${made.endless}, failure = ${made.failure}, revoked_at = coalesce(revoked_at, ${made.now})
    WHERE tenant_id = ${tenantId} AND id = ${made.id} AND upstream_id IS NULL
    RETURNING provider_id AS "providerId", connection_id AS "connectionId"`
  if (!row) throw new Error('a token that came back has no row to be ended with')
  const work = newId('revocation')
  const times = { nextTryAt: made.now, createdAt: made.now }
  await insertRevocations(tx, [{ tenantId, id: work, kind: 'token', tokenId: made.id, ...row, ...times }])
  return work
}

/** Notes why an issuing row stays open; the reconciling job ends it. */
export const noteIssuing = (tx: Tx, tenantId: string, id: string, failure: string) =>
  tx.issuedToken.updateMany({ where: { tenantId, id, status: 'issuing' }, data: { failure } })

export const postponeIssuing = (tx: Tx, tenantId: string, id: string, nextTryAt: Date) =>
  tx.issuedToken.updateMany({ where: { tenantId, id, status: 'issuing' }, data: { nextTryAt } })

/** `of`: only if it is this member's (actor.ts, ownUnless). */
export const findToken = (tx: ReadTx, tenantId: string, id: string, of?: string) =>
  tx.issuedToken.findFirst({ where: { tenantId, id, ...ownedBy(of) }, include: related })

/** As {@link findToken}, several at once. */
export const findTokens = (tx: ReadTx, tenantId: string, ids: string[], of?: string) =>
  tx.issuedToken.findMany({ where: { tenantId, id: { in: ids }, ...ownedBy(of) }, include: related })

const ownedBy = (of: string | undefined) => (of === undefined ? {} : { userId: of })

/** Ids of a person's tokens that live, or are being made. */
export const livingTokens = async (tx: ReadTx, tenantId: string, userId: string, now: Date): Promise<string[]> =>
  (await tx.issuedToken.findMany({ where: where(tenantId, { userId, state: 'live' }, now), select: { id: true } })).map(
    ({ id }) => id,
  )

/** How many living tokens a member holds. One caller at a time for each member, so that a cap holds in a race. */
export async function countOutstandingLocked(tx: Tx, tenantId: string, userId: string, now: Date): Promise<number> {
  await tx.$queryRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`issue ${tenantId} ${userId}`}, 0))::text`
  return tx.issuedToken.count({
    where: { tenantId, userId, status: { in: ['issuing', 'live'] }, expiresAt: { gt: now } },
  })
}

export type TokenFilter = {
  userId?: string | undefined
  projectId?: string | undefined
  providerId?: string | undefined
  connectionId?: string | undefined
  /** Row status, ended apart: a live row past its end. */
  state?: 'live' | 'ended' | 'revoked' | 'failed' | undefined
}

function where(tenantId: string, filter: TokenFilter, now: Date): Prisma.IssuedTokenWhereInput {
  const { state, ...rest } = filter
  const states: Record<NonNullable<TokenFilter['state']>, Prisma.IssuedTokenWhereInput> = {
    live: { status: { in: ['issuing', 'live'] }, expiresAt: { gt: now } },
    ended: { status: { in: ['issuing', 'live'] }, expiresAt: { lte: now } },
    revoked: { status: 'revoked' },
    failed: { status: 'failed' },
  }
  const named = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
  return { tenantId, ...named, ...(state ? states[state] : {}) }
}

/**
 * A page of tokens, newest first, ended ones by their end; `before` is the id that the previous page ended with. Ids
 * sort by time.
 */
export async function listTokens(
  tx: ReadTx,
  tenantId: string,
  filter: TokenFilter,
  { now, before, take }: { now: Date; before?: string | undefined; take: number },
): Promise<TokenWithRelations[]> {
  const matching = where(tenantId, filter, now)
  const page = { take, include: related }
  const older = before ? { lt: before } : {}
  if (filter.state !== 'ended') {
    const few = filter.state === 'live' ? await fewLiving(tx, matching) : undefined
    const id = { ...older, ...(few && { in: few }) }
    return tx.issuedToken.findMany({ ...page, where: { ...matching, id }, orderBy: { id: 'desc' } })
  }
  // By id, everything that still lives would be read before the first that has ended.
  const last = before
    ? await tx.issuedToken.findUnique({ where: { tenantId_id: { tenantId, id: before } } })
    : undefined
  if (last === null) return []
  const end = last?.expiresAt ?? now
  return tx.issuedToken.findMany({
    ...page,
    where: {
      ...matching,
      expiresAt: { lte: end },
      ...(last && { OR: [{ expiresAt: { lt: end } }, { id: { lt: last.id } }] }),
    },
    orderBy: [{ expiresAt: 'desc' }, { id: 'desc' }],
  })
}

/**
 * Ids of the matching tokens that live, by the index of these, if they are few: by id, all that such a person, project or
 * connection ever had would be read in search of them. Where there are many, the newest are among the first.
 */
async function fewLiving(tx: ReadTx, matching: Prisma.IssuedTokenWhereInput): Promise<string[] | undefined> {
  const few = 100
  const rows = await tx.issuedToken.findMany({
    where: matching,
    orderBy: { expiresAt: 'desc' },
    take: few + 1,
    select: { id: true },
  })
  return rows.length > few ? undefined : rows.map(({ id }) => id)
}

/** How many there are, counted up to `most` and no further. Ordered as the index of its state is, to read no others. */
export const countTokens = (tx: ReadTx, tenantId: string, filter: TokenFilter, now: Date, most: number) =>
  tx.issuedToken.count({
    where: where(tenantId, filter, now),
    orderBy: filter.state === 'live' || filter.state === 'ended' ? { expiresAt: 'desc' } : { id: 'desc' },
    take: most,
  })

/** How many living tokens a person holds in each of their projects. */
export async function countLiveByProject(
  tx: ReadTx,
  tenantId: string,
  userId: string,
  now: Date,
): Promise<Map<string, number>> {
  const groups = await tx.issuedToken.groupBy({
    by: ['projectId'],
    where: where(tenantId, { userId, state: 'live' }, now),
    _count: true,
  })
  return new Map(groups.map((group) => [group.projectId, group._count]))
}

/** Locks tokens that can still be revoked, named or made from the connections, in id order. */
export async function lockRevocable(
  tx: Tx,
  tenantId: string,
  { ids, connectionIds }: { ids: string[]; connectionIds: string[] },
): Promise<TokenRow[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM issued_token WHERE tenant_id = ${tenantId} AND status IN ('issuing', 'live')
      AND (id = ANY(${ids}) OR connection_id = ANY(${connectionIds})) ORDER BY id FOR UPDATE`
  return tx.issuedToken.findMany({ where: { tenantId, id: { in: rows.map((row) => row.id) } }, orderBy: { id: 'asc' } })
}

/** Raises the generation of tokens and marks the finished ones revoked; an issuing one is ended by its own completion. */
export async function markRevoked(tx: Tx, tenantId: string, ids: string[], by: string, now: Date): Promise<void> {
  await tx.issuedToken.updateMany({
    where: { tenantId, id: { in: ids } },
    data: { generation: { increment: 1 }, revokedAt: now, revokedBy: by },
  })
  await tx.issuedToken.updateMany({ where: { tenantId, id: { in: ids }, status: 'live' }, data: { status: 'revoked' } })
}

export const wipeHandle = (tx: Tx, tenantId: string, id: string) =>
  tx.issuedToken.update({ where: { tenantId_id: { tenantId, id } }, data: { handle: null } })

export const noteLastUse = (tx: Tx, tenantId: string, id: string, lastUsedAt: Date) =>
  tx.issuedToken.update({ where: { tenantId_id: { tenantId, id } }, data: { lastUsedAt } })
