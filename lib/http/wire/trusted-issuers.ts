import { z } from 'zod'
import { scopes as allScopes } from '../../actor.ts'
import { refusalReasons } from '../../security/incoming-token.ts'
import { operation, vaultErrors } from '../operation.ts'
import { address, distinct, id, instant, items, line, name, object, secret } from './schemas.ts'

const scopes = distinct(z.array(z.enum(allScopes)).max(allScopes.length))

const trustedClient = object({
  id,
  client_id: z.string().describe('What the issuer calls it: `client_id` or `azp` in its tokens'),
  name: z.string(),
  scopes: z
    .array(z.enum(allScopes))
    .describe(
      'What it may do here for the member whose token it brings; none: nothing. The scopes in the token play no part',
    ),
  created_by: id,
  created_at: instant,
})

const trustedIssuer = object({
  id,
  issuer: z.string(),
  name: z.string(),
  audience: z.string().describe('What a token must be for'),
  client_id: z
    .string()
    .nullable()
    .describe(
      'Our client there, by which the issuer is asked about each token, once a minute at most; null: signatures alone count',
    ),
  opaque: z.boolean().describe('Tokens that name no issuer are asked about here'),
  created_by: id,
  created_at: instant,
  members: z.int().describe('Active members whose identity has this issuer. Nobody else gets in by it'),
  clients: z.array(trustedClient),
  /** Why tokens were refused last, one a reason, to the minute. */
  refusals: z.array(
    object({
      reason: z.enum(refusalReasons),
      client_id: z.string().nullable().describe('Of a token that the issuer vouched for: the client that it named'),
      at: instant,
    }),
  ),
})

const audience = address(300).or(line(200))
const clientId = line(200)
const clientSecret = secret(500)

export const listTrustedIssuers = operation({
  id: 'listTrustedIssuers',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/trusted-issuers',
  summary: 'Lists the issuers whose access tokens members may use at this API',
  permission: 'oversee',
  scope: 'tenant:read',
  audit: 'none',
  answer: { status: 200, schema: items(trustedIssuer) },
  limit: 'read',
})

export const trustIssuer = operation({
  id: 'trustIssuer',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/trusted-issuers',
  summary: 'Trusts an issuer: listed clients may call this API with the access tokens of members who sign in there',
  permission: 'administer',
  scope: 'cookie only',
  fresh: true,
  audit: 'trusted_issuer.added',
  body: object({
    issuer: address(300).describe(
      'Exactly as its metadata and its tokens name it. Keys and endpoints are read from its metadata',
    ),
    name,
    audience: audience
      .optional()
      .describe(
        'The origin of this instance unless it is said: that, an address below it, or the client that people sign in with',
      ),
    client_id: clientId.optional().describe('A client there by which it is asked about tokens'),
    client_secret: clientSecret.optional(),
    opaque: z.boolean().optional().describe('Ask it about tokens that name no issuer; of one issuer in a tenant'),
  }),
  answer: { status: 201, schema: object({ id, issuer: z.string() }) },
  errors: [...vaultErrors, 'trusted_issuer_exists', 'opaque_taken', 'too_many_trusted'],
  limit: 'check',
})

export const changeTrustedIssuer = operation({
  id: 'changeTrustedIssuer',
  method: 'PATCH',
  path: '/api/v1/tenants/{tenant}/trusted-issuers/{trusted_issuer}',
  summary: 'Changes how the tokens of a trusted issuer are judged; the issuer never changes',
  permission: 'administer',
  scope: 'cookie only',
  fresh: true,
  audit: 'trusted_issuer.changed',
  body: object({
    name: name.optional(),
    audience: audience.optional(),
    client_id: clientId.nullable().optional().describe('Null: it is asked no more'),
    client_secret: clientSecret.optional(),
    opaque: z.boolean().optional(),
  })
    .refine((change) => Object.values(change).some((value) => value !== undefined), 'Set something.')
    .meta({ minProperties: 1 }),
  answer: { status: 204 },
  errors: [...vaultErrors, 'opaque_taken'],
  limit: 'check',
})

export const removeTrustedIssuer = operation({
  id: 'removeTrustedIssuer',
  method: 'DELETE',
  path: '/api/v1/tenants/{tenant}/trusted-issuers/{trusted_issuer}',
  summary: 'Trusts an issuer no more: its tokens are refused from the next request on',
  permission: 'administer',
  scope: 'cookie only',
  audit: 'trusted_issuer.removed',
  answer: { status: 204 },
  limit: 'write',
})

export const trustClient = operation({
  id: 'trustClient',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/trusted-issuers/{trusted_issuer}/clients',
  summary: 'Lists a client of a trusted issuer, with what it may do here for the member whose token it brings',
  permission: 'administer',
  scope: 'cookie only',
  fresh: true,
  audit: 'trusted_client.added',
  body: object({ client_id: clientId, name, scopes }),
  answer: { status: 201, schema: trustedClient },
  errors: ['trusted_client_exists', 'too_many_trusted'],
  limit: 'write',
})

export const changeTrustedClient = operation({
  id: 'changeTrustedClient',
  method: 'PATCH',
  path: '/api/v1/tenants/{tenant}/trusted-issuers/{trusted_issuer}/clients/{trusted_client}',
  summary: 'Changes the name of a listed client, or what it may do here',
  permission: 'administer',
  scope: 'cookie only',
  fresh: true,
  audit: 'trusted_client.changed',
  body: object({ name: name.optional(), scopes: scopes.optional() })
    .refine((change) => Object.values(change).some((value) => value !== undefined), 'Set a name or scopes.')
    .meta({ minProperties: 1 }),
  answer: { status: 200, schema: trustedClient },
  limit: 'write',
})

export const removeTrustedClient = operation({
  id: 'removeTrustedClient',
  method: 'DELETE',
  path: '/api/v1/tenants/{tenant}/trusted-issuers/{trusted_issuer}/clients/{trusted_client}',
  summary: 'Lists a client no more: tokens that it brings are refused from the next request on',
  permission: 'administer',
  scope: 'cookie only',
  audit: 'trusted_client.removed',
  answer: { status: 204 },
  limit: 'write',
})
