import { z } from 'zod'
import type { ErrorCode } from '../../errors.ts'
import { kinds } from '../../providers/index.ts'
import { type Kind, strategies } from '../../providers/kind.ts'
import { Rules } from '../../providers/rules.ts'
import { operation, refreshEvents, upstreamErrors } from '../operation.ts'
import { frozen } from './freezes.ts'
import { providerReference } from './providers.ts'
import { upstreamState } from './revocations.ts'
import { id, idOf, instant, instantOrNull, line, object, page, rightLine, schemaOf } from './schemas.ts'
import { chosen, clientId, placed, strategy } from './selections.ts'
import { use } from './use.ts'

/** As the kind of the provider has them. */
const scopes = z.record(z.string(), z.unknown())
/** One right as a person reads it, and how far it reaches. */

export const token = object({
  id,
  fingerprint: z.string().nullable(),
  owner_id: id,
  project: object({ id, name: z.string(), alias: z.string() }),
  provider: providerReference,
  connection_id: id.nullable().describe('Null: it needs none'),
  program: object({ client_id: id, name: z.string(), grant_id: id.nullable() })
    .nullable()
    .describe('The program that asked for it with what its owner gave it; null: they asked themselves'),
  purpose: z.string(),
  strategy: z.enum(strategies),
  state: z.enum(['issuing', 'live', 'ended', 'revoked', 'failed']),
  offline: z
    .boolean()
    .describe('Verified without Valetkey, by its signature: whatever is done here, it works until it expires'),
  /** Of one that each use asks Valetkey about: what stops its use for now. */
  frozen,
  dpop_jkt: z
    .string()
    .nullable()
    .describe('Thumbprint of the key that it is bound to; null: it is taken from whoever brings it'),
  asked: scopes,
  granted: scopes.nullable().describe('From what came back, never from what was sent'),
  rights: object({ asked: z.array(rightLine), granted: z.array(rightLine).nullable() }).describe('Both for people'),
  not_granted: z.array(z.string()).describe('Rights that were asked and not granted, in words'),
  failure: z.string().nullable(),
  created_at: instant,
  expires_at: instant.describe('At the upstream'),
  revoke_at: instantOrNull.describe('When it is revoked here, where the upstream gave it a longer life than was asked'),
  exclusive: z.boolean().describe('No other token of its connection can be made while it lives'),
  last_used_at: instantOrNull.describe('Null: not reported'),
  revoked_by: id.nullable(),
  /** The three truths: blocked here, revoked upstream, the latest moment it could still work. */
  revocation: object({
    blocked_at: instant,
    upstream: upstreamState,
    proved_at: instantOrNull.describe('When the upstream was seen to refuse it, asked again after it was revoked'),
    last_error: z.string().nullable(),
    tries: z.int(),
    next_try_at: instantOrNull,
    latest_moment: z
      .union([instant, z.literal('unknown')])
      .nullable()
      .describe('Null once the upstream was seen to refuse it, and no API may check it by its signature alone'),
  }).nullable(),
})

/** Rights, as the kind of the project's provider has them: it reads them, once it is known which. */
/** What may be asked of a kind: mostly all of its rights, else those of each sort of token. */
const askedOf = ({ rights, sorts }: Kind) => {
  const asked = Object.values(sorts ?? {}).flatMap(({ asks }) => asks ?? [])
  return asked.length > 0 ? asked : [rights]
}
const rights = z.record(z.string(), z.unknown()).meta({
  description: 'Rights in the form of the provider’s kind, or the rules of a proxy token: one of these',
  anyOf: [...[...kinds.values()].flatMap(askedOf), Rules].map(schemaOf),
})

export const issueErrors = [
  ...upstreamErrors,
  'over_policy',
  'beyond_grant',
  'too_many_tokens',
  'no_strategy',
  'token_outstanding',
  'issue_unconfirmed',
  'upstream_rejected',
  'revoked_meanwhile',
  'excess_rights',
  'unsound_token',
] as const satisfies readonly ErrorCode[]
/** A program that lost the answer asks again within seconds; the value is kept no longer than that (docs/decisions/0059). */
export const issueOnce = { answerSeconds: 60, keySeconds: 86_400 }

export const issueToken = operation({
  id: 'issueToken',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/projects/{project}/tokens',
  summary: 'Issues a token; only this response contains its value',
  permission: 'work',
  scope: 'tokens:issue',
  audit: ['token.requested', 'token.issued', 'token.failed', ...refreshEvents],
  body: object({
    scopes: rights,
    strategy: z.enum(strategies).optional().describe('How it is made; left out: the first way that its upstream has'),
    expires_in: z.int().min(60).max(86_400).describe('Seconds'),
    purpose: line(200),
    dpop_jkt: z
      .string()
      .regex(/^[A-Za-z0-9_-]{43}$/, 'must be the thumbprint of a key (RFC 7638, SHA-256)')
      .nullable()
      .optional()
      .describe(
        'Of strategy proxy: thumbprint of the key that it is bound to. Left out: the key of the access token that asks, if it has one; null: none',
      ),
  }),
  answer: {
    status: 201,
    schema: object({
      token,
      value: z.string(),
      expires_in: z.int().describe('Seconds from now'),
      token_type: z.string().describe('What the upstream, or the proxy, calls such a token'),
      base_url: z.url().describe('Where the token is for'),
    }),
  },
  errors: issueErrors,
  idempotent: issueOnce,
  limit: 'issue',
})

export const listTokens = operation({
  id: 'listTokens',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/tokens',
  summary:
    'Lists tokens, newest first unless sorted, expired ones by expiry: the caller’s own, or with everybody=1 all of the tenant',
  permission: 'read',
  scope: 'projects:read',
  audit: 'access.read',
  query: object({
    ...chosen,
    state: z.enum(['live', 'ended', 'revoked', 'failed']).optional(),
    client: clientId.optional().describe('Issued through this program, or by this grant'),
    grant: idOf('grant').optional(),
    strategy: strategy.optional(),
    everybody: z.literal('1').optional(),
    ...placed('token'),
  }),
  answer: { status: 200, schema: page(token) },
  limit: 'read',
})

export const readToken = operation({
  id: 'readToken',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/tokens/{token}',
  summary: 'Returns one token, never its value',
  permission: 'read',
  scope: 'projects:read',
  audit: 'access.read',
  answer: { status: 200, schema: token },
  limit: 'read',
})

export const readTokenUse = operation({
  id: 'readTokenUse',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/tokens/{token}/use',
  summary:
    'Returns how a token was used through Valetkey in the last 14 days; nothing for one that works at its upstream',
  permission: 'read',
  scope: 'projects:read',
  audit: 'access.read',
  answer: { status: 200, schema: use },
  limit: 'read',
})

export const checkLastUse = operation({
  id: 'checkLastUse',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/tokens/{token}/last-use',
  summary: 'Asks the upstream when a token was last used',
  permission: 'work',
  scope: 'projects:read',
  audit: refreshEvents,
  body: object({}),
  /** Null: not reported. */
  answer: { status: 200, schema: object({ last_used_at: instant.nullable() }) },
  errors: upstreamErrors,
  limit: 'write',
})
