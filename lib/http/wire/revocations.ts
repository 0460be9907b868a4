import { z } from 'zod'
import { operation, vaultErrors } from '../operation.ts'
import { atLeast, idOf, items, line, object } from './schemas.ts'
import { revoked, unconfirmed } from './views.ts'

export const revoke = operation({
  id: 'revoke',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/revocations',
  summary: 'Revokes tokens and connections: all of them or none',
  permission: 'work',
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
  answer: { status: 200, schema: items(unconfirmed) },
  limit: 'read',
})

export const retryRevocation = operation({
  id: 'retryRevocation',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/revocations/{revocation}/retry',
  summary: 'Retries an upstream revocation now',
  permission: 'administer',
  body: object({}),
  answer: { status: 204 },
  limit: 'revoke',
})
