import { z } from 'zod'

/** What signs for a program. No `none`, and no HMAC (RFC 8725 3.1, J-02). Ed25519 has two names (RFC 9864). */
export const publicKeyAlgorithms = ['ES256', 'ES384', 'EdDSA', 'Ed25519', 'RS256', 'PS256'] as const
export type PublicKeyAlgorithm = (typeof publicKeyAlgorithms)[number]

/** Private and symmetric members (RFC 7518 6.2.2, 6.3.2, 6.4.1). */
const secretMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
/** 4096 bits in base64url: longer ones cost whoever checks, and nobody else. */
const modulusLengthMax = 683
const part = z.string().regex(/^[\w-]+$/)

/** A public key with which signatures can be checked at a cost that is bounded. Only what makes the key is kept of it. */
export const PublicJwk = z
  .looseObject({})
  .refine((given) => secretMembers.every((name) => !(name in given)))
  .pipe(
    z.union([
      z.object({ kty: z.literal('EC'), crv: z.enum(['P-256', 'P-384']), x: part, y: part }),
      z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: part }),
      z.object({ kty: z.literal('RSA'), n: part.max(modulusLengthMax), e: z.literal('AQAB') }),
    ]),
  )
export type PublicJwk = z.output<typeof PublicJwk>
