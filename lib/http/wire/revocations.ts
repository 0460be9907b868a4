import { z } from 'zod'
import { operation, vaultErrors } from '../operation.ts'
import { atLeast, id, idOf, instant, instantOrNull, items, line, object } from './schemas.ts'

export const upstreamState = z.enum(['pending', 'done', 'confirmed', 'failed', 'impossible'])

/** What a revocation came to, in the three truths (product.md, Revocation). */
export const revoked = object({
  kind: z.enum(['token', 'connection']),
  id,
  /** It was revoked before; nothing was done now. */
  already: z.boolean(),
  /** It had ended by itself, or never came to be: nothing was left to revoke. */
  over: z.boolean(),
  blocked_here: z.literal(true),
  /** Null: nothing is left to do there. */
  upstream: upstreamState.nullable(),
  last_error: z.string().nullable(),
  /** The latest moment it could still work; null: it is over, seen to be refused or past its end. */
  latest_moment: z.union([instant, z.literal('unknown')]).nullable(),
})

export const unconfirmed = object({
  id,
  /** `orphans`: whatever a cut-off issue may have left upstream. */
  kind: z.enum(['token', 'grant', 'orphans']),
  token_id: id.nullable(),
  fingerprint: z.string().nullable(),
  connection_id: id,
  owner_id: id.nullable(),
  /** Its name. */
  project: z.string().nullable(),
  state: z.enum(['pending', 'failed']),
  tries: z.int(),
  last_error: z.string().nullable(),
  next_try_at: instantOrNull,
  created_at: instant,
  latest_moment: instantOrNull,
})

export const revoke = operation({
  id: 'revoke',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/revocations',
  summary: 'Revokes tokens and connections: all of them or none',
  permission: 'work',
  scope: 'tokens:revoke',
  audit: ['token.revoked', 'connection.revoked'],
  body: object({
    tokens: z.array(idOf('token')).max(500).default([]),
    connections: z.array(idOf('connection')).max(500).default([]),
    reason: line(200).optional(),
  })
    .refine(({ tokens, connections }) => tokens.length + connections.length > 0, 'Name a token or a connection.')
    .meta({ anyOf: ['tokens', 'connections'].map((one) => atLeast(one, { minItems: 1 })) }),
  answer: { status: 200, schema: items(revoked) },
  errors: vaultErrors,
  limit: 'revoke',
})

export const listRevocations = operation({
  id: 'listRevocations',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/revocations',
  summary: 'Lists the newest 200 unconfirmed upstream revocations',
  permission: 'oversee',
  scope: 'tenant:read',
  audit: 'access.read',
  answer: { status: 200, schema: items(unconfirmed) },
  limit: 'read',
})

export const retryRevocation = operation({
  id: 'retryRevocation',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/revocations/{revocation}/retry',
  summary: 'Retries an upstream revocation now',
  permission: 'administer',
  scope: 'tenant:manage',
  audit: 'revocation.retried',
  body: object({}),
  answer: { status: 204 },
  limit: 'revoke',
})
