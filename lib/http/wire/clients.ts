import { z } from 'zod'
import { grantScopes as allScopes } from '../../actor.ts'
import { keyAlgorithms } from '../../tenancy/client-metadata.ts'
import { type AuthMethod, graces, grantTypeNames } from '../../tenancy/clients.ts'
import { operation } from '../operation.ts'
import { distinct, id, idOf, instant, instantOrNull, name, object, reason } from './schemas.ts'

const base64url = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[A-Za-z0-9_-]+$/, 'must be base64url')

/** A public key (RFC 7517), for the one algorithm that it names. A member of a private key is refused like any that is unknown. */
const jwk = object({
  kid: z.string().regex(/^[!-~]{1,128}$/, 'must be at most 128 characters of ASCII'),
  alg: z.enum(keyAlgorithms),
  kty: z.enum(['EC', 'OKP', 'RSA']),
  use: z.literal('sig').optional(),
  crv: z.enum(['P-256', 'P-384', 'Ed25519']).optional(),
  x: base64url(128).optional(),
  y: base64url(128).optional(),
  n: base64url(700).optional(),
  e: base64url(8).optional(),
})
const jwks = object({
  keys: z
    .array(jwk)
    .min(1)
    .max(8)
    .refine((keys) => new Set(keys.map(({ kid }) => kid)).size === keys.length, 'names one kid twice'),
})

const authMethod = z.enum(['none', 'client_secret_basic', 'private_key_jwt'] satisfies AuthMethod[])

const clientSecret = object({
  id,
  created_by: id,
  created_at: instant,
  expires_at: instantOrNull.describe('When it stops counting; null: once somebody ends it'),
  last_used_at: instantOrNull.describe('To the minute'),
})

/** In the words of RFC 7591 2 and RFC 9449 5.2, where those have one. */
const client = object({
  /** The `client_id`. */
  id,
  name: z.string(),
  of_server: z.boolean().describe('Of the instance: every tenant sees it, and none changes it'),
  token_endpoint_auth_method: authMethod.describe(
    '`none`: a public client. `client_secret_basic`: a secret, which may also stand in the body. It never changes',
  ),
  redirect_uris: z.array(z.string()),
  grant_types: z.array(z.enum(grantTypeNames)),
  scopes: z
    .array(z.enum(allScopes))
    .describe('What it may be granted at most: at this API, or with `mcp:use` for the gateway of an MCP server'),
  jwks: jwks.nullable().describe('The public keys that its assertions are verified with; null: it has none'),
  audiences: z
    .array(id)
    .describe('Ids of projects that are the tenant’s own audiences: it may ask about their tokens (RFC 7662)'),
  dpop_bound_access_tokens: z.boolean(),
  require_pushed_authorization_requests: z.boolean(),
  document: z
    .string()
    .nullable()
    .describe(
      'Where it says itself what it is, which is its `client_id` then: nobody registered it. Null: somebody did',
    ),
  created_by: id.nullable(),
  created_at: instant,
  last_used_at: instantOrNull.describe('To the minute'),
  secrets: z
    .array(clientSecret)
    .describe('Those that count, newest first; two at most. Their values are shown once, when they are made'),
})

/** Whether it may be one is judged where it is known for which client: https, loopback, or a private-use scheme. */
const redirectUri = z
  .string()
  .max(500)
  .regex(/^[a-z][a-z0-9+.-]*:[!-~]+$/, 'must be an address in ASCII, with its scheme')

const metadata = {
  /** Matched to the letter; the port of http://127.0.0.1 and http://[::1] plays no part. */
  redirect_uris: distinct(z.array(redirectUri).max(20)).optional(),
  grant_types: distinct(z.array(z.enum(grantTypeNames)).max(grantTypeNames.length)).optional(),
  scopes: distinct(z.array(z.enum(allScopes)).max(allScopes.length)).optional(),
  jwks: jwks.optional(),
  audiences: distinct(z.array(idOf('project')).max(50)).optional(),
  dpop_bound_access_tokens: z.boolean().optional().describe('Its tokens are bound to a key of its own (RFC 9449)'),
  require_pushed_authorization_requests: z
    .boolean()
    .optional()
    .describe('It pushes its authorization requests (RFC 9126)'),
}

/** What lasts longer than the credential that makes it: a browser's alone, by who administers. */
const byAdmins = { permission: 'administer', scope: 'cookie only', limit: 'write' } as const
/** And what gives rather than takes, with a recent sign-in: taking away is for bad days. */
const byAdminsNow = { ...byAdmins, fresh: true } as const

export const listClients = operation({
  id: 'listClients',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/clients',
  summary: 'Lists the programs that members may let in, newest first, those of the instance before them',
  permission: 'oversee',
  scope: 'tenant:read',
  audit: 'none',
  /** `next` of the page before. */
  query: object({ before: idOf('client').optional() }),
  answer: { status: 200, schema: object({ items: z.array(client), next: id.nullable() }) },
  limit: 'read',
})

export const showClient = operation({
  id: 'showClient',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/clients/{client}',
  summary: 'Shows a program that members may let in',
  permission: 'oversee',
  scope: 'tenant:read',
  audit: 'none',
  /** Those of the instance have names. */
  params: { client: z.string().regex(/^(cli_[0-9a-f]{32}|[a-z][a-z0-9-]{0,62})$/) },
  answer: { status: 200, schema: client },
  limit: 'read',
})

export const createClient = operation({
  ...byAdminsNow,
  id: 'createClient',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/clients',
  summary: 'Registers a program that members may let in; only this response contains its secret',
  audit: ['client.created', 'client.secret_made'],
  body: object({ name, token_endpoint_auth_method: authMethod, ...metadata }),
  /** Null: it authenticates with keys of its own, or not at all. */
  answer: { status: 201, schema: object({ client, client_secret: z.string().nullable() }) },
  errors: ['too_many_clients'],
})

export const changeClient = operation({
  ...byAdminsNow,
  id: 'changeClient',
  method: 'PATCH',
  path: '/api/v1/tenants/{tenant}/clients/{client}',
  summary: 'Changes a program; taking away scopes or a grant type ends its grants, adding does not',
  audit: ['client.changed', 'grant.ended', 'token.revoked'],
  body: object({
    name: name.optional(),
    ...metadata,
    end_grants: z.literal(true).optional().describe('End all that people gave it, whatever else changes'),
  })
    .refine((change) => Object.values(change).some((value) => value !== undefined), 'Set something.')
    .meta({ minProperties: 1 }),
  answer: { status: 200, schema: client },
})

export const previewClientEnding = operation({
  id: 'previewClientEnding',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/clients/{client}/ending',
  summary: 'Counts what removing a program would end: grants, who gave them, and tokens issued through them',
  permission: 'oversee',
  scope: 'tenant:read',
  audit: 'none',
  answer: { status: 200, schema: object({ grants: z.int(), people: z.int(), tokens: z.int() }) },
  limit: 'read',
})

export const removeClient = operation({
  ...byAdmins,
  id: 'removeClient',
  method: 'DELETE',
  path: '/api/v1/tenants/{tenant}/clients/{client}',
  summary: 'Removes a program and ends its grants, with the tokens issued through them',
  audit: ['client.removed', 'grant.ended', 'token.revoked'],
  body: object({ reason: reason.optional() }),
  answer: { status: 204 },
})

export const makeClientSecret = operation({
  ...byAdminsNow,
  id: 'makeClientSecret',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/clients/{client}/secrets',
  summary: 'Gives a program another secret; only this response contains it',
  audit: 'client.secret_made',
  /** How long the secrets before it go on counting. */
  body: object({ grace_seconds: z.literal([...graces]) }),
  answer: { status: 201, schema: object({ client, client_secret: z.string() }) },
  errors: ['too_many_secrets'],
})

export const endClientSecret = operation({
  ...byAdmins,
  id: 'endClientSecret',
  method: 'DELETE',
  path: '/api/v1/tenants/{tenant}/clients/{client}/secrets/{client_secret}',
  summary: 'Ends a secret of a program from the next request on',
  audit: 'client.secret_ended',
  answer: { status: 204 },
})
