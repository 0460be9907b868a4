import { startSealing } from './audit/seal.ts'
import { checkInstanceKeys, checkSecret } from './broker/keys.ts'
import type { Context } from './context.ts'
import { startJobs } from './jobs/tick.ts'
import { seedDemo } from './tenancy/demo.ts'

/** What a process does once before it serves. Answers how to stop its background work. @throws ConfigError */
export async function boot(ctx: Context): Promise<() => Promise<void>> {
  ctx.metrics.observeProcess()
  await checkInstanceKeys(ctx)
  await checkSecret(ctx)
  await seedDemo(ctx)
  const stops = [startJobs(ctx), startSealing(ctx)]
  return async () => {
    await Promise.all(stops.map((stop) => stop()))
  }
}
