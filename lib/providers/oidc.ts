import * as oauth from 'oauth4webapi'
import { z } from 'zod'
import { requestOptions } from '../security/discovery.ts'
import { isKeysUnavailable, isUnknownKey, validateSignature } from '../security/issuer-keys.ts'
import { answerOf, clientAt } from '../security/oauth.ts'
import { isOutboundError } from '../security/outbound.ts'
import { Secret } from '../security/secrets.ts'
import type { Grant, Provider, ProviderDeps } from './provider.ts'
import { UpstreamError } from './provider.ts'
import { type CallKind, retryAfterSeconds, withRetries } from './retry.ts'

/** Where and who: everything in which one OAuth server differs from another. */
export type Resolution = {
  server: oauth.AuthorizationServer
  client: oauth.Client
  auth: oauth.ClientAuth
  /** Extra parameters of the authorization request. Never from a person's input (L-13). */
  parameters: Record<string, string>
  /** Whether an ID token must come, with our nonce. */
  openid: boolean
  /** Whether this server answers a replayed refresh token with a mere refusal (K-24). */
  repeatsRefresh: boolean
  /** Refusals that this server words in its own way. */
  readsAsRefused?: (error: { status: number; error: string | undefined }) => boolean
}

export type Protocol = Pick<Provider, 'authorizationUrl' | 'refresh'> & {
  exchangeCode(input: Parameters<Provider['exchangeCode']>[0]): Promise<Grant & { subject: string | undefined }>
  revokeGrant(refreshToken: Secret): ReturnType<Provider['revoke']>
}

/** Where an upstream names no lifetime, the token is taken to be short-lived rather than everlasting. */
const unnamedLifetimeSeconds = 300
const longestLifetimeSeconds = 24 * 3600

/** Codes by which a token endpoint says that our client is the problem (RFC 6749 5.2), never the grant. */
const clientRefusals = new Set(['invalid_client', 'unauthorized_client', 'unsupported_grant_type'])

/**
 * OAuth 2 / OpenID Connect over oauth4webapi: authorization code with PKCE S256 (never without, L-03), refresh, RFC 7009.
 * @throws UpstreamError from every verb, by what the answer means
 */
export function oidc(
  resolveRow: () => Promise<Resolution>,
  deps: Omit<ProviderDeps, 'discoveries' | 'config'>,
): Protocol {
  const options = requestOptions(deps)
  const resolve = async () => {
    const resolution = await resolveRow()
    return { ...resolution, client: clientAt(deps.now(), resolution.client) }
  }

  const tokenCall = <T>(kind: CallKind, resolution: Resolution, call: () => Promise<T>): Promise<T> =>
    withRetries(deps, kind, async () => {
      try {
        return await call()
      } catch (error) {
        throw await asUpstreamError(error, deps.now(), resolution.readsAsRefused)
      }
    })

  /** Whether an ID token of a refresh is sound and about the person who linked (OIDC Core 12.2, RR-10). */
  async function vouched({ server, client, openid }: Resolution, idToken: string | undefined, subject: string) {
    if (!openid || !idToken) return undefined
    const response = json({ access_token: '-', token_type: 'bearer', id_token: idToken })
    try {
      const answer = await oauth.processRefreshTokenResponse(server, client, response)
      await validateSignature(deps, server, response)
      return oauth.getValidatedIdTokenClaims(answer)?.sub === subject ? 'same' : 'changed'
    } catch (error) {
      // Keys that cannot be had, or not yet after a rotation, say nothing about the person.
      return isKeysUnavailable(error) || (isUnknownKey(error) && !error.settled) ? undefined : 'changed'
    }
  }

  return {
    async authorizationUrl({ state, nonce, codeVerifier, redirectUri }) {
      const { server, client, parameters, openid } = await resolve()
      if (!server.authorization_endpoint) throw new UpstreamError('protocol', 'no authorization endpoint')
      const url = new URL(server.authorization_endpoint)
      const query: Record<string, string> = {
        ...parameters,
        client_id: client.client_id,
        response_type: 'code',
        redirect_uri: redirectUri,
        state,
        code_challenge: await oauth.calculatePKCECodeChallenge(codeVerifier),
        // Always named: without it League assumes `plain`.
        code_challenge_method: 'S256',
        ...(openid ? { nonce } : {}),
      }
      for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
      return url
    },

    async exchangeCode({ parameters, state, nonce, codeVerifier, redirectUri }) {
      const resolution = await resolve()
      const { server, client, auth, openid } = resolution
      const callback = readCallback(resolution, parameters, state)
      return tokenCall('exchange', resolution, async () => {
        const response = await oauth.authorizationCodeGrantRequest(
          server,
          client,
          auth,
          callback,
          redirectUri,
          codeVerifier,
          options,
        )
        const expected = openid ? { expectedNonce: nonce, requireIdToken: true } : {}
        const answer = await oauth.processAuthorizationCodeResponse(server, client, response, expected)
        if (openid) await validateSignature(deps, server, response)
        const grant = toGrant(answer)
        if (!grant.refreshToken) throw new UpstreamError('no_refresh_token', 'the answer holds no refresh token')
        return { ...grant, subject: oauth.getValidatedIdTokenClaims(answer)?.sub }
      })
    },

    async refresh({ refreshToken, subject, once = false }) {
      const resolution = await resolve()
      const { server, client, auth } = resolution
      return tokenCall(resolution.repeatsRefresh && !once ? 'repeatableRefresh' : 'refresh', resolution, async () => {
        const answered = await oauth.refreshTokenGrantRequest(server, client, auth, refreshToken.reveal(), options)
        const { response, idToken, grantExpiresInSeconds } = await withoutOddities(answered)
        const grant = toGrant(await oauth.processRefreshTokenResponse(server, client, response))
        return { ...grant, grantExpiresInSeconds, identity: await vouched(resolution, idToken, subject) }
      })
    },

    async revokeGrant(refreshToken) {
      const resolution = await resolve()
      const { server, client, auth } = resolution
      if (!server.revocation_endpoint) return { state: 'impossible' }
      await tokenCall('revoke', resolution, async () => {
        const additional = { ...options, additionalParameters: { token_type_hint: 'refresh_token' } }
        const response = await oauth.revocationRequest(server, client, auth, refreshToken.reveal(), additional)
        await oauth.processRevocationResponse(response)
      })
      return { state: 'done' }
    },
  }
}

/** Judges an authorization response: `iss` before anything else (RFC 9207 2.4), then state, then error. */
function readCallback({ server, client }: Resolution, parameters: URLSearchParams, state: string): URLSearchParams {
  const issuers = parameters.getAll('iss')
  const missing = issuers.length === 0 && server.authorization_response_iss_parameter_supported === true
  if (missing || issuers.some((iss) => iss !== server.issuer))
    throw new UpstreamError('wrong_issuer', 'the answer names another issuer')
  try {
    return oauth.validateAuthResponse(server, client, parameters, state)
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

/** Ten years at most: "for ever" comes as the largest number there is. */
const seconds = z.coerce
  .number()
  .positive()
  .transform((value) => Math.min(value, 10 * 365 * 86_400))
  .optional()
  .catch(undefined)
const RefreshAnswer = z.object({
  access_token: z.string().min(1),
  refresh_token: z.string().min(1).optional().catch(undefined),
  scope: z.string().optional().catch(undefined),
  expires_in: seconds,
  id_token: z.string().optional().catch(undefined),
  // Keycloak's name and the other one in use; 0 means that it does not end, never that it has.
  refresh_expires_in: seconds,
  refresh_token_expires_in: seconds,
})

const json = (body: object) => new Response(JSON.stringify(body), { headers: { 'content-type': 'application/json' } })

/**
 * A success without what can be done without: once the upstream has answered, the token that was sent may be spent, and
 * a strange lifetime, type or ID token is no reason to throw its successor away (RR-09).
 */
async function withoutOddities(response: Response) {
  const parsed = response.ok
    ? RefreshAnswer.safeParse(
        await response
          .clone()
          .json()
          .catch(() => undefined),
      )
    : undefined
  if (!parsed?.success) return { response, idToken: undefined, grantExpiresInSeconds: undefined }
  const { access_token, refresh_token, scope, expires_in, id_token, ...grant } = parsed.data
  return {
    response: json({ access_token, refresh_token, scope, expires_in, token_type: 'bearer' }),
    idToken: id_token,
    grantExpiresInSeconds: grant.refresh_expires_in ?? grant.refresh_token_expires_in,
  }
}

function toGrant(answer: oauth.TokenEndpointResponse): Grant {
  return {
    accessToken: new Secret(answer.access_token),
    expiresInSeconds: Math.min(answer.expires_in ?? unnamedLifetimeSeconds, longestLifetimeSeconds),
    refreshToken: answer.refresh_token ? new Secret(answer.refresh_token) : undefined,
    scopes: answer.scope?.split(' ').filter(Boolean),
  }
}

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
  const more = { status, retryAfterSeconds: retryAfterSeconds(headers, now), cause: error }
  if (status === 429) return new UpstreamError('unreached', 'the upstream asks to wait', more)
  if (status >= 500) return new UpstreamError('ambiguous', 'the upstream failed', more)
  if (readsAsRefused?.({ status, error: code })) return new UpstreamError('refused', 'the grant was refused', more)
  if (code === 'invalid_grant') return new UpstreamError('refused', 'the grant was refused', more)
  if (code !== undefined && clientRefusals.has(code))
    return new UpstreamError('misconfigured', 'the client was refused', more)
  if (code !== undefined && status >= 400) return new UpstreamError('rejected', 'the request was turned down', more)
  return new UpstreamError('protocol', 'the answer is not what the protocol says', more)
}
