import { type Actor, ownUnless, requirePermission } from '../../actor.ts'
import { noteRead } from '../../audit/access.ts'
import { type AuditView, toAuditView } from '../../audit/list.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { configured, kinds } from '../../providers/index.ts'
import type { Flow, HeldToken } from '../../providers/kind.ts'
import { listEventsAbout } from '../../store/audit.ts'
import {
  type ConnectionFilter,
  type ConnectionRow,
  type ConnectionStatus,
  countConnections,
  findConnection,
  listConnections,
} from '../../store/connections.ts'
import { readTenant } from '../../store/database.ts'
import { frozenConnections, frozenWhere } from '../../store/freezes.ts'
import { lookUp } from '../../store/search.ts'
import type { Given } from '../../store/selections.ts'
import { type FrozenState, toFrozenState } from '../freezes.ts'
import { countLimit, type Page, type PageInput, pageSize, placing, toPage } from './page.ts'

type ProjectReference = { id: string; name: string; alias: string; externalId: string }

/** A token that was pasted in place of a consent, as its kind reads what was noted of it. */
export type PastedView = HeldToken & {
  title: string
  /** The owner wants to read no more of what it lacks. */
  warningOff: boolean
  rotateDays: number | null
  nextRotationAt: Date | null
  lastRotationAt: Date | null
}

export type ConnectionView = FrozenState & {
  id: string
  ownerId: string
  /** `isRemoved`: nothing is linked at it any more. */
  provider: { id: string; name: string; kind: string; isRemoved: boolean }
  /** The first of those that it reaches. */
  project: ProjectReference | null
  projects: ProjectReference[]
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
  /** When somebody last asked for its token, in steps of five minutes. */
  usedAt: Date | null
  /** Renewals do not prolong it: the upstream set its end from the start. */
  grantFixed: boolean
  linkedAt: Date
  branch: string | null
  /** Null: it came of a consent. */
  pasted: PastedView | null
} & ByFlow

/** How a connection came about, and what follows from that. */
export type ByFlow = {
  /** A way to link of its kind; null: the ordinary one. */
  flow: string | null
  /** Ways that its provider offers, to which it can be moved: it keeps its projects, aliases and history. */
  movesTo: Flow[]
  /** Whether disconnecting ends the grant upstream. */
  revocable: boolean
  /** Whether it is a session that a person has at the upstream, which lists theirs. */
  listsSessions: boolean
}

export function byFlow({ flow }: Pick<ConnectionRow, 'flow'>, provider: Parameters<typeof configured>[0]): ByFlow {
  const made = configured(provider)
  const flows = made?.kind.flows?.(made.settings) ?? []
  const own = flows.find(({ name }) => name === flow)
  return {
    flow,
    movesTo: flow === null ? [...flows] : [],
    // Whatever the provider offers by now, what came by a way of its own is ended as that.
    listsSessions: own?.listsSessions ?? false,
    revocable: own?.revokesGrants ?? (flow !== null || (made?.kind.revokesGrants ?? false)),
  }
}

type ConnectionWithRelations = NonNullable<Awaited<ReturnType<typeof findConnection>>>

export const healthOf = (row: ConnectionRow) => ({
  status: row.status as ConnectionStatus,
  cause: row.cause,
  statusSince: row.statusSince,
  lastRefreshAt: row.lastRefreshAt,
  nextTryAt: row.nextTryAt,
  nextRenewalAt: row.refreshDueAt,
  servesUntil: row.accessExpiresAt,
  grantExpiresAt: row.grantExpiresAt,
  usedAt: row.usedAt,
  // Asking about a pasted token never prolongs it.
  grantFixed: row.grantFixed || row.grantedBy === 'pasted',
})

export function pastedOf(row: ConnectionRow, kind: string): PastedView | null {
  const pasted = kinds.get(kind)?.pasted
  if (row.grantedBy !== 'pasted' || !pasted) return null
  return {
    ...pasted.view(row.held ?? ''),
    title: pasted.title,
    warningOff: row.warningOff,
    rotateDays: row.rotateDays,
    nextRotationAt: row.rotateAt,
    lastRotationAt: row.rotatedAt,
  }
}

function toConnectionView(row: ConnectionWithRelations, state: FrozenState): ConnectionView {
  const [link] = row.projects
  const projects = row.projects.map(({ project: { id, name, alias, externalId } }) => ({ id, name, alias, externalId }))
  return {
    id: row.id,
    ownerId: row.userId,
    provider: {
      id: row.provider.id,
      name: row.provider.name,
      kind: row.provider.kind,
      isRemoved: row.provider.removedAt !== null,
    },
    project: projects[0] ?? null,
    projects,
    accountName: row.accountName,
    upstreamRole: link?.role ?? null,
    ...healthOf(row),
    ...state,
    ...byFlow(row, row.provider),
    linkedAt: row.linkedAt,
    branch: row.branchId,
    pasted: pastedOf(row, row.provider.kind),
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

/** Connections, newest first: a member's own, everybody's for who oversees the tenant (`everybody`). */
export async function connectionPage(
  ctx: Context,
  actor: Actor,
  { everybody = false, order, before, ...filter }: Given<ConnectionFilter> & PageInput,
): Promise<Page<ConnectionView>> {
  if (everybody) requirePermission(actor, 'oversee')
  const { place, textOf } = placing<ConnectionRow>({ order, before }, (row, by) =>
    by === 'ends' ? row.grantExpiresAt : row.usedAt,
  )
  const asked = everybody ? filter : { ...filter, userId: actor.userId }
  const page = await readTenant(ctx, actor.tenantId, async (tx) => {
    const named = await lookUp(tx, actor.tenantId, asked)
    const frozen = await frozenWhere(tx, actor.tenantId, ctx.now())
    const rows = await listConnections(tx, actor.tenantId, named, { frozen, ...place, take: pageSize + 1 })
    const counted = await countConnections(tx, actor.tenantId, named, { frozen, most: countLimit + 1 })
    const ids = rows.map(({ id }) => id)
    const facts = await frozenConnections(tx, actor.tenantId, ids)
    const views = rows.map((row) => toConnectionView(row, toFrozenState(facts.get(row.id), 'connection', actor)))
    return toPage(views, counted, (at) => textOf(rows[at]))
  })
  if (everybody) await noteRead(ctx, actor, 'listConnections', filter.userId)
  return page
}
