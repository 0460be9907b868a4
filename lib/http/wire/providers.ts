import { z } from 'zod'
import { kindList, setupSchemas } from '../../broker/providers.ts'
import { overLives } from '../../store/policies.ts'
import { operation, refreshEvents, upstreamErrors, vaultErrors } from '../operation.ts'
import { address, id, idOf, instant, instantOrNull, items, line, name, object, secret } from './schemas.ts'

export const flows = z.array(
  object({ name: z.string(), title: z.string(), hint: z.string(), revokes_grants: z.boolean() }),
)

export const provider = object({
  id,
  kind: z.string(),
  name: z.string(),
  issuer: z.string(),
  client_id: z.string().describe('Empty for who does not oversee the tenant'),
  has_secret: z.boolean(),
  has_previous_secret: z
    .boolean()
    .describe('A secret or key from before the last change is still accepted beside the current one'),
  client_authentication: z
    .enum(['secret', 'key', 'nothing'])
    .nullable()
    .describe('What the client proves itself by; null: its settings cannot be read'),
  redirect_uri: z.string(),
  max_lifetime_seconds: z.int().nullable(),
  over_life: z
    .enum(overLives)
    .nullable()
    .describe("What becomes of a token that its upstream lets live longer; null: the tenant's policy says so"),
  impersonation: z
    .array(object({ member: id, usernames: z.array(z.string()) }))
    .describe('Whom members may become upstream; empty for who does not oversee the tenant'),
  settings: z.record(z.string(), z.unknown()).describe('Those that may be changed, as the kind names them'),
  misconfigured: z.boolean().describe('Its settings cannot be read here: nothing is linked, renewed or issued with it'),
  flows: flows.describe('Ways to link beside the ordinary one, each with one grant for several projects'),
  can_probe: z.boolean().describe('Whether it can be found out what its upstream does with smaller tokens'),
  /** What its kind tells about it in words; empty for who does not oversee the tenant. */
  facts: z.array(
    object({
      label: z.string(),
      lines: z.array(
        object({
          text: z.string(),
          form: z.enum(['words', 'code', 'copy']),
          note: z.string().nullable(),
          attention: z.boolean().describe('Something has to be done about it'),
        }),
      ),
    }),
  ),
})

/** A provider as things that belong to it name it. */
export const providerReference = object({ id, name: z.string(), kind: z.string() })

const named = z.array(object({ name: z.string(), url: z.string() }))

/** A server that is known before anybody here uses it. Text may hold `{name}` of a variable. */
const preset = object({
  kind: z.string(),
  name: z.string(),
  title: z.string(),
  place: z.string().nullable().describe('Its host, where that is all in which it differs from others'),
  monogram: z.string(),
  keywords: z.array(z.string()),
  /** What has to be entered, because nobody else can know it. */
  variables: z.array(
    object({
      name: z.string(),
      label: z.string(),
      hint: z.string(),
      placeholder: z.string(),
      pattern: z.string().describe('Of the whole value, a regular expression'),
      default: z.string().nullable(),
    }),
  ),
  client_authentication: z.string(),
  scopes: object({
    always: z.array(z.string()).describe('Asked for whatever is chosen'),
    known: z.array(
      object({
        name: z.string(),
        text: z.string(),
        risk: z.enum(['low', 'medium', 'high']),
        suggested: z.boolean(),
      }),
    ),
    fixed_at_registration: z.boolean().describe('They are chosen where the client is registered, and none is sent'),
  }),
  registration: object({
    page: z.string(),
    where: z.string(),
    redirect_field: z.string().describe('What the field for the redirect URI is called there'),
    fields: z.array(object({ there: z.string(), here: z.enum(['client_id', 'client_secret']) })),
    notes: z.array(z.string()),
  }),
  limited_tokens: object({ answer: z.enum(['yes', 'no', 'unknown']), reason: z.string() }),
  /** What revoking a connection there ends. */
  revocation: object({
    ends: z.enum(['token', 'grant', 'both', 'account', 'nothing', 'unknown']),
    text: z.string(),
  }),
  refresh: object({ way: z.enum(['rotates', 'stays', 'none']), text: z.string() }),
  api_bases: named,
  evidence: z.enum(['tried', 'read']).describe('`read`: in its documentation, not yet tried against the real server'),
  sources: z.array(object({ about: z.string(), url: z.string(), read: z.string(), note: z.string().nullable() })),
})

/** As its upstream spells it. */
const username = z.string().regex(/^[!-~]{1,255}$/, 'must be a username without spaces')
const clientId = line(200)
const clientSecret = secret(500)
/** As the kind names them; it reads them. */
const settings = z.record(z.string(), z.unknown()).meta({
  anyOf: kindList().map(({ settings }) => ({
    type: 'object',
    properties: Object.fromEntries(
      settings.map((one) => [
        one.name,
        one.is === 'switch' ? { type: 'boolean' } : { type: 'integer', minimum: one.min, maximum: one.max },
      ]),
    ),
    additionalProperties: false,
  })),
})
/** Of kinds that ask for more than an address; they read it. */
const setup = z.record(z.string(), z.unknown()).meta({ anyOf: setupSchemas() })
/** Seconds, a minute to a day. */
const maxLifetime = z.int().min(60).max(86_400)

export const listProviders = operation({
  id: 'listProviders',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/providers',
  summary: 'Lists the providers of the tenant',
  permission: 'read',
  scope: 'tenant:read',
  audit: 'none',
  answer: { status: 200, schema: items(provider) },
  limit: 'read',
})

export const listPresets = operation({
  id: 'listPresets',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/provider-presets',
  summary: 'Lists the well-known servers that a provider can be made for with little typing',
  permission: 'read',
  scope: 'tenant:read',
  audit: 'none',
  answer: { status: 200, schema: items(preset) },
  limit: 'read',
})

/** Which are known is asked when it is read. */
const kind = z
  .string()
  .max(32)
  .meta({ enum: kindList().map(({ name }) => name) })

export const previewProvider = operation({
  id: 'previewProvider',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/provider-preview',
  summary: 'Tells what a provider would be made of, and makes none',
  permission: 'administer',
  scope: 'cookie only',
  audit: 'none',
  body: object({
    kind,
    issuer: address(300).optional().describe('Of kinds that need nothing else'),
    setup: setup.optional(),
  }),
  answer: {
    status: 200,
    schema: object({
      issuer: z.string(),
      redirect_uri: z.string(),
      endpoints: named.describe('By their names in RFC 8414'),
      authentication: z.string().nullable().describe('How the client proves itself; null where its kind does not say'),
      client_authentication: z
        .enum(['secret', 'key', 'nothing'])
        .describe('What the client proves itself by; a key is made with the provider'),
      scopes: z.array(z.string()).describe('Asked for in every link'),
      api_bases: named,
      certificates: z.array(object({ subject: z.string(), expires_at: instant })),
      mcp: object({
        by: z.enum(['oauth', 'header', 'nothing']).describe('How the server is told who calls'),
        registration: z
          .enum(['given', 'metadata_document', 'dynamic'])
          .nullable()
          .describe('How our client comes to be known; one that registers does so when the provider is made'),
        authorization_servers: z.array(z.string()).describe('Whose tokens it takes, the one in use first'),
        title: z.string().nullable().describe('What the server calls itself'),
      })
        .nullable()
        .describe('Of an MCP server'),
    }),
  },
  limit: 'write',
})

export const createProvider = operation({
  id: 'createProvider',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/providers',
  summary: 'Adds a provider',
  permission: 'administer',
  scope: 'cookie only',
  fresh: true,
  audit: 'provider.created',
  body: object({
    kind,
    name,
    issuer: address(300)
      .optional()
      .describe('Its address alone, like https://connection.example.com; of kinds that need nothing else'),
    client_id: clientId.optional().describe('Left out where there is no upstream'),
    client_secret: clientSecret
      .optional()
      .describe('Left out for a public client, and where the client signs with a key that is made here'),
    setup: setup.optional(),
    max_lifetime_seconds: maxLifetime.optional(),
    over_life: z.enum(overLives).optional(),
    settings: settings.optional(),
  }),
  answer: { status: 201, schema: provider },
  errors: [...vaultErrors, 'provider_exists'],
  limit: 'write',
})

export const changeProvider = operation({
  id: 'changeProvider',
  method: 'PATCH',
  path: '/api/v1/tenants/{tenant}/providers/{provider}',
  summary: 'Changes the name, client or policy of a provider; the issuer never changes',
  permission: 'administer',
  scope: 'cookie only',
  fresh: true,
  audit: 'provider.changed',
  body: object({
    name: name.optional(),
    client_id: clientId.optional(),
    client_secret: clientSecret
      .optional()
      .describe('Tried at the upstream first. The one before still counts until it is dropped'),
    rotate_client_key: z
      .literal(true)
      .optional()
      .describe('Of a client that signs: makes another key, and publishes both'),
    drop_previous_secret: z.literal(true).optional().describe('Forgets the secret or key of before'),
    max_lifetime_seconds: maxLifetime.nullable().optional().describe('Null: no cap of its own'),
    over_life: z
      .enum(overLives)
      .nullable()
      .optional()
      .describe(
        'Whether a token that its upstream lets live longer is refused, or handed out and revoked at the asked end',
      ),
    /** Whom each of these members may become upstream, and nobody else anybody; null: nobody. */
    impersonation: z
      .array(object({ member: idOf('user'), usernames: z.array(username).min(1).max(50) }))
      .max(100)
      .nullable()
      .optional(),
    settings: settings.optional(),
  }),
  answer: {
    status: 200,
    schema: object({
      ...provider.shape,
      secret_trial: z
        .enum(['known', 'untold'])
        .nullable()
        .describe('How the upstream took a new secret; null: none was given. `untold`: it could not be told'),
    }),
  },
  errors: [...vaultErrors, 'provider_exists', 'provider_in_use', 'provider_misconfigured'],
  limit: 'write',
})

export const removeProvider = operation({
  id: 'removeProvider',
  method: 'DELETE',
  path: '/api/v1/tenants/{tenant}/providers/{provider}',
  summary: 'Removes a provider that nothing stands with any more; a client that registered itself is taken back',
  permission: 'administer',
  scope: 'cookie only',
  audit: 'provider.removed',
  answer: { status: 204 },
  errors: ['provider_in_use'],
  limit: 'write',
})

const check = object({
  checked_at: instantOrNull.describe('Null: it was never checked'),
  checked_by: id.nullable().describe('Who asked for it; null: the daily check'),
  lines: z.array(
    object({
      /** New ones may appear. */
      id: z.string(),
      title: z.string(),
      state: z.enum(['ok', 'attention', 'failed', 'unknown']),
      seen: z.string(),
      next: z.string().nullable().describe('What to do; null: nothing'),
      commands: z.array(z.string()).describe('Lines for a shell that do it, to be copied'),
    }),
  ),
})

export const readProviderCheck = operation({
  id: 'readProviderCheck',
  method: 'GET',
  path: '/api/v1/tenants/{tenant}/providers/{provider}/check',
  summary: 'What the last check of a provider saw',
  permission: 'oversee',
  scope: 'tenant:read',
  audit: 'none',
  answer: { status: 200, schema: check },
  limit: 'read',
})

export const probeProvider = operation({
  id: 'probeProvider',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/providers/{provider}/probe',
  summary: 'Finds out at the caller’s own connection what the upstream does at a refresh with fewer scopes',
  permission: 'administer',
  scope: 'cookie only',
  audit: ['provider.changed', ...refreshEvents],
  body: object({}),
  answer: {
    status: 200,
    /** Null: not seen. */
    schema: object({
      offered: z.boolean(),
      old_token_stays: z.boolean().nullable(),
      revoke_keeps_grant: z.boolean().nullable(),
      scopes_stay: z.boolean().nullable(),
    }),
  },
  errors: [...upstreamErrors, 'provider_misconfigured', 'token_outstanding', 'no_strategy'],
  limit: 'check',
})

export const checkProvider = operation({
  id: 'checkProvider',
  method: 'POST',
  path: '/api/v1/tenants/{tenant}/providers/{provider}/check',
  summary: 'Checks what linking and renewing with a provider stand on, with nobody’s grant',
  permission: 'administer',
  scope: 'cookie only',
  audit: 'provider.checked',
  body: object({}),
  answer: { status: 200, schema: check },
  errors: vaultErrors,
  limit: 'check',
})
