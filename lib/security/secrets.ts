import { createHmac, hash as hashAtOnce, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'

/** A value that must not be printed: JSON, inspect and string forms are redacted; `reveal()` is the only way out. */
export class Secret {
  readonly #value: string
  constructor(value: string) {
    this.#value = value
  }
  reveal(): string {
    return this.#value
  }
  toString(): string {
    return '[secret]'
  }
  toJSON(): string {
    return '[secret]'
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]'
  }
}

/** 256 random bits in base64url: session ids, states, nonces, PKCE verifiers (RFC 7636 4.1 allows 43 characters). */
export const randomToken = () => randomBytes(32).toString('base64url')

/**
 * What our tokens are for, as their prefix names it: the proxy, the tenant's own APIs, our API, refreshes, device codes, clients,
 * authorization codes.
 */
export const tokenKinds = ['px', 'sg', 'at', 'rt', 'dc', 'cs', 'ac'] as const
export type TokenKind = (typeof tokenKinds)[number]

/** A refresh token has 128 bits more: they name its family, and every token of it has the same. */
const bytesOf = (kind: TokenKind) => (kind === 'rt' ? 48 : 32)

/** What scanners tell one of our tokens from other text by: a checksum of all that is before it, 32 bits in base64url. */
function checksum(text: string): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32(text))
  return bytes.toString('base64url')
}

/** A token made of these bytes: `vk_`, its kind, the bytes and a checksum in base64url. */
export function tokenOf(kind: TokenKind, bytes: Uint8Array): Secret {
  const text = `vk_${kind}_${Buffer.from(bytes).toString('base64url')}`
  return new Secret(text + checksum(text))
}

/** 256 random bits or more. */
export const newToken = (kind: TokenKind): Secret => tokenOf(kind, randomBytes(bytesOf(kind)))

/** How long each token of a kind is, in characters. */
export const lengthOf = (kind: TokenKind) => 'vk_px_'.length + Math.ceil((bytesOf(kind) * 4) / 3) + 6

/** Whether a text has the form of such a token; it says nothing of whether there is one. */
export function isToken(kind: TokenKind, text: string): boolean {
  return (
    text.length === lengthOf(kind) &&
    text.startsWith(`vk_${kind}_`) &&
    /^[\w-]+$/.test(text) &&
    checksum(text.slice(0, -6)) === text.slice(-6)
  )
}

/** So many bytes at the beginning of a refresh token are its family's. */
export const familyBytes = 16

/** What a refresh token is made of, without prefix and checksum. */
export const bytesOfRefresh = (refresh: string) => Buffer.from(refresh.slice('vk_rt_'.length, -6), 'base64url')

/** By what all refresh tokens of a grant are found, hashed. */
export const familyOf = (refresh: string) =>
  hash(bytesOfRefresh(refresh).subarray(0, familyBytes).toString('base64url'))

/** A signing key as Standard Webhooks writes it: `whsec_` and 256 random bits in base64. */
export const webhookSecret = () => `whsec_${randomBytes(32).toString('base64')}`

/** SHA-256 of a 256-bit random value: what is stored of everything that is only compared (V-10). */
export const hash = (value: string) => new Uint8Array(hashAtOnce('sha256', value, 'buffer'))

/** What tells two tokens apart in a list: 12 hex digits of a keyed hash, useless for guessing the value (G-02). */
export const fingerprint = (key: Uint8Array, value: string) =>
  createHmac('sha256', key).update(value).digest('hex').slice(0, 12)

/** What is stored of text that may be guessable, where it is only compared: a keyed hash. */
export const keyedHash = (key: Uint8Array, text: string) =>
  new Uint8Array(createHmac('sha256', key).update(text).digest())

/** Compares in constant time, whatever the lengths. */
export const sameSecret = (a: string, b: string) => timingSafeEqual(hash(a), hash(b))

/** What tells a root secret from another and says nothing about it: a keyed hash of a constant, 256 bits in base64url. */
export const secretCanary = (root: Uint8Array) =>
  createHmac('sha256', deriveKey(root, 'canary')).update('valetkey').digest('base64url')

/** A key for one purpose out of the root secret; distinct labels give unrelated keys (V-07). 32 bytes. */
export const deriveKey = (
  root: Uint8Array,
  purpose: 'signin' | 'fingerprint' | 'lookup' | 'grants' | 'nonces' | 'gateway' | 'canary' | 'refusal',
) => new Uint8Array(hkdfSync('sha256', root, new Uint8Array(0), `valetkey ${purpose}`, 32))

/**
 * A key that is made of what only a caller holds, for sealing what they alone may open: a stolen database opens nothing. `salt`
 * is not in the database either, so that a caller's text that can be guessed is no way in.
 */
export const callersKey = (held: string, salt: Uint8Array, purpose: 'answer') =>
  new Uint8Array(hkdfSync('sha256', held, salt, `valetkey ${purpose}`, 32))
