import type { DPoPHandle } from 'oauth4webapi'
import type { Discoveries } from '../security/discovery.ts'
import type { IssuerClocks } from '../security/issuer-clocks.ts'
import type { KeySets } from '../security/issuer-keys.ts'
import type { Logout, Vouched } from '../security/logout-token.ts'
import type { OutboundFetch, OutboundPolicy } from '../security/outbound.ts'
import type { Secret } from '../security/secrets.ts'

/** No upstream is taken to forgive a spent refresh token for longer: what was cut off earlier is not hurried. */
export const longestGraceSeconds = 300

/** What a provider works with. It holds no state and sees no tenant and no database. */
export type ProviderDeps = {
  fetch: OutboundFetch
  now: () => Date
  sleep: (milliseconds: number) => Promise<void>
  /** What issuers publish, shared by the process. */
  discoveries: Discoveries
  keySets: KeySets
  issuerClocks: IssuerClocks
  /** Keys that tokens are bound to (RFC 9449), by their thumbprints, each with the nonces of its server. */
  proofs: Map<string, DPoPHandle>
  /** When the certificate ends that a host last showed to this process, by host. */
  certificateEnds: ReadonlyMap<string, Date>
  /** The same way out for an upstream whose certificate a CA of its own vouches for; `certificates` in PEM. */
  trusting: (certificates: string) => Pick<ProviderDeps, 'fetch' | 'discoveries' | 'keySets' | 'certificateEnds'>
  config: OutboundPolicy
}

/** A provider row, its secret opened; `settings` as its kind reads them. */
export type ProviderSettings<S = unknown> = {
  issuer: string
  clientId: string
  clientSecret: Secret | undefined
  /** The one before, which counts as well until it is dropped. */
  clientSecretBefore?: Secret | undefined
  settings: S
}

/** What upstream answers with at a code exchange or refresh. A missing refresh token means: keep the old one (N-27). */
export type Grant = {
  accessToken: Secret
  /** Seconds; a short default where the upstream names none. */
  expiresInSeconds: number
  /** What the next renewal needs, which only the kind can read: mostly a refresh token. */
  refreshToken: Secret | undefined
  /** As granted; undefined where the upstream does not say. */
  scopes: string[] | undefined
  /** Seconds that the refresh token lives unless it is used, where the upstream or its settings say so. */
  grantExpiresInSeconds?: number | undefined
  /** Of a refresh that brought an ID token: whether it is verified and about whom it was at first (RR-10). */
  identity?: 'same' | 'changed' | undefined
  /** Of a pasted token. */
  pasted?: Pasted | undefined
}

/** `held`: what to note of it, text that only its kind reads; left out: nothing new. `rotated`: whether its value was replaced, where that was asked for. */
export type Pasted = { value: Secret; held?: string | undefined; rotated?: boolean | undefined }

export type UpstreamAccount = { id: string; name: string }
export type UpstreamProject = { externalId: string; name: string; region: string | undefined; role: string | undefined }
/** `vouched`: by an ID token, where one came. */
export type LinkedGrant = Grant & {
  account: UpstreamAccount
  projects: UpstreamProject[]
  vouched?: Vouched | undefined
}

/** Rights of a token: JSON that only its kind understands; what is absent is not granted. */
export type Rights = Record<string, unknown>

export type IssueRequest<R = Rights> = {
  /** The upstream's own id of the project that the token is for. */
  project: string
  rights: R
  lifetimeSeconds: number
  purpose: string
  nonce: string
}

export type UpstreamToken<R = Rights> = {
  value: Secret
  upstreamId: string
  /** What revoking needs. */
  handle: Secret
  granted: R
  expiresAt: Date
  /** Of a token that names more than the account of its connection: whom it is about, and who acts with it. */
  parties?: Parties
}

/** People and programs by the upstream's own ids and names. */
export type Parties = { subject: string; username?: string | undefined; actor?: string | undefined }

/**
 * What an issue made. `within`: no more than was asked. `beyond`: it can, or lasts, more than that, or its answer says
 * something that we do not know to be harmless; `exceeded` names it. Such a token is ended, never handed out; without an
 * `expiresAt` it lives for ever, as far as we know.
 */
export type IssuedUpstream<R = Rights> =
  | { kind: 'within'; token: UpstreamToken<R> }
  | {
      kind: 'beyond' | 'unsound'
      token: Pick<UpstreamToken, 'value' | 'upstreamId' | 'handle'> & { expiresAt: Date | undefined }
      exceeded: string[]
    }

export type RevocationTarget =
  /** An issued token; `handle` is what {@link UpstreamToken} gave. */
  | { kind: 'token'; upstreamId: string; handle: Secret }
  /** The grant itself, by its refresh token. */
  | { kind: 'grant'; refreshToken: Secret }
  /** Whatever an issue that was cut off may have left, recognised by its nonce. */
  | { kind: 'orphans'; nonce: string; accessToken: Secret; project: string }

/**
 * What an upstream says of what was to be revoked. `dead`: it gives a verdict on that very thing. `refused`: it does not let it in,
 * which proves something only of what it let in before. `untold`: it did not say.
 */
export type Standing = 'works' | 'dead' | 'refused' | 'untold'

/** `done`: the upstream's 2xx. `confirmed`: looked up and dead. `impossible`: there is no such endpoint. */
export type RevocationOutcome = { state: 'done' | 'confirmed' | 'impossible'; found?: number }

/**
 * Whether a token endpoint knows our client, by the `error` that it names alone. `untold`: it was not reached, or what it
 * answers says nothing about the client.
 */
export type ClientTrial = 'known' | 'unknown' | 'untold'

/** A session of a person as its upstream lists it. What it says badly, or not, is undefined. */
export type UpstreamSession = {
  id: string
  client: string | undefined
  createdAt: Date | undefined
  lastUsedAt: Date | undefined
}

/** `tokenId`: the upstream's own id of the token that it takes the connection for. */
export type PageVerdict =
  | { kind: 'ready' | 'component_unknown' | 'component_needs_none' | 'configuration_unknown' }
  | { kind: 'no_master_token'; tokenId: string }
  | { kind: 'role'; role: string }

export type CheckState = 'ok' | 'attention' | 'failed' | 'unknown'
/** One thing that was looked at, for people: what was seen, and what to do where something is to be done. No upstream's text. */
export type CheckLine = {
  id: string
  title: string
  state: CheckState
  seen: string
  next: string | null
  /** Lines for a shell that set there what is missing, to be copied. */
  commands: string[]
}

/** The verbs of an upstream; the last ones serve the form and the inventory and change nothing. */
export type Provider<R = Rights> = {
  /** `scopes`: what to ask for, where that is not what the row says. */
  authorizationUrl(input: {
    state: string
    nonce: string
    codeVerifier: string
    redirectUri: string
    scopes?: string[] | undefined
    /** The way to link, of {@link Kind.flows}; left out: the ordinary one. */
    flow?: string | undefined
  }): Promise<URL>
  exchangeCode(input: {
    parameters: URLSearchParams
    state: string
    nonce: string
    codeVerifier: string
    redirectUri: string
    scopes?: string[] | undefined
    flow?: string | undefined
  }): Promise<LinkedGrant>
  /**
   * `subject`: whom the grant is about, for upstreams that vouch for it again. `once`: sent a single time, whatever comes
   * back, because it may be spent already. `rotate`: a pasted token's value is to be replaced; else it is only asked about.
   */
  refresh(input: { refreshToken: Secret; subject: string; once?: boolean; rotate?: boolean }): Promise<Grant>
  /** Takes a token that somebody pasted: asks about it, and changes nothing. @throws UpstreamError with a refusal where it cannot be used */
  paste?(input: { token: Secret }): Promise<LinkedGrant & { pasted: Pasted }>
  /** A refresh whose access token is the one to hand out, with no more than was asked (strategy `narrow`). */
  narrow?(input: {
    refreshToken: Secret
    subject: string
    once?: boolean
    request: IssueRequest<R>
  }): Promise<Grant & { issued: IssuedUpstream<R> }>
  /** `subject`: whom the connection is about. */
  issue(input: { accessToken: Secret; subject: string; request: IssueRequest<R> }): Promise<IssuedUpstream<R>>
  revoke(input: RevocationTarget): Promise<RevocationOutcome>
  /** Asks whether a token or grant works now, changing nothing; left out: nothing there can be asked. */
  standing?(input: Exclude<RevocationTarget, { kind: 'orphans' }>): Promise<Standing>
  /** Whether an access token works; undefined: nothing there tells. */
  stands?(input: { accessToken: Secret }): Promise<boolean | undefined>
  /**
   * Of an upstream whose tokens are bound to a key: signs a request, which `send` makes with these headers and whose head
   * it answers; once more where the server asks for another nonce (RFC 9449 8, 9). `grant`: what {@link Grant} kept.
   */
  sign?(input: {
    grant: Secret
    accessToken: Secret
    method: string
    url: URL
    send: (headers: { authorization: string; dpop: string }) => Promise<Response>
  }): Promise<void>
  /** Verifies a logout token that came in its name (OIDC Back-Channel Logout 2.6); left out: it signs none that we could check. */
  readLogout?(input: { token: string }): Promise<Logout>
  /**
   * What can be chosen when a token is issued, for the kind's picker; left out: nothing is known beforehand.
   * `impersonates`: whom policy lets the member become there.
   */
  choices?(input: {
    accessToken: Secret
    granted: string[]
    project: string
    impersonates: string[]
  }): Promise<Record<string, unknown>>
  /**
   * Whether a token for {@link ComponentPage} would be of use; asked before one is made. `anyway`: also where the component
   * does not say that it is authorized there.
   */
  pageVerdict?(input: {
    accessToken: Secret
    project: string
    component: string
    configuration: string
    anyway: boolean
  }): Promise<PageVerdict>
  /** When an issued token was last used; undefined where it has not been, as far as the upstream tells. */
  lastUsed?(input: { accessToken: Secret; project: string; upstreamId: string }): Promise<Date | undefined>
  /**
   * Of a way to link whose grants are sessions of a person ({@link Flow.listsSessions}): those that the upstream has of them.
   * `unread`: how many more, which cannot be named.
   */
  listSessions?(input: { accessToken: Secret }): Promise<{ sessions: UpstreamSession[]; unread: number }>
  /** Ends one of them. It may be gone already. */
  endSession?(input: { accessToken: Secret; id: string }): Promise<void>
  /** Which of them a stored grant is; undefined: it is none. */
  sessionOf?(grant: Secret): string | undefined
  /** Whether the upstream knows the client by its current secret: asked with a grant that is made up. */
  tryClient?(): Promise<ClientTrial>
  /** Looks at everything that linking and renewing stand on, with nobody's grant. Never throws for what the upstream does. */
  check?(input: { redirectUri: string }): Promise<CheckLine[]>
}

export type UpstreamFailure =
  /** Surely nothing was acted upon: no connection, 429, a refusal before the request was read. */
  | 'unreached'
  /** May have been acted upon: time-out while reading, 5xx, a body that makes no sense. */
  | 'ambiguous'
  /** A definite verdict on this grant or token: invalid_grant, an invalid token. */
  | 'refused'
  /** This one request was turned down with a reason that is no verdict on the grant: invalid_request, invalid_scope. */
  | 'rejected'
  /** Our client is not known or not allowed: an operator's matter, never the grant's. */
  | 'misconfigured'
  /** The person's role upstream does not suffice. */
  | 'forbidden'
  /** The person said no at the upstream. */
  | 'denied'
  /** The authorization response names another issuer than the one asked (RFC 9207). */
  | 'wrong_issuer'
  /** A success that lacks what it must hold. */
  | 'protocol'
  /** No refresh token came where one is needed. */
  | 'no_refresh_token'
  /** The upstream does not have what was asked for, or not yet: a way to link. Says nothing about a grant. */
  | 'not_offered'

/** Why a request was turned down, for people: a code of ours, what it means, and what to do. Never the upstream's text. */
export type Refusal = { reason: string; means: string; next: string }

/** Causes of a connection (schema.prisma) that an upstream can name. */
export type GrantEnd = 'expired' | 'lost_in_rotation' | 'signed_out'

/** An upstream call that did not succeed. `detail` is ours, never the upstream's text or body. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError'
  readonly failure: UpstreamFailure
  readonly status: number | undefined
  /** The parsed `error` field of the answer. */
  readonly code: string | undefined
  readonly retryAfterSeconds: number | undefined
  /** An earlier try of the same call had an unknown end, so a refusal may be its echo. */
  readonly afterAmbiguous: boolean
  /** Of what was `rejected`, where it is known. */
  readonly refusal: Refusal | undefined
  /** Of a revocation: what was revoked was seen to work still. */
  readonly alive: boolean
  /** Of what was `refused`, where the upstream says why: the cause that the connection gets. */
  readonly grantEnd: GrantEnd | undefined
  /** Of a code exchange that failed after a grant was there: what renews that, which has to be ended. */
  readonly unkept: Secret | undefined

  constructor(
    failure: UpstreamFailure,
    detail: string,
    more: {
      status?: number | undefined
      code?: string | undefined
      retryAfterSeconds?: number | undefined
      afterAmbiguous?: boolean
      refusal?: Refusal | undefined
      alive?: boolean
      grantEnd?: GrantEnd | undefined
      unkept?: Secret | undefined
      cause?: unknown
    } = {},
  ) {
    super(detail, { cause: more.cause })
    this.failure = failure
    this.status = more.status
    this.code = more.code
    this.retryAfterSeconds = more.retryAfterSeconds
    this.afterAmbiguous = more.afterAmbiguous ?? false
    this.refusal = more.refusal
    this.alive = more.alive ?? false
    this.grantEnd = more.grantEnd
    this.unkept = more.unkept
  }
}

/** Told apart by name: two bundles load this file. */
export const isUpstreamError = (error: unknown): error is UpstreamError =>
  error instanceof Error && error.name === 'UpstreamError'

/** Whether what was asked for may have been done, although no usable answer says so. */
export const mayHaveActed = ({ failure }: UpstreamError): boolean => failure === 'ambiguous' || failure === 'protocol'
