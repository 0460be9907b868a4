import * as oauth from 'oauth4webapi'
import { requestOptions } from '../../security/discovery.ts'
import { noteClock } from '../../security/issuer-clocks.ts'
import { isKeysUnavailable, isUnknownKey, validateSignature } from '../../security/issuer-keys.ts'
import { isStorable, readJson } from '../../security/json.ts'
import { partOf } from '../../security/jwt.ts'
import { readLogoutToken, type Vouched, vouchedBy } from '../../security/logout-token.ts'
import { answerOf, clientAt, isProtocolError } from '../../security/oauth.ts'
import { isOutboundError, type OutboundInit } from '../../security/outbound.ts'
import { randomToken, Secret } from '../../security/secrets.ts'
import { within } from '../../within.ts'
import { type ClientTrial, type Grant, type Provider, type ProviderDeps, UpstreamError } from '../provider.ts'
import { type CallKind, retryAfterSeconds, withRetries } from '../retry.ts'
import { type AnswerForm, readAnswer, statedError, type Tokens } from './answers.ts'

/** Where and who: everything in which one OAuth server differs from another. */
export type Resolution = {
  server: oauth.AuthorizationServer
  client: oauth.Client
  /** The first is used; the next ones where the server does not know it (any more). */
  auth: readonly [oauth.ClientAuth, ...oauth.ClientAuth[]]
  /** Extra parameters of the authorization request. Never from a person's input (L-13). */
  parameters: Record<string, string>
  /** The same of the token request. */
  tokenParameters?: Record<string, string>
  /** Whether an ID token must come, with our nonce. */
  openid: boolean
  /** Another spelling of the issuer that is as good, where it is reached from inside under another name (N-33). */
  alias?: string | undefined
  /** Whether this server answers a replayed refresh token with a mere refusal (K-24). */
  repeatsRefresh: boolean
  /** Refusals that this server words in its own way. */
  readsAsRefused?: (error: { status: number; error: string | undefined }) => boolean
  answers?: AnswerForm
  /** Where refreshes go, if not to the token endpoint. */
  refreshEndpoint?: string | undefined
  /** There are no refresh tokens: the grant lasts as long as its access token. */
  refreshless?: boolean
  /** There may be none. */
  refreshOptional?: boolean | undefined
}

/** A key that tokens are bound to (RFC 9449), with the nonces that its server gave. */
export type Proof = oauth.DPoPHandle

type Exchanged = Grant & {
  /** Of the verified ID token. */
  subject: string | undefined
  name: string | undefined
  vouched: Vouched | undefined
  /** The whole answer, for what else a server tells there. */
  whole: unknown
}

export type Protocol = {
  authorizationUrl: Provider['authorizationUrl']
  exchangeCode(input: Parameters<Provider['exchangeCode']>[0] & { proof?: Proof | undefined }): Promise<Exchanged>
  /** `scopes`: no more than these, as they are sent (RFC 6749 6); the answer's are then what it says, never what was asked. */
  refresh(input: {
    refreshToken: Secret
    subject: string
    once?: boolean | undefined
    scopes?: string | undefined
    proof?: Proof | undefined
  }): Promise<Grant>
  /** Whether the token endpoint knows the client, by the first way in which it proves itself. Nothing can come of it. */
  tryClient(): Promise<ClientTrial>
  readLogout: NonNullable<Provider['readLogout']>
  /**
   * Exchanges a token (RFC 8693): its answer as it came, for the caller to judge. `own`: the token that the client gets for
   * itself (RFC 6749 4.4). It is made for this request alone, told to nobody, and ended after it, so that no API is ever
   * called with it (N-11). `actor`: whom that one is about, as it says.
   */
  exchangeToken(input: {
    subject: Secret | 'own'
    actor?: 'own' | undefined
    parameters: [string, string][]
  }): Promise<{ answer: unknown; actor: unknown }>
  /** What the server says of a token (RFC 7662). */
  introspect(token: Secret, hint?: 'access_token' | 'refresh_token'): Promise<Record<string, unknown>>
  /** Ends a token by RFC 7009. */
  revoke(token: Secret, hint: 'access_token' | 'refresh_token'): ReturnType<Provider['revoke']>
}

type ProtocolDeps = Pick<ProviderDeps, 'fetch' | 'now' | 'sleep' | 'keySets' | 'issuerClocks'>

/** Where an upstream names no lifetime, the token is taken to be short-lived rather than everlasting (RFC 6749 5.1). */
const unnamedLifetimeSeconds = 300
const longestLifetimeSeconds = 24 * 3600
/** The rotated token waits to be stored meanwhile, and its lease runs out (RR-02): keys that are slower say nothing. */
const patienceWithKeysMs = 1_000

/** Codes by which a token endpoint says that our client is the problem (RFC 6749 5.2), never the grant. */
const clientRefusals = new Set(['invalid_client', 'unauthorized_client', 'unsupported_grant_type'])
/** Those that may be about what the client proves itself by; some servers answer a wrong secret with the second. */
const proofRefusals = new Set(['invalid_client', 'unauthorized_client'])
/** A server says 401 to what a client proves itself by, and 400 where it is another client that it does not know. */
const isAboutProof = ({ code = '', status }: UpstreamError, kind: CallKind) =>
  proofRefusals.has(code) && !(kind === 'mint' && status === 400)

const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'
export const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'
/** The code of an {@link UpstreamError}: the client gets no token for itself. */
export const noOwnToken = 'no_own_token'

/**
 * OAuth 2 / OpenID Connect over oauth4webapi: authorization code with PKCE S256 (never without, L-03), pushed where the
 * server takes it (RFC 9126), refresh, RFC 7009, proof of possession (RFC 9449).
 * @throws UpstreamError from every verb, by what the answer means
 */
export function oauthProtocol(resolveRow: () => Promise<Resolution>, deps: ProtocolDeps): Protocol {
  const resolve = async () => {
    const resolution = await resolveRow()
    return { ...resolution, client: clientAt(deps.now(), resolution.client) }
  }

  /** One call with its repeats. What a server refuses for the client alone was not acted upon, so another secret is tried. */
  const clientCall = <T>(
    kind: CallKind,
    { auth: [first, ...others], readsAsRefused }: Resolution,
    call: (auth: oauth.ClientAuth) => Promise<T>,
  ): Promise<T> =>
    withRetries(deps, kind, async () => {
      const judged = (auth: oauth.ClientAuth) =>
        call(auth).catch(async (error: unknown) => {
          throw await asUpstreamError(error, deps.now(), readsAsRefused)
        })
      let result = judged(first)
      for (const auth of others)
        result = result.catch((error: UpstreamError) =>
          isAboutProof(error, kind) ? judged(auth) : Promise.reject(error),
        )
      return result
    })

  /** A token request; one that lacks a nonce of the server is sent again with it, because nothing was acted upon (RFC 9449 8). */
  async function tokenRequest(
    { server, answers = {}, tokenParameters = {} }: Resolution,
    proof: Proof | undefined,
    more: Record<string, string> | 'code',
    send: (options: oauth.TokenEndpointRequestOptions) => Promise<Response>,
  ): Promise<{ response: Response; tokens?: Tokens }> {
    const options = {
      ...requestOptions(deps),
      [oauth.customFetch]: (
        url: string,
        init: OutboundInit, // A rotated token is not lost for what else its answer holds.
      ) => deps.fetch(url, { ...inItsForm(init, answers), anyText: true }),
      additionalParameters: { ...tokenParameters, ...(more === 'code' ? {} : more) },
      ...(proof && { DPoP: proof }),
    } as oauth.TokenEndpointRequestOptions
    const response = await send(options)
    const again = proof !== undefined && (await statedError(response)) === 'use_dpop_nonce'
    const read = await readAnswer(again ? await send(options) : response, answers, more === 'code')
    if (read.tokens?.id_token) noteClock(deps, new URL(server.token_endpoint ?? '').host, read.tokens.id_token)
    return read
  }

  /** Whether an ID token of a refresh is sound and about the person who linked (OIDC Core 12.2, RR-10). */
  async function vouched(resolution: Resolution, idToken: string | undefined, subject: string) {
    if (!resolution.openid || !idToken) return undefined
    const server = asNamed(resolution, idToken)
    const response = json({ access_token: '-', token_type: 'bearer', id_token: idToken })
    try {
      const answer = await oauth.processRefreshTokenResponse(server, resolution.client, response)
      const isJudged = await within(
        validateSignature(deps, server, response).then(() => true),
        patienceWithKeysMs,
        () => false,
      )
      if (!isJudged) return undefined
      return oauth.getValidatedIdTokenClaims(answer)?.sub === subject ? 'same' : 'changed'
    } catch (error) {
      // Keys that cannot be had, or not yet after a rotation, say nothing about the person; nor does a clock that is off.
      const saysNothing =
        isKeysUnavailable(error) || (isUnknownKey(error) && !error.settled) || isOfAnotherTime(error, subject)
      return saysNothing ? undefined : 'changed'
    }
  }

  /** A token that the client gets for itself; see {@link Protocol.exchangeToken}. */
  const ownToken = (resolution: Resolution, scope: string | null): Promise<Secret> =>
    clientCall('read', resolution, async (auth) => {
      const { server, client } = resolution
      const wanted = new URLSearchParams(scope === null ? [] : [['scope', scope]])
      const response = await oauth.clientCredentialsGrantRequest(server, client, auth, wanted, requestOptions(deps))
      const { access_token } = await oauth.processClientCredentialsResponse(server, client, response)
      return new Secret(access_token)
    }).catch((error: UpstreamError) => {
      if (error.failure !== 'misconfigured') throw error
      throw new UpstreamError('rejected', 'the client gets no token of its own', { ...error, code: noOwnToken })
    })

  async function revoke(token: Secret, hint: 'access_token' | 'refresh_token') {
    const resolution = await resolve()
    const { server, client } = resolution
    if (!server.revocation_endpoint) return { state: 'impossible' as const }
    await clientCall('revoke', resolution, async (auth) => {
      const additional = { ...requestOptions(deps), additionalParameters: { token_type_hint: hint } }
      const response = await oauth.revocationRequest(server, client, auth, token.reveal(), additional)
      await oauth.processRevocationResponse(response)
    })
    return { state: 'done' as const }
  }

  return {
    async authorizationUrl({ state, nonce, codeVerifier, redirectUri, scopes }) {
      const resolution = await resolve()
      const { server, client, parameters, openid } = resolution
      if (!server.authorization_endpoint) throw new UpstreamError('protocol', 'no authorization endpoint')
      const url = new URL(server.authorization_endpoint)
      const query: Record<string, string> = {
        ...parameters,
        ...(scopes && { scope: scopes.join(' ') }),
        client_id: client.client_id,
        response_type: 'code',
        redirect_uri: redirectUri,
        state,
        code_challenge: await oauth.calculatePKCECodeChallenge(codeVerifier),
        // Always named: without it League assumes `plain`.
        code_challenge_method: 'S256',
        ...(openid ? { nonce } : {}),
      }
      const sent = server.pushed_authorization_request_endpoint ? await pushed(resolution, query) : query
      for (const [name, value] of Object.entries(sent)) url.searchParams.set(name, value)
      return url
    },

    async exchangeCode({ parameters, state, nonce, codeVerifier, redirectUri, proof }) {
      const resolution = await resolve()
      const { client, openid } = resolution
      const callback = readCallback(resolution, parameters, state)
      return clientCall('exchange', resolution, async (auth) => {
        const { response, tokens } = await tokenRequest(resolution, proof, 'code', (options) =>
          oauth.authorizationCodeGrantRequest(
            resolution.server,
            client,
            auth,
            callback,
            redirectUri,
            codeVerifier,
            options,
          ),
        )
        const server = asNamed(resolution, tokens?.id_token)
        const given = tokens ? inWords(tokens, resolution) : response
        const expected = openid ? { expectedNonce: nonce, requireIdToken: true } : {}
        const answer = await oauth.processAuthorizationCodeResponse(server, client, given, expected)
        if (!tokens) throw new UpstreamError('protocol', 'the answer is malformed', { status: response.status })
        if (openid) await validateSignature(deps, server, given)
        const claims = openid ? oauth.getValidatedIdTokenClaims(answer) : undefined
        const names = [claims?.name, claims?.preferred_username, claims?.email]
        const name = names.find((text): text is string => typeof text === 'string' && text !== '' && isStorable(text))
        // Without one the connection would end with its first access token (N-24).
        if (!tokens.refresh_token && !resolution.refreshless && !resolution.refreshOptional)
          throw new UpstreamError('no_refresh_token', 'the answer holds no refresh token')
        const vouched = claims && vouchedBy(claims)
        return { ...toGrant(tokens), subject: claims?.sub, name, vouched, whole: tokens.whole }
      })
    },

    async refresh({ refreshToken, subject, once = false, scopes, proof }) {
      const resolution = await resolve()
      const { server, client } = resolution
      return clientCall(
        resolution.repeatsRefresh && !once ? 'repeatableRefresh' : 'refresh',
        resolution,
        async (auth) => {
          const { response, tokens } = await tokenRequest(
            resolution,
            proof,
            scopes ? { scope: scopes } : {},
            (options) =>
              oauth.refreshTokenGrantRequest(
                { ...server, token_endpoint: resolution.refreshEndpoint ?? server.token_endpoint },
                client,
                auth,
                refreshToken.reveal(),
                options,
              ),
          )
          // What can be done without is left out: once the upstream has answered, the token that was sent may be spent (RR-09).
          await oauth.processRefreshTokenResponse(server, client, tokens ? json(bare(tokens)) : response)
          if (!tokens) throw new UpstreamError('protocol', 'the answer is malformed', { status: response.status })
          return { ...toGrant(tokens), identity: await vouched(resolution, tokens.id_token, subject) }
        },
      )
    },

    async tryClient() {
      const resolution = await resolve()
      const { server, client, tokenParameters, readsAsRefused } = resolution
      const [auth] = resolution.auth
      const madeUp = { code: randomToken(), code_verifier: randomToken(), redirect_uri: `${server.issuer}/none` }
      try {
        const { response } = await tokenRequest(resolution, undefined, {}, (options) =>
          resolution.refreshless
            ? oauth.genericTokenEndpointRequest(
                server,
                client,
                auth,
                'authorization_code',
                { ...tokenParameters, ...madeUp },
                options,
              )
            : oauth.refreshTokenGrantRequest(
                { ...server, token_endpoint: resolution.refreshEndpoint ?? server.token_endpoint },
                client,
                auth,
                randomToken(),
                options,
              ),
        )
        await oauth.processRefreshTokenResponse(server, client, response)
        return 'untold'
      } catch (error) {
        const { failure, code, status } = await asUpstreamError(error, deps.now(), readsAsRefused)
        // A server looks at the grant of a client that it knows (RFC 6749 5.2).
        if (failure === 'refused') return 'known'
        // Keycloak says `unauthorized_client` of a wrong secret, with the status that is for no other cause.
        const isUnknown = code === 'invalid_client' || (code === 'unauthorized_client' && status === 401)
        return isUnknown ? 'unknown' : 'untold'
      }
    },

    async readLogout({ token }) {
      const { server, client, alias } = await resolve()
      const registration = { server, clientId: client.client_id, alias }
      return readLogoutToken(deps, registration, token).catch(async (error: unknown) => {
        throw isProtocolError(error)
          ? new UpstreamError('refused', error.message, { cause: error })
          : await asUpstreamError(error, deps.now())
      })
    },

    async exchangeToken({ subject, actor, parameters }) {
      const resolution = await resolve()
      const { server, client } = resolution
      const form = new URLSearchParams(parameters)
      // What is exchanged can do no less than what it is exchanged for; who merely acts does nothing of that.
      const wanted = subject === 'own' ? form.get('scope') : null
      const own = subject === 'own' || actor ? await ownToken(resolution, wanted) : undefined
      const token = subject === 'own' ? own : subject
      form.set('subject_token', token?.reveal() ?? '')
      form.set('subject_token_type', accessTokenType)
      if (actor && own) {
        form.set('actor_token', own.reveal())
        form.set('actor_token_type', accessTokenType)
      }
      try {
        const answer = await clientCall('mint', resolution, async (auth) => {
          const options = requestOptions(deps)
          const response = await oauth.genericTokenEndpointRequest(server, client, auth, exchangeGrant, form, options)
          if (response.status === 200) return readJson(response)
          return oauth.processGenericTokenEndpointResponse(server, client, response)
        })
        return { answer, actor: own && partOf(own.reveal(), 'payload')?.sub }
      } finally {
        if (own) await revoke(own, 'access_token').catch(() => undefined)
      }
    },

    async introspect(token, hint = 'access_token') {
      const resolution = await resolve()
      const { server, client } = resolution
      return clientCall('read', resolution, async (auth) => {
        const options = { ...requestOptions(deps), additionalParameters: { token_type_hint: hint } }
        const response = await oauth.introspectionRequest(server, client, auth, token.reveal(), options)
        return oauth.processIntrospectionResponse(server, client, response)
      })
    },

    revoke,
  }

  /** Parameters that were pushed, as the browser carries them (RFC 9126 4). */
  async function pushed(resolution: Resolution, query: Record<string, string>): Promise<Record<string, string>> {
    const { server, client } = resolution
    return clientCall('read', resolution, async (auth) => {
      const response = await oauth.pushedAuthorizationRequest(server, client, auth, query, requestOptions(deps))
      const { request_uri } = await oauth.processPushedAuthorizationResponse(server, client, response)
      return { client_id: client.client_id, request_uri }
    })
  }
}

/** Whether an ID token about this person is refused for its times alone. */
function isOfAnotherTime(error: unknown, subject: string): boolean {
  const { code, cause } = (error instanceof Error ? error : {}) as { code?: unknown; cause?: unknown }
  if (code !== oauth.JWT_TIMESTAMP_CHECK || typeof cause !== 'object' || cause === null) return false
  return (cause as { claims?: oauth.IDToken }).claims?.sub === subject
}

/** The server under the issuer that an ID token names, where both of its names are known to us (N-33). Judged afterwards. */
function asNamed({ server, alias }: Resolution, idToken: string | undefined): oauth.AuthorizationServer {
  if (!alias || !idToken) return server
  return partOf(idToken, 'payload')?.iss === alias ? { ...server, issuer: alias } : server
}

/** Judges an authorization response: `iss` before anything else (RFC 9207 2.4), then state, then error. */
function readCallback(
  { server, client, alias }: Resolution,
  parameters: URLSearchParams,
  state: string,
): URLSearchParams {
  const issuers = parameters.getAll('iss')
  const missing = issuers.length === 0 && server.authorization_response_iss_parameter_supported === true
  if (missing || issuers.some((iss) => iss !== server.issuer && iss !== alias))
    throw new UpstreamError('wrong_issuer', 'the answer names another issuer')
  try {
    return oauth.validateAuthResponse(
      alias && issuers.includes(alias) ? { ...server, issuer: alias } : server,
      client,
      parameters,
      state,
    )
  } catch (error) {
    if (!(error instanceof oauth.AuthorizationResponseError))
      throw new UpstreamError('protocol', 'the answer is malformed', { cause: error })
    const failures: Record<string, ConstructorParameters<typeof UpstreamError>[0]> = {
      access_denied: 'denied',
      temporarily_unavailable: 'unreached',
      server_error: 'unreached',
      unauthorized_client: 'misconfigured',
      invalid_scope: 'misconfigured',
      unsupported_response_type: 'misconfigured',
    }
    throw new UpstreamError(failures[error.error] ?? 'refused', 'the authorization request was not granted')
  }
}

/** A token request as its server wants it: JSON instead of a form, further header fields. */
function inItsForm(init: OutboundInit, { jsonRequests, headers = {} }: AnswerForm): OutboundInit {
  const fields = new Headers(init.headers)
  for (const [name, value] of Object.entries(headers)) fields.set(name, value)
  if (!jsonRequests || !(init.body instanceof URLSearchParams)) return { ...init, headers: fields }
  fields.set('content-type', 'application/json')
  return { ...init, headers: fields, body: JSON.stringify(Object.fromEntries(init.body)) }
}

const json = (body: object) => new Response(JSON.stringify(body), { headers: { 'content-type': 'application/json' } })

const bare = ({ access_token, refresh_token }: Tokens) => ({ access_token, refresh_token, token_type: 'bearer' })

/** Of a code's answer the ID token is judged, and the type of the token, unless the server is known for odd ones. */
const inWords = (tokens: Tokens, { openid, answers }: Resolution) =>
  json({
    ...bare(tokens),
    token_type: answers?.oddTokenType ? 'bearer' : tokens.token_type,
    ...(openid && { id_token: tokens.id_token }),
  })

const toGrant = ({ access_token, refresh_token, expires_in, scopes, grantSeconds }: Tokens): Grant => ({
  accessToken: new Secret(access_token),
  expiresInSeconds: Math.min(expires_in ?? unnamedLifetimeSeconds, longestLifetimeSeconds),
  refreshToken: refresh_token ? new Secret(refresh_token) : undefined,
  scopes,
  grantExpiresInSeconds: grantSeconds,
})

/**
 * What a failed token call means, by status and the parsed `error` field, never by prose (K-29).
 * Only `invalid_grant` is a verdict on the grant.
 */
async function asUpstreamError(
  error: unknown,
  now: Date,
  readsAsRefused?: Resolution['readsAsRefused'],
): Promise<UpstreamError> {
  if (error instanceof UpstreamError) return error
  if (isOutboundError(error))
    return new UpstreamError(error.reached ? 'ambiguous' : 'unreached', 'no answer', { cause: error })

  if (isKeysUnavailable(error))
    return new UpstreamError('ambiguous', 'the keys of the issuer are not available', { cause: error })

  const answer = await answerOf(error)
  if (!answer) return new UpstreamError('protocol', 'the answer is malformed', { cause: error })
  const { status, error: code, headers } = answer
  const more = { status, code, retryAfterSeconds: retryAfterSeconds(headers, now), cause: error }
  if (status === 429) return new UpstreamError('unreached', 'the upstream asks to wait', more)
  if (status >= 500) return new UpstreamError('ambiguous', 'the upstream failed', more)
  if (readsAsRefused?.({ status, error: code })) return new UpstreamError('refused', 'the grant was refused', more)
  if (code === 'invalid_grant') return new UpstreamError('refused', 'the grant was refused', more)
  if (code !== undefined && clientRefusals.has(code))
    return new UpstreamError('misconfigured', 'the client was refused', more)
  if (code !== undefined && status >= 400) return new UpstreamError('rejected', 'the request was turned down', more)
  return new UpstreamError('protocol', 'the answer is not what the protocol says', more)
}
