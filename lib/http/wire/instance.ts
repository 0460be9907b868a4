import { z } from 'zod'
import { keysCacheSeconds } from '../../security/signing.ts'
import { operation } from '../operation.ts'
import { id, instant, object, role, text } from './schemas.ts'

export const health = operation({
  id: 'health',
  method: 'GET',
  path: '/api/health',
  summary: 'Whether the process runs',
  permission: 'public',
  scope: 'none',
  audit: 'none',
  answer: { status: 200, schema: object({ status: z.literal('ok') }) },
})

export const ready = operation({
  id: 'ready',
  method: 'GET',
  path: '/api/ready',
  summary: 'Whether the process can serve: database and keys',
  permission: 'public',
  scope: 'none',
  audit: 'none',
  answer: {
    status: 200,
    // Only where there are any: ready all the same, because requests need no log.
    schema: object({ status: z.literal('ready'), log_lines_dropped: z.int().positive().optional() }),
  },
})

export const readClientKeys = operation({
  id: 'readClientKeys',
  method: 'GET',
  path: '/oauth/client/{provider}/jwks.json',
  summary: 'Public keys that the client of a provider signs with (private_key_jwt)',
  permission: 'public',
  scope: 'none',
  audit: 'none',
  answer: { status: 200, schema: object({ keys: z.array(z.record(z.string(), z.unknown())) }) },
  errors: ['not_found'],
  limit: 'read',
})

export const readClientDocument = operation({
  id: 'readClientDocument',
  method: 'GET',
  path: '/oauth/client/{provider}',
  summary: 'What an authorization server reads of a client whose id is this address (client-id metadata document)',
  permission: 'public',
  scope: 'none',
  audit: 'none',
  answer: {
    status: 200,
    schema: object({
      client_id: z.url(),
      client_name: z.string(),
      client_uri: z.url(),
      redirect_uris: z.array(z.url()),
      grant_types: z.array(z.string()),
      response_types: z.array(z.string()),
      token_endpoint_auth_method: z.enum(['none', 'private_key_jwt']),
      token_endpoint_auth_signing_alg: z.string().optional(),
      jwks_uri: z.url().optional(),
    }),
  },
  errors: ['not_found'],
  limit: 'read',
})

/** RFC 8414 section 3, of an issuer with a path: what is after the well-known part is the issuer's own. */
export const readTenantIssuer = operation({
  id: 'readTenantIssuer',
  method: 'GET',
  path: '/.well-known/oauth-authorization-server/t/{tenant}',
  summary: 'Metadata of the issuer of a tenant’s tokens for its own APIs (RFC 8414)',
  permission: 'public',
  scope: 'none',
  audit: 'none',
  answer: {
    status: 200,
    schema: object({
      issuer: z.url(),
      jwks_uri: z.url(),
      response_types_supported: z
        .array(z.string())
        .describe(
          'None: its tokens are issued to members by this API. Left out, they would mean the code and implicit flows',
        ),
      grant_types_supported: z.array(z.string()),
    }),
    cacheSeconds: keysCacheSeconds,
  },
  errors: ['not_found'],
  limit: 'read',
})

export const readTenantKeys = operation({
  id: 'readTenantKeys',
  method: 'GET',
  path: '/t/{tenant}/jwks.json',
  summary: 'Public keys that a tenant’s tokens for its own APIs are verified with (RFC 7517)',
  permission: 'public',
  scope: 'none',
  audit: 'none',
  answer: {
    status: 200,
    schema: object({
      keys: z.array(
        object({
          kty: z.literal('EC'),
          crv: z.literal('P-256'),
          x: z.string(),
          y: z.string(),
          kid: z.string(),
          alg: z.literal('ES256'),
          use: z.literal('sig'),
        }),
      ),
    }),
    cacheSeconds: keysCacheSeconds,
  },
  errors: ['not_found'],
  limit: 'read',
})

export const readOpenApi = operation({
  id: 'readOpenApi',
  method: 'GET',
  path: '/api/v1/openapi.json',
  summary: 'This description',
  permission: 'public',
  scope: 'none',
  audit: 'none',
  answer: { status: 200, schema: z.record(z.string(), z.unknown()) },
})

export const readMe = operation({
  id: 'readMe',
  method: 'GET',
  path: '/api/v1/me',
  summary: 'Who is signed in, and where',
  permission: 'session',
  scope: 'tenant:read',
  audit: 'none',
  answer: {
    status: 200,
    schema: object({
      id,
      name: z.string(),
      email: z.string().nullable(),
      issuer: z.string(),
      operator: z.boolean(),
      signed_in_at: instant,
      expires_at: instant,
      tenants: z.array(object({ slug: z.string(), name: z.string(), role })),
    }),
  },
  limit: 'read',
})

const reportedUrl = text(2048).optional()

export const reportCsp = operation({
  id: 'reportCsp',
  method: 'POST',
  path: '/api/v1/csp-reports',
  summary: 'Receives a content security policy report from a browser',
  permission: 'public',
  scope: 'none',
  audit: 'none',
  media: ['application/csp-report'],
  // Browsers add members as they please, so this one schema is loose; only the named ones are used.
  body: z.looseObject({
    'csp-report': z.looseObject({
      'document-uri': reportedUrl,
      'blocked-uri': reportedUrl,
      'effective-directive': text(100).optional(),
      'violated-directive': text(1024).optional(),
      'line-number': z.number().optional(),
    }),
  }),
  answer: { status: 204 },
  limit: 'report',
})
