import type { Context } from '../context.ts'
import { type ConnectionStatus, usable } from './connection-states.ts'
import { Prisma, query, type ReadTx, type Tx } from './database.ts'
import { behind, type Order, type Place } from './order.ts'
import { connectionsFound } from './search.ts'
import type { Chosen } from './selections.ts'

export type ConnectionRow = Prisma.ConnectionGetPayload<object>
export type { ConnectionStatus }

/** `of`: only if it is this member's (actor.ts, ownUnless). */
export const findConnection = (tx: ReadTx, tenantId: string, id: string, of?: string) =>
  tx.connection.findFirst({
    where: { tenantId, id, ...(of === undefined ? {} : { userId: of }) },
    include: { provider: true, projects: { include: { project: true } } },
  })

/** Several. */
export const findConnections = (tx: ReadTx, tenantId: string, ids: string[]) =>
  tx.connection.findMany({
    where: { tenantId, id: { in: ids } },
    include: { provider: true, projects: { include: { project: true } } },
  })

/** A member's own at one provider that hold a grant. */
export const ownConnectionsAt = (tx: ReadTx, tenantId: string, userId: string, providerId: string) =>
  tx.connection.findMany({
    where: { tenantId, userId, providerId, refreshToken: { not: null } },
    include: { projects: { include: { project: true } } },
  })

/** A member's connection to a project; there is at most one (K-23). */
export const findConnectionTo = (tx: ReadTx, tenantId: string, userId: string, projectId: string) =>
  tx.connection.findFirst({
    where: { tenantId, userId, projects: { some: { tenantId, projectId } } },
    include: { provider: true },
  })

/** A member's connections at a provider that stand, by the upstream's ids of the projects that they reach. */
export async function connectionsByProject(
  tx: ReadTx,
  tenantId: string,
  { userId, providerId }: { userId: string; providerId: string },
): Promise<Map<string, string>> {
  const links = await tx.connectionProject.findMany({
    where: { tenantId, userId, connection: { providerId, status: { not: 'revoked' } } },
    select: { connectionId: true, project: { select: { externalId: true } } },
  })
  return new Map(links.map(({ connectionId, project }) => [project.externalId, connectionId]))
}

/** Which of a member's connections have which of these projects, whatever state they are in. */
export const linksTo = (tx: ReadTx, tenantId: string, userId: string, projectIds: string[]) =>
  tx.connectionProject.findMany({ where: { tenantId, userId, projectId: { in: projectIds } } })

/** Everything that these connections reach. */
export const linksOf = (tx: ReadTx, tenantId: string, connectionIds: string[]) =>
  tx.connectionProject.findMany({
    where: { tenantId, connectionId: { in: connectionIds } },
    include: { connection: { select: { status: true } }, project: { select: { name: true, externalId: true } } },
  })

/** A connection does not reach these projects any more. Whoever calls holds its row. */
export const leaveProjects = (tx: Tx, tenantId: string, connectionId: string, projectIds: string[]) =>
  tx.connectionProject.deleteMany({ where: { tenantId, connectionId, projectId: { in: projectIds } } })

export const connectionOwner = async (tx: ReadTx, tenantId: string, id: string) =>
  (await tx.connection.findUnique({ where: { tenantId_id: { tenantId, id } }, select: { userId: true } }))?.userId

export const connectionOwners = (tx: ReadTx, tenantId: string, ids: string[]) =>
  tx.connection.findMany({ where: { tenantId, id: { in: ids } }, select: { id: true, userId: true } })

/**
 * Locks the row until the transaction ends, so that versions are counted one writer at a time. `of`: only if it is this
 * member's, whom nobody else's lock may keep waiting (actor.ts, ownUnless).
 */
export async function lockConnection(tx: Tx, tenantId: string, id: string, of?: string): Promise<ConnectionRow | null> {
  const found = await tx.$queryRaw<unknown[]>`SELECT 1 FROM connection WHERE tenant_id = ${tenantId} AND id = ${id}
    AND user_id = coalesce(${of ?? null}::text, user_id) FOR UPDATE`
  return found.length > 0 ? tx.connection.findUnique({ where: { tenantId_id: { tenantId, id } } }) : null
}

/** Locks connections in id order, as every act does that ends several. */
export const lockConnections = (tx: Tx, tenantId: string, ids: string[]) =>
  tx.$queryRaw`SELECT 1 FROM connection WHERE tenant_id = ${tenantId} AND id = ANY(${ids}) ORDER BY id FOR UPDATE`

export const insertConnection = (tx: Tx, row: Prisma.ConnectionUncheckedCreateInput) =>
  tx.connection.create({ data: row })

export const updateConnection = (tx: Tx, tenantId: string, id: string, data: Prisma.ConnectionUncheckedUpdateInput) =>
  tx.connection.update({ where: { tenantId_id: { tenantId, id } }, data })

export const joinProject = (
  tx: Tx,
  link: {
    tenantId: string
    connectionId: string
    projectId: string
    userId: string
    role: string | null
    createdAt: Date
  },
) =>
  tx.connectionProject.upsert({
    where: {
      tenantId_connectionId_projectId: {
        tenantId: link.tenantId,
        connectionId: link.connectionId,
        projectId: link.projectId,
      },
    },
    create: link,
    update: { role: link.role },
  })

export type ConnectionFilter = Chosen & {
  ids?: string[] | undefined
  /** No program has one. */
  clientId?: string | undefined
  /** `standing`: all but the revoked ones. `frozen`: those of them that are, whatever is beneath, and in no other state. */
  status?: ConnectionStatus | 'standing' | 'frozen' | undefined
}

/** Which connections are frozen (freezes.ts); null: none is. */
type FrozenWhere = Prisma.ConnectionWhereInput | null

function whereStatus(
  status: NonNullable<ConnectionFilter['status']>,
  frozen: FrozenWhere,
): Prisma.ConnectionWhereInput {
  if (status === 'revoked') return { status }
  if (status === 'standing') return { status: { not: 'revoked' } }
  if (status === 'frozen') return frozen ? { ...frozen, status: { not: 'revoked' } } : { id: { in: [] } }
  return frozen ? { status, NOT: frozen } : { status }
}

/** Which connections a filter means. One that was linked again is as new as that. */
export function connectionsWhere(
  tenantId: string,
  filter: ConnectionFilter,
  frozen: FrozenWhere,
): Prisma.ConnectionWhereInput {
  const { of, userId, clientId, projectId, providerId, ids, status, madeBefore, usedBefore } = filter
  const { found, providerIds, endsBefore, endsAfter } = filter
  const AND: Prisma.ConnectionWhereInput[] = []
  if (of !== undefined) AND.push({ userId: of })
  if (found) AND.push(connectionsFound(found))
  if (providerIds) AND.push({ providerId: { in: providerIds } })
  if (endsBefore) AND.push({ grantExpiresAt: endsBefore === 'unknown' ? null : { lt: endsBefore } })
  if (endsAfter) AND.push({ OR: [{ grantExpiresAt: null }, { grantExpiresAt: { gte: endsAfter } }] })
  return {
    tenantId,
    AND,
    ...(userId !== undefined && { userId }),
    ...(clientId !== undefined && { NOT: { tenantId } }),
    ...(providerId !== undefined && { providerId }),
    ...(ids && { id: { in: ids } }),
    ...(projectId !== undefined && { projects: { some: { projectId } } }),
    ...(madeBefore && { linkedAt: { lte: madeBefore } }),
    ...(usedBefore && { usedAt: usedBefore === 'unknown' ? null : { lt: usedBefore } }),
    ...(status && whereStatus(status, frozen)),
  }
}

/** A page of connections behind `before`; ids sort by time. */
export const listConnections = (
  tx: ReadTx,
  tenantId: string,
  filter: ConnectionFilter,
  {
    frozen,
    before,
    order = 'newest',
    take,
  }: { frozen: FrozenWhere; before?: Place | undefined; order?: Order; take: number },
) =>
  tx.connection.findMany({
    where: {
      AND: [
        connectionsWhere(tenantId, filter, frozen),
        before ? behind(order, order === 'ends' ? 'grantExpiresAt' : 'usedAt', before) : {},
      ],
    },
    orderBy: connectionOrders[order],
    take,
    include: { provider: true, projects: { include: { project: true } } },
  })

const connectionOrders = {
  newest: [{ id: 'desc' }],
  ends: [{ grantExpiresAt: { sort: 'asc', nulls: 'last' } }, { id: 'asc' }],
  used: [{ usedAt: { sort: 'desc', nulls: 'last' } }, { id: 'desc' }],
} satisfies Record<Order, Prisma.ConnectionOrderByWithRelationInput[]>

/** How many there are, counted up to `most` and no further. */
export const countConnections = (
  tx: ReadTx,
  tenantId: string,
  filter: ConnectionFilter,
  { frozen, most }: { frozen: FrozenWhere; most: number },
) => tx.connection.count({ where: connectionsWhere(tenantId, filter, frozen), take: most })

/** How many connections of a provider hold a grant. */
export const countLinked = (tx: ReadTx, tenantId: string, providerId: string) =>
  tx.connection.count({ where: { tenantId, providerId, refreshToken: { not: null } } })

/** What stands with a provider: connections that hold something, tokens that live, audiences of the tenant's own. */
export const countStanding = async (tx: ReadTx, tenantId: string, providerId: string, now: Date) => ({
  connections: await tx.connection.count({ where: { tenantId, providerId, status: { not: 'revoked' } } }),
  tokens: await tx.issuedToken.count({
    where: {
      tenantId,
      project: { providerId },
      status: { in: ['issuing', 'live'] },
      generation: 0,
      expiresAt: { gt: now },
    },
  }),
  audiences: await tx.project.count({
    where: { tenantId, providerId, removedAt: null, settings: { not: Prisma.AnyNull } },
  }),
})

/** How the connections of a provider stand, and when one of them was last renewed. */
export type Renewals = { usable: number; ended: number; lastRefreshAt: Date | null }

export async function renewalsOf(tx: ReadTx, tenantId: string, providerId: string): Promise<Renewals> {
  const count = (status: object) => tx.connection.count({ where: { tenantId, providerId, status } })
  const of = { tenantId, providerId, status: { not: 'revoked' } }
  const { _max } = await tx.connection.aggregate({ where: of, _max: { lastRefreshAt: true } })
  return {
    usable: await count({ in: [...usable] }),
    ended: await count({ equals: 'needs_relink' }),
    lastRefreshAt: _max.lastRefreshAt,
  }
}

type Store = Pick<Context, 'pool' | 'config'>
export type ConnectionKey = { tenantId: string; connectionId: string }

export type RefreshClaim = {
  outcome: 'fresh' | 'claimed' | 'busy' | 'resting' | 'held' | 'dead' | 'missing'
  version: number
  fence: number
  refreshToken: string | null
  accessToken: string | null
  accessExpiresAt: Date | null
  /** The holder before was cut off: this is the one recovery try. */
  uncertain: boolean
  /** The stored token may be spent: a refusal then means that its successor was lost. */
  doubt: boolean
  waitMilliseconds: number
  /** `frozen`: whatever its status, a freeze keeps it from being used. */
  status: ConnectionStatus | 'frozen' | null
  cause: string | null
  /** {@link markUsed} is worth a call. */
  touch: boolean
  /** Whose connection it is; null where there is none. */
  userId: string | null
}

/**
 * Why a token is wanted: `need` unless it is fresh, `due` by schedule, `now` although it rests, `recover` because a rotation
 * was cut off, `narrow` to hand it out.
 */
export type ClaimMode = 'need' | 'due' | 'now' | 'recover' | 'narrow'

/** One call of vk.refresh_claim (see the migration). `staleVersion`: a version whose access token was refused. */
export async function claimRefresh(
  ctx: Store,
  { tenantId, connectionId }: ConnectionKey,
  {
    staleVersion = 0,
    minimumSeconds = 0,
    leaseSeconds,
    mode = 'need',
  }: { staleVersion?: number; minimumSeconds?: number; leaseSeconds: number; mode?: ClaimMode },
): Promise<RefreshClaim> {
  const text = `SELECT outcome, token_version AS version, fence, refresh_token AS "refreshToken", access_token AS "accessToken",
      access_expires_at AS "accessExpiresAt", uncertain, doubt, wait_ms AS "waitMilliseconds", status, cause, touch,
      user_id AS "userId"
    FROM vk.refresh_claim($1, $2, $3, make_interval(secs => $4), make_interval(secs => $5), $6)`
  const values = [tenantId, connectionId, staleVersion, minimumSeconds, leaseSeconds, mode]
  const [claim] = await query<RefreshClaim>(ctx, 'refresh_claim', text, values)
  if (!claim) throw new Error('refresh_claim answered nothing')
  return claim
}

export type RefreshedPair = {
  sentVersion: number
  fence: number
  refreshToken: string
  /** Null: none is kept. */
  accessToken: string | null
  /** Life of the access token from now, in seconds; the end is counted by the database's clock. */
  lifeSeconds: number
  scopes: string[] | null
  /** Life of the grant from now, where known. */
  grantSeconds: number | null
  /** How often an idle connection is renewed. */
  keepAliveSeconds: number
  /** A renewal in the background, which is no event while all is well. */
  scheduled: boolean
  /** A cause to link again for, although the tokens are good. */
  flag: string | null
  /** Of a pasted token: its fingerprint, what its kind notes of it where that is new, and whether its value was replaced. */
  pasted?: { mark: string; held: string | undefined; rotated: boolean | undefined } | undefined
}

/** One call of vk.refresh_store: by version, so that a paused holder heals the row. `expiresAt` when stored. */
export async function storeRefresh(
  ctx: Store,
  { tenantId, connectionId }: ConnectionKey,
  pair: RefreshedPair,
): Promise<{ outcome: 'stored'; expiresAt: Date } | { outcome: 'revoked' | 'superseded'; expiresAt: null }> {
  const values = [
    tenantId,
    connectionId,
    pair.sentVersion,
    pair.fence,
    pair.refreshToken,
    pair.accessToken,
    pair.lifeSeconds,
    pair.scopes,
    pair.grantSeconds,
    pair.keepAliveSeconds,
    pair.scheduled,
    pair.flag,
    pair.pasted?.held ?? null,
    pair.pasted?.mark ?? null,
    pair.pasted?.rotated ?? null,
  ]
  const text = `SELECT outcome, access_expires_at AS "expiresAt" FROM vk.refresh_store($1, $2, $3, $4, $5, $6,
    make_interval(secs => $7), $8, make_interval(secs => $9), make_interval(secs => $10), $11, $12, $13, $14, $15)`
  const [row] = await query<Awaited<ReturnType<typeof storeRefresh>>>(ctx, 'refresh_store', text, values)
  if (!row) throw new Error('refresh_store answered nothing')
  return row
}

export type FailedRefresh = {
  sentVersion: number
  fence: number
  status: ConnectionStatus
  cause: string
  /** The refresh token may have been acted upon. */
  reached: boolean
  restSeconds: number
  /** The failure is the upstream's as a whole, whichever connection asks; null: not to be counted either way. */
  upstream: boolean | null
  /** What the upstream asked to wait. */
  retryAfterSeconds: number | null
  details: Record<string, string | number | null>
  /** It was the recovery try. */
  uncertain: boolean
}

/** One call of vk.refresh_fail. `changed`: false when the row has moved on. `paused`: the upstream as a whole rests now. */
export async function failRefresh(
  ctx: Store,
  { tenantId, connectionId }: ConnectionKey,
  end: FailedRefresh,
): Promise<{ changed: boolean; paused: boolean }> {
  const values = [
    tenantId,
    connectionId,
    end.sentVersion,
    end.fence,
    end.status,
    end.cause,
    end.reached,
    end.restSeconds,
    end.upstream,
    end.retryAfterSeconds,
    JSON.stringify(end.details),
    end.uncertain,
  ]
  const text = `SELECT changed, paused FROM vk.refresh_fail($1, $2, $3, $4, $5, $6, $7, make_interval(secs => $8), $9,
    make_interval(secs => $10), $11::jsonb, $12)`
  const [row] = await query<{ changed: boolean; paused: boolean }>(ctx, 'refresh_fail', text, values)
  return row ?? { changed: false, paused: false }
}

/** Whether a claim still stands, right before something is sent: its lease begins anew then, and the intent is set. */
export async function beginRefresh(
  ctx: Store,
  { tenantId, connectionId }: ConnectionKey,
  held: { sentVersion: number; fence: number; leaseSeconds: number },
): Promise<boolean> {
  const text = 'SELECT vk.refresh_begin($1, $2, $3, $4, make_interval(secs => $5)) AS stands'
  const values = [tenantId, connectionId, held.sentVersion, held.fence, held.leaseSeconds]
  const [row] = await query<{ stands: boolean }>(ctx, 'refresh_begin', text, values)
  return row?.stands ?? false
}

/** Gives a claim back that sent nothing. */
export const releaseRefresh = (
  ctx: Store,
  { tenantId, connectionId }: ConnectionKey,
  held: { sentVersion: number; fence: number; uncertain: boolean },
) =>
  query(ctx, 'refresh_release', 'SELECT vk.refresh_release($1, $2, $3, $4, $5)', [
    tenantId,
    connectionId,
    held.sentVersion,
    held.fence,
    held.uncertain,
  ])

/** Notes that somebody uses a connection, which decides how it is renewed in the background. */
export const markUsed = (ctx: Store, { tenantId, connectionId }: ConnectionKey) =>
  query(ctx, 'connection_used', 'SELECT vk.connection_used($1, $2)', [tenantId, connectionId])

/** Takes connections of one upstream that are due, at most `perSecond` over all instances. Ids. */
export async function takeDue(
  ctx: Store,
  { tenantId, providerId }: { tenantId: string; providerId: string },
  { perSecond, burst }: { perSecond: number; burst: number },
): Promise<string[]> {
  const text = 'SELECT vk.refresh_take($1, $2, $3, $4) AS id'
  return (await query<{ id: string }>(ctx, 'refresh_take', text, [tenantId, providerId, perSecond, burst])).map(
    ({ id }) => id,
  )
}

/** When a new pair ends and is due, by the database's clock: what linking stores beside it. */
export async function grantTimes(
  tx: ReadTx,
  life: { lifeSeconds: number; grantSeconds: number | null; keepAliveSeconds: number },
): Promise<{ accessExpiresAt: Date; grantExpiresAt: Date | null; refreshDueAt: Date; usedAt: Date }> {
  const [row] = await tx.$queryRaw<Awaited<ReturnType<typeof grantTimes>>[]>`
    SELECT n.now + n.life AS "accessExpiresAt", n.now + make_interval(secs => ${life.grantSeconds}::float8) AS "grantExpiresAt",
      vk.refresh_due(n.now, n.now, n.life, make_interval(secs => ${life.keepAliveSeconds}::float8)) AS "refreshDueAt",
      n.now AS "usedAt"
    FROM (SELECT vk_now() AS now, make_interval(secs => ${life.lifeSeconds}::float8) AS life) n`
  if (!row) throw new Error('the database told no time')
  return row
}

/** By the database's clock, which is the one that finds what is due. */
export async function daysFromNow(tx: ReadTx, days: number): Promise<Date> {
  const [row] = await tx.$queryRaw<[{ at: Date }]>`SELECT vk_now() + make_interval(days => ${days}::int) AS at`
  return row.at
}

/**
 * Sets how often the value of a pasted token is replaced, or has it replaced with the next renewal (`days: 0`), which is
 * due no later than that. What is due already stays due: it may be under way, and a refusal after it has a meaning.
 */
export const scheduleRotation = (tx: Tx, tenantId: string, id: string, days: number | null) =>
  tx.$executeRaw`UPDATE connection k SET rotate_days = CASE WHEN ${days}::int = 0 THEN k.rotate_days ELSE ${days}::int END,
      rotate_at = n.at, refresh_due_at = least(k.refresh_due_at, n.at)
    FROM (SELECT c.id, CASE WHEN c.rotate_at <= vk_now() THEN c.rotate_at
        ELSE vk_now() + make_interval(days => ${days}::int) END AS at
      FROM connection c WHERE c.tenant_id = ${tenantId} AND c.id = ${id}) n
    WHERE k.tenant_id = ${tenantId} AND k.id = n.id`
