import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as pauseFor } from 'node:timers/promises'

/** How long the answer to a request over a limit is held back: a caller that asks again at once costs others little. */
const brakeMilliseconds = 1_000
/** Answers that are held back at a time; more are given at once, because they take memory. */
const brakedMax = 2_000

export type Pause = (milliseconds: number, signal: AbortSignal) => Promise<unknown>
export const realPause: Pause = (milliseconds, signal) => pauseFor(milliseconds, undefined, { signal })

/** Waits a little, unless the caller leaves (B-04). */
export function createBrake(pause: Pause): (response: ServerResponse) => Promise<void> {
  let braked = 0
  return async (response) => {
    if (braked >= brakedMax || response.destroyed) return
    braked += 1
    const gone = new AbortController()
    const leave = () => gone.abort()
    response.once('close', leave)
    await pause(brakeMilliseconds, gone.signal).catch(() => {})
    response.off('close', leave)
    braked -= 1
  }
}

/** A body that nobody reads to its end would keep its connection for ever. */
export function closeUnread(request: IncomingMessage, response: ServerResponse): void {
  if (request.complete) return
  if (response.writableFinished) request.socket.destroySoon()
  else response.once('finish', () => request.socket.destroySoon())
}
