import { BrokerError, errorCodes, isBrokerError } from '../errors.ts'
import { isOutage } from '../store/database.ts'
import { type Answer, jsonAnswer, responseOf } from './answer.ts'
import { securityHeaders } from './headers.ts'

/** RFC 9457 body of every error of the JSON API. */
export type Problem = {
  type: string
  title: string
  status: number
  detail?: string
  code: string
  next: string
  request_id: string
  fields?: Record<string, string>
}

/** What nobody meant to happen: an outage becomes `unavailable`, the rest `internal`. Causes stay for the log. */
export function asBrokerError(error: unknown): BrokerError {
  if (isBrokerError(error)) return error
  return new BrokerError(isOutage(error) ? 'unavailable' : 'internal', { cause: error })
}

export function problemOf(error: BrokerError, requestId: string): Problem {
  const { status, title } = errorCodes[error.code]
  return {
    type: `urn:valetkey:error:${error.code}`,
    title,
    status,
    ...(error.detail && { detail: error.detail }),
    code: error.code,
    next: error.next,
    request_id: requestId,
    ...(error.fields && { fields: error.fields }),
  }
}

type Shape = {
  /** Headers beside its own. */
  more?: Record<string, string>
  /** Adds to a challenge what only its edge knows. */
  complete?: (challenge: string) => string
}

/** The answer for an error: no trace, no cause, no cookie touched (E-01, H-02). Outages say when to come back. */
export function problemAnswer(error: BrokerError, requestId: string, { more = {}, complete }: Shape = {}): Answer {
  const problem = problemOf(error, requestId)
  // RFC 9110 11.6.1: a 401 names a scheme; without a token it is the session cookie.
  const named = error.challenge ?? (problem.status === 401 ? 'Cookie realm="valetkey"' : undefined)
  const challenge = named && complete ? complete(named) : named
  const retryAfter = error.retryAfterSeconds ?? (problem.status === 503 ? 5 : undefined)
  return jsonAnswer(problem, problem.status, {
    ...securityHeaders,
    ...dataHeaders,
    'content-type': 'application/problem+json',
    'x-request-id': requestId,
    ...(retryAfter !== undefined && { 'retry-after': String(Math.max(1, Math.ceil(retryAfter))) }),
    ...(challenge && { 'www-authenticate': challenge }),
    ...(error.nonce && { 'dpop-nonce': error.nonce }),
    ...more,
  })
}

/** The same where a response is wanted. */
export const problemResponse = (error: BrokerError, requestId: string): Response =>
  responseOf(problemAnswer(error, requestId))

/** Of every answer that holds data: nothing keeps it, nothing runs in it (C-10). */
export const dataHeaders = {
  'cache-control': 'no-store',
  vary: 'Cookie, Authorization',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
} as const
