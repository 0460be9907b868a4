import type { Context } from '../context.ts'
import { newId } from '../security/ids.ts'
import { Prisma, query, type ReadTx, type Tx } from './database.ts'
import { behindSql, type Order, type Place } from './order.ts'
import { insertLate, wakeWaiting } from './revocations.ts'
import { tokensFound } from './search.ts'
import type { Chosen, Measured, Part, Selection, UsedSince } from './selections.ts'

export type TokenRow = Prisma.IssuedTokenGetPayload<object>
const related = {
  project: { include: { provider: true } },
  connection: true,
  revocations: true,
  client: true,
} as const
export type TokenWithRelations = Prisma.IssuedTokenGetPayload<{ include: typeof related }>
/** As much of what it stands on as a view of the token shows: a list reads fifty of them. */
const shown = {
  project: {
    select: {
      ...{ id: true, name: true, alias: true, settings: true, removedAt: true },
      provider: { select: { id: true, name: true, kind: true, settings: true } },
    },
  },
  client: { select: { id: true, name: true } },
  revocations: true,
} as const
export type TokenFacts = Prisma.IssuedTokenGetPayload<{ include: typeof shown }>

/** The connection that a token was made from, with its provider; null: none (strategy `sign`). */
export const madeFrom = ({ connection, project: { provider } }: TokenWithRelations) =>
  connection && { ...connection, provider }

/** What is known of a token for one of the tenant's own audiences. `client`, `grant`: null for a person at a browser. */
export type SignedTokenFacts = {
  state: 'live' | 'ended' | 'revoked' | 'frozen'
  tenantId: string
  slug: string
  tokenId: string
  userId: string
  clientId: string | null
  grantId: string | null
  projectId: string
  audience: string
  /** As its kind has them. */
  rights: Record<string, unknown>
  /** Verified without us: `state` is what we vouch for. */
  offline: boolean
  issuedAt: Date
  expiresAt: Date
}

/** A token of strategy `sign` by the hash of its value, as it stands at this moment; undefined: there is none. */
export async function signedToken(ctx: Pick<Context, 'pool' | 'config'>, valueHash: Uint8Array) {
  const text = `SELECT state, tenant_id AS "tenantId", slug, token_id AS "tokenId", user_id AS "userId", client_id AS "clientId",
    grant_id AS "grantId", project_id AS "projectId", audience, rights, offline, issued_at AS "issuedAt",
    expires_at AS "expiresAt" FROM vk.signed_token($1)`
  const [found] = await query<SignedTokenFacts>(ctx, 'signed_token', text, [Buffer.from(valueHash)])
  return found
}

/** Ends an issuing row; false when it was not issuing any more. */
export async function endIssuing(
  tx: Tx,
  tenantId: string,
  id: string,
  end: { status: 'failed' | 'revoked'; failure: string; endless?: boolean },
): Promise<boolean> {
  const { count } = await tx.issuedToken.updateMany({ where: { tenantId, id, status: 'issuing' }, data: end })
  return count > 0
}

/**
 * Ends a row whose token came back and is not handed out: revoked or frozen meanwhile, given up by the reconciling job or
 * its caller, or beyond what was asked. What revoking it needs is kept with it, and its end is queued. Id of that work.
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
    failure: 'revoked_meanwhile' | 'frozen' | 'excess_rights' | 'unsound_token' | 'issue_unconfirmed'
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
  const waiting = await wakeWaiting(tx, tenantId, made.id, made.now)
  if (waiting) return waiting
  const work = newId('revocation')
  const times = { nextTryAt: made.now, createdAt: made.now }
  await insertLate(tx, { tenantId, id: work, kind: 'token', tokenId: made.id, ...row, ...times })
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

/** As a list shows them. */
export const findTokenFacts = (tx: ReadTx, tenantId: string, ids: string[]): Promise<TokenFacts[]> =>
  tx.issuedToken.findMany({ where: { tenantId, id: { in: ids } }, include: shown })

const ownedBy = (of: string | undefined) => (of === undefined ? {} : { userId: of })

/** A living token beneath what it was made from or issued through, and how many there are, counted up to `most`. */
export type Beneath = { parent: string; id: string; total: number }

/**
 * Living tokens of a person beneath each of these connections or grants, `take` at most of each, the newest first: of those that live
 * longest, where there are more than `most`.
 */
export const tokensBeneath = (
  tx: ReadTx,
  tenantId: string,
  {
    of,
    ids,
    userId,
    now,
    ...page
  }: { of: 'connection' | 'grant'; ids: string[]; userId: string; now: Date } & BeneathPage,
): Promise<Beneath[]> => {
  const column = Prisma.raw(of === 'connection' ? 'connection_id' : 'grant_id')
  return tx.$queryRaw<Beneath[]>`
    SELECT p.id AS parent, k.id, k.total FROM unnest(${ids}::text[]) AS p (id),
      LATERAL (${beneathSql(tenantId, Prisma.sql`t.${column} = p.id`, { userId, now, ...page })}) k`
}

/** The same of those that hang below neither: for the tenant's own APIs, asked for by the person themselves. */
export const tokensBeneathNone = (
  tx: ReadTx,
  tenantId: string,
  asked: { userId: string; now: Date } & BeneathPage,
): Promise<Omit<Beneath, 'parent'>[]> =>
  tx.$queryRaw<Omit<Beneath, 'parent'>[]>(
    beneathSql(tenantId, Prisma.sql`t.connection_id IS NULL AND t.grant_id IS NULL`, asked),
  )

type BeneathPage = { take: number; most: number }

const beneathSql = (
  tenantId: string,
  parent: Prisma.Sql,
  { userId, now, take, most }: { userId: string; now: Date } & BeneathPage,
) =>
  Prisma.sql`SELECT f.id, (count(*) OVER ())::int AS total FROM (
      SELECT t.id FROM issued_token t WHERE t.tenant_id = ${tenantId} AND t.user_id = ${userId} AND ${parent}
        AND t.status IN ('issuing', 'live') AND t.generation = 0 AND t.expires_at > ${now}
      ORDER BY t.expires_at DESC LIMIT ${most}) f
    ORDER BY f.id DESC LIMIT ${take}`

/** The living tokens of a project, whoever holds them. */
export const livingTokensOf = (tx: ReadTx, tenantId: string, projectId: string, now: Date) =>
  tx.issuedToken.findMany({
    where: { ...livingTokens(tenantId, now), projectId },
    select: { id: true, offline: true, expiresAt: true },
  })

/** How many tokens of these projects live, whoever holds them. By project. */
export async function countLiveOf(
  tx: ReadTx,
  tenantId: string,
  projectIds: string[],
  now: Date,
): Promise<Map<string, number>> {
  const groups = await tx.issuedToken.groupBy({
    by: ['projectId'],
    where: { ...livingTokens(tenantId, now), projectId: { in: projectIds } },
    _count: true,
  })
  return new Map(groups.map((group) => [group.projectId, group._count]))
}

export type TokenFilter = Chosen & {
  connectionId?: string | undefined
  /** What it was issued through. */
  clientId?: string | undefined
  grantId?: string | undefined
  strategy?: string | undefined
  /** Its own: 0 leaves out what is being made and revoked already. */
  generation?: 0
  /** Row status, ended apart: a live row past its end. */
  state?: 'live' | 'ended' | 'revoked' | 'failed' | undefined
  ids?: string[] | undefined
}

/** Tokens that work at a moment, as far as their rows say. */
export const livingTokens = (tenantId: string, asOf: Date) =>
  ({ tenantId, status: { in: ['issuing', 'live'] }, expiresAt: { gt: asOf } }) satisfies Prisma.IssuedTokenWhereInput

const tokenStates: Record<NonNullable<TokenFilter['state']>, (asOf: Date) => Prisma.Sql> = {
  live: (asOf) => Prisma.sql`o.status IN ('issuing', 'live') AND o.expires_at > ${asOf}`,
  ended: (asOf) => Prisma.sql`o.status IN ('issuing', 'live') AND o.expires_at <= ${asOf}`,
  revoked: () => Prisma.sql`o.status = 'revoked'`,
  failed: () => Prisma.sql`o.status = 'failed'`,
}

/** Which tokens a selection means, a condition on `issued_token o`; whether one has ended is asked for the moment of the selection. */
export function tokensWhere(tenantId: string, { filter, asOf }: Selection<TokenFilter>): Prisma.Sql {
  const { of, userId, projectId, providerId, connectionId, clientId, grantId, strategy, generation, state, ids } =
    filter
  const { found, providerIds, madeBefore, usedBefore, endsBefore, endsAfter } = filter
  const also: Prisma.Sql[] = []
  if (state) also.push(tokenStates[state](asOf))
  if (generation !== undefined) also.push(Prisma.sql`o.generation = ${generation}`)
  if (of !== undefined) also.push(Prisma.sql`o.user_id = ${of}`)
  if (userId !== undefined) also.push(Prisma.sql`o.user_id = ${userId}`)
  if (projectId !== undefined) also.push(Prisma.sql`o.project_id = ${projectId}`)
  if (providerId !== undefined) also.push(Prisma.sql`o.provider_id = ${providerId}`)
  if (connectionId !== undefined) also.push(Prisma.sql`o.connection_id = ${connectionId}`)
  if (clientId !== undefined) also.push(Prisma.sql`o.client_id = ${clientId}`)
  if (grantId !== undefined) also.push(Prisma.sql`o.grant_id = ${grantId}`)
  if (strategy !== undefined) also.push(Prisma.sql`o.strategy = ${strategy}`)
  if (ids) also.push(Prisma.sql`o.id = ANY(${ids})`)
  if (found) also.push(tokensFound(found))
  if (providerIds) also.push(Prisma.sql`o.provider_id = ANY(${providerIds})`)
  if (madeBefore) also.push(Prisma.sql`o.created_at <= ${madeBefore}`)
  if (usedBefore === 'unknown') also.push(Prisma.sql`o.last_used_at IS NULL`)
  else if (usedBefore) also.push(Prisma.sql`o.last_used_at < ${usedBefore}`)
  if (endsBefore === 'unknown') also.push(Prisma.sql`o.endless`)
  else if (endsBefore) also.push(Prisma.sql`NOT o.endless AND o.expires_at < ${endsBefore}`)
  if (endsAfter) also.push(Prisma.sql`(o.endless OR o.expires_at >= ${endsAfter})`)
  return Prisma.join([Prisma.sql`o.tenant_id = ${tenantId}`, ...also], ' AND ')
}

const tokenOrders = {
  newest: { column: Prisma.sql`o.id`, by: Prisma.sql`o.id DESC` },
  ends: { column: Prisma.sql`o.expires_at`, by: Prisma.sql`o.expires_at ASC, o.id ASC` },
  used: { column: Prisma.sql`o.last_used_at`, by: Prisma.sql`o.last_used_at DESC NULLS LAST, o.id DESC` },
}
const endedLast = Prisma.sql`o.expires_at DESC, o.id DESC`

/**
 * A page of tokens behind `before`: newest first, as ids sort by time, and ended ones by their end; living ones in any order.
 */
export async function listTokens(
  tx: ReadTx,
  tenantId: string,
  selection: Selection<TokenFilter>,
  { before, order = 'newest', take }: { before?: Place | undefined; order?: Order; take: number },
): Promise<TokenFacts[]> {
  const { column, by } = tokenOrders[order]
  const older = before === undefined ? Prisma.sql`true` : behindSql(order, column, before)
  // By id, everything that still lives would be read before the first that has ended.
  const ids =
    selection.filter.state === 'ended' && order === 'newest'
      ? await endedIds(tx, tenantId, selection, { before, take })
      : ((await fewInOrder(tx, tenantId, selection, { older, by, take })) ??
        idsOf(
          await tx.$queryRaw<{ id: string }[]>`
          SELECT o.id FROM issued_token o WHERE ${tokensWhere(tenantId, selection)} AND ${older} ORDER BY ${by} LIMIT ${take}`,
        ))
  const tokens = new Map((await findTokenFacts(tx, tenantId, ids)).map((token) => [token.id, token]))
  return ids.flatMap((id) => tokens.get(id) ?? [])
}

async function endedIds(
  tx: ReadTx,
  tenantId: string,
  { filter, asOf }: Selection<TokenFilter>,
  { before, take }: { before: Place | undefined; take: number },
): Promise<string[]> {
  const last = before
    ? await tx.issuedToken.findUnique({ where: { tenantId_id: { tenantId, id: before.id } } })
    : undefined
  if (last === null) return []
  const end = last?.expiresAt ?? asOf
  const older = last ? Prisma.sql`(o.expires_at < ${end} OR o.id < ${last.id})` : Prisma.sql`true`
  return idsOf(
    await tx.$queryRaw<{ id: string }[]>`
    SELECT o.id FROM issued_token o WHERE ${tokensWhere(tenantId, { filter, asOf: end })} AND ${older} ORDER BY ${endedLast} LIMIT ${take}`,
  )
}

const idsOf = (rows: { id: string }[]) => rows.map(({ id }) => id)

/** In what order rows are found soonest: living and ended ones by the index of these. */
const foundBy = ({ state }: TokenFilter) =>
  ['live', 'ended'].includes(state ?? '') ? Prisma.sql`ORDER BY o.expires_at DESC` : Prisma.sql`ORDER BY o.id DESC`

type Ordered = { older: Prisma.Sql; by: Prisma.Sql; take: number }
/** Up to how many rows are all read and then ordered; those that a text is in are found by indexes of their own. */
const few = { living: 100, searched: 1_000 }
const nearby = 1_000

/**
 * A page of the matching tokens that live, or that a text is in, if they are few: they are found first, and ordered then. In their
 * order, all that such a person, project or connection ever had would be read in search of them. Undefined where there are many,
 * of which the first page is among the first.
 */
async function fewInOrder(
  tx: ReadTx,
  tenantId: string,
  { filter, asOf }: Selection<TokenFilter>,
  { older, by, take }: Ordered,
): Promise<string[] | undefined> {
  const isSearch = filter.found?.kind === 'text'
  if (filter.state !== 'live' && !isSearch) return undefined
  const most = isSearch ? few.searched : few.living
  const [page] = await tx.$queryRaw<[{ count: number; ids: string[] }]>`
    WITH few AS MATERIALIZED (
      SELECT o.id, o.expires_at, o.last_used_at FROM issued_token o WHERE ${tokensWhere(tenantId, { filter, asOf })}
      ${foundBy(filter)} LIMIT ${most + 1})
    SELECT (SELECT count(*)::int FROM few) AS count, ARRAY(SELECT o.id FROM few o WHERE ${older} ORDER BY ${by} LIMIT ${take}) AS ids`
  if (page.count <= most) return page.ids
  return isSearch ? searchedInOrder(tx, tenantId, { filter, asOf }, { older, by, take }) : undefined
}

/** The same of many that a text is in: most are among the first, or else they are far from all, and are ordered together. */
async function searchedInOrder(
  tx: ReadTx,
  tenantId: string,
  { filter, asOf }: Selection<TokenFilter>,
  { older, by, take }: Ordered,
): Promise<string[]> {
  const { found, ...rest } = filter
  const near = await tx.$queryRaw<{ id: string }[]>`
    SELECT o.id FROM (SELECT * FROM issued_token o WHERE ${tokensWhere(tenantId, { filter: rest, asOf })} AND ${older}
      ORDER BY ${by} LIMIT ${nearby}) o
    WHERE ${found ? tokensFound(found) : Prisma.sql`true`} ORDER BY ${by} LIMIT ${take}`
  if (near.length === take) return idsOf(near)
  return idsOf(
    await tx.$queryRaw<{ id: string }[]>`
    WITH all_of_them AS MATERIALIZED (
      SELECT o.id, o.expires_at, o.last_used_at FROM issued_token o WHERE ${tokensWhere(tenantId, { filter, asOf })} AND ${older})
    SELECT o.id FROM all_of_them o ORDER BY ${by} LIMIT ${take}`,
  )
}

/** How many there are, counted up to `most` and no further. */
export async function countTokens(
  tx: ReadTx,
  tenantId: string,
  selection: Selection<TokenFilter>,
  most: number,
): Promise<number> {
  const [row] = await tx.$queryRaw<[{ count: number }]>`
    SELECT count(*)::int AS count FROM (
      SELECT 1 FROM issued_token o WHERE ${tokensWhere(tenantId, selection)} ${foundBy(selection.filter)} LIMIT ${most}) counted`
  return row.count
}

/** Ids in their order, behind `after`. */
export const selectTokenIds = async (
  tx: ReadTx,
  tenantId: string,
  selection: Selection<TokenFilter>,
  { after, take }: { after: string; take: number },
): Promise<string[]> =>
  idsOf(
    await tx.$queryRaw<{ id: string }[]>`
    SELECT o.id FROM issued_token o WHERE ${tokensWhere(tenantId, selection)} AND o.id > ${after} ORDER BY o.id LIMIT ${take}`,
  )

/** How many a selection matches. */
export async function countSelectedTokens(
  tx: ReadTx,
  tenantId: string,
  selection: Selection<TokenFilter>,
): Promise<number> {
  const [row] = await tx.$queryRaw<[{ count: number }]>`
    SELECT count(*)::int AS count FROM issued_token o WHERE ${tokensWhere(tenantId, selection)}`
  return row.count
}

/**
 * Whose tokens a selection matches, how many were used since each moment, and what they are. Each is read once, from an index that
 * has all of it: somebody may hold a hundred thousand.
 */
export async function measureTokens(
  tx: ReadTx,
  tenantId: string,
  selection: Selection<TokenFilter>,
  [day, hour]: UsedSince,
): Promise<Pick<Measured, 'owners' | 'used' | 'parts'>> {
  type Group = Omit<Part, 'projectId'> & { ownerId: string | null; projectId: string | null; day: number; hour: number }
  const groups = await tx.$queryRaw<Group[]>`
    WITH held AS MATERIALIZED (
      SELECT o.user_id, o.project_id, o.strategy, o.offline, count(*) AS count, max(o.expires_at) AS latest,
        count(*) FILTER (WHERE o.last_used_at >= ${day}) AS day, count(*) FILTER (WHERE o.last_used_at >= ${hour}) AS hour
      FROM issued_token o WHERE ${tokensWhere(tenantId, selection)} GROUP BY 1, 2, 3, 4)
    SELECT user_id AS "ownerId", project_id AS "projectId", strategy, offline, sum(count)::int AS count, max(latest) AS latest,
      sum(day)::int AS day, sum(hour)::int AS hour
    FROM held GROUP BY GROUPING SETS ((user_id), (project_id, strategy, offline)) ORDER BY 5 DESC, 1`
  const owners = groups.filter(({ ownerId }) => ownerId !== null)
  const total = (of: 'day' | 'hour') => owners.reduce((sum, group) => sum + group[of], 0)
  return {
    owners: owners.map(({ ownerId, count }) => ({ ownerId, count })),
    used: [total('day'), total('hour')],
    parts: groups.flatMap(({ projectId, strategy, offline, count, latest }) =>
      projectId === null ? [] : [{ projectId, strategy, offline, count, latest }],
    ),
  }
}

/** How many living tokens a person holds in each of their projects. */
export async function countLiveByProject(
  tx: ReadTx,
  tenantId: string,
  userId: string,
  now: Date,
): Promise<Map<string, number>> {
  const groups = await tx.issuedToken.groupBy({
    by: ['projectId'],
    where: { ...livingTokens(tenantId, now), userId },
    _count: true,
  })
  return new Map(groups.map((group) => [group.projectId, group._count]))
}

/** Locks tokens that can still be revoked, named, made from the connections or made through the grants, in id order. */
export async function lockRevocable(
  tx: Tx,
  tenantId: string,
  { ids = [], connectionIds = [], grantIds = [] }: { ids?: string[]; connectionIds?: string[]; grantIds?: string[] },
): Promise<TokenRow[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM issued_token WHERE tenant_id = ${tenantId} AND status IN ('issuing', 'live')
      AND (id = ANY(${ids}) OR connection_id = ANY(${connectionIds}) OR grant_id = ANY(${grantIds})) ORDER BY id FOR UPDATE`
  return tx.issuedToken.findMany({ where: { tenantId, id: { in: rows.map((row) => row.id) } }, orderBy: { id: 'asc' } })
}

/** Tokens that a connection has out for one of its projects, made or under way. */
export const tokensOfProject = async (
  tx: ReadTx,
  tenantId: string,
  connectionId: string,
  projectId: string,
): Promise<string[]> =>
  (
    await tx.issuedToken.findMany({
      where: { tenantId, connectionId, projectId, status: { in: ['issuing', 'live'] } },
      select: { id: true },
    })
  ).map(({ id }) => id)

/** Raises the generation of tokens and marks the finished ones revoked; an issuing one is ended by its own completion. */
export async function markRevoked(
  tx: Tx,
  tenantId: string,
  ids: string[],
  by: string | null,
  now: Date,
): Promise<void> {
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
