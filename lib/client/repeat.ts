/**
 * `tries`: how often a request is sent at most; a longer wait than `longestWaitSeconds` is not waited for. `told` hears of each
 * wait that the server asks for.
 */
export type Repeats = { tries: number; longestWaitSeconds: number; told?: (seconds: number) => void }

/** Nothing was sent, because the caller's own function gave no token. `cause`: what it threw. */
export class NoTokenError extends Error {
  override readonly name = 'NoTokenError'
}

/** Another try would end alike: there is no token, or the caller has given up. */
const isFinal = (error: unknown) =>
  error instanceof NoTokenError || (error instanceof Error && error.name === 'AbortError')

/** What a proxy in front answers for a server that it does not reach, and ours when it cannot work for a moment. */
const passing = new Set([502, 503, 504])

/**
 * Sends what may be sent again until it is answered: a read, and a change that is done once for its key. A 429 comes before
 * anything is done, so any request may wait for it. Retry-After is respected; without one it waits longer each time.
 */
export const repeating =
  (send: (request: Request) => Promise<Response>, { tries, longestWaitSeconds, told }: Repeats) =>
  async (request: Request): Promise<Response> => {
    const mayRepeat = /^(GET|HEAD)$/.test(request.method) || request.headers.has('Idempotency-Key')
    for (let left = tries - 1; left > 0; left -= 1) {
      // One body is read by one request.
      const answer = await send(request.clone()).catch((error: unknown) => {
        if (!mayRepeat || isFinal(error)) throw error
        return undefined
      })
      if (answer && !(await isPassing(answer, mayRepeat))) return answer
      const patience = Math.min(longestWaitSeconds, 0.25 * 2 ** (tries - left) * (0.5 + Math.random()))
      const asked = answer && retryAfterOf(answer)
      const seconds = asked ?? patience
      if (answer && seconds > longestWaitSeconds) return answer
      await answer?.body?.cancel()
      if (asked !== undefined) told?.(asked)
      await wait(seconds * 1000, request.signal)
    }
    return send(request)
  }

/** Whether the same request may be answered otherwise in a moment. */
async function isPassing(answer: Response, mayRepeat: boolean): Promise<boolean> {
  if (answer.status === 429) return true
  if (!mayRepeat) return false
  const isOurs = answer.headers.get('content-type')?.startsWith('application/problem+json')
  // A 502 of ours tells of an upstream: what it says is the answer.
  if (passing.has(answer.status)) return !isOurs || answer.status === 503
  if (answer.status !== 409 || !isOurs) return false
  const problem: unknown = await answer.clone().json()
  return typeof problem === 'object' && problem !== null && 'code' in problem && problem.code === 'idempotency_running'
}

/** Seconds, or a date (RFC 9110 section 10.2.3). */
export function retryAfterOf({ headers }: Response): number | undefined {
  const given = headers.get('retry-after')
  if (given === null) return undefined
  const seconds = /^\d+$/.test(given) ? Number(given) : (Date.parse(given) - Date.now()) / 1000
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds)
}

/** @throws the reason for which the signal aborts */
const wait = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const stop = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, milliseconds)
    signal.addEventListener('abort', stop, { once: true })
  })
