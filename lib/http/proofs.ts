import { takeProof } from '../broker/proofs.ts'
import type { Call } from './request.ts'

/**
 * Thumbprint of the key whose holder proves that this request to the authorization server is theirs; undefined: it brings no
 * proof.
 * @throws BrokerError invalid_dpop_proof, use_dpop_nonce
 */
export async function proofOf({ ctx, request }: Pick<Call, 'ctx' | 'request'>): Promise<string | undefined> {
  const proof = request.headers.get('dpop')
  return proof === null ? undefined : takeProof(ctx, proof, { method: request.method, url: ownUrl(ctx, request) })
}

/** The host of a request is what its sender or a proxy says. */
export const ownUrl = ({ config }: Pick<Call['ctx'], 'config'>, { url }: Request) =>
  config.origin + new URL(url).pathname
