import type { Context } from '../../context.ts'

/** As long as a failover may take, and longer. */
const persistenceMilliseconds = 10 * 60_000

/**
 * Keeps trying to record how a refresh ended, whatever the database answers: a rotated token exists only in memory until
 * then (step 5), and an end that is not recorded counts as a kill. Every such write names version and fence, so repeating
 * one does no harm.
 */
export async function persistently<T>(ctx: Context, work: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + persistenceMilliseconds
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work()
    } catch (error) {
      if (performance.now() > deadline) throw error
      if (attempt % 15 === 1)
        ctx.log.error({ err: error, attempt, alarm: true }, 'the result of a refresh waits in memory for the database')
      await ctx.sleep(Math.min(250 * attempt, 2_000))
    }
  }
}
