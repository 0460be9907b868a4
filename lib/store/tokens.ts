import type { Context } from '../context.ts'
import { newId } from '../security/ids.ts'
import { Prisma, query, type ReadTx, type Tx } from './database.ts'
import { behind, type Order, type Place } from './order.ts'
import type { ProjectRow } from './projects.ts'
import type { ProviderRow } from './providers.ts'
import { insertRevocations } from './revocations.ts'
import { tokensFound } from './search.ts'
import type { Chosen, Selection } from './selections.ts'

export type TokenRow = Prisma.IssuedTokenGetPayload<object>
const related = {
  project: { include: { provider: true } },
  connection: true,
  revocations: true,
  client: true,
} as const
export type TokenWithRelations = Prisma.IssuedTokenGetPayload<{ include: typeof related }>
/** As much of it as a view of the token shows. */
export type TokenFacts = TokenRow & {
  project: Pick<ProjectRow, 'id' | 'name' | 'alias' | 'settings' | 'removedAt'> & {
    provider: Pick<ProviderRow, 'id' | 'name' | 'kind' | 'settings'>
  }
  client: { id: string; name: string } | null
  revocations: TokenWithRelations['revocations']
}

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

/** A living token beneath what it was made from or issued through, and how many there are. */
export type Beneath = { parent: string; id: string; total: number }

/** The newest living tokens of a person beneath each of these connections or grants, `take` at most of each. */
export const tokensBeneath = (
  tx: ReadTx,
  tenantId: string,
  {
    of,
    ids,
    userId,
    now,
    take,
  }: { of: 'connection' | 'grant'; ids: string[]; userId: string; now: Date; take: number },
): Promise<Beneath[]> => {
  const column = Prisma.raw(of === 'connection' ? 'connection_id' : 'grant_id')
  return tx.$queryRaw<Beneath[]>`
    SELECT p.id AS parent, k.id, k.total FROM unnest(${ids}::text[]) AS p (id), LATERAL (
      SELECT t.id, (count(*) OVER ())::int AS total FROM issued_token t WHERE t.tenant_id = ${tenantId} AND t.${column} = p.id
        AND t.user_id = ${userId} AND t.status IN ('issuing', 'live') AND t.generation = 0 AND t.expires_at > ${now}
      ORDER BY t.id DESC LIMIT ${take}) k`
}

/** The same of those that hang below neither: for the tenant's own APIs, asked for by the person themselves. */
export const tokensBeneathNone = (
  tx: ReadTx,
  tenantId: string,
  { userId, now, take }: { userId: string; now: Date; take: number },
): Promise<Omit<Beneath, 'parent'>[]> =>
  tx.$queryRaw<Omit<Beneath, 'parent'>[]>`
    SELECT t.id, (count(*) OVER ())::int AS total FROM issued_token t WHERE t.tenant_id = ${tenantId} AND t.user_id = ${userId}
      AND t.connection_id IS NULL AND t.grant_id IS NULL AND t.status IN ('issuing', 'live') AND t.generation = 0
      AND t.expires_at > ${now} ORDER BY t.id DESC LIMIT ${take}`

/** The living tokens of a project, whoever holds them. */
export const livingTokensOf = (tx: ReadTx, tenantId: string, projectId: string, now: Date) =>
  tx.issuedToken.findMany({
    where: tokensWhere(tenantId, { filter: { projectId, state: 'live' }, asOf: now }),
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
    where: { ...tokensWhere(tenantId, { filter: { state: 'live' }, asOf: now }), projectId: { in: projectIds } },
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
}

/** Which tokens a selection means; whether one has ended is asked for the moment of the selection. */
export function tokensWhere(tenantId: string, { filter, asOf }: Selection<TokenFilter>): Prisma.IssuedTokenWhereInput {
  const { of, found, providerIds, state, madeBefore, usedBefore, endsBefore, endsAfter, ...rest } = filter
  const states: Record<NonNullable<TokenFilter['state']>, Prisma.IssuedTokenWhereInput> = {
    live: { status: { in: ['issuing', 'live'] }, expiresAt: { gt: asOf } },
    ended: { status: { in: ['issuing', 'live'] }, expiresAt: { lte: asOf } },
    revoked: { status: 'revoked' },
    failed: { status: 'failed' },
  }
  const named = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
  const times = {
    ...(madeBefore && { createdAt: { lte: madeBefore } }),
    ...(usedBefore && { lastUsedAt: usedBefore === 'unknown' ? null : { lt: usedBefore } }),
  }
  const AND: Prisma.IssuedTokenWhereInput[] = []
  if (of !== undefined) AND.push({ userId: of })
  if (found) AND.push(tokensFound(found))
  if (providerIds) AND.push({ providerId: { in: providerIds } })
  if (endsBefore)
    AND.push(endsBefore === 'unknown' ? { endless: true } : { endless: false, expiresAt: { lt: endsBefore } })
  if (endsAfter) AND.push({ OR: [{ endless: true }, { expiresAt: { gte: endsAfter } }] })
  return { tenantId, ...named, ...times, ...(state ? states[state] : {}), AND }
}

/**
 * A page of tokens behind `before`: newest first, as ids sort by time, and ended ones by their end; living ones in any order.
 */
export async function listTokens(
  tx: ReadTx,
  tenantId: string,
  selection: Selection<TokenFilter>,
  { before, order = 'newest', take }: { before?: Place | undefined; order?: Order; take: number },
): Promise<TokenWithRelations[]> {
  const { filter, asOf } = selection
  const matching = tokensWhere(tenantId, selection)
  const page = { take, include: related }
  if (order !== 'newest') {
    const few = await fewLiving(tx, matching)
    const among = few ? { tenantId, id: { in: few } } : matching
    const isEnd = order === 'ends'
    return tx.issuedToken.findMany({
      ...page,
      where: { AND: [among, before ? behind(order, isEnd ? 'expiresAt' : 'lastUsedAt', before, !isEnd) : {}] },
      orderBy: isEnd
        ? [{ expiresAt: 'asc' }, { id: 'asc' }]
        : [{ lastUsedAt: { sort: 'desc', nulls: 'last' } }, { id: 'desc' }],
    })
  }
  const older = before ? { lt: before.id } : {}
  if (filter.state !== 'ended') {
    const few = filter.state === 'live' ? await fewLiving(tx, matching) : undefined
    const id = { ...older, ...(few && { in: few }) }
    return tx.issuedToken.findMany({ ...page, where: { ...matching, id }, orderBy: { id: 'desc' } })
  }
  // By id, everything that still lives would be read before the first that has ended.
  const last = before
    ? await tx.issuedToken.findUnique({ where: { tenantId_id: { tenantId, id: before.id } } })
    : undefined
  if (last === null) return []
  const end = last?.expiresAt ?? asOf
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
export const countTokens = (tx: ReadTx, tenantId: string, selection: Selection<TokenFilter>, most: number) =>
  tx.issuedToken.count({
    where: tokensWhere(tenantId, selection),
    orderBy: ['live', 'ended'].includes(selection.filter.state ?? '') ? { expiresAt: 'desc' } : { id: 'desc' },
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
    where: tokensWhere(tenantId, { filter: { userId, state: 'live' }, asOf: now }),
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
