import { connectionsWhere } from './connections.ts'
import type { ReadTx } from './database.ts'
import { frozenWhere } from './freezes.ts'
import { countSelectedGrants, type GrantFilter, measureGrants, selectGrantIds } from './grants.ts'
import { type Asked, type LookedUp, lookUp } from './search.ts'
import { tokensWhere } from './tokens.ts'

/** What tokens, connections and grants alike are chosen by. A grant is of the projects that its ceilings name. */
export type Chosen = LookedUp & {
  /** Only this member's, whatever else is asked (actor.ts, ownUnless). */
  of?: string | undefined
  userId?: string | undefined
  projectId?: string | undefined
  providerId?: string | undefined
  /** Made, or linked last, at this moment or before. */
  madeBefore?: Date | undefined
  /** Last used before this moment; `unknown`: nobody told of a use. */
  usedBefore?: Date | 'unknown' | undefined
  /** Ends before this moment, if nothing renews it; `unknown`: nobody told an end, or it has none. */
  endsBefore?: Date | 'unknown' | undefined
  /** Ends at this moment or later, or nobody knows of an end. */
  endsAfter?: Date | undefined
}
/** The same as people and programs ask for it (search.ts). */
export type Given<Filter extends Chosen> = Omit<Filter, keyof LookedUp> & Asked

/** Everything that a filter matches, as things stood at a moment. */
export type Selection<Filter> = { filter: Filter; asOf: Date }

/**
 * Of connections those in one state; else all that are not revoked. Of tokens those that live, of grants those that stand.
 * `clientId`: of a grant, or what a token was issued through; no connection has one.
 */
export type RevocableFilter = Given<Chosen> & {
  kind: 'tokens' | 'connections' | 'grants'
  status?: 'linked' | 'degraded' | 'uncertain' | 'needs_relink' | 'frozen' | undefined
  clientId?: string | undefined
  /** Of tokens: how they were made. */
  strategy?: string | undefined
  /** Of grants: {@link GrantFilter}. */
  program?: GrantFilter['program']
}

/** As the list of grants has it; of these, a status is whether they are frozen. */
async function grantFilter(
  tx: ReadTx,
  tenantId: string,
  { filter: { kind: _, status, strategy: __, ...asked }, asOf }: Selection<RevocableFilter>,
): Promise<GrantFilter> {
  const chosen = await lookUp(tx, tenantId, asked)
  return { ...chosen, madeBefore: earlier(chosen.madeBefore, asOf), state: status === 'frozen' ? 'frozen' : 'standing' }
}

/** What was made after the moment is not in a selection, however its filter reads. */
const earlier = (madeBefore: Date | undefined, asOf: Date) => (madeBefore && madeBefore < asOf ? madeBefore : asOf)

async function matching(
  tx: ReadTx,
  tenantId: string,
  { filter: { kind, status, strategy, program: _, ...asked }, asOf }: Selection<RevocableFilter>,
) {
  const rest = await lookUp(tx, tenantId, asked)
  const chosen = { ...rest, madeBefore: earlier(rest.madeBefore, asOf) }
  return kind === 'tokens'
    ? { kind, where: tokensWhere(tenantId, { filter: { ...chosen, strategy, state: 'live', generation: 0 }, asOf }) }
    : {
        kind,
        where: connectionsWhere(
          tenantId,
          { ...chosen, status: status ?? 'standing' },
          await frozenWhere(tx, tenantId, asOf),
        ),
      }
}

/** Ids of a selection in their order, behind `after`; `among`: of these alone. */
export async function selectIds(
  tx: ReadTx,
  tenantId: string,
  selection: Selection<RevocableFilter>,
  { after = '', take, among }: { after?: string | undefined; take: number; among?: string[] },
): Promise<string[]> {
  if (selection.filter.kind === 'grants')
    return selectGrantIds(
      tx,
      tenantId,
      { ...(await grantFilter(tx, tenantId, selection)), ids: among },
      { after, take },
    )
  const { kind, where } = await matching(tx, tenantId, selection)
  const place = { id: { gt: after, ...(among && { in: among }) } }
  const page = { orderBy: { id: 'asc' as const }, take, select: { id: true } }
  const rows =
    kind === 'tokens'
      ? await tx.issuedToken.findMany({ ...page, where: { AND: [where, place] } })
      : await tx.connection.findMany({ ...page, where: { AND: [where, place] } })
  return rows.map(({ id }) => id)
}

/** How many are in a selection, behind `after`. */
export async function countSelected(
  tx: ReadTx,
  tenantId: string,
  selection: Selection<RevocableFilter>,
  after = '',
): Promise<number> {
  if (selection.filter.kind === 'grants')
    return countSelectedGrants(tx, tenantId, await grantFilter(tx, tenantId, selection), after)
  const { kind, where } = await matching(tx, tenantId, selection)
  return kind === 'tokens'
    ? tx.issuedToken.count({ where: { AND: [where, { id: { gt: after } }] } })
    : tx.connection.count({ where: { AND: [where, { id: { gt: after } }] } })
}

/** What ending a selection reaches. `tokens`: those that live, of connections and grants those made from them. */
export async function measureSelection(
  tx: ReadTx,
  tenantId: string,
  selection: Selection<RevocableFilter>,
  usedSince: Date,
): Promise<{ owners: { ownerId: string; count: number }[]; tokens: number; used: number }> {
  if (selection.filter.kind === 'grants')
    return measureGrants(tx, tenantId, await grantFilter(tx, tenantId, selection), { asOf: selection.asOf, usedSince })
  const { kind, where } = await matching(tx, tenantId, selection)
  const group = { by: ['userId' as const], _count: true as const }
  const groups =
    kind === 'tokens'
      ? await tx.issuedToken.groupBy({ ...group, where })
      : await tx.connection.groupBy({ ...group, where })
  const owners = groups
    .map(({ userId: ownerId, _count: count }) => ({ ownerId, count }))
    .sort((a, b) => b.count - a.count || (a.ownerId < b.ownerId ? -1 : 1))
  const sum = owners.reduce((total, { count }) => total + count, 0)
  if (kind === 'tokens') {
    const used = await tx.issuedToken.count({ where: { AND: [where, { lastUsedAt: { gte: usedSince } }] } })
    return { owners, tokens: sum, used }
  }
  const living = tokensWhere(tenantId, { filter: { state: 'live', generation: 0 }, asOf: selection.asOf })
  return {
    owners,
    tokens: await tx.issuedToken.count({ where: { ...living, connection: where } }),
    used: await tx.connection.count({ where: { AND: [where, { usedAt: { gte: usedSince } }] } }),
  }
}
