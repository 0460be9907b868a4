import { z } from 'zod'
import type { ChangeableSetting, ClientProof, ProxyFacts } from '../kind.ts'
import { longestGraceSeconds } from '../provider.ts'
import { groups, type Preset } from './preset.ts'
import { presets } from './presets/index.ts'

/** An address as it is stored; whether it may be reached was judged when the row was made, and is again at each call. */
const address = z.string().regex(/^https?:\/\//)
const parameters = z.record(z.string(), z.string())

/** What a provider row fixes when it is made, in the words of RFC 8414. */
export const Server = z.object({
  issuer: address,
  authorization_endpoint: address,
  token_endpoint: address,
  userinfo_endpoint: address.optional(),
  jwks_uri: address.optional(),
  revocation_endpoint: address.optional(),
  introspection_endpoint: address.optional(),
  pushed_authorization_request_endpoint: address.optional(),
  authorization_response_iss_parameter_supported: z.boolean().optional(),
  id_token_signing_alg_values_supported: z.array(z.string()).optional(),
  token_endpoint_auth_methods_supported: z.array(z.string()).optional(),
  token_endpoint_auth_signing_alg_values_supported: z.array(z.string()).optional(),
  code_challenge_methods_supported: z.array(z.string()).optional(),
  dpop_signing_alg_values_supported: z.array(z.string()).optional(),
  scopes_supported: z.array(z.string()).optional(),
  grant_types_supported: z.array(z.string()).optional(),
})
export type Server = z.infer<typeof Server>

export const authentications = ['none', 'basic', 'post', 'private_key_jwt'] as const

/** What an upstream does at a refresh with fewer scopes (RFC 6749 6); null: nobody knows. */
export const Narrowing = z.strictObject({
  offered: z.boolean(),
  old_token_survives: z.boolean().nullable(),
  revoke_keeps_grant: z.boolean().nullable(),
  full_scope_remains: z.boolean().nullable(),
})
export type Narrowing = z.infer<typeof Narrowing>

/** Of a row of kind `oauth`, as stored. Addresses stay as they were when the row was made (docs/decisions/0049). */
export const OauthSettings = z.strictObject({
  /** Name of the preset that it was made from, whose facts without an address count as they are today. */
  preset: z.string().optional(),
  server: Server,
  /** The issuer as it is called from inside, where that is another name (N-33). */
  alias: address.optional(),
  bases: z.array(z.strictObject({ name: z.string(), url: address, audience: z.string().optional() })).min(1),
  /** Where refreshes go, if not to the token endpoint. */
  refreshEndpoint: address.optional(),
  account: z.looseObject({ url: address.optional(), id: z.string(), name: z.string().optional() }).optional(),
  /** Where a token is ended, if not by RFC 7009 at the server's `revocation_endpoint`. */
  revocation: z.looseObject({ url: address }).optional(),
  authentication: z.enum(authentications),
  /** Public halves of the keys that a client of `private_key_jwt` signs with, the newest first. */
  keys: z.array(z.record(z.string(), z.unknown())).default([]),
  scopes: z.array(z.string()),
  /** What some of them let do, as an admin said. */
  described: z
    .array(z.strictObject({ name: z.string(), text: z.string(), risk: z.enum(['low', 'medium', 'high']) }))
    .optional(),
  separator: z.enum([' ', ',']).default(' '),
  authorizationParameters: parameters.default({}),
  tokenParameters: parameters.default({}),
  /** PEM, of the CAs that vouch for this upstream beside the public ones. */
  certificates: z.string().optional(),
  /** Tokens are bound to a key of the connection (RFC 9449), so that nobody else can use them. */
  senderConstrained: z.boolean().default(false),
  /** As declared or found out for this row; otherwise as the preset says. */
  narrowing: Narrowing.optional(),
  /** As an admin said: GET and HEAD change nothing at its API. Otherwise as the preset says. */
  methodsCarryMeaning: z.boolean().optional(),
  /** How long an unused refresh token lives; 0: not known. */
  refreshTokenDays: z.int().min(0).max(3_650).default(0),
  /** How long a refresh token is still answered after its first use; 0: not at all. */
  refreshGraceSeconds: z.int().min(0).max(longestGraceSeconds).default(0),
})
export type OauthSettings = z.infer<typeof OauthSettings>

/** What the client of a row proves itself by. */
export const clientProof = ({ authentication }: Pick<OauthSettings, 'authentication'>): ClientProof =>
  authentication === 'none' ? 'nothing' : authentication === 'private_key_jwt' ? 'key' : 'secret'

export const changeable: readonly ChangeableSetting[] = [
  {
    name: 'refreshTokenDays',
    label: 'Unused connection expires',
    unit: 'day',
    hint: 'The upstream drops a connection after this many days without a renewal. 0: not known. Valetkey renews idle connections well before that.',
    min: 0,
    max: 3_650,
  },
  {
    name: 'refreshGraceSeconds',
    label: 'Reuse window of a refresh token',
    unit: 'second',
    hint: 'How long a used refresh token still works, so that an interrupted renewal can be repeated. 0: not at all, or not known.',
    min: 0,
    max: longestGraceSeconds,
  },
]

/** Facts of a server that nobody has described: what the RFCs say, and caution where they leave it open. */
const undescribed = {
  scopes: groups.scopes.parse({ known: [] }),
  tokens: groups.tokens.parse({ lifetimeSeconds: 3600, refresh: 'rotates', idleDays: null, absoluteDays: null }),
  quirks: undefined as Preset['quirks'],
  tools: undefined as Preset['tools'],
  api: groups.api.omit({ bases: true }).parse({ methodsCarryMeaning: false }),
}

/** What is known of a row's server beside its addresses. */
export type Facts = Pick<Preset, 'scopes' | 'tokens' | 'quirks' | 'tools'> & {
  narrowing: Narrowing
  pkce: Preset['client']['pkce']
  api: ProxyFacts
}

export function factsOf(
  settings: Pick<OauthSettings, 'preset' | 'narrowing' | 'server' | 'described' | 'methodsCarryMeaning'>,
  known = presets,
): Facts {
  const { preset: name, narrowing, server, described = [] } = settings
  const preset = name === undefined ? undefined : known.get(name)
  const { scopes: stated, tokens, quirks, tools, api: documented } = preset ?? undescribed
  const scopes = { ...stated, known: [...described, ...stated.known] }
  const pkce = preset?.client.pkce ?? 'unknown'
  const api = { ...documented, methodsCarryMeaning: settings.methodsCarryMeaning ?? documented.methodsCarryMeaning }
  return { scopes, tokens, quirks, tools, narrowing: narrowing ?? narrowingOf(preset, server), pkce, api }
}

function narrowingOf(preset: Preset | undefined, { revocation_endpoint }: Server): Narrowing {
  const facts = preset?.narrow
  if (facts)
    return {
      offered: facts.offered,
      old_token_survives: facts.oldTokenSurvives,
      revoke_keeps_grant: facts.revokeKeepsGrant,
      full_scope_remains: facts.fullScopeRemains,
    }
  const revokes = revocation_endpoint ? null : false
  return { offered: false, old_token_survives: null, revoke_keeps_grant: revokes, full_scope_remains: null }
}
