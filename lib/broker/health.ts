import { type Actor, ownUnless } from '../actor.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { act } from '../store/authority.ts'
import { findConnection } from '../store/connections.ts'
import { renew } from './refresh/refresh.ts'

/**
 * Tries a connection's renewal now, although it rests after a failure: its owner's act, or an admin's.
 * @throws BrokerError not_found, needs_relink, frozen, not_linked, upstream_unavailable, client_not_registered
 */
export async function tryNow(ctx: Context, actor: Actor, connectionId: string): Promise<void> {
  const { tenantId } = actor
  await act(ctx, actor, 'work', async (tx, actor) => {
    if (!(await findConnection(tx, tenantId, connectionId, ownUnless(actor, 'administer'))))
      throw new BrokerError('not_found')
  })
  await renew(ctx, { tenantId, connectionId }, 'now')
}
