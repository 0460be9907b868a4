import type { Context } from '../context.ts'
import { type Prisma, query, type Tx } from './database.ts'

export type ConnectionRow = Prisma.ConnectionGetPayload<object>
export type ConnectionStatus = 'linked' | 'degraded' | 'uncertain' | 'needs_relink' | 'frozen' | 'revoked'

export const findConnection = (tx: Tx, tenantId: string, id: string) =>
  tx.connection.findUnique({
    where: { tenantId_id: { tenantId, id } },
    include: { provider: true, projects: { include: { project: true } } },
  })

/** A member's connection to a project; there is at most one (K-23). */
export const findConnectionTo = (tx: Tx, tenantId: string, userId: string, projectId: string) =>
  tx.connection.findFirst({
    where: { tenantId, userId, projects: { some: { tenantId, projectId } } },
    include: { provider: true },
  })

export const connectionOwner = async (tx: Tx, tenantId: string, id: string) =>
  (await tx.connection.findUnique({ where: { tenantId_id: { tenantId, id } }, select: { userId: true } }))?.userId

/** Locks the row until the transaction ends, so that versions are counted one writer at a time. */
export async function lockConnection(tx: Tx, tenantId: string, id: string): Promise<ConnectionRow | null> {
  await tx.$queryRaw`SELECT 1 FROM connection WHERE tenant_id = ${tenantId} AND id = ${id} FOR UPDATE`
  return tx.connection.findUnique({ where: { tenantId_id: { tenantId, id } } })
}

export const insertConnection = (tx: Tx, row: Prisma.ConnectionUncheckedCreateInput) =>
  tx.connection.create({ data: row })

export const updateConnection = (tx: Tx, tenantId: string, id: string, data: Prisma.ConnectionUncheckedUpdateInput) =>
  tx.connection.update({ where: { tenantId_id: { tenantId, id } }, data })

export const joinProject = (
  tx: Tx,
  link: { tenantId: string; connectionId: string; projectId: string; userId: string; role: string | null },
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

export const listConnections = (tx: Tx, tenantId: string, where: { userId?: string } = {}) =>
  tx.connection.findMany({
    where: { tenantId, ...where },
    orderBy: [{ linkedAt: 'desc' }, { id: 'desc' }],
    include: { provider: true, projects: { include: { project: true } } },
  })

/** How many connections of a provider hold a grant. */
export const countLinked = (tx: Tx, tenantId: string, providerId: string) =>
  tx.connection.count({ where: { tenantId, providerId, refreshToken: { not: null } } })

type Store = Pick<Context, 'pool' | 'config'>
export type ConnectionKey = { tenantId: string; connectionId: string }

export type RefreshClaim = {
  outcome: 'fresh' | 'claimed' | 'busy' | 'resting' | 'dead' | 'missing'
  version: number
  fence: number
  refreshToken: string | null
  accessToken: string | null
  accessExpiresAt: Date | null
  /** An earlier refresh was cut off: its end is unknown. */
  uncertain: boolean
  waitMilliseconds: number
  status: ConnectionStatus | null
  cause: string | null
}

/** One call of vk.refresh_claim (see the migration). `staleVersion`: a version whose access token was refused. */
export async function claimRefresh(
  ctx: Store,
  { tenantId, connectionId }: ConnectionKey,
  {
    staleVersion,
    minimumSeconds,
    leaseSeconds,
  }: { staleVersion: number; minimumSeconds: number; leaseSeconds: number },
): Promise<RefreshClaim> {
  const text = `SELECT outcome, token_version AS version, fence, refresh_token AS "refreshToken", access_token AS "accessToken",
      access_expires_at AS "accessExpiresAt", uncertain, wait_ms AS "waitMilliseconds", status, cause
    FROM vk.refresh_claim($1, $2, $3, make_interval(secs => $4), make_interval(secs => $5))`
  const [claim] = await query<RefreshClaim>(ctx, 'refresh_claim', text, [
    tenantId,
    connectionId,
    staleVersion,
    minimumSeconds,
    leaseSeconds,
  ])
  if (!claim) throw new Error('refresh_claim answered nothing')
  return claim
}

/** One call of vk.refresh_store: by version, so that a paused holder heals the row. */
export async function storeRefresh(
  ctx: Store,
  { tenantId, connectionId }: ConnectionKey,
  pair: {
    sentVersion: number
    fence: number
    refreshToken: string
    accessToken: string
    expiresAt: Date
    scopes: string[] | null
  },
): Promise<'stored' | 'revoked' | 'superseded'> {
  const values = [
    tenantId,
    connectionId,
    pair.sentVersion,
    pair.fence,
    pair.refreshToken,
    pair.accessToken,
    pair.expiresAt,
    pair.scopes,
  ]
  const text = 'SELECT vk.refresh_store($1, $2, $3, $4, $5, $6, $7, $8) AS outcome'
  const [row] = await query<{ outcome: 'stored' | 'revoked' | 'superseded' }>(ctx, 'refresh_store', text, values)
  return row?.outcome ?? 'superseded'
}

/** One call of vk.refresh_fail; false when the row has moved on and nothing was changed. */
export async function failRefresh(
  ctx: Store,
  { tenantId, connectionId }: ConnectionKey,
  end: {
    sentVersion: number
    fence: number
    status: ConnectionStatus
    cause: string
    keepIntent: boolean
    restSeconds: number
  },
): Promise<boolean> {
  const values = [
    tenantId,
    connectionId,
    end.sentVersion,
    end.fence,
    end.status,
    end.cause,
    end.keepIntent,
    end.restSeconds,
  ]
  const text = 'SELECT vk.refresh_fail($1, $2, $3, $4, $5, $6, $7, make_interval(secs => $8)) AS changed'
  const [row] = await query<{ changed: boolean }>(ctx, 'refresh_fail', text, values)
  return row?.changed ?? false
}
