import { z } from 'zod'
import { selectedKinds } from '../../store/selections.ts'
import { operation, vaultErrors } from '../operation.ts'
import { atLeast, id, idOf, instant, instantGiven, instantOrNull, items, line, object, textStream } from './schemas.ts'
import { revocable, selectable } from './selections.ts'

/** `none`: it worked through Valetkey alone. */
export const upstreamState = z.enum(['pending', 'done', 'confirmed', 'failed', 'impossible', 'none'])

/** What a revocation came to, in the three truths (docs/decisions/0013). */
export const revoked = object({
  kind: z.enum(['token', 'connection', 'grant', 'session', 'request']),
  id,
  already: z.boolean().describe('It was revoked before; nothing was done now'),
  over: z.boolean().describe('It had ended by itself, or never came to be: nothing was left to revoke'),
  blocked_here: z.literal(true),
  upstream: upstreamState.nullable().describe('Null: nothing is left to do there'),
  last_error: z.string().nullable(),
  latest_moment: z
    .union([instant, z.literal('unknown')])
    .nullable()
    .describe('The latest moment it could still work; null: it is over, seen to be refused or past its end'),
})

export const unconfirmed = object({
  id,
  kind: z.enum(['token', 'grant', 'orphans']).describe('`orphans`: whatever a cut-off issue may have left upstream'),
  token_id: id.nullable(),
  fingerprint: z.string().nullable(),
  connection_id: id,
  owner_id: id.nullable(),
  project: z.string().nullable().describe('Its name'),
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
  summary: 'Revokes tokens, connections, grants, sessions and requests by id: all that are named or none',
  permission: 'work',
  scope: 'tokens:revoke',
  audit: ['token.revoked', 'connection.revoked', 'grant.ended', 'member.session_ended', 'request.withdrawn'],
  body: object({
    tokens: z.array(idOf('token')).max(500).default([]),
    connections: z.array(idOf('connection')).max(500).default([]),
    grants: z
      .array(idOf('grant'))
      .max(500)
      .default([])
      .describe('What a person gave a program; with the tokens that were issued through it'),
    sessions: z
      .array(idOf('session'))
      .max(500)
      .default([])
      .describe('Of members, for who administers: this tenant refuses them. Never the one that asks'),
    requests: z
      .array(idOf('attempt').or(idOf('link_request')).or(idOf('authorization')))
      .max(500)
      .default([])
      .describe('What is open, for who administers: whoever answers, fetches or comes back is refused'),
    reason: line(200).optional(),
  })
    .refine((named) => selectedKinds.some((kind) => named[kind].length > 0), 'Name something to revoke.')
    .meta({ anyOf: selectedKinds.map((one) => atLeast(one, { minItems: 1 })) }),
  answer: {
    status: 200,
    schema: object({ items: z.array(revoked) }),
  },
  errors: [...vaultErrors],
  idempotent: { answerSeconds: 600, keySeconds: 600 },
  limit: 'revoke',
})

export const previewRevocation = operation({
  id: 'previewRevocation',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/revocations/preview',
  summary: 'Previews what revoking everything that a filter matches would reach: counts and owners',
  permission: 'work',
  scope: 'tokens:revoke',
  audit: 'access.read',
  query: object(revocable),
  answer: {
    status: 200,
    schema: object({
      as_of: instant,
      count: z.int(),
      tokens: z
        .int()
        .describe(
          'Living tokens: those that match, or that were made from the connections or through the grants that do',
        ),
      used_lately: z
        .int()
        .nullable()
        .describe(
          'How many of those that match are known to have been used within the last day; null: of this kind it is not told',
        ),
      owners: z
        .array(object({ owner_id: id, name: z.string().nullable(), count: z.int() }))
        .describe('The twenty who own most, and how many people own any'),
      owner_count: z.int(),
      used_in_hour: z.int().nullable().describe('The same within the last hour'),
      projects: z
        .array(object({ project_id: id, name: z.string(), count: z.int() }))
        .describe(
          'The twenty of most: of tokens; of what connections reach; for grants of the tokens that were issued through them',
        ),
      project_count: z.int(),
      upstreams: z
        .array(
          object({
            provider_id: id,
            name: z.string(),
            what: z.enum(['tokens', 'connections']),
            effect: z
              .enum(['here', 'upstream', 'at_end', 'copy'])
              .describe(
                '`here`: it works through Valetkey, which refuses it at once; `upstream`: its upstream is asked to end it, at once; `at_end`: it works there until it expires; `copy`: the upstream cannot end it, and only the copy that is stored here is destroyed',
              ),
            count: z.int(),
            latest: instantOrNull.describe('When the last of the tokens expires'),
          }),
        )
        .describe('What ends by provider, and what can be done about it there'),
      breaks: object({
        connections: z.int().describe('Connections that are renewed no more'),
        audiences: z.array(z.string()).describe('APIs of the tenant’s own that refuse callers'),
      }),
      keeps_session: z.boolean().describe('Of sessions: the one that asks matches as well, and stays'),
      webhooks: z
        .array(object({ webhook_id: id, host: z.string(), owner_id: id }))
        .describe(
          'For who administers: webhooks that are on and that the owners of what ends have made. They go on, and tell of this tenant',
        ),
    }),
  },
  limit: 'read',
})

const upstreamStates = object({
  pending: z.int(),
  done: z.int(),
  confirmed: z.int(),
  failed: z.int(),
  impossible: z.int(),
})

/** How an act on many things goes on. */
export const revocationAct = object({
  id,
  kind: z.enum(['held', ...selectedKinds]).describe('`held`: everything of one person'),
  by: id,
  user_id: id.nullable().describe('Whose things, for `held`'),
  reason: z.string().nullable(),
  created_at: instant,
  counts: object({
    sessions: z.int(),
    connections: z.int(),
    grants: z.int(),
    tokens: z.int(),
    requests: z.int(),
  }).describe('What it found when it was made'),
  total: z.int(),
  ended: z.int().describe('How many of them are marked as revoked by now'),
  blocked_at: instantOrNull.describe('Since when all of it is blocked here; null: it goes on'),
  upstream: upstreamStates,
  proved_at: instantOrNull.describe('When the last of what is confirmed was seen to be refused there'),
  latest_moment: z
    .union([instant, z.literal('unknown')])
    .nullable()
    .describe('Null: nothing of it can work any more'),
  settled_at: instantOrNull.describe('Since when nothing of it is pending at an upstream'),
})

export const revokeSelection = operation({
  id: 'revokeSelection',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/revocation-acts',
  summary:
    'Revokes everything that a selection matches, however much it is: it goes on by itself, and is told by its act',
  permission: 'work',
  scope: 'tokens:revoke',
  audit: [
    'selection.revoked',
    'token.revoked',
    'connection.revoked',
    'grant.ended',
    'member.session_ended',
    'request.withdrawn',
  ],
  body: object({
    ...revocable,
    as_of: instantGiven.describe('Of the preview: what was made since is not touched'),
    count: z.int().min(0).max(100_000_000).describe('How many the preview counted'),
    reason: line(200).optional(),
  }).meta(selectable(selectedKinds)),
  answer: { status: 201, schema: object({ act: id }) },
  errors: [...vaultErrors, 'count_changed'],
  limit: 'revoke',
})

export const readRevocationAct = operation({
  id: 'readRevocationAct',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/revocation-acts/{revocation_act}',
  summary: 'Tells how an act that revokes many things goes on: blocked here, and revoked upstream',
  permission: 'read',
  scope: 'tenant:read',
  audit: 'access.read',
  answer: { status: 200, schema: revocationAct },
  limit: 'read',
})

/** A change, because the trail tells that it was made. */
export const signRevocationReceipt = operation({
  id: 'signRevocationReceipt',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/revocation-acts/{revocation_act}/receipts',
  summary:
    'Signs a receipt of an act that revokes many things, as it stands now: a JWS with the three truths and the head of the chain of events, for `valetkey audit verify`',
  permission: 'read',
  scope: 'tenant:read',
  audit: 'receipt.signed',
  answer: { status: 200, schema: textStream, stream: 'application/jose' },
  errors: vaultErrors,
  limit: 'export',
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
  idempotent: { answerSeconds: 600, keySeconds: 600 },
  limit: 'revoke',
})

export const retryAllRevocations = operation({
  id: 'retryAllRevocations',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/revocations/retry',
  summary: 'Retries all unconfirmed upstream revocations, with the next turn of the queue',
  permission: 'administer',
  scope: 'tenant:manage',
  audit: 'revocations.retried',
  body: object({}),
  answer: { status: 200, schema: object({ retried: z.int() }) },
  limit: 'revoke',
})

export const recordRevocation = operation({
  id: 'recordRevocation',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/revocations/{revocation}/record',
  summary: 'Records that something has ended upstream, as somebody has seen to: it is tried no more',
  permission: 'administer',
  scope: 'tenant:manage',
  audit: 'revocation.recorded',
  body: object({ reason: line(200) }),
  answer: { status: 204 },
  limit: 'revoke',
})
