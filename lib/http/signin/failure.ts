import * as oauth from 'oauth4webapi'
import { BrokerError, type ErrorCode, isBrokerError } from '../../errors.ts'
import { isKeysUnavailable, isUnknownKey } from '../../security/issuer-keys.ts'
import { answerOf, clockToleranceSeconds, isProtocolError } from '../../security/oauth.ts'
import { isOutboundError, outboundReason } from '../../security/outbound.ts'

/** How far a sign-in had come: from its start to the session. */
export type Stage = 'discovery' | 'issuer' | 'state' | 'authorization' | 'token' | 'id_token' | 'signature' | 'session'

/** Codes that the sign-in page has words for; any other is "did not complete" there. */
export const signinFailures = [
  'signin_failed',
  'signin_denied',
  'signin_unavailable',
  'signin_not_confirmed',
  'clocks_differ',
  'issuer_mismatch',
  'session_refused',
  'rate_limited',
] as const satisfies ErrorCode[]

/** Our text for our codes. Anyone can edit the address bar, so an unknown code reads "did not complete". */
export const failureOf = (error: string | string[]): (typeof signinFailures)[number] =>
  signinFailures.find((known) => known === error) ?? 'signin_failed'

/** What the log says of a failure. `error` and `error_description` are the issuer's words, cut and without secrets. */
type Facts = {
  stage: Stage
  error?: string
  error_description?: string
  /** Of the issuer's answer. */
  status?: number
  /** A code or text from us or our libraries, never from the issuer; absent for unexpected errors. */
  reason?: string
  /** How far ahead the issuer's clock is; negative: behind. */
  differenceSeconds?: number
  /** An operator must act: here or at the issuer. */
  alarm?: true
}

/** The cause of a sign-in that failed, made ready for the log. */
export class SigninFailure extends Error {
  override readonly name = 'SigninFailure'
  readonly facts: Facts
  constructor(facts: Facts, cause: unknown) {
    super(facts.stage, { cause })
    this.facts = facts
  }
}

/** A refusal by Valetkey that does not depend on the issuer's answers. */
export const refused = (code: ErrorCode, stage: Stage, reason: string) =>
  new BrokerError(code, { cause: new SigninFailure({ stage, reason }, undefined) })

/** The time that an ID token names, which was made for the nonce of this very sign-in: the issuer's clock. */
export class ClockError extends Error {
  override readonly name = 'ClockError'
  readonly differenceSeconds: number
  constructor(differenceSeconds: number, cause?: unknown) {
    super('the clocks differ', { cause })
    this.differenceSeconds = differenceSeconds
  }
}

/** Codes by which the issuer says that our client is the problem (RFC 6749 5.2). */
const clientRefusals = new Set(['invalid_client', 'unauthorized_client'])

/** Codes of RFC 6749 4.1.2.1 and OIDC Core 3.1.2.6 that say more than "it failed". */
const refusals = new Map<string, ErrorCode>([
  ['access_denied', 'signin_denied'],
  ['server_error', 'signin_unavailable'],
  ['temporarily_unavailable', 'signin_unavailable'],
])

/**
 * What a failure at one stage is called towards people, with the facts for the log.
 * @param secrets values that an issuer may repeat in its description
 */
export async function signinError(stage: Stage, cause: unknown, secrets: string[]): Promise<BrokerError> {
  if (isBrokerError(cause)) return cause
  const answer = await answerOf(cause)
  const said = cause instanceof oauth.AuthorizationResponseError ? cause : answer
  const isClientRefused = stage === 'token' && clientRefusals.has(said?.error ?? '')
  const facts: Facts = {
    stage,
    ...(said?.error && { error: plain(said.error, secrets, 80) }),
    ...(said?.error_description && { error_description: plain(said.error_description, secrets, 200) }),
    ...(answer && { status: answer.status }),
    ...reasonOf(cause),
    ...(cause instanceof ClockError && { differenceSeconds: cause.differenceSeconds }),
    ...((isClientRefused || cause instanceof ClockError) && { alarm: true as const }),
  }
  const status = answer?.status ?? 0
  const isPassing = isOutboundError(cause) || isKeysUnavailable(cause) || status >= 500 || status === 429
  const isEarly = stage === 'discovery' || stage === 'issuer'
  const code: ErrorCode =
    cause instanceof ClockError
      ? 'clocks_differ'
      : cause instanceof oauth.AuthorizationResponseError
        ? (refusals.get(cause.error) ?? 'signin_failed')
        : isPassing || isEarly
          ? 'signin_unavailable'
          : 'signin_failed'
  return new BrokerError(code, { cause: new SigninFailure(facts, cause) })
}

/**
 * Whether an ID token was refused for its time alone, and is no other than the one for this sign-in: then it is as old as
 * the exchange that fetched it, and what it says of the time is the issuer's clock.
 */
export function asClockError(error: unknown, nonce: string, now: Date): unknown {
  const { code, cause } = (error instanceof Error ? error : {}) as { code?: unknown; cause?: unknown }
  if (code !== oauth.JWT_TIMESTAMP_CHECK || typeof cause !== 'object' || cause === null) return error
  const { claims } = cause as { claims?: oauth.IDToken }
  if (claims?.nonce !== nonce || typeof claims.iat !== 'number') return error
  const differenceSeconds = Math.round(claims.iat - now.getTime() / 1000)
  return Math.abs(differenceSeconds) > clockToleranceSeconds ? new ClockError(differenceSeconds, error) : error
}

/** Why, in words or codes that are not the issuer's: the library's sentences name claims and fields, never values. */
function reasonOf(error: unknown): { reason?: string } {
  if (isOutboundError(error)) return { reason: outboundReason(error) }
  if (isKeysUnavailable(error) && isOutboundError(error.cause)) return { reason: outboundReason(error.cause) }
  if (isProtocolError(error) || isKeysUnavailable(error) || isUnknownKey(error) || error instanceof ClockError)
    return { reason: error.message }
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return error instanceof Error && code.startsWith('OAUTH_') ? { reason: `${code}: ${error.message}` } : {}
}

/** One line out of the issuer's text: no secret of this sign-in, nothing that looks like one, cut (V-08). */
function plain(text: string, secrets: string[], lengthMax: number): string {
  const told = secrets
    .filter((secret) => secret.length > 3)
    .reduce((rest, secret) => rest.replaceAll(secret, '…'), text)
  return told
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]+/gu, ' ')
    .replace(/[\w\-.~+/=%]{20,}/g, '…')
    .slice(0, lengthMax)
}
