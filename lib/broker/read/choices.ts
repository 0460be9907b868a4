import { type Actor, requirePermission } from '../../actor.ts'
import type { Context } from '../../context.ts'
import { listClientNames } from '../../store/clients.ts'
import { readTenant } from '../../store/database.ts'
import { listProjectNames } from '../../store/projects.ts'
import { listProviderNames } from '../../store/providers.ts'

/** What a list of everybody's things is filtered by. */
export type Choices = {
  projects: { id: string; name: string }[]
  providers: { id: string; name: string; kind: string }[]
  clients: { id: string; name: string }[]
}

/** Names alone, read at once: a page that offers them needs nothing else of what they stand for. @throws BrokerError forbidden */
export async function choicesOf(ctx: Context, actor: Actor): Promise<Choices> {
  requirePermission(actor, 'oversee')
  const { tenantId, userId } = actor
  return readTenant(ctx, tenantId, async (tx) => ({
    projects: await listProjectNames(tx, tenantId, userId, { all: true }),
    providers: await listProviderNames(tx, tenantId),
    clients: await listClientNames(tx, tenantId),
  }))
}
