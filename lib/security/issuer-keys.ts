import {
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTVerifyOptions,
  type JWTVerifyResult,
  jwtVerify,
} from 'jose'
import * as oauth from 'oauth4webapi'
import { z } from 'zod'
import { requestOptions } from './discovery.ts'
import { readJson } from './json.ts'
import type { OutboundFetch } from './outbound.ts'

type Keys = { keys: oauth.JWK[] }
/** `keys` are the last that came; `asked` is the last request and what came of it. Times in ms. */
type KeySet = { askedAt: number; asked: Promise<Keys>; readAt: number; keys: Keys | undefined }

/** Keys of issuers by the address they are published at; shared by all who check signatures. */
export type KeySets = Map<string, KeySet>

/** Where an issuer publishes its keys. */
type Published = Pick<oauth.AuthorizationServer, 'jwks_uri'>

type Deps = { fetch: OutboundFetch; now: () => Date; keySets: KeySets }

/** What an issuer withdraws is believed no longer than this. */
const ageMs = 5 * 60_000
/** At most one request for keys in this time, whatever its result (J-05). */
const pauseMs = 5_000

/** The keys cannot be had. Says nothing about the token. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable'
}
export const isKeysUnavailable = (error: unknown): error is KeysUnavailable =>
  error instanceof Error && error.name === 'KeysUnavailable'

/** The token names a key that is not published. `settled`: the keys were asked for after the token had come. */
export class UnknownKey extends Error {
  override readonly name = 'UnknownKey'
  readonly settled: boolean
  constructor(settled: boolean, cause: unknown) {
    super('signed with a key that is not published', { cause })
    this.settled = settled
  }
}
export const isUnknownKey = (error: unknown): error is UnknownKey =>
  error instanceof Error && error.name === 'UnknownKey'

/** What may sign what an issuer says of people. No `none`, and no HMAC: a secret of a client, or a public key, would be the key (L-05, J-02). */
export const signatureAlgorithms: ReadonlySet<string> = new Set(['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'])

/**
 * Checks the signature of the ID token in a processed token answer.
 * @throws KeysUnavailable, UnknownKey, or oauth4webapi's error where the signature is wrong
 */
export const validateSignature = (deps: Deps, server: oauth.AuthorizationServer, answer: Response): Promise<void> =>
  withKeys(deps, server, async (keys) => {
    const options = { ...requestOptions(deps), [oauth.jwksCache]: { jwks: keys, uat: Math.floor(Date.now() / 1000) } }
    // A copy of the metadata, because the library keeps keys by its object; with keys this new it asks for none itself.
    await oauth.validateApplicationLevelSignature({ ...server }, answer, options)
  })

/**
 * Verifies a JWT that an issuer sent by itself: signature, and claims as the options say.
 * @throws KeysUnavailable, UnknownKey, or jose's error where it is not as it must be
 */
export const verifyJwt = (
  deps: Deps,
  server: Published,
  token: string,
  options: JWTVerifyOptions,
): Promise<JWTVerifyResult> =>
  withKeys(deps, server, (keys) => jwtVerify(token, createLocalJWKSet(keys as JSONWebKeySet), options))

/**
 * A key that we do not know is a reason to read the keys again, once in five seconds for all who ask: an issuer rotates
 * without a word, and anybody can invent a `kid`.
 * @throws KeysUnavailable, UnknownKey, or what `validate` throws otherwise
 */
export async function withKeys<T>(deps: Deps, server: Published, validate: (keys: Keys) => Promise<T>): Promise<T> {
  const before = deps.keySets.get(server.jwks_uri ?? '')?.asked
  const first = keptKeys(deps, server) ?? (await askedKeys(deps, server))
  try {
    return await validate(first)
  } catch (error) {
    if (!isKeySelection(error)) throw error
    const asked = askedKeys(deps, server)
    const isSettled = asked !== before
    const second = await asked
    if (second === first) throw new UnknownKey(isSettled, error)
    return validate(second).catch((cause: unknown) => {
      throw isKeySelection(cause) ? new UnknownKey(isSettled, cause) : cause
    })
  }
}

const keySelections: readonly unknown[] = [
  oauth.KEY_SELECTION,
  errors.JWKSNoMatchingKey.code,
  errors.JWKSMultipleMatchingKeys.code,
]
/** By its code: two bundles load the libraries. */
const isKeySelection = (error: unknown) =>
  error instanceof Error && 'code' in error && keySelections.includes(error.code)

/** A clock that was set back makes everything old. */
const isWithin = (ageMs: number, maxMs: number) => ageMs >= 0 && ageMs < maxMs

function keptKeys({ now, keySets }: Deps, { jwks_uri = '' }: Published): Keys | undefined {
  const known = keySets.get(jwks_uri)
  return known && isWithin(now().getTime() - known.readAt, ageMs) ? known.keys : undefined
}

/** What came of the last request, or of a new one where that is long enough ago. */
function askedKeys(deps: Deps, { jwks_uri }: Published): Promise<Keys> {
  if (!jwks_uri) return Promise.reject(new KeysUnavailable('the metadata names no keys'))
  const { keySets } = deps
  const now = deps.now().getTime()
  const known = keySets.get(jwks_uri)
  if (known && isWithin(now - known.askedAt, pauseMs)) return known.asked
  for (const [uri, { askedAt }] of keySets) if (!isWithin(now - askedAt, ageMs)) keySets.delete(uri)
  const asked = fetchKeys(deps, jwks_uri).then((keys) => {
    set.keys = keys
    set.readAt = now
    return keys
  })
  const set: KeySet = { askedAt: now, asked, readAt: known?.readAt ?? 0, keys: known?.keys }
  keySets.set(jwks_uri, set)
  return asked
}

/** More keys than any issuer has. */
const keysMax = 100
const Jwks = z.object({ keys: z.array(z.unknown()) })
const isJwk = (key: unknown): key is oauth.JWK => typeof key === 'object' && key !== null && !Array.isArray(key)

/** One bad key does not break the others (J-06): invalid keys are left out, and an unusual one fails when it is used. */
async function fetchKeys(deps: Deps, uri: string): Promise<Keys> {
  const headers = { accept: 'application/json, application/jwk-set+json' }
  const response = await requestOptions(deps)
    [oauth.customFetch](uri, { method: 'GET', headers })
    .catch((cause: unknown) => {
      throw new KeysUnavailable('the keys of the issuer cannot be reached', { cause })
    })
  if (response.status !== 200) throw new KeysUnavailable(`the keys of the issuer answer ${response.status}`)
  const parsed = Jwks.safeParse(await readJson(response))
  if (!parsed.success) throw new KeysUnavailable('the keys of the issuer are not a key set')
  return { keys: parsed.data.keys.filter(isJwk).slice(0, keysMax) }
}
