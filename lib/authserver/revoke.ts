import { endGrant } from '../broker/end-grants.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { type From, type Presented, revokeToken } from '../store/programs.ts'
import { askedOf } from './tokens.ts'

/**
 * Revokes a client's own token (RFC 7009): an access token alone, a refresh token with its grant and everything made from it
 * (I-06). What is unknown, dead or another client's is as good as revoked, and nothing is told of it (I-05). Hints are not
 * needed: a token's form says what it is.
 * @throws BrokerError invalid_client
 */
export async function revokeOwn(ctx: Context, who: Presented, token: string, origin: From): Promise<void> {
  const done = await revokeToken(ctx, who, askedOf(token) ?? {})
  if (done.outcome === 'invalid_client') throw new BrokerError('invalid_client')
  if (done.outcome !== 'grant') return
  await endGrant(ctx, {
    tenantId: done.tenantId,
    grantId: done.grantId,
    cause: 'signed_out',
    origin: { userId: null, ...origin },
  })
}
