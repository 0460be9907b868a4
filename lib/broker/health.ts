import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { lockConnection } from '../store/connections.ts'
import { withTenant } from '../store/database.ts'
import { type Actor, may, requirePermission } from '../tenancy/actor.ts'
import { renew } from './refresh.ts'

/**
 * Tries a connection's renewal now, although it rests after a failure: its owner's act, or an admin's.
 * @throws BrokerError not_found, needs_relink, frozen, not_linked, upstream_unavailable, client_not_registered
 */
export async function tryNow(ctx: Context, actor: Actor, connectionId: string): Promise<void> {
  requirePermission(actor, 'work')
  const { tenantId } = actor
  const connection = await withTenant(ctx, tenantId, (tx) => lockConnection(tx, tenantId, connectionId))
  if (!connection || !(connection.userId === actor.userId || may(actor, 'administer')))
    throw new BrokerError('not_found')
  await renew(ctx, { tenantId, connectionId }, 'now')
}
