import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { newId } from '../../security/ids.ts'
import { hash, isToken } from '../../security/secrets.ts'
import { earlyPoll, type From, type Presented, pollDevice } from '../../store/programs.ts'
import { refuseOtherResource } from '../clients.ts'
import { lives } from '../lifetimes.ts'
import { type TokenAnswer, tokenAnswer, tokensOfDevice } from '../tokens.ts'
import { refuseOutcome } from './outcome.ts'

/**
 * A device asks whether a person has answered (RFC 8628 3.4). The poll that finds it answered makes grant and tokens in one
 * statement: an approval alone leaves nothing that lives. Whoever asks once more, a pause later, gets the same tokens, because
 * answers get lost (docs/decisions/0067).
 * @throws BrokerError invalid_client, unauthorized_client, authorization_pending and slow_down with the pause, access_denied,
 *   expired_token, invalid_grant, invalid_target, invalid_dpop_proof
 */
export async function deviceCode(
  ctx: Context,
  who: Presented,
  { code, proof, resource }: { code: string; proof: string | undefined; resource?: string | undefined },
  origin: From,
): Promise<TokenAnswer> {
  if (!isToken('dc', code)) throw new BrokerError('invalid_grant')
  const hashed = hash(code)
  await refuseOtherResource(ctx, who.id, hashed, resource)
  const retryAfterSeconds = await earlyPoll(ctx, who, hashed)
  if (retryAfterSeconds !== undefined) throw new BrokerError('slow_down', { retryAfterSeconds })
  const tokens = tokensOfDevice(ctx, code)
  const made = { grantId: newId('grant'), tokens: tokens.hashes, lives, proof }
  const answer = await pollDevice(ctx, who, hashed, made, origin)
  refuseOutcome(answer)
  return tokenAnswer(tokens, { ...answer, proof })
}
