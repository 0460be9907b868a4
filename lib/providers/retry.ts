import { z } from 'zod'
import { type ErrorCode, errorCodes } from '../errors.ts'
import { isUpstreamError, type ProviderDeps, UpstreamError } from './provider.ts'
import file from './retries.json' with { type: 'json' }

const tries = z.int().min(1).max(3)
const Row = z.strictObject({
  /** What it is, for people. */
  call: z.string(),
  /** How often it is sent at most, by how it ended: 429, no connection, 5xx, no (whole) answer. */
  tries: z.strictObject({ busy: tries, unconnected: tries, failed: tries, cutOff: tries }),
  /** What it is called towards people when it is not sent again; null: nobody waits for it. */
  code: z.custom<ErrorCode>((code) => typeof code === 'string' && code in errorCodes).nullable(),
  why: z.string(),
})
type Ending = keyof z.infer<typeof Row>['tries']

/**
 * How often a call of each kind is sent after which failure (K-24, docs/decisions/0007, 0102). What may already have had its
 * effect is repeated only where a second effect does no harm. docs/keboola.md shows it.
 */
export const retries = z
  .strictObject({
    read: Row,
    exchange: Row,
    refresh: Row,
    repeatableRefresh: Row,
    sessionRefresh: Row,
    mint: Row,
    child: Row,
    revoke: Row,
  })
  .parse(file)

export type CallKind = keyof typeof retries

/** Undefined: it ended with a verdict, which is never asked for twice. */
function endingOf({ failure, status }: UpstreamError): Ending | undefined {
  if (failure === 'unreached') return status === 429 ? 'busy' : 'unconnected'
  if (failure === 'ambiguous') return status !== undefined && status >= 500 ? 'failed' : 'cutOff'
  return undefined
}

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
      const ending = endingOf(error)
      const most = ending ? retries[kind].tries[ending] : 1
      const last = late || attempt >= most || waited + delay > patienceSeconds
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
