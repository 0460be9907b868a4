import {
  calculateJwkThumbprint,
  exportJWK,
  type GenerateKeyPairResult,
  generateKeyPair,
  type JWK,
  type JWTPayload,
  SignJWT,
} from 'jose'

export type SigningAlg = 'RS256' | 'ES256'
export type SigningKey = {
  alg: SigningAlg
  kid: string
  privateKey: GenerateKeyPairResult['privateKey']
  publicJwk: JWK
}

export type KeyRing = {
  /** Key number n of an algorithm; made when first asked for, the same one ever after. */
  key(alg: SigningAlg, number: number): Promise<SigningKey>
}

export function makeKeyRing(): KeyRing {
  const keys = new Map<string, Promise<SigningKey>>()
  return {
    key(alg, number) {
      const name = `${alg}-${number}`
      const known = keys.get(name) ?? makeKey(alg)
      keys.set(name, known)
      return known
    },
  }
}

async function makeKey(alg: SigningAlg): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = await exportJWK(publicKey)
  const kid = await calculateJwkThumbprint(jwk)
  return { alg, kid, privateKey, publicJwk: { ...jwk, kid, alg, use: 'sig' } }
}

/**
 * What an oidc-provider instance signs with inside. Nothing of it leaves: tokens are signed again with a key of the
 * ring. An elliptic key is made at once, where an RSA key would hold up the start.
 */
export async function engineKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return { ...(await exportJWK(privateKey)), kid: 'engine', alg: 'ES256', use: 'sig' }
}

export const sign = (payload: JWTPayload, key: SigningKey, kid = key.kid) =>
  new SignJWT(payload).setProtectedHeader({ alg: key.alg, kid, typ: 'JWT' }).sign(key.privateKey)
