import { type Actor, requirePermission } from '../actor.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { act } from '../store/authority.ts'
import { type ReadTx, readTenant } from '../store/database.ts'
import {
  type ClientDocuments,
  type DeviceFlow,
  findClientDocuments,
  findDeviceFlow,
  putClientDocuments,
  putDeviceFlow,
} from '../store/policies.ts'

/** What a tenant says for itself as a whole. */
export type TenantPolicy = { deviceFlow: DeviceFlow; clientDocuments: ClientDocuments }

const read = <T>(at: Context | ReadTx, tenantId: string, work: (tx: ReadTx) => Promise<T>): Promise<T> =>
  'db' in at ? readTenant(at, tenantId, work) : work(at)

/** How a tenant's members let devices in. Whoever is sent a link types its code, until the tenant says otherwise (RFC 8628 5.4). */
export const deviceFlowOf = async (at: Context | ReadTx, tenantId: string): Promise<DeviceFlow> =>
  (await read(at, tenantId, (tx) => findDeviceFlow(tx, tenantId))) ?? 'typed'

/**
 * Which programs that nobody registered a tenant's members let in. Until the tenant says otherwise, those whose answers stay at the
 * member's computer: a page elsewhere that plays a program gets nothing then, whatever a member is talked into.
 */
export const clientDocumentsOf = async (at: Context | ReadTx, tenantId: string): Promise<ClientDocuments> =>
  (await read(at, tenantId, (tx) => findClientDocuments(tx, tenantId))) ?? 'this_computer'

export async function tenantPolicy(ctx: Context, actor: Actor): Promise<TenantPolicy> {
  requirePermission(actor, 'read')
  return readTenant(ctx, actor.tenantId, (tx) => policyOf(tx, actor.tenantId))
}

const policyOf = async (tx: ReadTx, tenantId: string): Promise<TenantPolicy> => ({
  deviceFlow: await deviceFlowOf(tx, tenantId),
  clientDocuments: await clientDocumentsOf(tx, tenantId),
})

export type PolicyChange = { [Name in keyof TenantPolicy]?: TenantPolicy[Name] | undefined }

/** Counts from the next answer on; what was allowed before stays. What is left out stays as it is. @throws BrokerError forbidden */
export async function changeTenantPolicy(
  ctx: Context,
  actor: Actor,
  { deviceFlow, clientDocuments }: PolicyChange,
): Promise<TenantPolicy> {
  return act(ctx, actor, 'administer', async (tx, { tenantId }) => {
    if (deviceFlow) await putDeviceFlow(tx, tenantId, deviceFlow)
    if (clientDocuments) await putClientDocuments(tx, tenantId, clientDocuments)
    await record(tx, tenantId, ctx.now(), actor, {
      action: 'policy.changed',
      outcome: 'ok',
      target: { kind: 'tenant', id: tenantId },
      details: {
        ...(deviceFlow && { device_flow: deviceFlow }),
        ...(clientDocuments && { client_documents: clientDocuments }),
      },
    })
    return policyOf(tx, tenantId)
  })
}
