import { type Actor, may } from '../../actor.ts'
import { noteRead } from '../../audit/access.ts'
import type { Context } from '../../context.ts'
import { configured, rowFor } from '../../providers/index.ts'
import { sortOf } from '../../providers/rules.ts'
import { type ReadTx, readTenant } from '../../store/database.ts'
import { projectsWithProviders } from '../../store/projects.ts'
import { providersById } from '../../store/providers.ts'
import {
  countSelected,
  lookUpSelection,
  type Measured,
  measureSelection,
  type RevocableFilter,
} from '../../store/selections.ts'
import { listWebhooks } from '../../store/webhooks.ts'
import { ownSelection } from '../acts.ts'
import { requireEnding } from '../revoke.ts'
import { peopleNames } from './people.ts'

/**
 * What ends when something is revoked. `here`: it works through Valetkey, which refuses it at once. `upstream`: its upstream is asked to end
 * it, at once. `at_end`: it works on until it ends by itself. `copy`: of a connection, nothing but the copy that is stored here.
 */
export type Effect = 'here' | 'upstream' | 'at_end' | 'copy'

/** What revoking everything that a filter matches would reach, as of now. */
export type SelectionPreview = {
  /** The moment: what the act carries, so that nothing newer is touched. */
  asOf: Date
  count: number
  /** Living tokens: those chosen, or made from the connections chosen. */
  tokens: number
  /** How many of them are known to have been used within the last day, and within the last hour; null: of this kind it is not told. */
  usedLately: number | null
  usedInHour: number | null
  /** The twenty who own most of them, and how many own any; what waits for nobody yet is in neither. */
  owners: { ownerId: string; name: string | null; count: number }[]
  ownerCount: number
  /** The twenty projects of most of them, and how many there are; of connections those that they reach, of grants those of their tokens. */
  projects: { projectId: string; name: string; count: number }[]
  projectCount: number
  /** By provider: how many tokens and connections end there, how, and when the last of them ends by itself. */
  upstreams: {
    providerId: string
    name: string
    what: 'tokens' | 'connections'
    effect: Effect
    count: number
    latest: Date | null
  }[]
  /** Connections that are renewed no more, and the tenant's own APIs that refuse callers. */
  breaks: { connections: number; audiences: string[] }
  /** Of sessions: the one that asks matches, and stays. */
  keepsSession: boolean
  /** Webhooks that the owners of what ends have made: they go on, and tell of the tenant. For who administers. */
  webhooks: { webhookId: string; host: string; ownerId: string }[]
}

const hourMilliseconds = 3_600_000
const most = 20

/** A member's own, everybody's for who administers the tenant: what {@link import('../acts.ts').revokeSelection} would end. */
export async function previewSelection(ctx: Context, actor: Actor, filter: RevocableFilter): Promise<SelectionPreview> {
  const asOf = ctx.now()
  requireEnding(actor, filter.kind)
  const chosen = ownSelection(actor, filter)
  const { tenantId } = actor
  const since = [new Date(+asOf - 24 * hourMilliseconds), new Date(+asOf - hourMilliseconds)] as const
  const { measured, reach, audiences, webhooks, keepsSession } = await readTenant(ctx, tenantId, async (tx) => {
    const selection = await lookUpSelection(ctx, tx, tenantId, { filter: chosen, asOf })
    const measured = await measureSelection(tx, tenantId, selection, since)
    const { audiences, ...reach } = await reachOf(tx, tenantId, measured)
    const webhooks = may(actor, 'administer') ? await webhooksOf(tx, tenantId, measured) : []
    const asks = chosen.except === undefined ? [] : [chosen.except]
    const own = { ...selection, filter: { ...selection.filter, except: undefined, ids: asks } }
    const keepsSession = asks.length > 0 && (await countSelected(tx, tenantId, own)) > 0
    return { measured, reach, audiences, webhooks, keepsSession }
  })
  if (chosen.of === undefined) await noteRead(ctx, actor, 'previewRevocation', filter.userId)
  const { owners, parts, linked } = measured
  const [usedLately = null, usedInHour = null] = measured.used ?? []
  const owned = owners.flatMap(({ ownerId, count }) => (ownerId === null ? [] : [{ ownerId, count }]))
  const first = owned.slice(0, most)
  const names = await peopleNames(
    ctx,
    tenantId,
    first.map(({ ownerId }) => ownerId),
  )
  return {
    asOf,
    count: sum(owners),
    tokens: sum(parts),
    usedLately,
    usedInHour,
    owners: first.map(({ ownerId, count }) => ({ ownerId, name: names.get(ownerId) ?? null, count })),
    ownerCount: owned.length,
    ...reach,
    breaks: { connections: sum(linked), audiences },
    keepsSession,
    webhooks,
  }
}

/** Of a tenant that has a handful. */
async function webhooksOf(tx: ReadTx, tenantId: string, { owners }: Measured) {
  const makers = new Set(owners.map(({ ownerId }) => ownerId))
  return (await listWebhooks(tx, tenantId))
    .filter(({ createdBy, enabled }) => enabled && makers.has(createdBy))
    .map(({ id, url, createdBy }) => ({ webhookId: id, host: new URL(url).host, ownerId: createdBy }))
}

const sum = (rows: { count: number }[]) => rows.reduce((total, { count }) => total + count, 0)

async function reachOf(tx: ReadTx, tenantId: string, { parts, linked, reached }: Measured) {
  const ids = [...new Set([...parts, ...reached].map(({ projectId }) => projectId))]
  const projects = new Map((await projectsWithProviders(tx, tenantId, ids)).map((project) => [project.id, project]))
  const counts = new Map<string, number>()
  for (const { projectId, count } of reached.length > 0 ? reached : parts)
    counts.set(projectId, (counts.get(projectId) ?? 0) + count)
  const upstreams = new Map<string, SelectionPreview['upstreams'][number]>()
  const add = (one: SelectionPreview['upstreams'][number]) => {
    const key = `${one.what} ${one.providerId} ${one.effect}`
    const before = upstreams.get(key)
    const latest =
      [before?.latest, one.latest].filter((each) => each instanceof Date).sort((a, b) => +b - +a)[0] ?? null
    upstreams.set(key, { ...one, count: one.count + (before?.count ?? 0), latest })
  }
  const audiences = new Set<string>()
  for (const { projectId, strategy, offline, count, latest } of parts) {
    const project = projects.get(projectId)
    if (!project) continue
    const made = configured(rowFor(project.provider, project))
    if (made?.kind.own) audiences.add(project.name)
    const isOurs = strategy === 'proxy' || strategy === 'sign'
    const effect = isOurs
      ? offline
        ? 'at_end'
        : 'here'
      : made && sortOf(made.kind, strategy).endsTokens(made.settings)
        ? 'upstream'
        : 'at_end'
    add({ providerId: project.provider.id, name: project.provider.name, what: 'tokens', effect, count, latest })
  }
  const providers = await providersById(
    tx,
    tenantId,
    linked.map(({ providerId }) => providerId),
  )
  for (const { providerId, count } of linked) {
    const provider = providers.find(({ id }) => id === providerId)
    if (!provider) continue
    const effect = configured(provider)?.kind.revokesGrants ? 'upstream' : 'copy'
    add({ providerId, name: provider.name, what: 'connections', effect, count, latest: null })
  }
  return {
    projects: [...counts]
      .map(([projectId, count]) => ({ projectId, name: projects.get(projectId)?.name ?? projectId, count }))
      .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
      .slice(0, most),
    projectCount: counts.size,
    upstreams: [...upstreams.values()].sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1)),
    audiences: [...audiences].sort().slice(0, most),
  }
}
