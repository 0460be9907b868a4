import { z } from 'zod'
import { operation, vaultErrors } from '../operation.ts'
import { atLeast, idOf, items, line, object } from './schemas.ts'
import { filter, preview, selected, selection } from './selections.ts'
import { unconfirmed } from './views.ts'

export const revoke = operation({
  id: 'revoke',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/revocations',
  summary:
    'Revokes tokens and connections: those named in one act, all of them or none; those selected in as many as it takes',
  permission: 'work',
  body: object({
    tokens: z.array(idOf('token')).max(500).default([]),
    connections: z.array(idOf('connection')).max(500).default([]),
    /** Everything that a filter matched when it was previewed, instead of names. */
    selection: selection.optional(),
    reason: line(200).optional(),
  })
    .refine(
      ({ tokens, connections, selection }) => tokens.length + connections.length > 0 !== (selection !== undefined),
      'Name a token or a connection, or else a selection.',
    )
    .meta({
      anyOf: [
        ...['tokens', 'connections'].map((one) => ({
          ...atLeast(one, { minItems: 1 }),
          not: { required: ['selection'] },
        })),
        { required: ['selection'], properties: { tokens: { maxItems: 0 }, connections: { maxItems: 0 } } },
      ],
    }),
  answer: { status: 200, schema: selected },
  errors: [...vaultErrors, 'count_changed'],
  limit: 'revoke',
})

/** A POST, because it is a question about as much as there is, which a GET should not cost. It changes nothing. */
export const previewRevocation = operation({
  id: 'previewRevocation',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/revocations/preview',
  summary: 'What revoking everything that a filter matches would reach: counts and owners',
  permission: 'work',
  body: object(filter),
  answer: { status: 200, schema: preview },
  limit: 'read',
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
