import { createHash } from 'node:crypto'
import { endGrant } from '../../broker/end-grants.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { newId } from '../../security/ids.ts'
import { hash, isToken } from '../../security/secrets.ts'
import { type From, type Presented, redeemCode } from '../../store/programs.ts'
import { refuseOtherResource } from '../clients.ts'
import { lives } from '../lifetimes.ts'
import { newTokens, type TokenAnswer, tokenAnswer } from '../tokens.ts'
import { refuseOutcome } from './outcome.ts'

/** RFC 7636 4.1. */
const isVerifier = (text: string) => /^[\w.~-]{43,128}$/.test(text)

/**
 * Redeems an authorization code (RFC 6749 4.1.3 with RFC 7636): one use, for this client, this redirect URI and this verifier,
 * each asked by itself (T-07). A second use ends what the first was given (RFC 6749 4.1.2), before it is answered.
 * @throws BrokerError invalid_client, unauthorized_client, invalid_grant, invalid_target, invalid_dpop_proof
 */
export async function authorizationCode(
  ctx: Context,
  who: Presented,
  asked: {
    code: string
    redirectUri: string
    verifier: string
    proof: string | undefined
    resource?: string | undefined
  },
  origin: From,
): Promise<TokenAnswer> {
  if (!isToken('ac', asked.code) || !isVerifier(asked.verifier)) throw new BrokerError('invalid_grant')
  await refuseOtherResource(ctx, who.id, hash(asked.code), asked.resource)
  const tokens = newTokens()
  const bound = {
    code: hash(asked.code),
    redirectUri: asked.redirectUri,
    challenge: createHash('sha256').update(asked.verifier).digest('base64url'),
  }
  const made = { grantId: newId('grant'), tokens: tokens.hashes, lives, proof: asked.proof }
  const answer = await redeemCode(ctx, who, bound, made, origin)
  if (answer.outcome === 'reuse') {
    if (answer.tenantId && answer.grantId)
      await endGrant(ctx, {
        tenantId: answer.tenantId,
        grantId: answer.grantId,
        cause: 'reuse',
        origin: { userId: null, ...origin },
      })
    throw new BrokerError('invalid_grant', { detail: 'This code was used before. What it gave was revoked.' })
  }
  refuseOutcome(answer)
  return tokenAnswer(tokens, { ...answer, proof: asked.proof })
}
