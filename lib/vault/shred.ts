import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { move } from '../store/connection-states.ts'
import { readTenant } from '../store/database.ts'
import { countAtStake, deleteTenantKeys, endShreddedWork, lockTenantKeys } from '../store/keys.ts'
import { sealedColumns, wipeSealed } from '../store/sealed.ts'
import { asSystem } from '../store/system.ts'

/** What {@link shredTenant} would cut off from being revoked upstream. */
export const shredPreview = (ctx: Context, tenantId: string): Promise<{ grants: number; tokens: number }> =>
  readTenant(ctx, tenantId, (tx) => countAtStake(tx, tenantId, ctx.now()))

/**
 * Destroys a tenant's data keys, and with them every sealed value; empties the values as well. At once for this process,
 * and for refreshes everywhere; another process may hold the keys opened for a minute, but finds nothing to open.
 * Not undone, and not complete: WAL and backups hold the wrapped keys until they expire, and whoever has those *and* the
 * instance key can open them. It revokes nothing upstream.
 */
export async function shredTenant(ctx: Context, tenantId: string): Promise<{ keys: number; values: number }> {
  const done = await asSystem(ctx, tenantId, 'keys', async (tx) => {
    await lockTenantKeys(tx, tenantId)
    const now = ctx.now()
    let values = 0
    for (const place of sealedColumns) values += await wipeSealed(tx, tenantId, place)
    await move(tx, { tenantId }, 'shred', now, {})
    await endShreddedWork(tx, tenantId, now)
    const { count: keys } = await deleteTenantKeys(tx, tenantId)
    const target = { kind: 'tenant', id: tenantId } as const
    const event = { action: 'tenant.shredded', outcome: 'ok', target, details: { keys, values } } as const
    await record(tx, tenantId, now, { userId: null }, event)
    return { keys, values }
  })
  ctx.tenantKeys.delete(tenantId)
  return done
}
