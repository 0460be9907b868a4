import { type Actor, ownUnless } from '../actor.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { act } from '../store/authority.ts'
import { findConnection, lockConnection, updateConnection } from '../store/connections.ts'
import { renew } from './refresh.ts'

/**
 * Freezes a connection, or lifts the freeze: meanwhile nothing is issued or renewed from it, and nothing of it is lost.
 * What happens under the freeze (a running renewal ends, its owner links again) shows when it is lifted. Twice changes
 * nothing and records nothing.
 * @throws BrokerError forbidden, not_found, not_linked (a revoked connection has nothing to freeze)
 */
export async function setFrozen(
  ctx: Context,
  actor: Actor,
  { connectionId, frozen, reason }: { connectionId: string; frozen: boolean; reason?: string | undefined },
): Promise<void> {
  const { tenantId } = actor
  await act(ctx, actor, 'administer', async (tx, actor) => {
    const connection = await lockConnection(tx, tenantId, connectionId)
    if (!connection) throw new BrokerError('not_found')
    if (connection.status === 'revoked') throw new BrokerError('not_linked')
    if ((connection.status === 'frozen') === frozen) return
    const now = ctx.now()
    await updateConnection(tx, tenantId, connectionId, {
      status: frozen ? 'frozen' : (connection.frozenFrom ?? 'linked'),
      frozenFrom: frozen ? connection.status : null,
      statusSince: now,
      // What would have been renewed under the freeze is renewed soon after it.
      ...(frozen ? {} : { nextTryAt: null, refreshDueAt: connection.refreshToken ? now : null }),
    })
    await record(tx, tenantId, now, actor, {
      action: frozen ? 'connection.frozen' : 'connection.unfrozen',
      outcome: 'ok',
      target: { kind: 'connection', id: connectionId },
      details: { owner: connection.userId, reason: reason ?? null },
    })
  })
}

/**
 * Tries a connection's renewal now, although it rests after a failure: its owner's act, or an admin's.
 * @throws BrokerError not_found, needs_relink, connection_frozen, not_linked, upstream_unavailable, client_not_registered
 */
export async function tryNow(ctx: Context, actor: Actor, connectionId: string): Promise<void> {
  const { tenantId } = actor
  await act(ctx, actor, 'work', async (tx, actor) => {
    if (!(await findConnection(tx, tenantId, connectionId, ownUnless(actor, 'administer'))))
      throw new BrokerError('not_found')
  })
  await renew(ctx, { tenantId, connectionId }, 'now')
}
