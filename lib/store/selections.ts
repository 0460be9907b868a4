import { connectionsWhere } from './connections.ts'
import type { Prisma, ReadTx } from './database.ts'
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
export type SelectedFilter = Chosen & {
  kind: 'tokens' | 'connections' | 'grants'
  status?: 'linked' | 'degraded' | 'uncertain' | 'needs_relink' | 'frozen' | undefined
  clientId?: string | undefined
  /** Of these alone. */
  ids?: string[] | undefined
  /** Of tokens: how they were made. */
  strategy?: string | undefined
  /** Of grants: {@link GrantFilter}. */
  program?: GrantFilter['program']
}
export type RevocableFilter = Given<SelectedFilter>

/** A selection as it was asked for, for everything that a transaction does with it. */
export const lookUpSelection = async (
  tx: ReadTx,
  tenantId: string,
  { filter, asOf }: Selection<RevocableFilter>,
): Promise<Selection<SelectedFilter>> => ({ filter: await lookUp(tx, tenantId, filter), asOf })

/** As the list of grants has it; of these, a status is whether they are frozen. */
function grantFilter({
  filter: { kind: _, status, strategy: __, ...chosen },
  asOf,
}: Selection<SelectedFilter>): GrantFilter {
  return { ...chosen, madeBefore: earlier(chosen.madeBefore, asOf), state: status === 'frozen' ? 'frozen' : 'standing' }
}

/** What was made after the moment is not in a selection, however its filter reads. */
const earlier = (madeBefore: Date | undefined, asOf: Date) => (madeBefore && madeBefore < asOf ? madeBefore : asOf)

async function matching(
  tx: ReadTx,
  tenantId: string,
  { filter: { kind, status, strategy, program: _, ids, ...rest }, asOf }: Selection<SelectedFilter>,
) {
  const chosen = { ...rest, madeBefore: earlier(rest.madeBefore, asOf) }
  const living = { ...chosen, strategy, state: 'live', generation: 0 } as const
  return kind === 'tokens'
    ? { kind, where: { ...tokensWhere(tenantId, { filter: living, asOf }), ...(ids && { id: { in: ids } }) } }
    : {
        kind,
        where: connectionsWhere(
          tenantId,
          { ...chosen, ids, status: status ?? 'standing' },
          await frozenWhere(tx, tenantId, asOf),
        ),
      }
}

/** Ids of a selection in their order, behind `after`; `among`: of these alone. */
export async function selectIds(
  tx: ReadTx,
  tenantId: string,
  selection: Selection<SelectedFilter>,
  { after = '', take, among }: { after?: string | undefined; take: number; among?: string[] },
): Promise<string[]> {
  if (selection.filter.kind === 'grants') {
    const filter = grantFilter(selection)
    return selectGrantIds(tx, tenantId, { ...filter, ids: among ?? filter.ids }, { after, take })
  }
  const { kind, where } = await matching(tx, tenantId, selection)
  const place = { id: { gt: after, ...(among && { in: among }) } }
  const page = { orderBy: { id: 'asc' as const }, take, select: { id: true } }
  const rows =
    kind === 'tokens'
      ? await tx.issuedToken.findMany({ ...page, where: { AND: [where, place] } })
      : await tx.connection.findMany({ ...page, where: { AND: [where, place] } })
  return rows.map(({ id }) => id)
}

/** How many are in a selection. */
export async function countSelected(
  tx: ReadTx,
  tenantId: string,
  selection: Selection<SelectedFilter>,
): Promise<number> {
  if (selection.filter.kind === 'grants') return countSelectedGrants(tx, tenantId, grantFilter(selection))
  const { kind, where } = await matching(tx, tenantId, selection)
  return kind === 'tokens' ? tx.issuedToken.count({ where }) : tx.connection.count({ where })
}

/** Living tokens that end alike: of one project, made in one way. `latest`: when the last of them ends by itself. */
export type Part = { projectId: string; strategy: string; offline: boolean; count: number; latest: Date | null }

/** What ending a selection reaches. */
export type Measured = {
  owners: { ownerId: string; count: number }[]
  /** How many were used since each moment that was asked about. */
  used: number[]
  /** The tokens that end: those selected, or made from what is. */
  parts: Part[]
  /** Connections that end, by provider, and by project, of which one may reach several. */
  linked: { providerId: string; count: number }[]
  reached: { projectId: string; count: number }[]
}

export async function measureSelection(
  tx: ReadTx,
  tenantId: string,
  selection: Selection<SelectedFilter>,
  usedSince: Date[],
): Promise<Measured> {
  const none = { linked: [], reached: [] }
  if (selection.filter.kind === 'grants') {
    const { asOf } = selection
    return { ...none, ...(await measureGrants(tx, tenantId, grantFilter(selection), { asOf, usedSince })) }
  }
  const { kind, where } = await matching(tx, tenantId, selection)
  if (kind === 'tokens') {
    const groups = await tx.issuedToken.groupBy({ by: ['userId'], _count: true, where })
    const used: number[] = []
    for (const since of usedSince)
      used.push(await tx.issuedToken.count({ where: { AND: [where, { lastUsedAt: { gte: since } }] } }))
    return { ...none, owners: byCount(groups), used, parts: await partsOf(tx, where) }
  }
  const groups = await tx.connection.groupBy({ by: ['userId'], _count: true, where })
  const used: number[] = []
  for (const since of usedSince)
    used.push(await tx.connection.count({ where: { AND: [where, { usedAt: { gte: since } }] } }))
  const providers = await tx.connection.groupBy({ by: ['providerId'], _count: true, where })
  const projects = await tx.connectionProject.groupBy({
    by: ['projectId'],
    _count: true,
    where: { tenantId, connection: where },
  })
  const living = tokensWhere(tenantId, { filter: { state: 'live', generation: 0 }, asOf: selection.asOf })
  return {
    owners: byCount(groups),
    used,
    parts: await partsOf(tx, { ...living, connection: where }),
    linked: providers.map(({ providerId, _count: count }) => ({ providerId, count })),
    reached: projects.map(({ projectId, _count: count }) => ({ projectId, count })),
  }
}

const byCount = (groups: { userId: string; _count: number }[]) =>
  groups
    .map(({ userId: ownerId, _count: count }) => ({ ownerId, count }))
    .sort((a, b) => b.count - a.count || (a.ownerId < b.ownerId ? -1 : 1))

async function partsOf(tx: ReadTx, where: Prisma.IssuedTokenWhereInput): Promise<Part[]> {
  const groups = await tx.issuedToken.groupBy({
    by: ['projectId', 'strategy', 'offline'],
    _count: true,
    _max: { expiresAt: true },
    where,
  })
  return groups.map(({ _count: count, _max, ...part }) => ({ ...part, count, latest: _max.expiresAt }))
}
