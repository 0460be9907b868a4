import type { KeyObject } from 'node:crypto'
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  type JWTHeaderParameters,
  SignJWT,
} from 'jose'
import { hash, randomToken } from '../../lib/security/secrets.ts'

export type ProofFor = {
  method: string
  url: string
  nonce?: string | undefined
  token?: string
  /** What of it is different; undefined leaves a claim out. */
  claims?: Record<string, unknown>
  header?: Record<string, unknown>
}

/** A program with a key of its own, which signs proofs of possession by this clock (RFC 9449 4.2). */
export async function newProver(now: () => Date, alg = 'ES256') {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = await exportJWK(publicKey)
  const proof = ({ method, url, nonce, token, claims, header }: ProofFor, key: CryptoKey | KeyObject = privateKey) =>
    new SignJWT({
      htm: method,
      htu: url,
      iat: Math.floor(now().getTime() / 1000),
      jti: randomToken(),
      ...(nonce !== undefined && { nonce }),
      ...(token !== undefined && { ath: Buffer.from(hash(token)).toString('base64url') }),
      ...claims,
    })
      .setProtectedHeader({ typ: 'dpop+jwt', alg, jwk, ...header } as JWTHeaderParameters)
      .sign(key, { crit: { unheard: true } })
  return { proof, jwk, privateKey, key: await calculateJwkThumbprint(jwk) }
}
export type Prover = Awaited<ReturnType<typeof newProver>>
