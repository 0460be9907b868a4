import type { Origin } from '../actor.ts'
import { recordAllAnyway } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { isUpstreamError } from '../providers/provider.ts'
import type { Logout } from '../security/logout-token.ts'
import { move } from '../store/connection-states.ts'
import { readTenant } from '../store/database.ts'
import { lockSignedOut, noteLogout } from '../store/logouts.ts'
import { findProvider } from '../store/providers.ts'
import { asSystem } from '../store/system.ts'
import { vaultOf } from '../vault/keys.ts'
import { asBrokerError, openProvider } from './upstream.ts'

/** Where issuers send logout tokens. */
export const logoutPath = '/oauth/backchannel-logout'

/**
 * Ends the connections of one provider that were linked in a session which its upstream says is over (OIDC Back-Channel
 * Logout 2.7): they need a person again, and no new token comes from them. What was handed out of the upstream's own works
 * until it expires. The row's own keys decide, and no other row's connections are touched: whoever made a row of their own
 * under a foreign issuer reaches nothing but that. How many ended; undefined where the token was used before.
 * @throws BrokerError bad_request where the token is none of that upstream; upstream_unavailable where nobody can tell
 */
export async function endUpstreamSessions(
  ctx: Context,
  origin: Omit<Origin, 'userId'>,
  { tenantId, id }: { tenantId: string; id: string },
  token: string,
): Promise<number | undefined> {
  const logout = await verified(ctx, { tenantId, id }, token)
  const of = { tenantId, registration: id }
  return asSystem(ctx, tenantId, 'upstream logout', async (tx) => {
    if (!(await noteLogout(tx, of, logout))) return undefined
    const ending = await lockSignedOut(tx, of, logout)
    await move(tx, { tenantId, id: { in: ending.map((one) => one.id) } }, 'signOut', ctx.now(), {})
    const events = ending.map((one) => {
      const details = { owner: one.userId, offline: logout.endsOffline }
      return {
        action: 'connection.signed_out',
        outcome: 'ok',
        target: { kind: 'connection', id: one.id },
        details,
      } as const
    })
    await recordAllAnyway(ctx, tx, tenantId, ctx.now(), { ...origin, userId: null }, events)
    return ending.length
  })
}

async function verified(
  ctx: Context,
  { tenantId, id }: { tenantId: string; id: string },
  token: string,
): Promise<Logout> {
  const row = await readTenant(ctx, tenantId, (tx) => findProvider(tx, tenantId, id))
  if (!row) throw new BrokerError('bad_request')
  // Nothing is asked there in the client's name, so no secret is opened.
  const open = { ...row, clientSecret: null, clientSecretBefore: null }
  const provider = await openProvider(ctx, await vaultOf(ctx, tenantId), open)
  if (!provider.readLogout)
    throw new BrokerError('bad_request', { cause: new Error('its kind verifies no logout tokens') })
  return provider.readLogout({ token }).catch((error: unknown) => {
    throw isUpstreamError(error) && error.failure === 'refused'
      ? new BrokerError('bad_request', { cause: error })
      : asBrokerError(error)
  })
}
