import { type Actor, requirePermission } from '../actor.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { act } from '../store/authority.ts'
import { type ReadTx, readTenant } from '../store/database.ts'
import { type DeviceFlow, findDeviceFlow, putDeviceFlow } from '../store/policies.ts'

/** What a tenant says for itself as a whole. */
export type TenantPolicy = { deviceFlow: DeviceFlow }

/** How a tenant's members let devices in. Whoever is sent a link types its code, until the tenant says otherwise (RFC 8628 5.4). */
export async function deviceFlowOf(at: Context | ReadTx, tenantId: string): Promise<DeviceFlow> {
  const read = (tx: ReadTx) => findDeviceFlow(tx, tenantId)
  return (await ('db' in at ? readTenant(at, tenantId, read) : read(at))) ?? 'typed'
}

export async function tenantPolicy(ctx: Context, actor: Actor): Promise<TenantPolicy> {
  requirePermission(actor, 'read')
  return { deviceFlow: await deviceFlowOf(ctx, actor.tenantId) }
}

/** Counts from the next answer on; what was allowed before stays. @throws BrokerError forbidden */
export async function changeTenantPolicy(
  ctx: Context,
  actor: Actor,
  { deviceFlow }: TenantPolicy,
): Promise<TenantPolicy> {
  return act(ctx, actor, 'administer', async (tx, { tenantId }) => {
    await putDeviceFlow(tx, tenantId, deviceFlow)
    await record(tx, tenantId, ctx.now(), actor, {
      action: 'policy.changed',
      outcome: 'ok',
      target: { kind: 'tenant', id: tenantId },
      details: { device_flow: deviceFlow },
    })
    return { deviceFlow }
  })
}
