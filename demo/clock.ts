/** The one clock of the demo upstream: every expiry is judged by it, so a test moves time instead of waiting. */
export type Clock = {
  /** Milliseconds since the epoch. */
  now(): number
  /** Seconds since the epoch, as JWT claims want them. */
  seconds(): number
  readonly offsetSeconds: number
  setOffset(offsetSeconds: number): void
}

export function makeClock(base: () => number = Date.now): Clock {
  let offset = 0
  const now = () => base() + offset * 1000
  return {
    now,
    seconds: () => Math.floor(now() / 1000),
    get offsetSeconds() {
      return offset
    },
    setOffset(offsetSeconds) {
      offset = offsetSeconds
    },
  }
}
