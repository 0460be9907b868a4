import { z } from 'zod'
import { operation } from '../operation.ts'
import { id, items, line, object } from '../schemas.ts'
import { revoked, unconfirmed } from '../views.ts'

const ids = z.array(id).max(500).default([])

export const revoke = operation({
  id: 'revoke',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/revocations',
  summary: 'Revokes tokens and connections in one act: all of them, or none',
  permission: 'work',
  body: object({ tokens: ids, connections: ids, reason: line(200).optional() }).refine(
    ({ tokens, connections }) => tokens.length + connections.length > 0 && tokens.length + connections.length <= 500,
    'Name 1 to 500 tokens and connections.',
  ),
  answer: { status: 200, schema: items(revoked) },
  limit: 'revoke',
})

export const listRevocations = operation({
  id: 'listRevocations',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/revocations',
  summary: 'Upstream revocations that are not done, the newest 200',
  permission: 'oversee',
  answer: { status: 200, schema: items(unconfirmed) },
  limit: 'read',
})

export const retryRevocation = operation({
  id: 'retryRevocation',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/revocations/{revocation}/retry',
  summary: 'Asks the upstream again, now',
  permission: 'administer',
  body: object({}),
  answer: { status: 204 },
  limit: 'revoke',
})
