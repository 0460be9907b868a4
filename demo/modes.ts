import { z } from 'zod'

export const Role = z.enum(['admin', 'share', 'guest', 'readOnly'])
export type Role = z.infer<typeof Role>
export const BucketRight = z.enum(['read', 'write', 'manage'])

/**
 * The switch table: how the server as a whole behaves. One line per switch, its default first in the comment.
 * A later protocol adds its lines here and reads them in its own file.
 */
export const Modes = z.strictObject({
  /** 201 · status of a successful mint; both are live in the field. */
  mintStatus: z.union([z.literal(200), z.literal(201)]),
  /** 9 · generation of the League error table. */
  league: z.union([z.literal(8), z.literal(9)]),
  /** true · the port of a registered http://127.0.0.1 or http://[::1] redirect is ignored (never of localhost). */
  loopbackPortIgnored: z.boolean(),
  /** number · shape of `expires_in` in token answers, whoever gives them. */
  expiresIn: z.enum(['number', 'string', 'missing']),
  /** 3600 · lifetime of access tokens. */
  accessTokenSeconds: z.int().positive(),
  /** 2592000 · lifetime of refresh tokens. */
  refreshTokenSeconds: z.int().positive(),
  /** true · false: a refresh answers without `refresh_token` and the old one goes on working. */
  refreshReturnsToken: z.boolean(),
  /** strict · grace: the old refresh token works 30 s more; none: it is handed back unchanged. */
  rotation: z.enum(['strict', 'grace', 'none']),
  /** false · true: replaying a rotated refresh token at the stack ends its whole family, as it always does at the ticket service. */
  replayRevokesFamily: z.boolean(),
  /** false · true: signing in at the stack forgets the authorize request that led there. */
  loggedOutDropsRequest: z.boolean(),
  /** ask · denied: the consent page answers access_denied automatically. */
  consent: z.enum(['ask', 'denied']),
  /** null · the project the consent ends up with, whatever was chosen. */
  consentProject: z.string().nullable(),
  /** null · role of everybody in every project. */
  role: Role.nullable(),
  /** true · false: verify says that nobody's OAuth token is a master token. */
  master: z.boolean(),
  /** true · false: this stack has no OAuth client registered. */
  clientKnown: z.boolean(),
  /** confidential · how the stack's client is registered; public: without a secret, and a challenge is needed. */
  clientType: z.enum(['confidential', 'public']),
  /** /oauth/authorize · where the stack's sign-in page is. */
  authorizePath: z.string().startsWith('/'),
  /** /oauth/token · where its token endpoint is. */
  tokenPath: z.string().startsWith('/'),
  /** number · type of `owner.id` in verify. */
  ownerId: z.enum(['number', 'string']),
  /** null · what the identity provider's metadata calls itself. */
  metadataIssuer: z.string().nullable(),
  /** on · the `iss` parameter (RFC 9207) of the identity provider's authorization response. */
  iss: z.enum(['on', 'off', 'wrong']),
  /** off · the same of the stack; League sends none. */
  stackIss: z.enum(['on', 'off', 'wrong']),
  /** on · the same of the ticket service. */
  ticketsIss: z.enum(['on', 'off', 'wrong']),
  /** on · the same of the notes. */
  notesIss: z.enum(['on', 'off', 'wrong']),
  /** none · what clients of the notes are told of a tool instead, by its name here; `gone`: it is not there. */
  noteTools: z.record(
    z.string(),
    z.strictObject({ name: z.string().optional(), description: z.string().optional(), gone: z.boolean().optional() }),
  ),
  /** none · which scope a tool of the notes needs, by its name here, where it is another than usual. */
  noteScopes: z.record(z.string(), z.string()),
  /** false · true: the identity provider has a place to sign out (OpenID Connect RP-Initiated Logout), which asks first. */
  endSession: z.boolean(),
  /** 0 · number of the signing key; another number is another key, and only the current one is published. */
  signingKey: z.int().nonnegative(),
  /** RS256 · algorithm of ID tokens. */
  idTokenAlg: z.enum(['RS256', 'ES256']),
  /** null · what is wrong with ID tokens. */
  idToken: z
    .enum([
      'missing',
      'wrong-key',
      'alg-none',
      'hs256',
      'wrong-iss',
      'wrong-aud',
      'wrong-nonce',
      'missing-nonce',
      'expired',
      'other-sub',
      'stale-auth-time',
    ])
    .nullable(),
  /** [] · fields left out of token, mint and verify answers. */
  missingFields: z.array(z.string()),
  /** on · off: the stack has no sign-in of its own for programs, and each of its paths is a 404. */
  sessions: z.enum(['on', 'off']),
  /** grace · of such a session: for 30 s the same answer again; strict: a used refresh token is refused at once; none: it is handed back. */
  sessionRotation: z.enum(['grace', 'strict', 'none']),
  /** true · false: a refresh token of a session that is used again later is only refused. */
  sessionReplayRevokesFamily: z.boolean(),
  /** prose · what a session's refused token is answered with, beside the status 401; html: by something in front of the stack. */
  sessionRefusal: z.enum(['prose', 'code', 'html']),
  /** null · that prose instead. */
  sessionProse: z.string().nullable(),
  /** on · off: a session makes no children, and asking for one is a 404. */
  children: z.enum(['on', 'off']),
  /** null · what a child of a session reaches, whether it only reads, and how long it lives, whatever was asked. */
  childProjects: z.array(z.string()).nullable(),
  childReadOnly: z.boolean().nullable(),
  childSeconds: z.int().positive().nullable(),
  /** null · what a mint gives beyond what was asked, whoever asks; in truth but for `claims`, which its answer only says. */
  mintExcess: z
    .strictObject({
      buckets: z.record(z.string(), BucketRight),
      components: z.array(z.string()),
      flags: z.record(z.string(), z.boolean()),
      /** Instead of what was asked; null: for ever. */
      expiresIn: z.int().positive().nullable(),
      claims: z.record(z.string(), z.unknown()),
    })
    .partial()
    .nullable(),
})
export type Modes = z.infer<typeof Modes>

export const ModesPatch = Modes.partial()
export type ModesPatch = z.infer<typeof ModesPatch>

export function defaultModes({ accessTokenSeconds = 3600, endSession = false } = {}): Modes {
  return {
    mintStatus: 201,
    league: 9,
    loopbackPortIgnored: true,
    expiresIn: 'number',
    accessTokenSeconds,
    refreshTokenSeconds: 30 * 24 * 3600,
    refreshReturnsToken: true,
    rotation: 'strict',
    replayRevokesFamily: false,
    loggedOutDropsRequest: false,
    consent: 'ask',
    consentProject: null,
    role: null,
    master: true,
    clientKnown: true,
    clientType: 'confidential',
    authorizePath: '/oauth/authorize',
    tokenPath: '/oauth/token',
    ownerId: 'number',
    metadataIssuer: null,
    iss: 'on',
    stackIss: 'off',
    ticketsIss: 'on',
    notesIss: 'on',
    noteTools: {},
    noteScopes: {},
    endSession,
    signingKey: 0,
    idTokenAlg: 'RS256',
    idToken: null,
    missingFields: [],
    sessions: 'on',
    sessionRotation: 'grace',
    sessionReplayRevokesFamily: true,
    sessionRefusal: 'prose',
    sessionProse: null,
    children: 'on',
    childProjects: null,
    childReadOnly: null,
    childSeconds: null,
    mintExcess: null,
  }
}
