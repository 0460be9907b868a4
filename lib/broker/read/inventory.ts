import { type Actor, may, ownUnless, requirePermission } from '../../actor.ts'
import { noteRead } from '../../audit/access.ts'
import { type AuditView, toAuditView } from '../../audit/list.ts'
import { record } from '../../audit/record.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { listEventsAbout } from '../../store/audit.ts'
import { act } from '../../store/authority.ts'
import {
  type ConnectionFilter,
  type ConnectionRow,
  type ConnectionStatus,
  countConnections,
  findConnection,
  listConnections,
  updateConnection,
} from '../../store/connections.ts'
import { readTenant } from '../../store/database.ts'
import { type Frozen, frozenConnections, frozenProjects, frozenWhere } from '../../store/freezes.ts'
import { listMembers } from '../../store/members.ts'
import { findProject, findProjectWithLink, listProjects, viewerOf } from '../../store/projects.ts'
import { listUnconfirmed } from '../../store/revocations.ts'
import { findTenant } from '../../store/tenants.ts'
import { countLiveByProject, countTokens, findToken, listTokens, type TokenFilter } from '../../store/tokens.ts'
import { type FrozenState, toFrozenState } from '../freezes.ts'
import { type LifetimeCap, lifetimeCap } from '../issue.ts'
import { latestMomentOf, type TokenView, toTokenView } from './token.ts'

export type ConnectionView = FrozenState & {
  id: string
  ownerId: string
  provider: { id: string; name: string; kind: string }
  project: { id: string; name: string; alias: string; externalId: string } | null
  accountName: string
  /** The linker's role upstream, as the upstream calls it. */
  upstreamRole: string | null
  status: ConnectionStatus
  cause: string | null
  statusSince: Date
  lastRefreshAt: Date | null
  /** While it rests after a failure. */
  nextTryAt: Date | null
  /** When the background renews it by itself. */
  nextRenewalAt: Date | null
  /** Until when the access token that is stored works, whatever the upstream does. */
  servesUntil: Date | null
  /** When the grant ends unless it is renewed, where that is known. */
  grantExpiresAt: Date | null
  /** Renewals do not prolong it: the upstream set its end from the start. */
  grantFixed: boolean
  linkedAt: Date
  branchId: string | null
}

type ConnectionWithRelations = NonNullable<Awaited<ReturnType<typeof findConnection>>>

const healthOf = (row: ConnectionRow) => ({
  status: row.status as ConnectionStatus,
  cause: row.cause,
  statusSince: row.statusSince,
  lastRefreshAt: row.lastRefreshAt,
  nextTryAt: row.nextTryAt,
  nextRenewalAt: row.refreshDueAt,
  servesUntil: row.accessExpiresAt,
  grantExpiresAt: row.grantExpiresAt,
  grantFixed: row.grantFixed,
})

function toConnectionView(row: ConnectionWithRelations, state: FrozenState): ConnectionView {
  const [link] = row.projects
  return {
    id: row.id,
    ownerId: row.userId,
    provider: { id: row.provider.id, name: row.provider.name, kind: row.provider.kind },
    project: link
      ? { id: link.project.id, name: link.project.name, alias: link.project.alias, externalId: link.project.externalId }
      : null,
    accountName: row.accountName,
    upstreamRole: link?.role ?? null,
    ...healthOf(row),
    ...state,
    linkedAt: row.linkedAt,
    branchId: row.branchId,
  }
}

export type ConnectionDetail = ConnectionView & { timeline: AuditView[] }

/** One connection with what happened to it. @throws BrokerError not_found, for another member's as well unless the viewer oversees */
export async function connectionDetail(ctx: Context, actor: Actor, id: string): Promise<ConnectionDetail> {
  const detail = await readTenant(ctx, actor.tenantId, async (tx) => {
    const row = await findConnection(tx, actor.tenantId, id, ownUnless(actor, 'oversee'))
    if (!row) throw new BrokerError('not_found')
    const events = await listEventsAbout(tx, actor.tenantId, 'connection', id, 50)
    const facts = (await frozenConnections(tx, actor.tenantId, [id])).get(id)
    return { ...toConnectionView(row, toFrozenState(facts, 'connection', actor)), timeline: events.map(toAuditView) }
  })
  if (detail.ownerId !== actor.userId) await noteRead(ctx, actor, 'readConnection', id)
  return detail
}

/** `frozen`: what keeps the viewer from it; `frozenItself`: of the project. */
export type ProjectCard = FrozenState & {
  id: string
  name: string
  alias: string
  externalId: string
  region: string | null
  provider: { id: string; name: string; kind: string; host: string }
  /** The viewer's own connection; null where they have not linked it. */
  connection: Omit<ConnectionView, 'project' | 'provider'> | null
  /** The viewer's own living tokens. */
  tokensOut: number
}

type ProjectWithLink = NonNullable<Awaited<ReturnType<typeof findProjectWithLink>>>

function toCard(
  row: Omit<ProjectWithLink, 'aliases'>,
  viewer: Actor,
  facts: Frozen[] | undefined,
  tokensOut: number,
): ProjectCard {
  const [own] = row.links
  return {
    id: row.id,
    name: row.name,
    alias: row.alias,
    externalId: row.externalId,
    region: row.region,
    provider: {
      id: row.provider.id,
      name: row.provider.name,
      kind: row.provider.kind,
      host: new URL(row.provider.issuer).host,
    },
    connection: own
      ? {
          id: own.connection.id,
          ownerId: own.connection.userId,
          accountName: own.connection.accountName,
          upstreamRole: own.role,
          ...healthOf(own.connection),
          ...toFrozenState(facts, 'connection', viewer),
          linkedAt: own.connection.linkedAt,
          branchId: own.connection.branchId,
        }
      : null,
    ...toFrozenState(facts, 'project', viewer),
    tokensOut,
  }
}

/**
 * The projects that a person sees: those they linked; who oversees the tenant sees all. What another member linked is
 * not shown to members, so nobody learns of another's link (LK-03).
 */
export async function projectCards(ctx: Context, actor: Actor): Promise<ProjectCard[]> {
  return readTenant(ctx, actor.tenantId, async (tx) => {
    const rows = await listProjects(tx, actor.tenantId, actor.userId, { all: may(actor, 'oversee') })
    const live = await countLiveByProject(tx, actor.tenantId, actor.userId, ctx.now())
    const ids = rows.map(({ id }) => id)
    const facts = await frozenProjects(tx, actor.tenantId, actor.userId, ids)
    return rows.map((row) => toCard(row, actor, facts.get(row.id), live.get(row.id) ?? 0))
  })
}

export type ProjectDetail = ProjectCard & {
  aliases: string[]
  cap: LifetimeCap
  tokens: TokenView[]
  timeline: AuditView[]
}

/** One project as its viewer sees it. @throws BrokerError not_found, also for a project that only others linked */
export async function projectDetail(ctx: Context, actor: Actor, idOrAlias: string): Promise<ProjectDetail> {
  return readTenant(ctx, actor.tenantId, async (tx) => {
    const found = await findProject(tx, actor.tenantId, viewerOf(actor), idOrAlias)
    const row = found && (await findProjectWithLink(tx, actor.tenantId, found.id, actor.userId))
    const own = row?.links[0]
    if (!row || !(own || may(actor, 'oversee'))) throw new BrokerError('not_found')
    const now = ctx.now()
    const tenant = await findTenant(tx, actor.tenantId)
    const filter = { userId: actor.userId, projectId: row.id }
    const tokens = await listTokens(tx, actor.tenantId, filter, { now, take: 50 })
    const events = own ? await listEventsAbout(tx, actor.tenantId, 'connection', own.connectionId, 50) : []
    const facts = (await frozenProjects(tx, actor.tenantId, actor.userId, [row.id])).get(row.id)
    return {
      ...toCard(
        row,
        actor,
        facts,
        await countTokens(tx, actor.tenantId, { ...filter, state: 'live' }, now, countLimit),
      ),
      aliases: row.aliases.map((alias) => alias.alias),
      cap: lifetimeCap({
        project: row.maxLifetimeSeconds,
        provider: row.provider.maxLifetimeSeconds,
        tenant: tenant?.maxLifetimeSeconds ?? 3600,
      }),
      tokens: tokens.map((token) => toTokenView(token, now)),
      timeline: events.map(toAuditView),
    }
  })
}

/** Counting goes on up to here: what it costs does not grow with the tenant. */
export const countLimit = 1_000
/** How many there are; `totalIsCapped`: there are more than that. */
export type Total = { total: number; totalIsCapped: boolean }
export type Page<T> = Total & { items: T[]; next: string | null }
const pageSize = 50

/** What a count that stops at `countLimit + 1` says. */
export const toTotal = (counted: number): Total => ({
  total: Math.min(counted, countLimit),
  totalIsCapped: counted > countLimit,
})

/** `rows` is one more than a page where there is another one. */
function toPage<T extends { id: string }>(rows: T[], counted: number): Page<T> {
  const items = rows.slice(0, pageSize)
  return { ...toTotal(counted), items, next: rows.length > pageSize ? (items.at(-1)?.id ?? null) : null }
}

/** Tokens, newest first; a member's own, everybody's for who oversees the tenant (`everybody`). */
export async function tokenPage(
  ctx: Context,
  actor: Actor,
  { everybody = false, before, ...filter }: TokenFilter & { everybody?: boolean; before?: string | undefined },
): Promise<Page<TokenView>> {
  if (everybody) requirePermission(actor, 'oversee')
  const named = everybody ? filter : { ...filter, userId: actor.userId }
  const page = await readTenant(ctx, actor.tenantId, async (tx) => {
    const now = ctx.now()
    const rows = await listTokens(tx, actor.tenantId, named, { now, before, take: pageSize + 1 })
    const counted = await countTokens(tx, actor.tenantId, named, now, countLimit + 1)
    return toPage(
      rows.map((row) => toTokenView(row, now)),
      counted,
    )
  })
  if (everybody) await noteRead(ctx, actor, 'listTokens', filter.userId)
  return page
}

/** @throws BrokerError not_found, for another member's token as well unless the viewer oversees the tenant */
export async function readToken(ctx: Context, actor: Actor, id: string): Promise<TokenView> {
  const of = ownUnless(actor, 'oversee')
  const row = await readTenant(ctx, actor.tenantId, (tx) => findToken(tx, actor.tenantId, id, of))
  if (!row) throw new BrokerError('not_found')
  if (row.userId !== actor.userId) await noteRead(ctx, actor, 'readToken', id)
  return toTokenView(row, ctx.now())
}

/** Connections, newest first: a member's own, everybody's for who oversees the tenant (`everybody`). */
export async function connectionPage(
  ctx: Context,
  actor: Actor,
  { everybody = false, before, ...filter }: ConnectionFilter & { everybody?: boolean; before?: string | undefined },
): Promise<Page<ConnectionView>> {
  if (everybody) requirePermission(actor, 'oversee')
  const named = everybody ? filter : { ...filter, userId: actor.userId }
  const page = await readTenant(ctx, actor.tenantId, async (tx) => {
    const frozen = await frozenWhere(tx, actor.tenantId, ctx.now())
    const rows = await listConnections(tx, actor.tenantId, named, { frozen, before, take: pageSize + 1 })
    const counted = await countConnections(tx, actor.tenantId, named, { frozen, most: countLimit + 1 })
    const ids = rows.map(({ id }) => id)
    const facts = await frozenConnections(tx, actor.tenantId, ids)
    const views = rows.map((row) => toConnectionView(row, toFrozenState(facts.get(row.id), 'connection', actor)))
    return toPage(views, counted)
  })
  if (everybody) await noteRead(ctx, actor, 'listConnections', filter.userId)
  return page
}

/** Sets the development branch that the linker works in (K-25). @throws BrokerError not_found */
export async function setBranch(
  ctx: Context,
  actor: Actor,
  { connectionId, branchId }: { connectionId: string; branchId: string | null },
): Promise<void> {
  await act(ctx, actor, 'work', async (tx, actor) => {
    const row = await findConnection(tx, actor.tenantId, connectionId, actor.userId)
    if (!row) throw new BrokerError('not_found')
    await updateConnection(tx, actor.tenantId, connectionId, { branchId })
    const target = { kind: 'connection', id: connectionId }
    const details = { branch: branchId }
    await record(tx, actor.tenantId, ctx.now(), actor, { action: 'connection.changed', outcome: 'ok', target, details })
  })
}

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

/** Names of a tenant's people by user id, for showing owners. */
export async function peopleNames(ctx: Context, tenantId: string): Promise<Map<string, string>> {
  const members = await readTenant(ctx, tenantId, (tx) => listMembers(tx, tenantId))
  return new Map(members.map((member) => [member.userId, member.user.email ?? member.user.name]))
}
