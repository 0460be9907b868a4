/**
 * What a page knows of its request, where pages are called without Next (tests/support/setup.ts). One for the process,
 * because files share one, and with it the page that was loaded first.
 */
const slot = Symbol.for('valetkey.test.headers')
type Holder = { [slot]?: Record<string, string> }

export const pretendHeaders = (headers: Record<string, string>): void => {
  ;(globalThis as Holder)[slot] = headers
}
export const pretendedHeaders = (): Headers => new Headers((globalThis as Holder)[slot])
