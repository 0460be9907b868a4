import { context } from '../context.ts'
import { errorCodes, isBrokerError } from '../errors.ts'
import { pageScope } from './page-scope.ts'
import { asBrokerError } from './problem.ts'

/**
 * Writes a page's error into the log, with the digest that the page shows in its place, and leaves for the listener that it
 * is an outage where it is one: such a page answers 503 (H-02). `page` is the route's pattern.
 */
export async function noteFailedPage(error: unknown, page: string): Promise<void> {
  const known = asBrokerError(error)
  const scope = pageScope()
  if (scope && known.code === 'unavailable') scope.status = 503
  const { log } = await context()
  const digest = error instanceof Error && 'digest' in error ? String(error.digest) : undefined
  const level = errorCodes[known.code].status >= 500 ? 'error' : 'info'
  log[level](
    { err: isBrokerError(error) ? (error.cause ?? error) : error, problem: known.code, page, digest },
    'page failed',
  )
}
