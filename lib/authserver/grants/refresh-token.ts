import { endGrant } from '../../broker/end-grants.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { familyOf, hash, isToken } from '../../security/secrets.ts'
import { type From, type Presented, refreshGrant } from '../../store/programs.ts'
import { resourceAsked } from '../clients.ts'
import { lives, repeatSeconds } from '../lifetimes.ts'
import { readScopes } from '../scopes.ts'
import { newSalt, type TokenAnswer, tokenAnswer, tokensAfter } from '../tokens.ts'
import { refuseOutcome } from './outcome.ts'

/**
 * Uses a refresh token (RFC 6749 6): rotated each time. For a moment the one before is answered alike, because answers get lost;
 * after that its use means that two hold it, and the grant ends with everything made from it (RFC 9700 4.14.2, T-06): committed
 * before the answer.
 * @throws BrokerError invalid_client, unauthorized_client, invalid_grant, invalid_scope, invalid_target, invalid_dpop_proof
 */
export async function refreshToken(
  ctx: Context,
  who: Presented,
  asked: { token: string; scope: string | undefined; resource: string | undefined; proof: string | undefined },
  origin: From,
): Promise<TokenAnswer> {
  if (!isToken('rt', asked.token)) throw new BrokerError('invalid_grant')
  const salt = newSalt()
  const tokens = tokensAfter(ctx, asked.token, salt)
  const rotation = {
    family: familyOf(asked.token),
    presented: hash(asked.token),
    next: tokens.hashes.refresh,
    access: tokens.hashes.access,
    salt,
    scopes: asked.scope === undefined ? undefined : readScopes(asked.scope),
    resource: asked.resource === undefined ? undefined : resourceAsked(ctx, asked.resource),
    proof: asked.proof,
    lives,
    windowSeconds: repeatSeconds,
  }
  const answer = await refreshGrant(ctx, who, rotation, origin)
  if (answer.outcome === 'reuse' && answer.tenantId && answer.grantId) {
    await endGrant(ctx, {
      tenantId: answer.tenantId,
      grantId: answer.grantId,
      cause: 'reuse',
      origin: { userId: null, ...origin },
    })
    throw new BrokerError('invalid_grant', { detail: 'This refresh token was used before. Its grant was revoked.' })
  }
  refuseOutcome(answer)
  const given = answer.outcome === 'repeated' && answer.salt ? tokensAfter(ctx, asked.token, answer.salt) : tokens
  return tokenAnswer(given, { ...answer, proof: asked.proof })
}
