import * as oauth from 'oauth4webapi'
import type { Context } from '../../context.ts'
import { assertAnswers, discover, requestOptions } from '../../security/discovery.ts'
import { signatureAlgorithms as algorithms, validateSignature } from '../../security/issuer-keys.ts'
import { isStorable } from '../../security/json.ts'
import { type Logout, readLogoutToken, type Vouched, vouchedBy } from '../../security/logout-token.ts'
import { clientAt, clientAuth, clockToleranceSeconds, ProtocolError } from '../../security/oauth.ts'
import type { Identity } from '../../store/users.ts'
import { within } from '../../within.ts'
import { asClockError, ClockError, refused, type Stage, signinError } from './failure.ts'

/** The one provider of sign-in, as next-auth and the callback address name it. */
export const providerId = 'signin'

/** The redirect URI, from configuration alone (L-14). */
export const redirectUri = ({ config }: Pick<Context, 'config'>) => `${config.origin}/api/auth/callback/${providerId}`

/** How long a sign-out waits for the issuer to show that it is there. */
const issuerPatienceMs = 1_500

/** `state` on the sign-in page after a sign-out: here alone, or back from the issuer, which was asked for its own. */
export const signedOutStates = { here: 'signed-out-here', there: 'signed-out' } as const

/** An ID token is made for the exchange that fetches it; an old one is somebody's copy. */
const issuedAgoSecondsMax = 600

export type SignedIn = {
  identity: Identity
  authTime: Date
  /** How long before the ID token was made the person signed in at the issuer, by its clock; undefined: it does not say. */
  agoSeconds: number | undefined
  vouched: Vouched
}

/** Runs a part of a sign-in. @throws BrokerError with what the log needs to know as its cause */
async function at<T>(stage: Stage, secrets: string[], work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw await signinError(stage, cause, secrets)
  }
}

/**
 * The sign-in issuer's metadata, cut down to the algorithms that we take.
 * @throws BrokerError signin_unavailable
 */
export const signinServer = (ctx: Context): Promise<oauth.AuthorizationServer & { authorization_endpoint: string }> =>
  at('discovery', [], async () => {
    const server = await discover(ctx, ctx.config.signin.issuer)
    const { authorization_endpoint } = server
    if (!authorization_endpoint) throw new ProtocolError('the metadata names no authorization endpoint')
    return Object.assign(server, {
      authorization_endpoint,
      id_token_signing_alg_values_supported: (server.id_token_signing_alg_values_supported ?? ['RS256']).filter((alg) =>
        algorithms.has(alg),
      ),
    })
  })

/** Looks whether the issuer is there before a person is sent to it. @throws BrokerError signin_unavailable */
export async function assertIssuerAnswers(ctx: Context): Promise<void> {
  const { issuer } = await signinServer(ctx)
  await at('issuer', [], () => assertAnswers(ctx, issuer))
}

const clientOf = ({ config, now }: Context) => clientAt(now(), { client_id: config.signin.clientId })

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
  if (isMissing || (iss !== null && iss !== server.issuer))
    throw refused('issuer_mismatch', 'authorization', 'another issuer or none')
  return at('authorization', [state, parameters.get('code') ?? ''], () =>
    oauth.validateAuthResponse(server, clientOf(ctx), parameters, state),
  )
}

/**
 * Redeems the code and says who signed in. The tokens end here: what leaves is claims (S-04).
 * @throws BrokerError signin_unavailable, signin_failed, clocks_differ
 */
export async function redeemCode(
  ctx: Context,
  { callback, codeVerifier, nonce }: { callback: URLSearchParams; codeVerifier: string; nonce: string },
): Promise<SignedIn> {
  const { clientSecret, clientAuth: told } = ctx.config.signin
  const server = await signinServer(ctx)
  const client = clientOf(ctx)
  const options = requestOptions(ctx)
  const secrets = [clientSecret, callback.get('code') ?? '', callback.get('state') ?? '', codeVerifier, nonce]
  const response = await at('token', secrets, () => {
    const auth = clientAuth(server, clientSecret, told)
    return oauth.authorizationCodeGrantRequest(server, client, auth, callback, redirectUri(ctx), codeVerifier, options)
  })
  const tokens = await at(response.ok ? 'id_token' : 'token', secrets, () =>
    oauth
      .processAuthorizationCodeResponse(server, client, response, { expectedNonce: nonce, requireIdToken: true })
      .catch((error: unknown) => Promise.reject(asClockError(error, nonce, ctx.now()))),
  )
  await at('signature', secrets, () => validateSignature(ctx, server, response))
  const claims = await at('id_token', secrets, () => checkedClaims(ctx, oauth.getValidatedIdTokenClaims(tokens)))
  const { auth_time } = claims
  const agoSeconds = auth_time === undefined ? undefined : Math.max(0, claims.iat - auth_time)
  const profile = claims.email || claims.name ? claims : await readProfile(ctx, server, tokens.access_token, claims)
  return {
    identity: {
      issuer: server.issuer,
      subject: claims.sub,
      name: line(profile.name, 200) ?? line(profile.email, 200) ?? claims.sub,
      email: line(profile.email, 320) ?? null,
    },
    // By our clock: with one ahead of it, a session would seem fresh for too long. An issuer that does not say when counts as
    // long ago: its ID token is as new after a sign-in of last week.
    authTime: new Date(agoSeconds === undefined ? 0 : ctx.now().getTime() - agoSeconds * 1000),
    agoSeconds,
    vouched: vouchedBy(claims),
  }
}

/**
 * Reads a logout token of the sign-in issuer.
 * @throws BrokerError signin_unavailable; otherwise as {@link readLogoutToken}
 */
export const readSigninLogout = async (ctx: Context, token: string): Promise<Logout> =>
  readLogoutToken(ctx, { server: await signinServer(ctx), clientId: ctx.config.signin.clientId }, token)

/**
 * Where a person ends their session at the identity provider (OpenID Connect RP-Initiated Logout 1.0), if there is such a
 * place and something answers there. Signing out here is done by then, so nobody waits long for it. Without
 * `id_token_hint`: no ID token is kept, and none may pass through a browser (S-04), so the provider may ask the person.
 */
export async function issuerSignOut(ctx: Context): Promise<URL | undefined> {
  const asked = assertIssuerAnswers(ctx).then(() => signinServer(ctx))
  const server = await within(
    asked.catch(() => undefined),
    issuerPatienceMs,
    () => undefined,
  )
  if (!server?.end_session_endpoint) return undefined
  const url = new URL(server.end_session_endpoint)
  url.searchParams.set('client_id', ctx.config.signin.clientId)
  url.searchParams.set('post_logout_redirect_uri', `${ctx.config.origin}/signin`)
  url.searchParams.set('state', signedOutStates.there)
  return url
}

/** What OIDC Core 3.1.3.7 asks for beyond what oauth4webapi checks: azp also beside a single aud (5), a recent iat (10). */
function checkedClaims({ config, now, log }: Context, claims: oauth.IDToken | undefined): oauth.IDToken {
  if (!claims) throw new ProtocolError('there is no ID token')
  const { azp, iat, sub, auth_time } = claims
  if (azp !== undefined && azp !== config.signin.clientId) throw new ProtocolError('the ID token is for another client')
  const seconds = now().getTime() / 1000
  const ageSeconds = seconds - iat
  if (ageSeconds > issuedAgoSecondsMax || ageSeconds < -clockToleranceSeconds)
    throw new ClockError(Math.round(-ageSeconds))
  if (ageSeconds > clockToleranceSeconds)
    log.warn(
      { alarm: true, differenceSeconds: -Math.round(ageSeconds) },
      'the clock of the identity provider is behind ours',
    )
  if (auth_time !== undefined && auth_time > seconds + clockToleranceSeconds)
    throw new ProtocolError('the sign-in is dated in the future')
  if (sub.length === 0 || sub.length > 255 || !isStorable(sub))
    throw new ProtocolError('the subject has no usable length')
  return claims
}

/** Name and e-mail where the ID token has none (OIDC Core 5.4). Only for display, so a failure is ignored. */
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

/** One line of plain text out of a claim: normalised, without control and direction characters, cut (IV-05). */
function line(claim: unknown, lengthMax: number): string | undefined {
  if (typeof claim !== 'string') return undefined
  const text = claim
    .normalize('NFKC')
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '')
    .trim()
  return text.slice(0, lengthMax) || undefined
}
