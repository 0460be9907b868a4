import { type Actor, requirePermission } from '../../actor.ts'
import { noteRead } from '../../audit/access.ts'
import type { Context } from '../../context.ts'
import { readTenant } from '../../store/database.ts'
import { countOpenRequests, listOpenRequests, type OpenRequest, type RequestFilter } from '../../store/requests.ts'
import { lookUp } from '../../store/search.ts'
import type { Given } from '../../store/selections.ts'
import { countLimit, type Page, pageSize, placing, toPage } from './page.ts'

type Named = { id: string; name: string }

/** What is open and would let somebody or something in once it is answered. */
export type RequestView = Pick<OpenRequest, 'id' | 'kind' | 'approved' | 'address' | 'createdAt' | 'expiresAt'> & {
  /** Whom it waits for, or who began it; null: nobody has typed the code yet. */
  ownerId: string | null
  /** Of a link. */
  provider: Named | null
  project: Named | null
  /** The program that asks, or is to be let in. */
  client: Named | null
}

/** Everybody's that is open in the tenant, what ends soonest first. @throws BrokerError forbidden */
export async function requestPage(
  ctx: Context,
  actor: Actor,
  { before, ...filter }: Given<RequestFilter> & { before?: string | undefined },
): Promise<Page<RequestView>> {
  requirePermission(actor, 'oversee')
  const { tenantId } = actor
  const { place, textOf } = placing<OpenRequest>({ order: 'ends', before }, ({ expiresAt }) => expiresAt)
  const { rows, counted } = await readTenant(ctx, tenantId, async (tx) => {
    const chosen = await lookUp(tx, tenantId, filter)
    const rows = await listOpenRequests(tx, tenantId, chosen, { ...place, take: pageSize + 1 })
    const counted = await countOpenRequests(tx, tenantId, chosen, countLimit + 1)
    return { rows, counted }
  })
  await noteRead(ctx, actor, 'listRequests', filter.userId)
  const named = (id: string | null, name: string | null) => (id === null ? null : { id, name: name ?? id })
  const views = rows.map(({ id, kind, userId, approved, address, createdAt, expiresAt, ...row }) => ({
    ...{ id, kind, ownerId: userId, approved, address, createdAt, expiresAt },
    provider: named(row.providerId, row.providerName),
    project: named(row.projectId, row.projectName),
    client: named(row.clientId, row.clientName),
  }))
  return toPage(views, counted, (index) => textOf(rows[index]))
}
