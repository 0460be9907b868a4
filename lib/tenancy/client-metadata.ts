import { createPublicKey } from 'node:crypto'
import { isUserHosted } from '../security/user-hosted.ts'

/**
 * What a client may be registered with (RFC 7591 2), whoever registers it. Each answers what is wrong, in words for the field;
 * undefined: nothing.
 */

/** Parameters that we add to an answer, or that another server would: in what is registered they would be there twice. */
const answerParameters = ['code', 'state', 'iss', 'error', 'error_description', 'error_uri', 'response']

const privateUse = /^[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+:\/(?!\/)[\w.~!$&'()+,;=:@%/?-]*$/
const isLoopback = (host: string) => host === '127.0.0.1' || host === '[::1]'
const staysHere = (url: URL) => url.protocol === 'http:' && (isLoopback(url.hostname) || url.hostname === 'localhost')

/** Whether an answer to this address stays at the computer whose browser brings it: loopback, or an app's own scheme. */
export const isOnThisComputer = (uri: string): boolean =>
  privateUse.test(uri) || (URL.canParse(uri) && staysHere(new URL(uri)))

/**
 * A place where answers may go: https, http at a loopback IP literal (RFC 8252 7.3), or for public clients at localhost or a
 * private-use scheme (7.1). As a browser would write it, so that nobody reads another address than the one it leads to; never a pattern.
 */
export function redirectFault(uri: string, { origin, isPublic }: { origin: string; isPublic: boolean }) {
  if (uri.includes('#')) return 'must not have a fragment'
  if (uri.includes('*')) return 'must be one exact address: wildcards do not work'
  // As the scheme of a package that its maker has the domain of: RFC 8252 7.1 and 8.4.
  if (privateUse.test(uri))
    return isPublic ? undefined : 'must be https: only public clients may use a scheme of their own'
  const url = URL.canParse(uri) ? new URL(uri) : undefined
  // Discouraged by RFC 8252 8.3, and what Claude Code and Cursor come back to: for programs that run where their person is alone.
  if (url?.protocol === 'http:' && url.hostname === 'localhost' && !isPublic)
    return 'must name 127.0.0.1 or [::1]: only public clients may use localhost'
  const isKnown = url?.protocol === 'https:' || (url !== undefined && staysHere(url))
  if (!url || !isKnown)
    return 'must be https, http://127.0.0.1, http://[::1], or for public clients http://localhost or a scheme such as com.example.app:/callback'
  if (url.username !== '' || url.password !== '') return 'must not have a user name or password'
  if (url.href !== uri)
    return 'must be written as browsers write it: with a path, and without dot segments or its default port'
  if (url.origin === origin) return 'must not lead to Valetkey itself'
  // Whoever has a project on that platform could run a program there, and read the code (K-40).
  if (isUserHosted(url)) return 'must not be at a host where users of a platform run programs'
  if (answerParameters.some((name) => url.searchParams.has(name)))
    return 'must not have a parameter of an answer, such as code or state'
  return undefined
}

/** A public key (RFC 7517), of which only what our verification takes (J-02). */
export type ClientKey = {
  kid: string
  alg: KeyAlgorithm
  kty: 'EC' | 'OKP' | 'RSA'
  use?: 'sig' | undefined
  crv?: 'P-256' | 'P-384' | 'Ed25519' | undefined
} & { [Name in 'x' | 'y' | 'n' | 'e']?: string | undefined }
export const keyAlgorithms = ['ES256', 'ES384', 'EdDSA', 'RS256', 'PS256'] as const
export type KeyAlgorithm = (typeof keyAlgorithms)[number]

const rsa = { kty: 'RSA', crv: undefined }
/** Which key an algorithm is for (RFC 7518 3.1, RFC 8037 3.1). A key is for one: what its signer chooses plays no part. */
const keyOf: Record<KeyAlgorithm, { kty: string; crv: string | undefined }> = {
  ES256: { kty: 'EC', crv: 'P-256' },
  ES384: { kty: 'EC', crv: 'P-384' },
  EdDSA: { kty: 'OKP', crv: 'Ed25519' },
  RS256: rsa,
  PS256: rsa,
}

/** A key that signatures can be checked with, at a cost that is bounded. */
export function keyFault(key: ClientKey): string | undefined {
  const { kty, crv } = keyOf[key.alg]
  if (key.kty !== kty || key.crv !== crv) return `is no key for ${key.alg}`
  try {
    const { modulusLength = 2048, publicExponent = 65_537n } =
      createPublicKey({ key, format: 'jwk' }).asymmetricKeyDetails ?? {}
    if (modulusLength < 2048) return 'is too short: RSA keys have 2048 bits or more'
    // What makes a check slow for who made the key and nobody else.
    if (modulusLength > 4096 || publicExponent !== 65_537n)
      return 'must have at most 4096 bits, and 65537 as its exponent'
    return undefined
  } catch {
    return 'is no public key'
  }
}
