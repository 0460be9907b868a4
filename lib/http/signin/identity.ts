import * as oauth from 'oauth4webapi'
import type { Context } from '../../context.ts'
import { BrokerError, type ErrorCode, isBrokerError } from '../../errors.ts'
import { discover, requestOptions } from '../../security/discovery.ts'
import { isStorable } from '../../security/json.ts'
import { isOutboundError } from '../../security/outbound.ts'
import type { Identity } from '../../store/users.ts'

/** The one provider of sign-in, as next-auth and the callback address name it. */
export const providerId = 'signin'

/** The redirect URI, from configuration alone (L-14). */
export const redirectUri = ({ config }: Pick<Context, 'config'>) => `${config.origin}/api/auth/callback/${providerId}`

/** What may sign an ID token. No `none`, and no HMAC: there the client secret would be the key (L-05). */
const algorithms = new Set(['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'])

const toleranceSeconds = 60
/** An ID token is made for the exchange that fetches it; an old one is somebody's copy. */
const issuedAgoSecondsMax = 600

/** Codes of RFC 6749 4.1.2.1 and OIDC Core 3.1.2.6 that say more than "it failed". */
const refusals = new Map<string, ErrorCode>([
  ['access_denied', 'signin_denied'],
  ['server_error', 'signin_unavailable'],
  ['temporarily_unavailable', 'signin_unavailable'],
])

export type SignedIn = { identity: Identity; authTime: Date }

/**
 * The sign-in issuer's metadata, cut down to the algorithms that we take.
 * @throws BrokerError signin_unavailable
 */
export async function signinServer(
  ctx: Context,
): Promise<oauth.AuthorizationServer & { authorization_endpoint: string }> {
  const server = await discover(ctx, ctx.config.signin.issuer).catch((cause: unknown) => {
    throw new BrokerError('signin_unavailable', { cause })
  })
  const { authorization_endpoint } = server
  if (!authorization_endpoint) throw new BrokerError('signin_unavailable', { cause: new Error('no endpoint') })
  return Object.assign(server, {
    authorization_endpoint,
    id_token_signing_alg_values_supported: (server.id_token_signing_alg_values_supported ?? ['RS256']).filter((alg) =>
      algorithms.has(alg),
    ),
  })
}

const clientOf = ({ config, now }: Context): oauth.Client => ({
  client_id: config.signin.clientId,
  [oauth.clockSkew]: Math.round((now().getTime() - Date.now()) / 1000),
  [oauth.clockTolerance]: toleranceSeconds,
})

/**
 * Judges an authorization response whose state has been matched: the issuer first (RFC 9207 2.4), then what it says.
 * @throws BrokerError issuer_mismatch, signin_denied, signin_unavailable, signin_failed
 */
export async function judgeCallback(
  ctx: Context,
  parameters: URLSearchParams,
  state: string,
): Promise<URLSearchParams> {
  const server = await signinServer(ctx)
  const iss = parameters.get('iss')
  const isMissing = iss === null && server.authorization_response_iss_parameter_supported === true
  if (isMissing || (iss !== null && iss !== server.issuer)) throw new BrokerError('issuer_mismatch')
  try {
    return oauth.validateAuthResponse(server, clientOf(ctx), parameters, state)
  } catch (cause) {
    const error = cause instanceof oauth.AuthorizationResponseError ? cause.error : ''
    throw new BrokerError(refusals.get(error) ?? 'signin_failed', { cause })
  }
}

/**
 * Redeems the code and says who signed in. The tokens end here: what leaves is claims (S-04).
 * @throws BrokerError signin_unavailable, signin_failed
 */
export async function redeemCode(
  ctx: Context,
  { callback, codeVerifier, nonce }: { callback: URLSearchParams; codeVerifier: string; nonce: string },
): Promise<SignedIn> {
  try {
    const server = await signinServer(ctx)
    const client = clientOf(ctx)
    const options = requestOptions(ctx)
    const auth = clientAuth(server, ctx.config.signin.clientSecret)
    const response = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      auth,
      callback,
      redirectUri(ctx),
      codeVerifier,
      options,
    )
    const expected = { expectedNonce: nonce, requireIdToken: true }
    const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, expected)
    await oauth.validateApplicationLevelSignature(server, response, options)
    const claims = oauth.getValidatedIdTokenClaims(tokens)
    if (!claims) throw new Error('no ID token')
    checkClaims(ctx, claims)
    const profile = claims.email || claims.name ? claims : await readProfile(ctx, server, tokens.access_token, claims)
    return {
      identity: {
        issuer: server.issuer,
        subject: claims.sub,
        name: line(profile.name, 200) ?? line(profile.email, 200) ?? claims.sub,
        email: line(profile.email, 320) ?? null,
      },
      authTime: new Date((claims.auth_time ?? claims.iat) * 1000),
    }
  } catch (cause) {
    if (isBrokerError(cause)) throw cause
    throw new BrokerError(isPassing(cause) ? 'signin_unavailable' : 'signin_failed', { cause })
  }
}

/** What OIDC Core 3.1.3.7 asks for beyond what oauth4webapi checks: azp also beside a single aud (5), a recent iat (10). */
function checkClaims({ config, now }: Context, { azp, iat, sub }: oauth.IDToken): void {
  if (azp !== undefined && azp !== config.signin.clientId) throw new Error('the ID token is for another client')
  const ageSeconds = now().getTime() / 1000 - iat
  if (ageSeconds > issuedAgoSecondsMax || ageSeconds < -toleranceSeconds)
    throw new Error('the ID token is of another time')
  if (sub.length === 0 || sub.length > 255 || !isStorable(sub)) throw new Error('the subject has no usable length')
}

/** Name and e-mail where the ID token has none (OIDC Core 5.4). Only decoration, so its failure is no obstacle. */
async function readProfile(
  ctx: Context,
  server: oauth.AuthorizationServer,
  accessToken: string,
  { sub }: oauth.IDToken,
): Promise<{ name?: unknown; email?: unknown }> {
  if (!server.userinfo_endpoint) return {}
  try {
    const client = clientOf(ctx)
    const response = await oauth.userInfoRequest(server, client, accessToken, requestOptions(ctx))
    return await oauth.processUserInfoResponse(server, client, sub, response)
  } catch (error) {
    ctx.log.warn({ err: error }, 'userinfo was not usable')
    return {}
  }
}

function clientAuth({ token_endpoint_auth_methods_supported: known }: oauth.AuthorizationServer, secret: string) {
  // Basic is the default where nothing is said (RFC 8414 2).
  const isPost = known?.includes('client_secret_post') && !known.includes('client_secret_basic')
  return isPost ? oauth.ClientSecretPost(secret) : oauth.ClientSecretBasic(secret)
}

/** Whether a failed call says nothing about the sign-in itself: no answer, or an answer of 5xx or 429. */
function isPassing(error: unknown): boolean {
  if (isOutboundError(error)) return true
  const answer = error instanceof oauth.ResponseBodyError ? error.response : error instanceof Error ? error.cause : null
  return answer instanceof Response && (answer.status >= 500 || answer.status === 429)
}

/** One line of plain text out of a claim: normalised, without control and direction characters, cut (IV-05). */
function line(claim: unknown, lengthMax: number): string | undefined {
  if (typeof claim !== 'string') return undefined
  const text = claim
    .normalize('NFKC')
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '')
    .trim()
  return text.slice(0, lengthMax).toWellFormed() || undefined
}
