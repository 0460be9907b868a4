import { z } from 'zod'
import { kinds } from '../../providers/index.ts'
import { operation, upstreamErrors } from '../operation.ts'
import { idOf, instant, line, object, page, schemaOf } from './schemas.ts'
import { token } from './views.ts'

/** Rights, as the kind of the project's provider has them: it reads them, once it is known which. */
const rights = z.record(z.string(), z.unknown()).meta({
  description: 'Rights as the kind of the provider names them; one of the kinds below.',
  anyOf: [...kinds.values()].map((kind) => schemaOf(kind.rights)),
})

export const issueToken = operation({
  id: 'issueToken',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/projects/{project}/tokens',
  summary: 'Issues a token; its value is in this answer alone',
  permission: 'work',
  body: object({
    scopes: rights,
    /** Seconds. */
    expires_in: z.int().min(60).max(86_400),
    purpose: line(200),
  }),
  answer: {
    status: 201,
    schema: object({
      token,
      value: z.string(),
      /** Seconds from now. */
      expires_in: z.int(),
      /** What the upstream calls such a token. */
      token_type: z.string(),
      /** Where the token is for. */
      base_url: z.url(),
    }),
  },
  errors: [
    ...upstreamErrors,
    'over_policy',
    'too_many_tokens',
    'issue_unconfirmed',
    'upstream_rejected',
    'revoked_meanwhile',
    'excess_rights',
  ],
  limit: 'issue',
})

export const listTokens = operation({
  id: 'listTokens',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/tokens',
  summary: 'Tokens, newest first, ended ones by their end: the caller’s own, or with everybody=1 all of the tenant',
  permission: 'read',
  query: object({
    owner: idOf('user').optional(),
    project: idOf('project').optional(),
    provider: idOf('provider').optional(),
    state: z.enum(['live', 'ended', 'revoked', 'failed']).optional(),
    everybody: z.literal('1').optional(),
    /** `next` of the page before. */
    before: idOf('token').optional(),
  }),
  answer: { status: 200, schema: page(token) },
  limit: 'read',
})

export const readToken = operation({
  id: 'readToken',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/tokens/{token}',
  summary: 'One token; never its value',
  permission: 'read',
  answer: { status: 200, schema: token },
  limit: 'read',
})

export const checkLastUse = operation({
  id: 'checkLastUse',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/tokens/{token}/last-use',
  summary: 'Asks the upstream when a token was last used',
  permission: 'work',
  body: object({}),
  /** Null: not reported. */
  answer: { status: 200, schema: object({ last_used_at: instant.nullable() }) },
  errors: upstreamErrors,
  limit: 'write',
})
