import { BrokerError, type ErrorCode } from '../../errors.ts'
import type { TokenOutcome } from '../../store/programs.ts'

const refusals = [
  'invalid_client',
  'unauthorized_client',
  'invalid_grant',
  'invalid_scope',
  'invalid_target',
  'invalid_dpop_proof',
  'authorization_pending',
  'slow_down',
  'access_denied',
  'expired_token',
] as const satisfies ErrorCode[]
type Refusal = (typeof refusals)[number]

const isRefusal = (outcome: string): outcome is Refusal => (refusals as readonly string[]).includes(outcome)

/** What a database function refused, as an error. Answers anything else to its caller. @throws BrokerError of RFC 6749 5.2 */
export function refuseOutcome({ outcome, pause }: Pick<TokenOutcome, 'outcome' | 'pause'>): void {
  if (!isRefusal(outcome)) return
  // RFC 8628 says nothing of Retry-After, and whoever reads it waits long enough.
  const waits = outcome === 'authorization_pending' || outcome === 'slow_down'
  throw new BrokerError(outcome, waits && pause !== null ? { retryAfterSeconds: pause } : {})
}
