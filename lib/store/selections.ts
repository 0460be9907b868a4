import type { Context } from '../context.ts'
import { connectionsWhere, lockConnections } from './connections.ts'
import type { Prisma, ReadTx, Tx } from './database.ts'
import { frozenWhere } from './freezes.ts'
import { countSelectedGrants, type GrantFilter, lockGrants, measureGrants, selectGrantIds } from './grants.ts'
import { countOpenRequests, type RequestFilter, requestOwners, selectRequestIds } from './requests.ts'
import { type Asked, type LookedUp, lookUp } from './search.ts'
import {
  countTenantSessions,
  holdSessions,
  type SessionFilter,
  selectSessionIds,
  sessionOwners,
} from './tenant-sessions.ts'
import { countSelectedTokens, livingTokens, measureTokens, selectTokenIds, type TokenFilter } from './tokens.ts'

/** What can be selected and ended: a kind is an entry in {@link kinds}, in {@link choosable}, and what ends it (broker/revoke.ts). */
export const selectedKinds = ['tokens', 'connections', 'grants', 'sessions', 'requests'] as const
export type SelectedKind = (typeof selectedKinds)[number]

/** What most kinds alike are chosen by. A grant is of the projects that its ceilings name. */
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
 * Of connections those in one state; else all that are not revoked. Of tokens those that live, of grants those that stand, of sessions
 * those that the tenant accepts, of requests those that are open. `clientId`: of a grant, or what a token was issued through; no connection has one.
 */
export type SelectedFilter = Chosen & {
  kind: SelectedKind
  status?: 'linked' | 'degraded' | 'uncertain' | 'needs_relink' | 'frozen' | undefined
  clientId?: string | undefined
  /** Of these alone. */
  ids?: string[] | undefined
  /** Of tokens: how they were made. */
  strategy?: string | undefined
  /** Of grants: {@link GrantFilter}. */
  program?: GrantFilter['program']
  /** Of requests: {@link RequestFilter}. */
  request?: RequestFilter['request']
  /** Of sessions: the one that asks, which stays. */
  except?: string | undefined
  /** Of sessions: unused for longer they are over. */
  idleSeconds?: number | undefined
}
export type RevocableFilter = Omit<Given<SelectedFilter>, 'idleSeconds'>

/** By what each kind is chosen, beside whose it is, a search and its age. What else is named would mean more than was said. */
export const choosable: Record<SelectedKind, readonly (keyof RevocableFilter)[]> = {
  tokens: ['projectId', 'providerId', 'providerKind', 'usedBefore', 'endsBefore', 'endsAfter', 'clientId', 'strategy'],
  connections: ['projectId', 'providerId', 'providerKind', 'usedBefore', 'endsBefore', 'endsAfter', 'status'],
  grants: [
    'projectId',
    'providerId',
    'providerKind',
    'usedBefore',
    'endsBefore',
    'endsAfter',
    'clientId',
    'status',
    'program',
  ],
  // When a session was used tells of other tenants (docs/decisions/0091).
  sessions: ['endsBefore', 'endsAfter'],
  requests: ['providerId', 'clientId', 'endsBefore', 'endsAfter', 'request'],
}

/**
 * A selection as it was asked for, for everything that a transaction does with it. `known`: what it meant when it was confirmed. People
 * and programs can be renamed while an act goes on, into it and out of it.
 */
export const lookUpSelection = async (
  { config }: Pick<Context, 'config'>,
  tx: ReadTx,
  tenantId: string,
  { filter: { search, providerKind, ...rest }, asOf }: Selection<RevocableFilter>,
  known?: LookedUp | null,
): Promise<Selection<SelectedFilter>> => ({
  filter: {
    ...rest,
    ...(known ?? (await lookUp(tx, tenantId, { search, providerKind }))),
    idleSeconds: config.session.idleSeconds,
  },
  asOf,
})

/** What was made after the moment is not in a selection, however its filter reads. */
const earlier = (madeBefore: Date | undefined, asOf: Date) => (madeBefore && madeBefore < asOf ? madeBefore : asOf)

type Selected = Selection<SelectedFilter>
/** What a selection of one kind is to the database. */
type Kind = {
  /** Ids in their order behind `after`; `among`: of these alone. */
  ids: (tx: ReadTx, tenantId: string, selection: Selected, page: Page) => Promise<string[]>
  count: (tx: ReadTx, tenantId: string, selection: Selected) => Promise<number>
  measure: (tx: ReadTx, tenantId: string, selection: Selected, usedSince: UsedSince) => Promise<Measured>
  /** Somebody may be linking or using one of them: keeps them as they are until the transaction ends. */
  hold?: (tx: Tx, tenantId: string, ids: string[]) => Promise<unknown>
}
type Page = { after: string; take: number; among?: string[] | undefined }

/** Living tokens that end alike: of one project, made in one way. `latest`: when the last of them ends by itself. */
export type Part = { projectId: string; strategy: string; offline: boolean; count: number; latest: Date | null }

/** The moments of {@link Measured}, `used`. */
export type UsedSince = readonly [aDayAgo: Date, anHourAgo: Date]

/** What ending a selection reaches. */
export type Measured = {
  /** Null: of nobody yet. */
  owners: { ownerId: string | null; count: number }[]
  /** How many were used since each moment that was asked about; null: of this kind that is not told. */
  used: number[] | null
  /** The tokens that end: those selected, or made from what is. */
  parts: Part[]
  /** Connections that end, by provider, and by project, of which one may reach several. */
  linked: { providerId: string; count: number }[]
  reached: { projectId: string; count: number }[]
}
const reachesNothing = { used: null, parts: [], linked: [], reached: [] }

function tokenSelection({ filter, asOf }: Selected): Selection<TokenFilter> {
  const { kind: _, status: __, program: ___, request: _4, except: _5, idleSeconds: _6, ...chosen } = filter
  return { filter: { ...chosen, madeBefore: earlier(chosen.madeBefore, asOf), state: 'live', generation: 0 }, asOf }
}

const connectionWhere = async (tx: ReadTx, tenantId: string, { filter, asOf }: Selected) => {
  const { kind: _, strategy: __, program: ___, request: _4, except: _5, idleSeconds: _6, status, ...rest } = filter
  const chosen = { ...rest, madeBefore: earlier(rest.madeBefore, asOf), status: status ?? 'standing' } as const
  return connectionsWhere(tenantId, chosen, await frozenWhere(tx, tenantId, asOf))
}

/** As the list of grants has it; of these, a status is whether they are frozen. */
function grantFilter({ filter, asOf }: Selected): GrantFilter {
  const { kind: _, status, strategy: __, request: ___, except: _4, idleSeconds: _5, ...chosen } = filter
  return { ...chosen, madeBefore: earlier(chosen.madeBefore, asOf), state: status === 'frozen' ? 'frozen' : 'standing' }
}

const sessionFilter = ({ filter, asOf }: Selected): SessionFilter => ({
  ...filter,
  idleSeconds: filter.idleSeconds ?? 0,
  madeBefore: earlier(filter.madeBefore, asOf),
})

const requestFilter = ({ filter, asOf }: Selected): RequestFilter => ({
  ...filter,
  madeBefore: earlier(filter.madeBefore, asOf),
})

/** Of ids that were named before, those that are among these. */
const both = (ids: string[] | undefined, among: string[] | undefined) =>
  ids && among ? among.filter((id) => ids.includes(id)) : (among ?? ids)

const place = ({ after, take, among }: Page) => ({
  where: { id: { gt: after, ...(among && { in: among }) } },
  page: { orderBy: { id: 'asc' as const }, take, select: { id: true } },
})
const idsOf = (rows: { id: string }[]) => rows.map(({ id }) => id)

const kinds: Record<SelectedKind, Kind> = {
  tokens: {
    ids: (tx, tenantId, selection, { after, take, among }) => {
      const { filter, asOf } = tokenSelection(selection)
      return selectTokenIds(
        tx,
        tenantId,
        { filter: { ...filter, ids: both(filter.ids, among) }, asOf },
        { after, take },
      )
    },
    count: (tx, tenantId, selection) => countSelectedTokens(tx, tenantId, tokenSelection(selection)),
    measure: async (tx, tenantId, selection, usedSince) => ({
      ...reachesNothing,
      ...(await measureTokens(tx, tenantId, tokenSelection(selection), usedSince)),
    }),
  },
  connections: {
    ids: async (tx, tenantId, selection, asked) => {
      const { where, page } = place(asked)
      const matching = await connectionWhere(tx, tenantId, selection)
      return idsOf(await tx.connection.findMany({ ...page, where: { AND: [matching, where] } }))
    },
    count: async (tx, tenantId, selection) =>
      tx.connection.count({ where: await connectionWhere(tx, tenantId, selection) }),
    measure: measureConnections,
    hold: lockConnections,
  },
  grants: {
    ids: (tx, tenantId, selection, { after, take, among }) => {
      const filter = grantFilter(selection)
      return selectGrantIds(tx, tenantId, { ...filter, ids: both(filter.ids, among) }, { after, take })
    },
    count: (tx, tenantId, selection) => countSelectedGrants(tx, tenantId, grantFilter(selection)),
    measure: async (tx, tenantId, selection, usedSince) => {
      const asked = { asOf: selection.asOf, usedSince }
      return { ...reachesNothing, ...(await measureGrants(tx, tenantId, grantFilter(selection), asked)) }
    },
    hold: (tx, tenantId, ids) => lockGrants(tx, tenantId, ids),
  },
  sessions: {
    ids: (tx, tenantId, selection, { after, take, among }) => {
      const filter = sessionFilter(selection)
      return selectSessionIds(tx, tenantId, { ...filter, ids: both(filter.ids, among) }, { after, take })
    },
    count: (tx, tenantId, selection) => countTenantSessions(tx, tenantId, sessionFilter(selection)),
    measure: async (tx, tenantId, selection) => ({
      ...reachesNothing,
      owners: await sessionOwners(tx, tenantId, sessionFilter(selection)),
    }),
    // Its person may be signing out.
    hold: (tx, _, ids) => holdSessions(tx, ids),
  },
  requests: {
    ids: (tx, tenantId, selection, { after, take, among }) => {
      const filter = requestFilter(selection)
      return selectRequestIds(tx, tenantId, { ...filter, ids: both(filter.ids, among) }, { after, take })
    },
    count: (tx, tenantId, selection) => countOpenRequests(tx, tenantId, requestFilter(selection)),
    measure: async (tx, tenantId, selection) => ({
      ...reachesNothing,
      owners: await requestOwners(tx, tenantId, requestFilter(selection)),
    }),
  },
}

/** Ids of a selection in their order, behind `after`; `among`: of these alone. */
export const selectIds = (
  tx: ReadTx,
  tenantId: string,
  selection: Selected,
  { after = '', take, among }: { after?: string | undefined; take: number; among?: string[] },
): Promise<string[]> => kinds[selection.filter.kind].ids(tx, tenantId, selection, { after, take, among })

/** Those of these ids that match still, under a lock where they have one. */
export async function holdSelected(tx: Tx, tenantId: string, selection: Selected, ids: string[]): Promise<string[]> {
  const { hold } = kinds[selection.filter.kind]
  if (!hold || ids.length === 0) return ids
  await hold(tx, tenantId, ids)
  return selectIds(tx, tenantId, selection, { take: ids.length, among: ids })
}

/** How many are in a selection. */
export const countSelected = (tx: ReadTx, tenantId: string, selection: Selected): Promise<number> =>
  kinds[selection.filter.kind].count(tx, tenantId, selection)

export const measureSelection = (
  tx: ReadTx,
  tenantId: string,
  selection: Selected,
  usedSince: UsedSince,
): Promise<Measured> => kinds[selection.filter.kind].measure(tx, tenantId, selection, usedSince)

async function measureConnections(
  tx: ReadTx,
  tenantId: string,
  selection: Selected,
  usedSince: UsedSince,
): Promise<Measured> {
  const where = await connectionWhere(tx, tenantId, selection)
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
  return {
    owners: byCount(groups),
    used,
    parts: await partsOf(tx, { ...livingTokens(tenantId, selection.asOf), generation: 0, connection: where }),
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
