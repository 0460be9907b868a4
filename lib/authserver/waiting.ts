import type { CookieCredential, Person } from '../actor.ts'
import { instanceTenant } from '../audit/record.ts'
import { type LinkRequestView, linkRequestsFor } from '../broker/link/ask.ts'
import type { Context } from '../context.ts'
import { claimedRequests, findLivingClient } from '../store/authorization-requests.ts'
import { readTenant } from '../store/database.ts'
import { tenantsOf } from '../store/lookups.ts'

/** Devices that are shown; whoever types more codes than that answers some first. */
const mostDevices = 20

/** What a person was asked and has not answered. `tenant`: the name of the one that it is about; null: they choose it. */
export type Waiting = { id: string; tenant: string | null; createdAt: Date; expiresAt: Date } & (
  | { kind: 'device'; program: string }
  | ({ kind: 'link' } & Pick<LinkRequestView, 'cause' | 'program' | 'provider' | 'project'>)
)

/** All that waits for a person: devices whose code they typed, and links that programs ask for in tenants that let them in. */
export async function waitingFor(ctx: Context, person: Person<CookieCredential>): Promise<Waiting[]> {
  const found: Waiting[] = []
  const tenants = (await tenantsOf(ctx, person)).filter(({ status, refused }) => status === 'active' && !refused)
  for (const { tenantId, name: tenant } of tenants)
    for (const asked of await linkRequestsFor(ctx, { tenantId, userId: person.userId }))
      found.push({ kind: 'link', tenant, ...asked })
  for (const { clientId, clientTenantId, ...claimed } of await claimedRequests(ctx, person.userId, mostDevices)) {
    const home = tenants.find(({ tenantId }) => tenantId === clientTenantId)
    // A tenant's client exists for its members alone.
    if (clientTenantId !== null && !home) continue
    const client = await readTenant(ctx, clientTenantId ?? instanceTenant, (tx) => findLivingClient(tx, clientId))
    if (client) found.push({ kind: 'device', tenant: home?.name ?? null, program: client.name, ...claimed })
  }
  return found.sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime())
}
