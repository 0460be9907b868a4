import { compactVerify, createLocalJWKSet, type JSONWebKeySet } from 'jose'
import type * as oauth from 'oauth4webapi'
import { z } from 'zod'
import { type Discoveries, discover } from './discovery.ts'
import { isUnknownKey, type KeySets, signatureAlgorithms, withKeys } from './issuer-keys.ts'
import { isStorable } from './json.ts'
import { numericDate, partOf } from './jwt.ts'
import { clockToleranceSeconds } from './oauth.ts'
import type { OutboundFetch, OutboundPolicy } from './outbound.ts'

/** Why an access token of another issuer does not count. For the log, metrics and admins; a caller is told nothing of it. */
export const refusalReasons = [
  'malformed',
  'algorithm',
  'unknown_key',
  'signature',
  'issuer',
  'times',
  'expired',
  'not_yet_valid',
  'not_an_access_token',
  'audience',
  'client_missing',
  'client_not_listed',
  'subject',
  'bound_to_a_key',
  'on_behalf',
  'inactive',
  'not_a_member',
] as const
export type RefusalReason = (typeof refusalReasons)[number]

export class TokenRefusal extends Error {
  override readonly name = 'TokenRefusal'
  readonly reason: RefusalReason
  /** Of a token that the issuer itself vouches for: the client that it names. */
  readonly clientId: string | undefined
  constructor(reason: RefusalReason, { clientId, cause }: { clientId?: string | undefined; cause?: unknown } = {}) {
    super(reason, { cause })
    this.reason = reason
    this.clientId = plainClient(clientId)
  }
}

/** Longer than what honest issuers make, and no load for whoever reads it, however it is nested. */
export const tokenLengthMax = 8_192

/** RFC 9068 2.1, the older spelling, and none: many issuers do not tell their kinds of JWT apart by it. */
const accessTokenTypes = new Set(['at+jwt', 'application/at+jwt'])
const headerTypes = new Set([...accessTokenTypes, 'jwt', undefined])
/** Keys that a token brings itself (RFC 7515 4.1.2, 4.1.3, 4.1.5). What a verifier must understand (`crit`), jose refuses. */
const refusedHeaders = ['jku', 'jwk', 'x5u']

const Header = z.looseObject({ alg: z.string(), kid: z.string().optional(), typ: z.string().toLowerCase().optional() })

const text = z.string()

/** The claims that count. No name, e-mail, role, group or scope is among them, so none can play a part (N-20, N-36). */
const Claims = z.object({
  iss: text.optional(),
  sub: text.optional(),
  aud: z.union([text, z.array(text)]).optional(),
  azp: text.optional(),
  client_id: text.optional(),
  exp: numericDate.optional(),
  nbf: numericDate.optional(),
  iat: numericDate.optional(),
  auth_time: numericDate.optional(),
})

/** What only ID tokens carry (OIDC Core 2, 3.1.3.6, 3.3.2.11). */
const idTokenClaims = ['nonce', 'at_hash', 'c_hash', 's_hash']

export type TokenFacts = {
  subject: string
  clientId: string
  issuedAt: Date | undefined
  expiresAt: Date
}

type Deps = {
  fetch: OutboundFetch
  now: () => Date
  discoveries: Discoveries
  keySets: KeySets
  config: OutboundPolicy
}

/** A JWT by its form: three parts (RFC 7515 7.1). What has it is never taken for anything else, however it fails. */
export const isJwt = (token: string): boolean => /^[\w-]*\.[\w-]*\.[\w-]*$/.test(token)

/** What a JWT says who made it: not verified, good for nothing but to look the issuer up. */
export const issuerNamedBy = (jwt: string): string | undefined => {
  const { iss } = partOf(jwt, 'payload') ?? {}
  return typeof iss === 'string' && isStorable(iss) ? iss : undefined
}

/**
 * The claims of a JWT that `issuer` signed; they are not judged yet. Keys come from where its metadata says, and nowhere else.
 * @throws TokenRefusal; KeysUnavailable, UnknownKey that is not settled, OutboundError or oauth4webapi's errors where the
 *   issuer cannot be asked
 */
export async function verifiedClaims(deps: Deps, issuer: string, jwt: string): Promise<object> {
  const parsed = Header.safeParse(partOf(jwt, 'header'))
  if (!parsed.success) throw new TokenRefusal('malformed')
  const header = parsed.data
  if (!signatureAlgorithms.has(header.alg)) throw new TokenRefusal('algorithm')
  if (refusedHeaders.some((name) => name in header)) throw new TokenRefusal('malformed')
  if (!headerTypes.has(header.typ)) throw new TokenRefusal('not_an_access_token')
  const claims = partOf(jwt, 'payload')
  if (!claims) throw new TokenRefusal('malformed')
  await validateSignature(deps, await discover(deps, issuer), jwt)
  const isMarked = header.typ !== undefined && accessTokenTypes.has(header.typ)
  if (!isMarked && idTokenClaims.some((name) => name in claims)) throw new TokenRefusal('not_an_access_token')
  return claims
}

async function validateSignature(deps: Deps, server: oauth.AuthorizationServer, jwt: string): Promise<void> {
  try {
    await withKeys(deps, server, (keys) =>
      compactVerify(jwt, createLocalJWKSet(keys as JSONWebKeySet), { algorithms: [...signatureAlgorithms] }),
    )
  } catch (cause) {
    if (isUnknownKey(cause) && cause.settled) throw new TokenRefusal('unknown_key', { cause })
    // Whatever jose says of key and signature; an unusual key that cannot be read fails with a TypeError of the platform.
    const isVerdict = cause instanceof TypeError || (cause instanceof Error && /^(JOSE|JW)/.test(cause.name))
    throw isVerdict ? new TokenRefusal('signature', { cause }) : cause
  }
}

/**
 * Judges claims that the issuer itself vouches for, by its signature or by its answer: the same rules for both.
 * `answeredAt`: when the issuer answered for the token, which may name no end then.
 * @throws TokenRefusal
 */
export function judged(
  claims: object,
  { issuer, audience, now, answeredAt }: { issuer: string; audience: string; now: Date; answeredAt?: Date },
): TokenFacts {
  const parsed = Claims.safeParse(claims)
  if (!parsed.success) throw new TokenRefusal(timesFail(parsed.error) ? 'times' : 'malformed')
  const { iss, sub, aud, azp, client_id, exp, nbf, iat } = parsed.data
  const seconds = now.getTime() / 1000
  const clientId = client_id ?? azp
  const refuse = (reason: RefusalReason) => new TokenRefusal(reason, { clientId })
  // An answer need not repeat it (RFC 7662 2.2); a JWT was looked up by it.
  if (iss !== undefined && iss !== issuer) throw refuse('issuer')
  if (!isAccessToken(claims)) throw refuse('not_an_access_token')
  // Bound to a key that whoever presents it as Bearer has not shown (RFC 7800 3, RFC 8705 3, RFC 9449 7).
  if ('cnf' in claims) throw refuse('bound_to_a_key')
  // Somebody else acts with it (RFC 8693 4.1); what happens here is told of its subject alone.
  if ('act' in claims) throw refuse('on_behalf')
  const endsAt = exp ?? (answeredAt && answeredAt.getTime() / 1000 + introspectedSecondsMax)
  if (endsAt === undefined) throw refuse('times')
  if (endsAt <= seconds) throw refuse('expired')
  const latest = seconds + clockToleranceSeconds
  if ((nbf ?? 0) > latest || (iat ?? 0) > latest) throw refuse('not_yet_valid')
  if (!clientId || !isStorable(clientId) || (azp !== undefined && azp !== clientId)) throw refuse('client_missing')
  // A token whose audience is its own client is what an ID token looks like; that client never stands in for us.
  if (!aud || ![aud].flat().includes(audience) || audience === clientId) throw refuse('audience')
  if (!sub || sub.length > 255 || !isStorable(sub)) throw refuse('subject')
  return {
    subject: sub,
    clientId,
    issuedAt: iat === undefined ? undefined : new Date(iat * 1000),
    expiresAt: new Date(endsAt * 1000),
  }
}

/** How long an issuer's answer about a token counts at most (N-13). */
export const introspectedSecondsMax = 60

const timesFail = ({ issues }: z.ZodError) =>
  issues.every(({ path }) => ['exp', 'nbf', 'iat', 'auth_time'].includes(String(path[0])))

/**
 * Whether nothing in it says that it is of another kind: Keycloak's `typ` tells ID, refresh and offline tokens from access tokens,
 * `token_use` does elsewhere, logout tokens have events (OIDC Back-Channel Logout 2.4), and an answer may name a type that is
 * no Bearer (RFC 7662 2.2).
 */
function isAccessToken(claims: object): boolean {
  const { typ, token_type, token_use, events } = claims as Record<string, unknown>
  const is = (value: unknown, ...known: string[]) =>
    value === undefined || (typeof value === 'string' && known.includes(value.toLowerCase()))
  return (
    events === undefined &&
    is(typ, 'bearer') &&
    is(token_type, 'bearer', 'access_token') &&
    is(token_use, 'access', 'access_token')
  )
}

/** A client's name for an admin's page: one short line of plain text (IV-05). */
const plainClient = (clientId: string | undefined) =>
  clientId
    ?.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]+/gu, ' ')
    .slice(0, 200)
    .toWellFormed()
