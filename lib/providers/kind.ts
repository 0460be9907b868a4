import type { z } from 'zod'
import type { Environment } from '../client/environment.ts'
import type { Secret } from '../security/secrets.ts'
import type { Provider, ProviderDeps, ProviderSettings, Rights } from './provider.ts'

/** The ways a token can be made (docs/decisions/0043). */
export const strategies = ['mint', 'exchange', 'narrow', 'proxy', 'sign'] as const
export type Strategy = (typeof strategies)[number]
/** Whether a strategy is to be had at an upstream, and why (not). */
export type StrategyOffer = { strategy: Strategy; offered: boolean; reason: string }

/** One right as a person reads it. `high`: it reaches far beyond what one errand needs. */
export type RightLine = { text: string; risk: 'low' | 'medium' | 'high' }

/** How a token is used, as text to copy. `code` holds {@link Kind.samples}' second argument where the token belongs; `note`: where it goes. */
export type Sample = { id: string; label: string; code: string; note?: string }

/** What a token is used at. `project`: the upstream's own id of it. */
export type Target = { baseUrl: string; branch: string | null; project: string }

/** What an admin sees among the settings and may change. On the wire its name is in snake case. */
export type ChangeableSetting = { name: string; label: string; hint: string } & (
  | { is?: undefined; unit: string; min: number; max: number }
  | { is: 'switch'; byDefault: boolean }
)

/** What an admin enters for a new provider, and what becomes of it. */
export type Setup = {
  /** As it stands on the wire; snake_case. */
  schema: z.ZodType
  /**
   * Reads what the upstream publishes, where it does, and fixes it.
   * @throws SetupError where something that was entered cannot be used
   */
  prepare(input: unknown, deps: ProviderDeps, here: Pick<Here, 'origin'>): Promise<Prepared>
  /** What {@link prepare} found and fixed, by its settings. */
  found(settings: Record<string, unknown>, issuer: string): Found
  /** Servers that are known well enough to ask less. */
  presets?: readonly PresetView[]
}

/** What a client proves itself by: a secret that is entered, a key that is made here, or nothing. */
export type ClientProof = 'secret' | 'key' | 'nothing'

/** What an admin checks before a provider is made. */
export type Found = {
  /** By their names in RFC 8414. */
  endpoints: { name: string; url: string }[]
  /** How the client proves itself, as the kind calls it. */
  authentication: string | null
  /** What is asked for in every link. */
  scopes: string[]
  apiBases: { name: string; url: string }[]
  /** Of CAs, beside the public ones. */
  certificates: { subject: string; expiresAt: Date }[]
  /** Of an MCP server: how it is told who calls, how our client comes to be known, and whose tokens it takes. */
  mcp?: {
    by: 'oauth' | 'header' | 'nothing'
    registration: Registration | null
    /** The one in use first; another is chosen by naming it. */
    authorizationServers: string[]
    /** As the server names itself, where it does. */
    title: string | null
  }
}

/** How our client comes to be known: it is entered, it is an address of ours, or it is registered (RFC 7591). */
export type Registration = 'given' | 'metadata_document' | 'dynamic'

/** Addresses of ours that a client is known by, from configuration alone. */
export type Here = {
  origin: string
  /** Of the provider. */
  redirectUri: string
  /** Where its client-id metadata document is served. */
  document: string
}

/** What a server reads at the address that is a client's id; on the wire in snake_case. */
export type ClientDocument = {
  clientId: string
  clientName: string
  clientUri: string
  redirectUris: string[]
  grantTypes: string[]
  responseTypes: string[]
  tokenEndpointAuthMethod: 'none' | 'private_key_jwt'
  tokenEndpointAuthSigningAlg: string | undefined
  jwksUri: string | undefined
}

/** A client that came to be: as the row keeps it. */
export type Registered = {
  clientId: string
  clientSecret?: string
  isPublic: boolean
  settings: unknown
  /** What taking it back needs (RFC 7592), to be sealed. */
  handle?: string
}

/** What is known of a server before anybody here uses it, for people. Text may hold `{name}` of a variable. */
export type PresetView = {
  name: string
  title: string
  /** Its host, where that is all in which it differs from others. */
  place: string | null
  /** One or two letters, for its mark. */
  monogram: string
  keywords: string[]
  /** What nobody else can know. */
  variables: {
    name: string
    label: string
    hint: string
    placeholder: string
    /** Of the whole value, a regular expression. */
    pattern: string
    default: string | null
  }[]
  clientAuthentication: string
  scopes: {
    always: string[]
    known: { name: string; text: string; risk: RightLine['risk']; suggested: boolean }[]
    /** They are chosen where the client is registered, and none is sent. */
    fixedAtRegistration: boolean
  }
  registration: {
    page: string
    where: string
    /** What the field for the redirect URI is called there. */
    redirectField: string
    fields: { there: string; here: 'client_id' | 'client_secret' }[]
    notes: string[]
  }
  limitedTokens: { answer: 'yes' | 'no' | 'unknown'; reason: string }
  revocation: { ends: 'token' | 'grant' | 'both' | 'account' | 'nothing' | 'unknown'; text: string }
  refresh: { way: 'rotates' | 'stays' | 'none'; text: string }
  apiBases: { name: string; url: string }[]
  /** `tried`: against the real server; `read`: in its documentation alone. */
  evidence: 'tried' | 'read'
  sources: { about: string; url: string; read: string; note: string | null }[]
}

/** Something that who oversees a tenant reads about a provider, in words. */
export type Fact = {
  label: string
  lines: {
    text: string
    /** `copy`: code that is needed elsewhere. */
    form: 'words' | 'code' | 'copy'
    note: string | null
    /** Something has to be done about it. */
    attention: boolean
  }[]
}

/** That its tokens can be made to work through us (strategy `proxy`), and with which rules. */
export const throughUs = (methodsCarryMeaning: boolean): Fact => ({
  label: 'Tokens through Valetkey',
  lines: [
    {
      text: 'yes, by strategy proxy',
      form: 'words',
      note: methodsCarryMeaning
        ? 'read only, chosen paths, or everything'
        : 'chosen paths, or everything: its methods do not say what only reads',
      attention: false,
    },
  ],
})

export type Prepared = {
  issuer: string
  settings: Record<string, unknown>
  /** Where the client proves itself by something of our making instead of a secret: that, to be sealed. */
  clientSecret?: string
  /** Whether the client has no secret at all. */
  isPublic: boolean
  /** The client, where the setup names it; undefined: it is entered, or comes to be by {@link Kind.registration}. */
  clientId?: string
  /** What the row is for, where one client may serve several rows. */
  resource?: string
}

/**
 * A way to link beside the ordinary one. Its grant reaches several projects of a person, who chooses here which of them the
 * connection is for (docs/decisions/0109).
 */
export type Flow = {
  /** As it is stored with attempts and connections. */
  name: string
  /** For people, as a thing to choose. */
  title: string
  hint: string
  /** As {@link Kind.revokesGrants}, of its grants. */
  revokesGrants: boolean
  /** Its grants are sessions that a person has there, which the upstream lists for them. */
  listsSessions?: boolean
}

/** Something entered that cannot be used: what to do, by the names of the fields on the wire. */
export class SetupError extends Error {
  override readonly name = 'SetupError'
  readonly fields: Record<string, string>
  constructor(fields: Record<string, string>, cause?: unknown) {
    super('the setup of a provider cannot be used', { cause })
    this.fields = fields
  }
}

/** Told apart by name: two bundles load this file. */
export const isSetupError = (error: unknown): error is SetupError =>
  error instanceof Error && error.name === 'SetupError'

/** What an upstream does at a refresh with fewer scopes; null: not seen. */
export type NarrowFacts = {
  offered: boolean
  oldTokenStays: boolean | null
  revokeKeepsGrant: boolean | null
  /** The grant keeps the other scopes. */
  scopesStay: boolean | null
}

/** Rules that somebody has put together for an upstream: "issues of one repository". `{name}` stands for what is filled in. */
export type NamedRules = { name: string; title: string; paths: string[] }

/** What the proxy must know of an upstream (docs/decisions/0052). Header names in lower case. */
export type ProxyFacts = {
  /** GET and HEAD change nothing there, and reading needs nothing else: not so for GraphQL, or RPC over POST. */
  methodsCarryMeaning: boolean
  /** Headers that pass beside those that always do: to the upstream, and back. */
  requestHeaders: readonly string[]
  responseHeaders: readonly string[]
  /** Parameters of a query that hold credentials there, beside those that always do. */
  credentialParameters: readonly string[]
  /** Where redirects may lead beside the API itself. */
  redirectHosts: readonly string[]
  /** Patterns that no token passes by: what would make something that outlives it. */
  never: readonly string[]
  rules: readonly NamedRules[]
  /** Tokens are bound to a key of the connection, so that each request is signed (RFC 9449). */
  bound?: boolean
  /** PEM, of the CAs that vouch for it beside the public ones. */
  certificates?: string | undefined
  /** Names and values of the headers that say who calls, for which of the projects that a connection reaches. Left out: as Bearer. */
  authority?(call: { accessToken: Secret; project: string }): [name: string, value: string][]
}

/** What the gateway must know of an MCP server (docs/decisions/0071). Its address is the project's. */
export type GatewayFacts = {
  /**
   * Which header tells it who calls: `authorization` (as Bearer), one of its own, or none. Small letters.
   * `shared`: its value is the provider's secret, for everybody; the connection holds no token.
   */
  header: string | undefined
  shared: boolean
  /** PEM, of the CAs that vouch for it beside the public ones. */
  certificates?: string | undefined
  /** A tool that is new, or has changed, is held back until somebody has looked at it. */
  holdChangedTools: boolean
}

/** One sort of token of a kind: how it is asked for, used and ended, where that is not as the kind says of all. */
export type Sort = Partial<
  Pick<Kind, 'tokenType' | 'header' | 'samples' | 'environment' | 'endsTokens' | 'findsOrphans'>
> & {
  /** What can be asked for; a part of {@link Kind.rights}, in which limits and what was granted are told. */
  asks: z.ZodType<Rights>
  /** Connections of one {@link Flow} alone have it, by its name; `reason`: what the others are told. */
  ofFlow?: { name: string; reason: string }
  /** Of what cannot be ended alone: no policy lets it live longer. */
  longestSeconds?: number
  /** It dies with the grant of its connection. */
  endsWithGrant?: boolean
}

/**
 * Everything that differs between upstreams. The core stores rights as opaque JSON, exactly as `rights` parsed them at the
 * edge, and asks the kind what they mean.
 */
export type Kind<S = unknown, R extends Rights = Rights> = {
  name: string
  /** For people, after "a": "Keboola stack". */
  title: string
  /** Of the address that an admin enters. */
  issuer: { hint: string; placeholder: string }
  /** Of a provider row, as stored; its defaults are those of most upstreams. */
  settings: z.ZodType<S>
  changeable: readonly ChangeableSetting[]
  /** What is asked when a provider is made, beside its name and client; left out: its address alone. */
  setup?: Setup
  /** As asked and as stored; snake_case. */
  rights: z.ZodType<R>
  /** Stored rights of an earlier version, in today's form. */
  upgrade?(stored: Rights): Rights
  /** Every right, one a line; none: nothing is granted. */
  describe(rights: R, settings?: S): RightLine[]
  /** The same in a few words, for a cell of a table. */
  summary(rights: R): string[]
  /** Whom of the upstream's people the token is to be about instead of who linked, where the rights ask for that. */
  impersonates?(rights: R): string | undefined
  /** Whether `asked` is no more than `limit`. */
  narrows(asked: R, limit: R): boolean
  /** What was asked and is not in `granted`, in words (K-22). */
  missing(asked: R, granted: R): string[]
  /** Why a token may not have these rights at this provider, whoever asks and whatever its upstream would say. */
  forbids?(rights: R, settings: S): string | undefined
  /** What is different about the tokens of one strategy, where a kind makes several sorts. */
  sorts?: Partial<Record<Strategy, Sort>>
  /** Each strategy, offered or not; the first that is offered makes the tokens. */
  strategies(settings: S, metadata?: unknown): StrategyOffer[]
  /** `token_type` of an issued token. */
  tokenType: string
  /** How it is sent in a header, where that is not Bearer; `{token}` stands for it. */
  header?: string
  /**
   * What there is to know about a provider beside its address and client. `clientKeys`: where its public keys are served;
   * `logout`: where it says that a session is over.
   */
  facts?(settings: S, at: { now: Date; clientKeys: string; logout: string }): Fact[]
  /** Ways to link beside the ordinary one, where a row offers any. */
  flows?(settings: S): readonly Flow[]
  /** What every link of a row asks for, where that is scopes. */
  scopes?(settings: S): string[]
  /** How the client of a row proves itself; left out: by a secret. */
  authenticatesBy?(settings: S): ClientProof
  /** Of kinds whose clients may sign with a key of our making. */
  clientKeys?: {
    make(settings: S): Promise<ClientKey>
    /** Settings that publish the new key beside the present one, or the present one alone. */
    publish(settings: S, made?: ClientKey): Partial<S>
  }
  /** Of kinds whose client may come to be by itself. */
  registration?: {
    /** `none`: somebody entered it, or there is no client. `over`: its end has come that was named with it. */
    state(settings: S, now: Date): 'none' | 'stands' | 'over'
    /** Whether the server may forget it, so that another one has to be made. */
    isDynamic(settings: S): boolean
    /** Makes a client; each call makes another one. @throws SetupError */
    make(settings: S, here: Here, deps: ProviderDeps): Promise<Registered>
    /** The client's document, where its id is the address of it. */
    document?(settings: S, here: Here): ClientDocument | undefined
    /** Takes a client back (RFC 7592). @throws UpstreamError */
    end(settings: S, handle: Secret, deps: ProviderDeps): Promise<'done' | 'impossible'>
  }
  samples(target: Target, token: string): Sample[]
  /** How its own tools are told of a token that works there, in the environment of a program. */
  environment(target: Target, settings: S): Environment
  /** Where a project's tokens are for; left out: at the provider's address. */
  baseUrl?(project: { externalId: string }): string
  /** Of a kind without an upstream; its verbs are never asked. */
  own?: Own<S, R>
  /** Of strategy `proxy`; left out: its API cannot be reached through us. */
  proxy?(settings: S): ProxyFacts
  /** Of an MCP server: its tokens work at the gateway alone, and strategy `proxy` has the kind's own rights instead of rules. */
  gateway?(settings: S): GatewayFacts
  /** Of strategy `narrow`: whether the next refresh of a connection ends the token, so that only one can be out. */
  oneAtATime?(settings: S): boolean
  /** Where its components are authorized, on a page that is opened with a token of its own. */
  componentPage?: ComponentPage<S>
  /** Where a token may be pasted in place of a consent. */
  pasted?: PastedTokens<S>
  /** Seconds for which the upstream still answers a refresh token that was used before; 0: not, or not known. */
  refreshGraceSeconds(settings: S): number
  /** Where projects have development branches: what choosing one does. */
  branchHint?: string
  /** Whether a grant may be revocable there; else only our copy can be destroyed. */
  revokesGrants: boolean
  /** Whether one issued token can be ended there before its own end. */
  endsTokens(settings: S): boolean
  /** Whether ending a grant there ends every grant of that account to our client, also one that replaced it. */
  endsAccount?(settings: S): boolean
  /** A connection is one account's: who links again as another is asked first. Elsewhere the project alone decides. */
  ofOneAccount?: boolean
  /** How long a token lives is the upstream's to say, so that policy may permit to end it earlier instead. */
  decidesLife?: boolean
  /** Of strategy `narrow`: how its facts are found out. `rights`: two small ones, none beyond the other. */
  probe?: {
    rights(settings: S, granted: string[]): Rights[]
    keep(settings: S, facts: NarrowFacts): S
  }
  /** Whether an upstream of this kind gives a verdict on a token whenever it is asked about it, so that nobody has to ask before; its `revoke` asks. */
  tellsDead?: boolean
  /** Whether what a cut-off issue left can be found by its nonce. */
  findsOrphans: boolean
  open(row: ProviderSettings<S>, deps: ProviderDeps): Provider<R>
}

/**
 * Long-lived tokens that people have at an upstream already, and may paste as a connection (docs/decisions/0107). The provider
 * then has the verb `paste`, and its `refresh` knows such a grant again.
 */
export type PastedTokens<S = unknown> = {
  /** What one is called there, after "a": "Storage token". */
  title: string
  /** Where it is found, for people. */
  hint: string
  /** Whether an admin has switched it on. */
  allowed(settings: S): boolean
  /** What was noted of one, for people. */
  view(held: string): HeldToken
}

/** `isMaster`: it acts as its owner, with everything that they may do. `lacks`: what it cannot do and a consent could; null: nothing. */
export type HeldToken = {
  tokenId: string
  description: string
  owner: string | null
  isMaster: boolean
  rights: RightLine[]
  lacks: string | null
}

/** A page of an upstream that takes a token in its address, so that whoever opens it may authorize one component's configuration. */
export type ComponentPage<S = unknown> = {
  /** What its token may: no more than the page needs. */
  rights(component: string): Rights
  url(input: { issuer: string; settings: S; token: Secret; component: string; configuration: string }): string
}

/**
 * Of a kind whose projects are audiences of the tenant's own: admins make them, nobody links them, every member sees them, and
 * their tokens are ours (strategy `sign`). Settings are those of the provider with those of the audience over them.
 */
export type Own<S = unknown, R extends Rights = Rights> = {
  /** What an admin says of an audience beside its address and names. As it is kept and as it stands on the wire; snake_case. */
  audience: z.ZodType
  /** The most that its tokens may be given. */
  most(settings: S): Rights
  /** Whether its tokens are signed, so that who verifies them need not ask us. */
  offline(settings: S): boolean
  /** `scope` of a token (RFC 9068 2.2.3). */
  scope(rights: R): string
  /** For the picker of rights. */
  choices(settings: S): Record<string, unknown>
}

/** A key that a client signs with: the half that is published, and the other one, to be sealed. */
export type ClientKey = { publicKey: Record<string, unknown>; privateKey: string }

/** One word of a POSIX shell, whatever it holds. */
export const shellQuoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`
