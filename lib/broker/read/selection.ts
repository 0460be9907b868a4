import { type Actor, ownUnless } from '../../actor.ts'
import { noteRead } from '../../audit/access.ts'
import type { Context } from '../../context.ts'
import { configured, rowFor } from '../../providers/index.ts'
import { type ReadTx, readTenant } from '../../store/database.ts'
import { projectsWithProviders } from '../../store/projects.ts'
import { providersById } from '../../store/providers.ts'
import { lookUpSelection, type Measured, measureSelection, type RevocableFilter } from '../../store/selections.ts'
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
  /** How many of them are known to have been used within the last day, and within the last hour. */
  usedLately: number
  usedInHour: number
  /** The twenty who own most of them, and how many own any. */
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
}

const hourMilliseconds = 3_600_000
const most = 20

/** A member's own, everybody's for who administers the tenant: what {@link import('../acts.ts').revokeSelection} would end. */
export async function previewSelection(ctx: Context, actor: Actor, filter: RevocableFilter): Promise<SelectionPreview> {
  const asOf = ctx.now()
  const of = ownUnless(actor, 'administer')
  const { tenantId } = actor
  const since = [24, 1].map((hours) => new Date(+asOf - hours * hourMilliseconds))
  const { measured, reach, audiences } = await readTenant(ctx, tenantId, async (tx) => {
    const selection = await lookUpSelection(tx, tenantId, { filter: { ...filter, of }, asOf })
    const measured = await measureSelection(tx, tenantId, selection, since)
    const { audiences, ...reach } = await reachOf(tx, tenantId, measured)
    return { measured, reach, audiences }
  })
  if (of === undefined) await noteRead(ctx, actor, 'previewRevocation', filter.userId)
  const { owners, parts, linked } = measured
  const [usedLately = 0, usedInHour = 0] = measured.used
  const first = owners.slice(0, most)
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
    ownerCount: owners.length,
    ...reach,
    breaks: { connections: sum(linked), audiences },
  }
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
    const effect = isOurs ? (offline ? 'at_end' : 'here') : made?.kind.endsTokens(made.settings) ? 'upstream' : 'at_end'
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
