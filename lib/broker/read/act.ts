import { type Actor, may } from '../../actor.ts'
import { noteRead } from '../../audit/access.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { type ActRow, findAct, type UpstreamOfAct, upstreamOfAct } from '../../store/acts.ts'
import { readTenant } from '../../store/database.ts'
import type { RevocationState } from '../../store/revocations.ts'
import type { SelectedKind } from '../../store/selections.ts'

/** How an act on many things goes on: the three truths of all of it together (docs/decisions/0013, 0089). */
export type ActView = {
  id: string
  /** `held`: everything of one person. */
  kind: 'held' | SelectedKind
  by: string
  /** Whose things, for `held`. */
  userId: string | null
  reason: string | null
  createdAt: Date
  /** What it found when it was made. */
  counts: ActCounts
  /** Rows that it means, and how many of them are marked by now. Of `held` all of them are refused since it was made. */
  total: number
  ended: number
  /** Since when all of it is blocked here. */
  blockedAt: Date | null
  /** Work at upstreams by how it stands; what worked through us alone needs none. */
  upstream: Record<RevocationState, number>
  /** When the last of what is confirmed was seen to be refused there. */
  provedAt: Date | null
  /** The latest moment at which something of it could still work; null: nothing can. */
  latestMoment: Date | 'unknown' | null
  /** Since when nothing of it is pending. */
  settledAt: Date | null
}
export type ActCounts = Record<SelectedKind, number>

/** @throws BrokerError not_found, for others' as well unless the viewer oversees the tenant or it was about them */
export async function readAct(ctx: Context, actor: Actor, id: string): Promise<ActView> {
  const now = ctx.now()
  const view = await readTenant(ctx, actor.tenantId, async (tx) => {
    const row = await findAct(tx, actor.tenantId, id)
    const own = row?.by === actor.userId || row?.userId === actor.userId
    if (!row || !(own || may(actor, 'oversee'))) return undefined
    return toActView(row, await upstreamOfAct(tx, actor.tenantId, id, now))
  })
  if (!view) throw new BrokerError('not_found')
  if (view.by !== actor.userId) await noteRead(ctx, actor, 'readRevocationAct', id)
  return view
}

export function toActView(row: ActRow, { states, provedAt, latestMoment }: UpstreamOfAct): ActView {
  const counts = {
    sessions: 0,
    connections: 0,
    grants: 0,
    tokens: 0,
    requests: 0,
    ...(row.counts as Partial<ActCounts>),
  }
  const total = row.kind === 'held' ? counts.tokens : counts[row.kind as keyof ActCounts]
  const over = row.doneAt !== null
  return {
    id: row.id,
    kind: row.kind as ActView['kind'],
    by: row.by,
    userId: row.userId,
    reason: row.reason,
    createdAt: row.createdAt,
    counts,
    // What was being made ended with the act itself.
    total: over ? row.ended : Math.max(total, row.ended),
    ended: row.ended,
    blockedAt: row.kind === 'held' ? row.createdAt : row.doneAt,
    upstream: states,
    provedAt,
    latestMoment,
    settledAt: row.settledAt,
  }
}
