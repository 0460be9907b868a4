import { importJWK, jwtVerify } from 'jose'
import { z } from 'zod'
import { PublicJwk, publicKeyAlgorithms } from './jwk.ts'
import { numericDate, partOf } from './jwt.ts'
import { clockToleranceSeconds } from './oauth.ts'
import { hash } from './secrets.ts'

export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
/** Algorithms of assertions, as our metadata lists them. */
export const assertionAlgorithms = publicKeyAlgorithms

/** Longer than an assertion signed with 4096 bits. */
const lengthMax = 8192
/** How far ahead it may end: nobody signs for next week. */
const lifeSeconds = 5 * 60

/** The types that it may say it has: its own (RFC 7523bis), and those of libraries that are older. No other kind of JWT. */
const types = new Set<unknown>([undefined, 'jwt', 'client-authentication+jwt', 'application/client-authentication+jwt'])
const Header = z.looseObject({
  alg: z.enum(assertionAlgorithms),
  kid: z.string().optional(),
  typ: z.string().toLowerCase().optional(),
})
const Claims = z.object({
  iss: z.string(),
  sub: z.string(),
  aud: z.union([z.string(), z.tuple([z.string()])]),
  exp: numericDate,
  nbf: numericDate.optional(),
  iat: numericDate.optional(),
  jti: z.string().min(1).max(256),
})
const Keys = z.object({ keys: z.array(z.looseObject({ kid: z.string().optional(), alg: z.string() })) })

/** An assertion that is right, and what is to be taken once for as long as it could come again. */
export type Assertion = { once: Uint8Array; onceSeconds: number }

/** Whose an assertion says it is: not verified, good for nothing but to look its keys up. */
export const subjectOf = (assertion: string): string | undefined => {
  const { sub } = partOf(assertion, 'payload') ?? {}
  return typeof sub === 'string' ? sub : undefined
}

/**
 * Verifies that a client signed an assertion for us (RFC 7523 3) with one of its registered keys. Meant for our issuer and
 * nobody else: one for an endpoint's address could have been asked for by another server (docs/decisions/0065). Whether it
 * was used before is the caller's to ask. undefined: it does not count, for whatever reason.
 */
export async function readAssertion(
  { now, config }: { now: () => Date; config: { origin: string } },
  { assertion, clientId, keys }: { assertion: string; clientId: string; keys: unknown },
): Promise<Assertion | undefined> {
  if (assertion.length > lengthMax) return undefined
  const head = Header.safeParse(partOf(assertion, 'header'))
  if (!head.success || !types.has(head.data.typ)) return undefined
  const key = keyFor(keys, head.data)
  const payload = key && (await verified(now(), assertion, head.data.alg, key))
  const read = Claims.safeParse(payload)
  if (!read.success) return undefined
  const { iss, sub, aud, exp, nbf = 0, iat = 0, jti } = read.data
  if (iss !== clientId || sub !== clientId) return undefined
  if ([aud].flat()[0] !== config.origin) return undefined
  const seconds = now().getTime() / 1000
  if (exp <= seconds - clockToleranceSeconds || exp > seconds + lifeSeconds + clockToleranceSeconds) return undefined
  if (nbf > seconds + clockToleranceSeconds || iat > seconds + clockToleranceSeconds) return undefined
  // Until it counts nowhere, with what the clocks of two processes may differ by.
  const onceSeconds = Math.ceil(exp - seconds) + 2 * clockToleranceSeconds
  return { once: hash(`assertion ${clientId} ${jti}`), onceSeconds }
}

const nameOf = (alg: string) => (alg === 'Ed25519' ? 'EdDSA' : alg)

/** The one registered key that is meant; its algorithm is as it was registered, whatever the assertion would like. */
function keyFor(keys: unknown, { alg, kid }: z.output<typeof Header>): PublicJwk | undefined {
  const known = Keys.safeParse(keys).data?.keys ?? []
  const meant = known.filter((one) => nameOf(one.alg) === nameOf(alg) && (kid === undefined || one.kid === kid))
  return meant.length === 1 ? PublicJwk.safeParse(meant[0]).data : undefined
}

async function verified(currentDate: Date, assertion: string, alg: string, jwk: PublicJwk): Promise<unknown> {
  try {
    const options = { algorithms: [alg], currentDate, clockTolerance: clockToleranceSeconds }
    return (await jwtVerify(assertion, await importJWK(jwk, alg), options)).payload
  } catch {
    return undefined
  }
}
