import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'
import * as oauth from 'oauth4webapi'
import { Secret } from '../../security/secrets.ts'
import { type ProviderDeps, UpstreamError } from '../provider.ts'

/**
 * What a renewal needs, kept where the core keeps a refresh token: that, the access token where only it can end the grant,
 * and the key that tokens are bound to. So all of it is sealed, moved on and wiped as one.
 */
export type Credential = {
  refresh?: string | undefined
  access?: string | undefined
  /** Seconds since 1970: of a grant that ends with its access token. */
  until?: number | undefined
  /** Private, ES256. */
  key?: JWK | undefined
}

export const toSecret = (credential: Credential): Secret => new Secret(JSON.stringify(credential))

export function fromSecret(secret: Secret): Credential {
  try {
    return JSON.parse(secret.reveal()) as Credential
  } catch (cause) {
    throw new UpstreamError('protocol', 'what is stored of the grant cannot be read', { cause })
  }
}

export async function newKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return exportJWK(privateKey)
}

/** Nonces are kept with a key; more than this many keys are not at work at once in one process. */
const proofsMax = 10_000

/** The proof of possession of a key, with the nonces that its server gave in this process (RFC 9449 8). */
export async function proofOf(
  { proofs, now }: Pick<ProviderDeps, 'proofs' | 'now'>,
  key: JWK,
): Promise<oauth.DPoPHandle> {
  const thumbprint = await calculateJwkThumbprint(key)
  const known = proofs.get(thumbprint)
  if (known) return known
  const { d: _, ...open } = key
  const privateKey = (await importJWK(key, 'ES256')) as CryptoKey
  const publicKey = (await importJWK(open, 'ES256', { extractable: true })) as CryptoKey
  const skew = now().getTime() / 1000 - Math.floor(Date.now() / 1000)
  const proof = oauth.DPoP({ [oauth.clockSkew]: Math.round(skew) }, { privateKey, publicKey })
  if (proofs.size >= proofsMax) proofs.clear()
  proofs.set(thumbprint, proof)
  return proof
}
