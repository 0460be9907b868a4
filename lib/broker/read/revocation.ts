import { type Actor, requirePermission } from '../../actor.ts'
import { noteRead } from '../../audit/access.ts'
import type { Context } from '../../context.ts'
import { listConnections } from '../../store/connections.ts'
import { readTenant } from '../../store/database.ts'
import { countUnconfirmed, listUnconfirmed } from '../../store/revocations.ts'
import { latestMomentOf } from './token.ts'

export type UnconfirmedRevocation = {
  id: string
  /** `orphans`: whatever a cut-off issue may have left upstream. */
  kind: 'token' | 'grant' | 'orphans'
  tokenId: string | null
  fingerprint: string | null
  connectionId: string
  ownerId: string | null
  project: string | null
  state: 'pending' | 'failed'
  tries: number
  lastError: string | null
  nextTryAt: Date | null
  createdAt: Date
  latestMoment: Date | null
}

/** How many {@link unconfirmedRevocations} tells of at most. */
export const unconfirmedLimit = 200

/** How many there are, up to {@link unconfirmedLimit}. */
export async function unconfirmedCount(ctx: Context, actor: Actor): Promise<number> {
  requirePermission(actor, 'oversee')
  const { tenantId } = actor
  return readTenant(ctx, tenantId, (tx) => countUnconfirmed(tx, tenantId, { now: ctx.now(), most: unconfirmedLimit }))
}

const knownMoment = (moment: Date | 'unknown') => (moment === 'unknown' ? null : moment)

/** Upstream revocations that are not done, of what may still be alive there, the newest first: what an admin must know about. */
export async function unconfirmedRevocations(ctx: Context, actor: Actor): Promise<UnconfirmedRevocation[]> {
  requirePermission(actor, 'oversee')
  const { rows, connections } = await readTenant(ctx, actor.tenantId, async (tx) => {
    const rows = await listUnconfirmed(tx, actor.tenantId, { now: ctx.now(), take: unconfirmedLimit })
    const ids = [...new Set(rows.map(({ connectionId }) => connectionId))]
    const found = await listConnections(tx, actor.tenantId, { ids }, { frozen: null, take: ids.length })
    return { rows, connections: new Map(found.map((row) => [row.id, row])) }
  })
  await noteRead(ctx, actor, 'listRevocations')
  return rows.map((row) => ({
    id: row.id,
    kind: row.kind as UnconfirmedRevocation['kind'],
    tokenId: row.tokenId,
    fingerprint: row.token?.fingerprint ?? null,
    connectionId: row.connectionId,
    ownerId: connections.get(row.connectionId)?.userId ?? null,
    project: row.token?.project.name ?? connections.get(row.connectionId)?.projects[0]?.project.name ?? null,
    state: row.state as 'pending' | 'failed',
    tries: row.tries,
    lastError: row.lastError,
    nextTryAt: row.nextTryAt,
    createdAt: row.createdAt,
    latestMoment: row.token && knownMoment(latestMomentOf(row.token)),
  }))
}
