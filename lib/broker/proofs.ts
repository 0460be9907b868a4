import { tokenChallenge } from '../actor.ts'
import type { Context } from '../context.ts'
import { BrokerError, isBrokerError } from '../errors.ts'
import { readProof } from '../security/proof.ts'
import { takeOnce } from '../store/programs.ts'

/** What is asked of a proof: `url` is our own address of the resource; `token`, at a resource, is what it comes with. */
export type Asked = { method: string; url: string; token?: string | undefined }

/**
 * Thumbprint of the key whose holder proves that this request is theirs, once over all processes (RFC 9449 11.1).
 * @throws BrokerError invalid_dpop_proof, use_dpop_nonce
 */
export async function takeProof(ctx: Context, proof: string, asked: Asked): Promise<string> {
  const { key, once, onceSeconds } = await readProof(ctx, proof, asked)
  if (await takeOnce(ctx, once, onceSeconds)) return key
  throw new BrokerError('invalid_dpop_proof', { detail: 'The proof was used before.' })
}

/**
 * The same at a resource, where what is wrong with a proof is told in the challenge (RFC 9449 7.1).
 * @throws BrokerError unauthenticated
 */
export async function takeProofAtResource(ctx: Context, proof: string, asked: Asked & { token: string }) {
  try {
    return await takeProof(ctx, proof, asked)
  } catch (error) {
    if (!isBrokerError(error, 'invalid_dpop_proof', 'use_dpop_nonce')) throw error
    const { code, nonce, message: detail, next } = error
    throw new BrokerError('unauthenticated', {
      challenge: tokenChallenge('dpop', code),
      detail,
      next,
      ...(nonce !== undefined && { nonce }),
    })
  }
}
