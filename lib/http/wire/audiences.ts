import { z } from 'zod'
import { kinds } from '../../providers/index.ts'
import { operation, vaultErrors } from '../operation.ts'
import { alias, id, idOf, instant, items, name, object, reason, schemaOf } from './schemas.ts'

/** As its tokens name it, to the letter (RFC 8707 2): no validator reads more into it. */
const audienceUri = z
  .string()
  .max(300)
  .regex(/^(https?:\/\/|urn:|api:\/\/)[!$-;=?-[\]_a-z~%]+$/, 'must be an https, api or urn address without a fragment')

/** As the kind of the provider has them; it reads them. */
const settings = z.record(z.string(), z.unknown()).meta({
  description:
    'What the tokens of an audience may be given, and how they are made: in the form of the provider’s kind.',
  anyOf: [...kinds.values()].flatMap(({ own }) => (own ? [schemaOf(own.audience)] : [])),
})

/** Seconds, a minute to a day. */
const maxLifetime = z.int().min(60).max(86_400)

const audience = object({
  /** Of the project that it is. */
  id,
  audience: z.string(),
  name: z.string(),
  alias: z.string(),
  settings: z.record(z.string(), z.unknown()),
  max_lifetime_seconds: z.int().nullable().describe("Null: the provider's and the tenant's policies say it"),
  tokens_out: z.int().describe('Living tokens of all members'),
  created_at: instant,
})

/** Ids of the projects that they are. */
const params = { audience: idOf('project') }

export const listAudiences = operation({
  id: 'listAudiences',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/audiences',
  summary: 'Lists the audiences of the tenant’s own APIs, with what their tokens may be given',
  permission: 'oversee',
  scope: 'tenant:read',
  audit: 'none',
  answer: { status: 200, schema: items(audience) },
  limit: 'read',
})

export const addAudience = operation({
  id: 'addAudience',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/audiences',
  summary: 'Adds an audience: an API of the tenant’s own that members issue tokens for',
  permission: 'administer',
  scope: 'cookie only',
  fresh: true,
  audit: 'audience.added',
  body: object({ audience: audienceUri, name, alias, settings, max_lifetime_seconds: maxLifetime.optional() }),
  answer: { status: 201, schema: audience },
  errors: ['no_own_apis', 'audience_exists', 'too_many_audiences', 'alias_taken'],
  limit: 'write',
})

export const changeAudience = operation({
  id: 'changeAudience',
  method: 'PATCH',
  path: '/api/v1/tenants/{tenant}/audiences/{audience}',
  params,
  summary:
    'Changes an audience for tokens to come; those that are out keep what they were given. Its address never changes',
  permission: 'administer',
  scope: 'cookie only',
  fresh: true,
  audit: 'audience.changed',
  body: object({
    name: name.optional(),
    settings: settings.optional(),
    max_lifetime_seconds: maxLifetime.nullable().optional().describe('Null: it says nothing'),
  })
    .refine((change) => Object.values(change).some((value) => value !== undefined), 'Set something.')
    .meta({ minProperties: 1 }),
  answer: { status: 200, schema: audience },
  limit: 'write',
})

export const removeAudience = operation({
  id: 'removeAudience',
  method: 'DELETE',
  path: '/api/v1/tenants/{tenant}/audiences/{audience}',
  params,
  summary: 'Removes an audience and revokes every living token of it',
  permission: 'administer',
  scope: 'cookie only',
  audit: ['audience.removed', 'token.revoked'],
  body: object({ reason: reason.optional() }),
  answer: {
    status: 200,
    schema: object({
      revoked: z.int().describe('How many tokens were revoked with it'),
      latest_moment: instant
        .nullable()
        .describe(
          'The latest moment at which one of them could still work, because it is verified without Valetkey; null: none does',
        ),
    }),
  },
  errors: vaultErrors,
  limit: 'write',
})
