import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { Secret } from './secrets.ts'

/** What our issuers sign with: every library that reads a JWK set has it (docs/decisions/0060). */
export const signingAlg = 'ES256'

/** What a verifier may keep the keys for without asking again: said with each answer. */
export const keysCacheSeconds = 3_600
/** How long a key is published before it signs: also who asks once a day alone knows it by then (J-04). */
export const publishedBeforeSeconds = 24 * 3_600
/** No token of ours lives longer, whatever a policy says. */
export const longestTokenSeconds = 24 * 3_600
/** Clocks of verifiers that are late, and tokens whose signing took its time. */
const slackSeconds = 600
const rotatedAfterSeconds = 90 * 24 * 3_600

export type PublicSigningKey = {
  kty: 'EC'
  crv: 'P-256'
  x: string
  y: string
  kid: string
  alg: typeof signingAlg
  use: 'sig'
}

/** A new key: its public half as it is published, and its private half as a JWK, to be sealed. Its id is RFC 7638's thumbprint. */
export async function makeSigningKey(): Promise<{ id: string; publicJwk: PublicSigningKey; privateJwk: Secret }> {
  const pair = await generateKeyPair(signingAlg, { extractable: true })
  const { x, y } = await exportJWK(pair.publicKey)
  if (!x || !y) throw new Error('a P-256 key without its parts')
  const id = await calculateJwkThumbprint({ kty: 'EC', crv: 'P-256', x, y })
  return {
    id,
    // Named one by one, so that nothing private can be among it (J-03).
    publicJwk: { kty: 'EC', crv: 'P-256', x, y, kid: id, alg: signingAlg, use: 'sig' },
    privateJwk: new Secret(JSON.stringify(await exportJWK(pair.privateKey))),
  }
}

/** What decides what a key does: nothing else is asked. */
export type KeyTimes = { id: string; signsFrom: Date; withdrawnAt: Date | null }

const newestFirst = <K extends KeyTimes>(keys: readonly K[]): K[] =>
  keys.toSorted((a, b) => b.signsFrom.getTime() - a.signsFrom.getTime() || (a.id < b.id ? 1 : -1))

const after = (moment: Date, seconds: number) => new Date(moment.getTime() + seconds * 1000)

/** The key that signs: of those that have begun and were not withdrawn the newest. */
export const signingKeyOf = <K extends KeyTimes>(keys: readonly K[], now: Date): K | undefined =>
  newestFirst(keys).find(({ signsFrom, withdrawnAt }) => signsFrom <= now && withdrawnAt === null)

/** The moment from which a key signs nothing: its successor's beginning, or when it was withdrawn; undefined: none is known. */
function stopsSigning(key: KeyTimes, keys: readonly KeyTimes[]): Date | undefined {
  if (key.withdrawnAt) return key.withdrawnAt
  return newestFirst(keys)
    .filter((one) => one.withdrawnAt === null && one.id !== key.id && one.signsFrom >= key.signsFrom)
    .at(-1)?.signsFrom
}

/** When the last token that a key signed has surely ended, so that nobody needs it any more; undefined: not known yet. */
export function neededUntil(key: KeyTimes, keys: readonly KeyTimes[]): Date | undefined {
  const stops = stopsSigning(key, keys)
  return stops && after(stops, longestTokenSeconds + slackSeconds)
}

/** Of each key what it does now. `published`: it is going to sign. `retiring`: tokens of it may be out. */
export type KeyState = 'published' | 'signing' | 'retiring' | 'retired'

export function keyStateOf(key: KeyTimes, keys: readonly KeyTimes[], now: Date): KeyState {
  if (signingKeyOf(keys, now)?.id === key.id) return 'signing'
  const until = neededUntil(key, keys)
  if (until && until <= now) return 'retired'
  return key.withdrawnAt === null && key.signsFrom > now ? 'published' : 'retiring'
}

/** Whether it is time to publish the next key: the present one is old, and none waits. */
export function isRotationDue(keys: readonly KeyTimes[], now: Date): boolean {
  const [newest] = newestFirst(keys).filter(({ withdrawnAt }) => withdrawnAt === null)
  return newest !== undefined && after(newest.signsFrom, rotatedAfterSeconds - publishedBeforeSeconds) <= now
}

/** What a signed access token says (RFC 9068 2.2). There is nothing beside it, so nothing can take the place of any of it. */
export type AccessTokenClaims = {
  issuer: string
  subject: string
  audience: string
  /** RFC 8693 4.3. */
  clientId: string
  /** RFC 8693 4.2: names with spaces between them. */
  scope: string
  id: string
  issuedAt: Date
  expiresAt: Date
}

/** Signs with one key of an issuer. */
export type Signer = { keyId: string; sign(claims: AccessTokenClaims): Promise<Secret> }

/** An access token as RFC 9068 has it: its type is in its head, so that no ID token passes for it (RFC 8725 3.11). */
export const signerWith = (keyId: string, key: CryptoKey): Signer => ({
  keyId,
  sign: async (claims) =>
    new Secret(
      await new SignJWT({ client_id: claims.clientId, scope: claims.scope })
        .setProtectedHeader({ alg: signingAlg, kid: keyId, typ: 'at+jwt' })
        .setIssuer(claims.issuer)
        .setSubject(claims.subject)
        .setAudience(claims.audience)
        .setIssuedAt(seconds(claims.issuedAt))
        .setExpirationTime(seconds(claims.expiresAt))
        .setJti(claims.id)
        .sign(key),
    ),
})

/** Whole ones, rounded down: a token never says that it lives longer than it does. */
const seconds = (moment: Date) => Math.floor(moment.getTime() / 1000)
