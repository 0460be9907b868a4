import { isUpstreamError, type ProviderDeps, UpstreamError, type UpstreamFailure } from './provider.ts'

/**
 * How often a call of each kind may be repeated after which failure (K-24, docs/decisions/0007). What may already have had its
 * effect is repeated only where a second effect does no harm.
 */
const policies = {
  read: { unreached: 3, ambiguous: 3 },
  exchange: { unreached: 3, ambiguous: 1 },
  refresh: { unreached: 3, ambiguous: 1 },
  repeatableRefresh: { unreached: 3, ambiguous: 2 },
  mint: { unreached: 3, ambiguous: 1 },
  revoke: { unreached: 3, ambiguous: 3 },
} as const satisfies Record<string, Partial<Record<UpstreamFailure, number>>>

export type CallKind = keyof typeof policies

const delaysSeconds = [1, 2, 4]
/** A caller waits no longer than this for all repeats together; what asks for more is left to a later try. */
const patienceSeconds = 8
/** A refresh is not begun again where it could outlast its lease of 15 s: one try takes up to 10 s (RR-02). */
const lastStartMilliseconds = 4_000

/**
 * Runs an upstream call, repeated as its kind allows: 1, 2, 4 s apart, Retry-After honoured (K-24).
 * @throws UpstreamError the last one, marked `afterAmbiguous` when an earlier try had an unknown end
 */
export async function withRetries<T>(
  { sleep }: Pick<ProviderDeps, 'sleep'>,
  kind: CallKind,
  call: () => Promise<T>,
): Promise<T> {
  const policy: Partial<Record<UpstreamFailure, number>> = policies[kind]
  const started = performance.now()
  let waited = 0
  let ambiguous = false
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call()
    } catch (error) {
      if (!isUpstreamError(error)) throw error
      const delay = Math.max(delaysSeconds[attempt - 1] ?? 4, error.retryAfterSeconds ?? 0)
      const late =
        kind.toLowerCase().endsWith('refresh') && performance.now() - started + delay * 1000 > lastStartMilliseconds
      const last = late || attempt >= (policy[error.failure] ?? 1) || waited + delay > patienceSeconds
      if (last && ambiguous)
        throw new UpstreamError(error.failure, error.message, { ...error, afterAmbiguous: true, cause: error.cause })
      if (last) throw error
      ambiguous ||= error.failure === 'ambiguous'
      waited += delay
      await sleep(delay * 1000)
    }
  }
}

/** Seconds of a Retry-After header (RFC 9110 10.2.3: seconds or a date), at most `secondsMax`. */
export function retryAfterSeconds(headers: Headers, now: Date, secondsMax = 60): number | undefined {
  const text = headers.get('retry-after')
  if (text === null) return undefined
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - now.getTime()) / 1000
  return Number.isFinite(seconds) ? Math.min(Math.max(Math.ceil(seconds), 0), secondsMax) : undefined
}
