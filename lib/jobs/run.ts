import type { Context } from '../context.ts'
import { span } from '../trace.ts'

/**
 * One entry of background work, in a span and measured as `work`. A failure is counted and logged, and never stops the
 * rest: the row is still due and comes back.
 */
export async function runJob(ctx: Context, work: string, job: () => Promise<unknown>): Promise<void> {
  const end = ctx.metrics.jobs.startTimer({ work })
  try {
    await span(`job ${work}`, {}, job)
  } catch (error) {
    ctx.metrics.jobFailures.inc({ work })
    ctx.log.warn({ err: error, work }, 'job failed')
  } finally {
    end()
  }
}
