import { RateLimiterPostgres } from 'rate-limiter-flexible'
import type { Context } from '../context.ts'
import { query } from './database.ts'

/** A limit that all processes share: `points` in `seconds` for each key, counted exactly. The clock is the process's. */
export const sharedLimiter = (
  ctx: Pick<Context, 'pool' | 'config'>,
  { name, points, seconds }: { name: string; points: number; seconds: number },
): RateLimiterPostgres =>
  new RateLimiterPostgres({
    keyPrefix: name,
    points,
    duration: seconds,
    // Its statements go through our own query: one place knows about poolers, time-outs and outages.
    storeClient: {
      query: async ({ name: statement, text, values }: { name: string; text: string; values: unknown[] }) => {
        const rows = await query(ctx, statement, text, values)
        return { rows, rowCount: rows.length }
      },
    },
    storeType: 'client',
    tableName: 'rate_limit',
    // The migration makes the table; the app role may not.
    tableCreated: true,
  })

/**
 * Seconds until a window ends, of what a limiter refused with; undefined: it failed otherwise. Told by its form: the
 * limiter may be the other bundle's, whose class is another, and what fails is an Error and says nothing of a window.
 */
export const secondsUntilNext = (refusal: unknown): number | undefined =>
  typeof refusal === 'object' &&
  refusal !== null &&
  'msBeforeNext' in refusal &&
  typeof refusal.msBeforeNext === 'number'
    ? Math.max(1, Math.ceil(refusal.msBeforeNext / 1000))
    : undefined
