import { BrokerError, errorCodes, isBrokerError } from '../errors.ts'
import { isOutage } from '../store/database.ts'
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

/**
 * The answer for an error: no trace, no cause, no cookie touched (E-01, H-02). Outages say when to come back. `complete` adds
 * to a challenge what only its edge knows.
 */
export function problemResponse(
  error: BrokerError,
  requestId: string,
  complete = (challenge: string): string => challenge,
): Response {
  const problem = problemOf(error, requestId)
  // RFC 9110 11.6.1: a 401 names a scheme; without a token it is the session cookie.
  const named = error.challenge ?? (problem.status === 401 ? 'Cookie realm="valetkey"' : undefined)
  const challenge = named && complete(named)
  const retryAfter = error.retryAfterSeconds ?? (problem.status === 503 ? 5 : undefined)
  return Response.json(problem, {
    status: problem.status,
    headers: {
      ...securityHeaders,
      ...dataHeaders,
      'content-type': 'application/problem+json',
      'x-request-id': requestId,
      ...(retryAfter !== undefined && { 'retry-after': String(Math.max(1, Math.ceil(retryAfter))) }),
      ...(challenge && { 'www-authenticate': challenge }),
      ...(error.nonce && { 'dpop-nonce': error.nonce }),
    },
  })
}

/** Of every answer that holds data: nothing keeps it, nothing runs in it (C-10). */
export const dataHeaders = {
  'cache-control': 'no-store',
  vary: 'Cookie, Authorization',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
} as const
