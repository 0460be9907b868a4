import { z } from 'zod'
import { mayBeSet } from '../../client/environment.ts'
import { Pattern } from '../rules.ts'

/**
 * What is known of a famous server, as a data file in `presets/` says it (docs/presets.md). Text may hold `{name}` of a
 * variable that an admin enters. Every group of facts names the documentation it was read in.
 */
const text = z.string().min(1).max(400)
/** An address, or the pattern of one. */
const url = z.string().regex(/^https:\/\/[^\s#]+$/, 'an https address')
/** JSON Pointer (RFC 6901) into an answer. */
const pointer = z.string().regex(/^(\/[^/]+)+$/, 'a JSON Pointer')
/**
 * What revoking ends: the token that is sent alone; the grant, but no access token that is out; both; every grant of that
 * account to this client, also one that replaced it; nothing.
 */
const ends = z.enum(['token', 'grant', 'both', 'account', 'nothing'])

/** A request that ends a token or grant, where it is not RFC 7009's. `{token}` and `{client_id}` may stand in the address. */
const Revocation = z.strictObject({
  /** `rfc7009`: a form post with client authentication. `bearer`: with the access token itself as Bearer. `basic`: client id and secret as HTTP Basic. */
  authenticated: z.enum(['rfc7009', 'bearer', 'basic']).default('rfc7009'),
  method: z.enum(['POST', 'DELETE', 'GET']).default('POST'),
  url,
  /** How the token is sent, and under which name; left out: it is in the address or the header. */
  body: z.strictObject({ as: z.enum(['form', 'json']), name: z.string() }).optional(),
  /** Which of the two it takes. */
  takes: z.enum(['refresh_token', 'access_token']),
  /** What it ends when it is given the grant's own token, and an access token of it. */
  ends,
})

/** A variable that a program may be given: never one that decides which code runs. */
const variableName = z.string().refine(mayBeSet, 'a variable of the environment that may be set for a program')

const headerName = z.string().regex(/^[a-z0-9-]+$/)

const Account = z.strictObject({
  /** Left out: the token answer itself says who it is. */
  url: url.optional(),
  method: z.enum(['GET', 'POST']).default('GET'),
  /** Sent as it is, as JSON. */
  body: z.string().optional(),
  /** Where the id and the name of the account are. */
  id: pointer,
  name: pointer.optional(),
})

const Quirks = z.strictObject({
  /** Errors come with 200. */
  errorsWithStatus200: z.boolean().default(false),
  /** Its own words for errors of RFC 6749 5.2, such as `bad_refresh_token` for `invalid_grant`. */
  errors: z
    .record(z.string(), z.enum(['invalid_grant', 'invalid_client', 'invalid_request', 'invalid_scope']))
    .default({}),
  /** Answers are form-encoded. */
  formEncodedAnswers: z.boolean().default(false),
  /** Requests to the token endpoint are JSON. */
  jsonRequests: z.boolean().default(false),
  /** `token_type` is missing, or is neither Bearer nor DPoP. */
  oddTokenType: z.boolean().default(false),
  /** No `expires_in`: how long an access token lives then, in seconds. */
  unnamedLifetimeSeconds: z.int().positive().optional(),
  /** Several tokens in the answer to a code: where the person's own stands. */
  tokensAt: pointer.optional(),
  /** Scopes in answers are separated in another way than in requests, or are an array. */
  scopesAnswered: z.enum([' ', ',', 'array']).optional(),
  /** Header fields that its token endpoint wants, such as a version. */
  headers: z.record(z.string(), z.string()).default({}),
})

/** The groups of facts; `sources` has each of those that are there. */
export const groups = {
  /** Endpoints. `issuer` as in `iss` and ID tokens; for a server without either, its origin. */
  server: z.strictObject({
    issuer: url,
    authorization_endpoint: url,
    token_endpoint: url,
    userinfo_endpoint: url.optional(),
    jwks_uri: url.optional(),
    pushed_authorization_request_endpoint: url.optional(),
    /** RFC 9207. */
    authorization_response_iss_parameter_supported: z.boolean().optional(),
    id_token_signing_alg_values_supported: z.array(z.string()).optional(),
    /** Its metadata is at `issuer` and is read when a provider is made; what stands here is only how it looks. */
    discovery: z.enum(['oidc', 'oauth2']).optional(),
  }),
  client: z.strictObject({
    authentication: z.enum(['none', 'basic', 'post', 'private_key_jwt']),
    /** Whether it checks PKCE (RFC 7636); it is sent in any case. */
    pkce: z.enum(['checked', 'ignored', 'unknown']),
  }),
  scopes: z.strictObject({
    separator: z.enum([' ', ',']).default(' '),
    /** The parameter of the authorization request that names them, where it is another one: Slack's `user_scope`. */
    parameter: z.string().default('scope'),
    /** Asked for in every link, whatever is chosen, such as `offline_access`. */
    always: z.array(z.string()).default([]),
    /** Curated: what a team is likely to need. */
    known: z.array(
      z.strictObject({
        name: z.string().min(1),
        /** What it lets do, as a person reads it, in lower case and without a full stop: "read issues of all repositories". */
        text,
        risk: z.enum(['low', 'medium', 'high']),
        /** Chosen beforehand in the form for a new provider. */
        suggested: z.boolean().optional(),
      }),
    ),
    /** Scopes are chosen where the client is registered, and none is sent. */
    fixedAtRegistration: z.boolean().optional(),
  }),
  authorization: z.strictObject({
    /** Further parameters of the authorization request, such as `access_type`. */
    parameters: z.record(z.string(), z.string()).default({}),
  }),
  tokens: z.strictObject({
    /** Of an access token; null: it does not end by itself. */
    lifetimeSeconds: z.int().positive().nullable(),
    /** `none`: there is no refresh token, and the grant lasts as long as its access token. */
    refresh: z.enum(['rotates', 'stays', 'none']),
    /** Where refreshes go, if not to the token endpoint. */
    refresh_endpoint: url.optional(),
    /** How long a used refresh token is still answered; 0: not at all, or not known. */
    graceSeconds: z.int().min(0).default(0),
    /** How long an unused refresh token lives, and any; null: no such end is documented. */
    idleDays: z.number().positive().nullable(),
    absoluteDays: z.number().positive().nullable(),
  }),
  /** Narrowing at a refresh (RFC 6749 6). Null facts: not documented, so a probe has to tell. */
  narrow: z.strictObject({
    offered: z.boolean(),
    /** Whether an access token of before still works after a refresh. */
    oldTokenSurvives: z.boolean().nullable(),
    /** Whether revoking one access token leaves the grant alone. */
    revokeKeepsGrant: z.boolean().nullable(),
    /** Whether the refresh token still has all scopes afterwards. */
    fullScopeRemains: z.boolean().nullable(),
  }),
  revocation: Revocation.nullable(),
  account: Account.optional(),
  api: z.strictObject({
    /** Whether GET changes nothing and everything else may: not so for GraphQL, or RPC over POST. */
    methodsCarryMeaning: z.boolean(),
    /** Headers that its clients need beside the usual ones, to the API and back; lower case. */
    requestHeaders: z.array(headerName).default([]),
    responseHeaders: z.array(headerName).default([]),
    /** Parameters of a query in which it takes credentials, beside the usual names; lower case. */
    credentialParameters: z.array(z.string().regex(/^[a-z0-9_.$-]+$/)).default([]),
    /** Hosts that hold downloads and uploads, to which it redirects. */
    redirectHosts: z.array(z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/)).default([]),
    /** What a token through the proxy may never do, because it would outlive the token. */
    never: z.array(Pattern).default([]),
    /** Rules to choose from; `{name}` stands for one segment that is filled in. */
    rules: z
      .array(z.strictObject({ name: z.string().regex(/^[a-z0-9-]{2,40}$/), title: text, paths: z.array(text).min(1) }))
      .default([]),
    bases: z.array(z.strictObject({ name: text, url, audience: z.string().optional() })).min(1),
  }),
  quirks: Quirks.optional(),
  /** How the server's own tools are told of a token, in the environment of a program. */
  tools: z
    .strictObject({
      /** Names under which they read it. Only of tools that send it as it has to be sent. */
      token: z.array(variableName).default([]),
      /** What they read beside it. `{api_host}` is the host of the project's API. */
      values: z.record(variableName, text).default({}),
    })
    .optional(),
  registration: z.strictObject({
    /** Where the client is registered, and what to press there. */
    page: url,
    where: text,
    /** What the field for the redirect URI is called there. */
    redirectField: text,
    /** What to copy from there: its name there, and where it goes here. */
    fields: z.array(z.strictObject({ there: text, here: z.enum(['client_id', 'client_secret']) })),
    /** What else has to be set there. */
    notes: z.array(text).default([]),
  }),
} as const

const Source = z.strictObject({
  /** The page of the documentation. */
  url,
  /** When it was read. */
  read: z.iso.date(),
  /** What is taken from it where that is not plain, in our own words; also what the page leaves open. */
  note: z.string().max(400).optional(),
})

export const Preset = z.strictObject({
  /** Its file's name. */
  name: z.string().regex(/^[a-z0-9-]{2,40}$/),
  title: z.string().min(1).max(60),
  /** One or two letters, for its mark. */
  monogram: z.string().min(1).max(2),
  /** What people search for beside its title. */
  keywords: z.array(z.string()).default([]),
  /** What an admin enters because nobody else can know it. */
  variables: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[a-z_]{2,20}$/),
        label: text,
        hint: text,
        placeholder: text,
        /** The whole value; it must not let anybody leave the address's place. */
        pattern: z.string().startsWith('^').endsWith('$'),
        default: z.string().optional(),
      }),
    )
    .default([]),
  ...groups,
  sources: z.partialRecord(z.enum(Object.keys(groups) as [keyof typeof groups]), z.array(Source).min(1)),
  /** `tried`: against the real server; `read`: in its documentation alone. */
  evidence: z.enum(['tried', 'read']),
})
export type Preset = z.infer<typeof Preset>

/** Whether a revocation is the one of RFC 7009, at whatever address. */
export const isRfc7009 = (way: Preset['revocation'] | undefined): boolean =>
  way?.authenticated === 'rfc7009' &&
  way.method === 'POST' &&
  (!way.body || (way.body.as === 'form' && way.body.name === 'token'))

/** A preset with what an admin entered for its variables put in. @throws Error where one is missing or does not fit */
export function filledIn(preset: Preset, entered: Record<string, string>): Preset {
  const values = new Map<string, string>()
  for (const { name, pattern, default: otherwise } of preset.variables) {
    const value = entered[name] || otherwise
    if (value === undefined || !new RegExp(pattern, 'u').test(value)) throw new VariableError(name)
    values.set(name, value)
  }
  const put = (value: unknown): unknown => {
    if (typeof value === 'string')
      return value.replaceAll(/\{([a-z_]+)\}/g, (whole, name: string) => values.get(name) ?? whole)
    if (Array.isArray(value)) return value.map(put)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, put(each)]))
  }
  const { server, tokens, account, api, revocation, authorization, registration, ...rest } = preset
  return {
    ...rest,
    ...(put({ server, tokens, account, api, revocation, authorization, registration }) as typeof preset),
  }
}

/** A variable of a preset that is missing or has a form that its address does not allow. */
export class VariableError extends Error {
  override readonly name = 'VariableError'
  readonly variable: string
  constructor(variable: string) {
    super(`the variable ${variable} does not fit`)
    this.variable = variable
  }
}

/** Told apart by name: two bundles load this file. */
export const isVariableError = (error: unknown): error is VariableError =>
  error instanceof Error && error.name === 'VariableError'
