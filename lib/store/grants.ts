import { Prisma, type ReadTx, type Tx } from './database.ts'
import { behindSql, type Order, type Place } from './order.ts'
import { grantsFound } from './search.ts'
import type { Chosen, Measured, Part, UsedSince } from './selections.ts'

export type GrantRow = Prisma.OauthGrantGetPayload<object>
const related = { client: true } as const
export type GrantWithClient = Prisma.OauthGrantGetPayload<{ include: typeof related }>

/** Why a grant ended, where somebody or something ended it. `reuse`: a token of it was brought twice (T-06). */
export type EndCause = 'revoked' | 'reuse' | 'signed_out'

/** How it stands now, as every use of it asks (vk.grant_state). `revoked`: ended, or something that it was given under was. */
export type GrantState = 'live' | 'frozen' | 'ended' | 'revoked'

/** By project: what may be issued at most, as its kind understands it; null: whatever policy allows; left out: nothing. */
export type Ceilings = Record<string, { rights?: unknown; proxy?: unknown }>

export type GrantFilter = Chosen & {
  clientId?: string | undefined
  /** `standing`: live or frozen. `over`: neither. */
  state?: 'live' | 'frozen' | 'standing' | 'over' | undefined
  ids?: string[] | undefined
  /** `device`: of the instance's own program; `app`: of any other. */
  program?: 'device' | 'app' | undefined
}

const statesOf = {
  live: ['live'],
  frozen: ['frozen'],
  standing: ['live', 'frozen'],
  over: ['ended', 'revoked'],
} satisfies Record<NonNullable<GrantFilter['state']>, GrantState[]>

/** A condition on `oauth_grant o`. What stands is nobody's to say but vk.grant_state; who is ended needs no asking. */
function grantsWhere(tenantId: string, filter: GrantFilter): Prisma.Sql {
  const { of, userId, clientId, projectId, providerId, madeBefore, usedBefore, ids, state } = filter
  const { found, providerIds, endsBefore, endsAfter, program } = filter
  const also: Prisma.Sql[] = []
  if (of !== undefined) also.push(Prisma.sql`o.user_id = ${of}`)
  if (userId !== undefined) also.push(Prisma.sql`o.user_id = ${userId}`)
  if (clientId !== undefined) also.push(Prisma.sql`o.client_id = ${clientId}`)
  if (projectId !== undefined) also.push(Prisma.sql`o.ceilings ? ${projectId}`)
  if (providerId !== undefined)
    also.push(Prisma.sql`EXISTS (SELECT FROM project p WHERE p.tenant_id = ${tenantId} AND p.provider_id = ${providerId}
      AND o.ceilings ? p.id)`)
  if (found) also.push(grantsFound(found))
  if (providerIds)
    also.push(Prisma.sql`EXISTS (SELECT FROM project p WHERE p.tenant_id = ${tenantId} AND p.provider_id = ANY(${providerIds})
      AND o.ceilings ? p.id)`)
  if (program)
    also.push(
      Prisma.sql`(SELECT c.tenant_id IS NULL FROM api_client c WHERE c.id = o.client_id) = ${program === 'device'}`,
    )
  if (endsBefore === 'unknown') also.push(Prisma.sql`o.expires_at IS NULL`)
  else if (endsBefore) also.push(Prisma.sql`o.expires_at < ${endsBefore}`)
  if (endsAfter) also.push(Prisma.sql`(o.expires_at IS NULL OR o.expires_at >= ${endsAfter})`)
  if (madeBefore) also.push(Prisma.sql`o.created_at <= ${madeBefore}`)
  if (usedBefore === 'unknown') also.push(Prisma.sql`o.last_used_at IS NULL`)
  else if (usedBefore) also.push(Prisma.sql`o.last_used_at < ${usedBefore}`)
  if (ids) also.push(Prisma.sql`o.id = ANY(${ids})`)
  if (state && state !== 'over') also.push(Prisma.sql`o.ended_at IS NULL`)
  if (state) also.push(Prisma.sql`vk.grant_state(o) = ANY(${statesOf[state]})`)
  return Prisma.join([Prisma.sql`o.tenant_id = ${tenantId}`, ...also], ' AND ')
}

const grantOrders = {
  newest: { column: Prisma.sql`o.id`, by: Prisma.sql`o.id DESC` },
  ends: { column: Prisma.sql`o.expires_at`, by: Prisma.sql`o.expires_at ASC NULLS LAST, o.id ASC` },
  used: { column: Prisma.sql`o.last_used_at`, by: Prisma.sql`o.last_used_at DESC NULLS LAST, o.id DESC` },
}

/** A page of grants behind `before`; ids sort by time. */
export async function listGrants(
  tx: ReadTx,
  tenantId: string,
  filter: GrantFilter,
  { before, order = 'newest', take }: { before?: Place | undefined; order?: Order; take: number },
): Promise<GrantWithClient[]> {
  const { column, by } = grantOrders[order]
  const older = before === undefined ? Prisma.empty : Prisma.sql`AND ${behindSql(order, column, before)}`
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT o.id FROM oauth_grant o WHERE ${grantsWhere(tenantId, filter)} ${older} ORDER BY ${by} LIMIT ${take}`
  const ids = rows.map(({ id }) => id)
  const grants = new Map((await findGrants(tx, tenantId, ids)).map((grant) => [grant.id, grant]))
  return ids.flatMap((id) => grants.get(id) ?? [])
}

/** How many there are, counted up to `most` and no further. */
export async function countGrants(tx: ReadTx, tenantId: string, filter: GrantFilter, most: number): Promise<number> {
  const [row] = await tx.$queryRaw<{ count: number }[]>`
    SELECT count(*)::int AS count FROM (
      SELECT 1 FROM oauth_grant o WHERE ${grantsWhere(tenantId, filter)} LIMIT ${most}) counted`
  return row?.count ?? 0
}

/** Ids in their order, behind `after`. */
export async function selectGrantIds(
  tx: ReadTx,
  tenantId: string,
  filter: GrantFilter,
  { after, take }: { after: string; take: number },
): Promise<string[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT o.id FROM oauth_grant o WHERE ${grantsWhere(tenantId, filter)} AND o.id > ${after} ORDER BY o.id LIMIT ${take}`
  return rows.map(({ id }) => id)
}

/** How many a filter matches. */
export async function countSelectedGrants(tx: ReadTx, tenantId: string, filter: GrantFilter): Promise<number> {
  const [row] = await tx.$queryRaw<{ count: number }[]>`
    SELECT count(*)::int AS count FROM oauth_grant o WHERE ${grantsWhere(tenantId, filter)}`
  return row?.count ?? 0
}

/** What ending all that a filter matches reaches: whose they are, those used since each moment, the living tokens issued through them. */
export async function measureGrants(
  tx: ReadTx,
  tenantId: string,
  filter: GrantFilter,
  { asOf, usedSince }: { asOf: Date; usedSince: UsedSince },
): Promise<Pick<Measured, 'owners' | 'used' | 'parts'>> {
  const where = grantsWhere(tenantId, filter)
  const owners = await tx.$queryRaw<Measured['owners']>`
    SELECT o.user_id AS "ownerId", count(*)::int AS count FROM oauth_grant o WHERE ${where} GROUP BY o.user_id ORDER BY 2 DESC, 1`
  const used: number[] = []
  for (const since of usedSince) {
    const [row] = await tx.$queryRaw<[{ count: number }]>`
      SELECT count(*)::int AS count FROM oauth_grant o WHERE ${where} AND o.last_used_at >= ${since}`
    used.push(row.count)
  }
  const parts = await tx.$queryRaw<Part[]>`
    SELECT t.project_id AS "projectId", t.strategy, t.offline, count(*)::int AS count, max(t.expires_at) AS latest
    FROM oauth_grant o JOIN issued_token t ON t.tenant_id = o.tenant_id AND t.grant_id = o.id
    WHERE ${where} AND t.status IN ('issuing', 'live') AND t.generation = 0 AND t.expires_at > ${asOf}
    GROUP BY t.project_id, t.strategy, t.offline`
  return { owners, used, parts }
}

/** `of`: only if it is this member's (actor.ts, ownUnless). */
export const findGrant = (tx: ReadTx, tenantId: string, id: string, of?: string) =>
  tx.oauthGrant.findFirst({ where: { tenantId, id, ...(of === undefined ? {} : { userId: of }) }, include: related })

/** Several, newest first. */
export const findGrants = (tx: ReadTx, tenantId: string, ids: string[]): Promise<GrantWithClient[]> =>
  tx.oauthGrant.findMany({ where: { tenantId, id: { in: ids } }, orderBy: { id: 'desc' }, include: related })

/** How each of these stands now, and how many living tokens were issued through it. */
export async function standingOf(
  tx: ReadTx,
  tenantId: string,
  ids: string[],
  now: Date,
): Promise<Map<string, { state: GrantState; tokens: number }>> {
  if (ids.length === 0) return new Map()
  const rows = await tx.$queryRaw<{ id: string; state: GrantState; tokens: number }[]>`
    SELECT o.id, vk.grant_state(o) AS state, (SELECT count(*)::int FROM issued_token t
      WHERE t.tenant_id = o.tenant_id AND t.grant_id = o.id AND t.status IN ('issuing', 'live') AND t.generation = 0
        AND t.expires_at > ${now}) AS tokens
    FROM oauth_grant o WHERE o.tenant_id = ${tenantId} AND o.id = ANY(${ids})`
  return new Map(rows.map(({ id, ...standing }) => [id, standing]))
}

/**
 * Locks grants in id order: after the member and the client, and before connections and tokens, as a program's act does
 * (vk.grant_hold). `of`: this member's alone, whom nobody else's lock may keep waiting (actor.ts, ownUnless).
 */
export async function lockGrants(tx: Tx, tenantId: string, ids: string[], of?: string): Promise<GrantRow[]> {
  const found = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM oauth_grant WHERE tenant_id = ${tenantId} AND id = ANY(${ids}) AND user_id = coalesce(${of ?? null}::text, user_id)
    ORDER BY id FOR NO KEY UPDATE`
  return tx.oauthGrant.findMany({
    where: { tenantId, id: { in: found.map(({ id }) => id) } },
    orderBy: { id: 'asc' },
  })
}

/** Ends locked grants: whatever stands on them is refused from here on. */
export async function markGrantsEnded(
  tx: Tx,
  tenantId: string,
  ids: string[],
  end: { cause: EndCause; by: string | null; now: Date },
): Promise<void> {
  await tx.oauthGrant.updateMany({
    where: { tenantId, id: { in: ids } },
    data: { generation: { increment: 1 }, endedAt: end.now, endedBy: end.by, endCause: end.cause },
  })
  await tx.accessToken.deleteMany({ where: { tenantId, grantId: { in: ids } } })
}

export const grantOwner = async (tx: ReadTx, tenantId: string, id: string) =>
  (await tx.oauthGrant.findUnique({ where: { tenantId_id: { tenantId, id } }, select: { userId: true } }))?.userId

export const grantOwners = (tx: ReadTx, tenantId: string, ids: string[]) =>
  tx.oauthGrant.findMany({ where: { tenantId, id: { in: ids } }, select: { id: true, userId: true } })
