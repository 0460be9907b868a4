import { tellEndings } from '../broker/notifications.ts'
import type { Context } from '../context.ts'
import type { Tx } from '../store/database.ts'
import { tenantIds } from '../store/lookups.ts'
import { sweepNotifications as sweepRows } from '../store/notifications.ts'
import { asSystem } from '../store/system.ts'
import { sweepDeliveries, wipePreviousSecrets } from '../store/webhooks.ts'

/** Tenant by tenant; one tenant's failure is logged and never stops the rest. */
async function everyTenant(ctx: Context, work: string, handle: (tenantId: string) => Promise<unknown>): Promise<void> {
  for (const tenantId of await tenantIds(ctx))
    await handle(tenantId).catch((error: unknown) =>
      ctx.log.warn({ err: error, work, tenant: tenantId }, 'one tenant failed; the others continue'),
    )
}

/** Tells everybody whose grant ends soon, and ends what has ended. */
export const notifyEndings = (ctx: Context): Promise<void> =>
  everyTenant(ctx, 'endings', (tenantId) => tellEndings(ctx, tenantId))

const keptMilliseconds = 30 * 24 * 3600 * 1000
const batchesMax = 20

/** Deletes messages and read notifications of more than 30 days ago, and signing keys whose day of grace is over. */
export async function sweepNotifications(ctx: Context): Promise<void> {
  const before = new Date(ctx.now().getTime() - keptMilliseconds)
  const inBatches = async (tenantId: string, sweep: (tx: Tx, tenantId: string, before: Date) => Promise<boolean>) => {
    for (let batch = 0; batch < batchesMax; batch += 1)
      if (!(await asSystem(ctx, tenantId, 'job', (tx) => sweep(tx, tenantId, before)))) return
  }
  await everyTenant(ctx, 'notifications sweep', async (tenantId) => {
    await inBatches(tenantId, sweepRows)
    await inBatches(tenantId, sweepDeliveries)
    await asSystem(ctx, tenantId, 'job', (tx) => wipePreviousSecrets(tx, tenantId, ctx.now()))
  })
}
