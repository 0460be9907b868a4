/**
 * One table of everything that can go wrong on purpose. `title` says what happened, `next` what to do; both are shown
 * to people, so neither holds a secret or a cause. Status is what an edge answers (RFC 9110 15).
 */
export const errorCodes = {
  // Edges
  bad_request: { status: 400, title: 'The request could not be read', next: 'Check the fields named below.' },
  unauthenticated: { status: 401, title: 'You are not signed in', next: 'Sign in and try again.' },
  session_refused: {
    status: 401,
    title: 'This tenant requires you to sign in again',
    next: 'Sign in, then continue.',
  },
  forbidden: { status: 403, title: 'Your role does not allow this', next: 'Ask an admin of the tenant.' },
  /** RFC 6750 section 3.1. */
  insufficient_scope: {
    status: 403,
    title: 'This token does not allow this',
    next: 'Sign in again with the scope it needs.',
  },
  /** Of what outlasts the session that does it. */
  fresh_signin_required: {
    status: 403,
    title: 'This needs a recent sign-in',
    next: 'Sign in again to confirm that it is you, then try again.',
  },
  browser_only: { status: 403, title: 'Only a browser may do this', next: 'Open Valetkey and do it there.' },
  cross_site: { status: 403, title: 'The request came from another site', next: 'Open Valetkey and do it there.' },
  not_found: { status: 404, title: 'Not found', next: 'Check the address; it may have been removed.' },
  method_not_allowed: { status: 405, title: 'Method not allowed', next: 'Use a method from the Allow header.' },
  /** RFC 9110 15.5.9: the request did not arrive whole in time. */
  timeout: { status: 408, title: 'The request took too long to arrive', next: 'Send it again.' },
  too_large: { status: 413, title: 'The request is too large', next: 'Send a smaller request.' },
  uri_too_long: { status: 414, title: 'The address is too long', next: 'Shorten the address.' },
  unsupported_media_type: { status: 415, title: 'The body is not JSON', next: 'Set Content-Type: application/json.' },
  expectation_failed: { status: 417, title: 'Expect is not supported', next: 'Leave out the Expect header.' },
  wrong_host: { status: 421, title: 'Valetkey has another host name', next: 'Use the address you were given.' },
  /** draft-ietf-httpapi-idempotency-key-header 2.6, as the next two. */
  idempotency_running: {
    status: 409,
    title: 'A request with this key is still under way',
    next: 'Send the same request again after the time in Retry-After. Another key would make another token.',
  },
  idempotency_spent: {
    status: 409,
    title: 'This key was used, and its answer is no longer kept',
    next: 'Look at what it made. If nobody has it, revoke it and ask again with a new key.',
  },
  idempotency_mismatch: {
    status: 422,
    title: 'This key was used for a different request',
    next: 'Repeat a request unchanged, or use a new key.',
  },
  rate_limited: { status: 429, title: 'Too many requests', next: 'Wait a moment and try again.' },
  headers_too_large: { status: 431, title: 'The headers are too large', next: 'Delete the cookies of this site.' },
  /** Nobody is there to read it: the caller went before they were answered. For the log and the count alone. */
  aborted: { status: 499, title: 'The caller closed the connection', next: 'Send it again.' },
  internal: {
    status: 500,
    title: 'Something went wrong in Valetkey',
    next: 'Try again. If it keeps failing, give the operator the request id.',
  },
  unavailable: {
    status: 503,
    title: 'Valetkey cannot reach its database',
    next: 'Nothing was lost. Try again in a moment.',
  },
  not_serving: {
    status: 503,
    title: 'This process is not serving requests',
    next: 'Try again in a moment.',
  },
  /** Of a token that another issuer made. Says nothing about the token. */
  issuer_unavailable: {
    status: 503,
    title: 'The issuer of this token cannot be asked about it',
    next: 'Try again in a moment. If it keeps failing, tell an admin of the tenant.',
  },
  // Keys
  keys_unavailable: {
    status: 503,
    title: 'The keys for these secrets are not available',
    next: 'Nothing was lost. The operator must run: npm run keys -- status',
  },
  tenant_shredded: {
    status: 410,
    title: 'The secrets of this tenant were destroyed',
    next: 'Create a new tenant and link there.',
  },
  // Sign-in
  signin_failed: { status: 400, title: 'Sign-in did not complete', next: 'Start again.' },
  signin_denied: { status: 403, title: 'The identity provider refused the sign-in', next: 'Try another account.' },
  /** Who was to confirm who they are is still signed in. */
  signin_not_confirmed: {
    status: 403,
    title: 'The identity provider did not ask you to sign in again',
    next: 'Sign out at the identity provider, then try again. If this keeps happening, tell the operator.',
  },
  signin_unavailable: {
    status: 503,
    title: 'The identity provider does not answer',
    next: 'Try again in a few minutes.',
  },
  clocks_differ: {
    status: 502,
    title: 'The clocks of Valetkey and the identity provider differ',
    next: 'Tell the operator: one of the clocks is wrong by more than a minute.',
  },
  // Linking
  attempt_unknown: {
    status: 400,
    title: 'This link attempt is not yours or is no longer open',
    next: 'Start linking again from the projects page.',
  },
  attempt_expired: { status: 400, title: 'This link attempt has expired', next: 'Start linking again.' },
  attempt_used: {
    status: 400,
    title: 'This approval was already used',
    next: 'Check your projects: it may already be linked.',
  },
  link_denied: { status: 403, title: 'Access was denied at the upstream', next: 'Link again and choose Allow.' },
  issuer_mismatch: {
    status: 400,
    title: 'The answer came from a different server',
    next: 'Do not approve again. Tell an admin.',
  },
  client_not_registered: {
    status: 502,
    title: 'This upstream has no client registered for Valetkey',
    next: 'An admin must register Valetkey there, or correct the provider’s client id and secret.',
  },
  upstream_unavailable: { status: 503, title: 'The upstream does not answer', next: 'Try again in a few minutes.' },
  /** The code of a link may be used up, so it is not sent again (docs/decisions/0007). */
  link_interrupted: {
    status: 503,
    title: 'The upstream did not finish the link',
    next: 'Link again from the start, in a few minutes if it keeps failing.',
  },
  upstream_protocol: {
    status: 502,
    title: 'The upstream sent an invalid answer',
    next: 'Try again. If it keeps failing, tell an admin of the upstream.',
  },
  upstream_refused: { status: 502, title: 'The upstream refused the request', next: 'Reconnect the project.' },
  upstream_forbidden: {
    status: 403,
    title: 'Your role at the upstream does not allow this',
    next: 'Ask for a different role there, or use another account.',
  },
  upstream_signed_out: {
    status: 409,
    title: 'You were signed out at the upstream in the meantime',
    next: 'Link again: it will ask you to sign in.',
  },
  no_refresh_token: {
    status: 502,
    title: 'The upstream gave no refresh token',
    next: 'An admin must allow offline access for the client of this provider.',
  },
  /** Of a way to link that a stack does not have, or not yet. */
  flow_not_offered: {
    status: 409,
    title: 'This stack does not offer this sign-in yet',
    next: 'Link the ordinary way: one project at a time.',
  },
  /** Its person chooses what it is for; nothing is linked until then. */
  projects_not_chosen: {
    status: 409,
    title: 'Choose the projects that the connection is for',
    next: 'Choose at least one that you have not linked.',
  },
  last_project: {
    status: 409,
    title: 'This is the only project of its connection',
    next: 'Disconnect it instead.',
  },
  already_linked: {
    status: 409,
    title: 'You have linked this project already',
    next: 'Keep its connection, or move it. To link in another way all the same, disconnect the project first.',
  },
  another_project: {
    status: 409,
    title: 'A different project was chosen at the upstream',
    next: 'Reconnect and choose the same project, or link the other one as a new project.',
  },
  different_account: {
    status: 409,
    title: 'You approved with a different account',
    next: 'Link again with the same account, or replace the connection with this one.',
  },
  /** Of pasting a token. */
  paste_not_allowed: {
    status: 409,
    title: 'Tokens cannot be pasted here',
    next: 'Link the project with your account, or ask an admin to allow pasted tokens for this provider.',
  },
  token_not_taken: { status: 422, title: 'This token cannot be used', next: 'Paste another token.' },
  no_session: {
    status: 409,
    title: 'This connection is not a session of its upstream',
    next: 'Only connections by one sign-in for several projects have sessions there.',
  },
  own_session: {
    status: 409,
    title: 'This session belongs to a connection of yours',
    next: 'Disconnect that connection: it ends the session, and the tokens that were issued from it.',
  },
  not_pasted: {
    status: 409,
    title: 'This connection does not stand on a pasted token',
    next: 'It renews itself. There is nothing to rotate.',
  },
  alias_taken: { status: 409, title: 'Another project already has this alias', next: 'Choose another alias.' },
  provider_misconfigured: {
    status: 409,
    title: 'The settings of this provider cannot be read',
    next: 'An admin must correct or replace the provider.',
  },
  // Issuing
  needs_relink: { status: 409, title: 'The connection must be reconnected', next: 'Open the project and reconnect.' },
  frozen: { status: 409, title: 'An admin has frozen this', next: 'Nothing was lost. Ask an admin to lift it.' },
  not_linked: { status: 409, title: 'You have not linked this project', next: 'Link it first.' },
  over_policy: { status: 422, title: 'Policy does not allow this', next: 'Ask for less, or ask an admin.' },
  /** What a person gave a program does not reach this far. */
  beyond_grant: {
    status: 403,
    title: 'This device or app was not allowed to issue this',
    next: 'Sign in again with it and allow more, or ask for less.',
  },
  too_many_tokens: { status: 409, title: 'You have too many live tokens', next: 'Revoke some that you do not need.' },
  token_outstanding: {
    status: 409,
    title: 'Another token of this connection must end first',
    next: 'This upstream ends a token when the next one is made. Revoke the other one, or wait until it ends.',
  },
  no_strategy: {
    status: 409,
    title: 'This upstream cannot make limited tokens',
    next: 'Ask for strategy "proxy": such a token works through Valetkey, within rules. Valetkey never hands out all the rights of a connection.',
  },
  issue_unconfirmed: {
    status: 502,
    title: 'The upstream did not confirm the token',
    next: 'We are cleaning up. Issue a new one in a moment.',
  },
  excess_rights: {
    status: 502,
    title: 'The upstream granted more than was requested',
    next: 'The token was not handed out and is being revoked. Tell an admin of the upstream.',
  },
  unsound_token: {
    status: 502,
    title: 'The upstream sent a different token than was requested',
    next: 'It was not handed out and is being revoked. Tell an admin of the upstream.',
  },
  upstream_rejected: {
    status: 422,
    title: 'The upstream does not grant these rights',
    next: 'Choose other rights: some may no longer exist, or your account may not grant them.',
  },
  // Authorizing a component
  no_component_page: {
    status: 409,
    title: 'This upstream has no page where components are authorized',
    next: 'Choose a project of a Keboola stack.',
  },
  /** K-31: before anything is written. */
  missing_master_token: {
    status: 403,
    title: 'Only a master token can do this, and this connection does not act with one',
    next: 'Reconnect the project with your own account, or ask an admin of the upstream project.',
  },
  component_refused: {
    status: 422,
    title: 'This component cannot be authorized',
    next: 'Check the component and its configuration.',
  },
  revoked_meanwhile: { status: 409, title: 'Access was revoked during issuing', next: 'Ask an admin.' },
  // Proxy
  token_unknown: { status: 401, title: 'This token is not known here', next: 'Issue a new one in Valetkey.' },
  token_ended: { status: 401, title: 'This token no longer works', next: 'Issue a new one in Valetkey.' },
  rule_refused: {
    status: 403,
    title: 'The rules of this token do not allow this request',
    next: 'Issue a token whose rules allow it.',
  },
  path_refused: {
    status: 400,
    title: 'This address cannot be passed on',
    next: 'Send it without empty or dot segments, and without encoded slashes, dots or backslashes.',
  },
  header_refused: {
    status: 400,
    title: 'A header or parameter of this request cannot be passed on',
    next: 'Leave it out: Valetkey adds the credentials, and a token cannot change its person or method.',
  },
  upgrade_refused: {
    status: 501,
    title: 'WebSocket and other upgrades cannot pass through',
    next: 'Use plain HTTP requests, or server-sent events.',
  },
  redirect_refused: {
    status: 502,
    title: 'The upstream redirected to a different server',
    next: 'Nothing was followed. Tell an admin if this server belongs to the upstream.',
  },
  // What a person answers a program
  /** Unknown, used, expired and somebody else's alike (D-11). */
  user_code_unknown: {
    status: 404,
    title: 'This code does not work',
    next: 'Compare it with the one that your program shows. If they are the same, start again there: a code works once, for one person, and for 15 minutes.',
  },
  request_over: {
    status: 409,
    title: 'This request was answered already, or its time is over',
    next: 'Start again in the program.',
  },
  // Programs: in the words of RFC 6749 5.2, 8628 3.5, 8707 2 and 9449 5, which programs read
  invalid_client: {
    status: 401,
    title: 'This client is not known, or did not prove itself',
    next: 'Check client id and secret. The secret may have been replaced.',
  },
  unauthorized_client: {
    status: 400,
    title: 'This client may not do this',
    next: 'An admin must allow it for this client.',
  },
  invalid_grant: {
    status: 400,
    title: 'This code or refresh token does not work, or no longer',
    next: 'Start the sign-in again.',
  },
  unsupported_grant_type: {
    status: 400,
    title: 'This grant type is not supported',
    next: 'Use one that the metadata lists.',
  },
  unsupported_response_type: {
    status: 400,
    title: 'This response type is not supported',
    next: 'Use response_type=code.',
  },
  invalid_scope: { status: 400, title: 'These scopes cannot be asked for', next: 'Ask for fewer scopes.' },
  invalid_target: {
    status: 400,
    title: 'There is no such resource here',
    next: 'Leave out the resource, or use one that the metadata lists.',
  },
  redirect_unknown: {
    status: 400,
    title: 'This client is not registered for this address',
    next: 'An admin must add the redirect URI to the client, to the letter.',
  },
  client_document_refused: {
    status: 403,
    title: 'This program is not let in here without an admin',
    next: 'Ask an admin to register it, or to allow programs that nobody registered.',
  },
  client_document_invalid: {
    status: 400,
    title: 'What this program says of itself could not be read, or does not hold',
    next: 'Tell whoever makes the program: the document at its client_id must be as the draft on client id metadata documents says.',
  },
  authorization_pending: {
    status: 400,
    title: 'Nobody has answered yet',
    next: 'Ask again after the interval.',
  },
  slow_down: { status: 400, title: 'You ask too often', next: 'Wait five seconds longer between two questions.' },
  access_denied: { status: 400, title: 'Access was denied', next: 'Start again if this was a mistake.' },
  expired_token: { status: 400, title: 'The code has expired', next: 'Start the sign-in again.' },
  login_required: { status: 400, title: 'Nobody is signed in', next: 'Start again without prompt=none.' },
  consent_required: { status: 400, title: 'A person must allow this', next: 'Start again without prompt=none.' },
  invalid_dpop_proof: {
    status: 400,
    title: 'The proof of possession is missing or wrong',
    next: 'Send a DPoP header signed with the key that the tokens are bound to.',
  },
  use_dpop_nonce: {
    status: 400,
    title: 'The proof of possession needs a nonce of this server',
    next: 'Take the nonce from the header DPoP-Nonce, put it into a new proof and send the request again.',
  },
  request_uri_unknown: {
    status: 400,
    title: 'This request is unknown, was used before, or has expired',
    next: 'Start again in the app.',
  },
  // Tenancy
  invitation_unknown: { status: 404, title: 'This invitation is unknown or has expired', next: 'Ask for a new one.' },
  too_many_invitations: {
    status: 409,
    title: 'The limit of 100 open invitations is reached',
    next: 'Withdraw those that are no longer needed, or wait until some expire.',
  },
  last_owner: { status: 409, title: 'A tenant needs an owner', next: 'Make someone else an owner first.' },
  slug_taken: { status: 409, title: 'Another tenant already uses this address', next: 'Choose another one.' },
  provider_exists: { status: 409, title: 'This provider is already configured', next: 'Use the one in the list.' },
  provider_in_use: {
    status: 409,
    title: 'Connections were made with this client id',
    next: 'Add the other client as a separate provider, and link again there.',
  },
  no_own_apis: {
    status: 409,
    title: 'This tenant has no APIs of its own yet',
    next: 'Add the provider "Own APIs" first.',
  },
  audience_exists: { status: 409, title: 'This audience is already there', next: 'Change its entry in the list.' },
  too_many_audiences: {
    status: 409,
    title: 'A tenant has at most 100 audiences',
    next: 'Remove one that you no longer need.',
  },
  too_many_webhooks: {
    status: 409,
    title: 'A tenant has at most five webhooks',
    next: 'Delete one that you no longer need.',
  },
  trusted_issuer_exists: { status: 409, title: 'This issuer is already trusted', next: 'Use the one in the list.' },
  trusted_client_exists: { status: 409, title: 'This client is already listed', next: 'Change its entry in the list.' },
  too_many_trusted: {
    status: 409,
    title: 'A tenant trusts at most ten issuers, with 50 clients each',
    next: 'Remove one that you no longer need.',
  },
  opaque_taken: {
    status: 409,
    title: 'Another issuer is asked about tokens that name no issuer',
    next: 'Switch it off there first: each would be shown the tokens of the other.',
  },
  too_many_clients: {
    status: 409,
    title: 'A tenant has at most 100 clients',
    next: 'Remove one that you no longer need.',
  },
  too_many_secrets: {
    status: 409,
    title: 'Two secrets of this client work already',
    next: 'End one of them first, or let those before end at once.',
  },
  webhook_off: { status: 409, title: 'This webhook is switched off', next: 'Switch it on first.' },
  count_changed: { status: 409, title: 'The selection has changed', next: 'Check the selection and confirm again.' },
} as const satisfies Record<string, { status: number; title: string; next: string }>

export type ErrorCode = keyof typeof errorCodes

type Options = {
  /** For people; never holds a secret, an upstream body or another tenant's data. */
  detail?: string
  /** What to do, where that is known better than what the code says; as `detail`. */
  next?: string
  /** Field path -> what is wrong with it. */
  fields?: Record<string, string>
  retryAfterSeconds?: number
  /** How to authenticate instead, for WWW-Authenticate (RFC 9110 section 11.6.1). */
  challenge?: string
  /** For the next proof, in DPoP-Nonce (RFC 9449 section 8). */
  nonce?: string
  /** For the log alone. */
  cause?: unknown
}

/**
 * The one error of the product: a code for machines, a detail for people, a cause for the log. Told apart with
 * {@link isBrokerError}, never with instanceof: the server bundle and Next's load this file twice.
 */
export class BrokerError extends Error {
  override readonly name = 'BrokerError'
  readonly code: ErrorCode
  readonly detail: string | undefined
  readonly next: string
  readonly fields: Record<string, string> | undefined
  readonly retryAfterSeconds: number | undefined
  readonly challenge: string | undefined
  readonly nonce: string | undefined

  constructor(code: ErrorCode, { detail, next, fields, retryAfterSeconds, challenge, nonce, cause }: Options = {}) {
    super(detail ?? errorCodes[code].title, { cause })
    this.code = code
    this.detail = detail
    this.next = next ?? errorCodes[code].next
    this.fields = fields
    this.retryAfterSeconds = retryAfterSeconds
    this.challenge = challenge
    this.nonce = nonce
  }
}

/** What zod calls a problem, as far as {@link fieldsOf} reads it. */
type Issue = { code?: string | undefined; path: PropertyKey[]; message: string; keys?: string[] }

/** Field path -> what is wrong; `place` names the whole, and with `within` leads every path. Never the value that was sent. */
export function fieldsOf(issues: readonly Issue[], place: string, within: string[] = []): Record<string, string> {
  const entries = issues.flatMap(({ code, path: at, message, keys = [] }) => {
    const path = [...within, ...at.map(String)]
    if (code === 'unrecognized_keys') return keys.map((key) => [[...path, key].join('.').slice(0, 80), 'is unknown'])
    return [[path.join('.') || place, message]]
  })
  return Object.fromEntries(entries.slice(0, 20))
}

/** Whether `error` is a {@link BrokerError}, of one of `codes` if any are named, from whichever bundle. */
export function isBrokerError(error: unknown, ...codes: ErrorCode[]): error is BrokerError {
  if (!(error instanceof Error) || error.name !== 'BrokerError' || !('code' in error)) return false
  return codes.length === 0 || codes.includes(error.code as ErrorCode)
}
