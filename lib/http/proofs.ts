import { BrokerError } from '../errors.ts'
import { readProof } from '../security/proof.ts'
import { takeOnce } from '../store/programs.ts'
import type { Call } from './request.ts'

/**
 * Thumbprint of the key whose holder proves that this request is theirs, once over all processes (RFC 9449 11.1); undefined:
 * it brings no proof. `token`: at a resource, where the proof is for it.
 * @throws BrokerError invalid_dpop_proof, use_dpop_nonce
 */
export async function proofOf(
  { ctx, request }: Pick<Call, 'ctx' | 'request'>,
  token?: string,
): Promise<string | undefined> {
  const proof = request.headers.get('dpop')
  if (proof === null) return undefined
  // The host of a request is what its sender or a proxy says.
  const url = ctx.config.origin + new URL(request.url).pathname
  const { key, once, onceSeconds } = await readProof(ctx, proof, { method: request.method, url, token })
  if (await takeOnce(ctx, once, onceSeconds)) return key
  throw new BrokerError('invalid_dpop_proof', { detail: 'The proof was used before.' })
}
