import type { Actor } from '../../lib/actor.ts'
import { freeze, liftFreeze } from '../../lib/broker/freezes.ts'
import { connectionPage } from '../../lib/broker/read/connection.ts'
import { tokenPlace } from '../../lib/broker/refresh/refresh.ts'
import type { Context } from '../../lib/context.ts'
import { beginRefresh, type ClaimMode, claimRefresh, findConnection } from '../../lib/store/connections.ts'
import { asSystem } from '../../lib/store/system.ts'
import { vaultOf } from '../../lib/vault/keys.ts'
import type { Broker } from './broker.ts'

export type Key = { tenantId: string; connectionId: string }

/** A connection's row as the product sees it. */
export async function rowOf({ ctx }: Pick<Broker, 'ctx'>, { tenantId, connectionId }: Key) {
  const row = await asSystem(ctx, tenantId, 'job', (tx) => findConnection(tx, tenantId, connectionId))
  if (!row) throw new Error('no such connection')
  return row
}

/**
 * What a process leaves behind that is killed once its token may be sent: claimed, begun, no end recorded. Answers the
 * claim.
 */
export async function beginAndDie(ctx: Context, key: Key, options: { staleVersion?: number; mode?: ClaimMode } = {}) {
  const claim = await claimRefresh(ctx, key, { leaseSeconds: 15, ...options })
  if (claim.outcome !== 'claimed') return claim
  const begun = await beginRefresh(ctx, key, { sentVersion: claim.version, fence: claim.fence, leaseSeconds: 15 })
  if (!begun) throw new Error('the claim was lost before it was begun')
  return claim
}

/** Freezes a connection, or lifts that. */
export const setFrozen = (
  ctx: Context,
  actor: Actor,
  { connectionId, frozen, reason }: { connectionId: string; frozen: boolean; reason?: string },
): Promise<unknown> =>
  frozen
    ? freeze(ctx, actor, { kind: 'connection', id: connectionId, reason })
    : liftFreeze(ctx, actor, { kind: 'connection', id: connectionId })

/** What the stored refresh token is, in clear. */
export async function storedRefreshToken({ ctx }: Pick<Broker, 'ctx'>, key: Key): Promise<string> {
  const row = await rowOf({ ctx }, key)
  if (!row.refreshToken) throw new Error('no refresh token is stored')
  const vault = await vaultOf(ctx, key.tenantId)
  return (await vault.open(tokenPlace(row, 'refresh_token', row.tokenVersion), row.refreshToken)).reveal()
}

/** The newest connections that an actor sees. */
export const connectionList = async (...given: [Broker['ctx'], Actor, { everybody?: boolean }?]) =>
  (await connectionPage(given[0], given[1], given[2] ?? {})).items
