import type { Context } from '../context.ts'
import { sealEvents } from '../store/audit-chain.ts'
import { signDueHeads } from './heads.ts'

/** A tenth of a second's work: the lock and the rows are held no longer. */
const batch = 4_000
const mostBatches = 50

/** Chains what is committed, of all tenants. How many events; undefined while another process is at it. */
export async function seal(ctx: Pick<Context, 'pool' | 'config'>): Promise<number | undefined> {
  let sealed = 0
  for (let round = 0; round < mostBatches; round += 1) {
    const count = await sealEvents(ctx, batch)
    if (count === undefined) return round === 0 ? undefined : sealed
    sealed += count
    if (count < batch) break
  }
  return sealed
}

/** Seals until everything that was committed before the call is sealed, by whomever; gives up after two seconds. */
export async function sealNow(ctx: Pick<Context, 'pool' | 'config' | 'sleep'>): Promise<void> {
  for (let round = 0; round < 40 && (await seal(ctx)) === undefined; round += 1) await ctx.sleep(50)
}

const sealMilliseconds = 250
const headMilliseconds = 5_000

/** Runs {@link seal} four times a second and {@link signDueHeads} every five seconds until stopped, on every instance. */
export function startSealing(ctx: Context): () => Promise<void> {
  const stops = [
    every(ctx, sealMilliseconds, 'sealing', () => seal(ctx)),
    every(ctx, headMilliseconds, 'signing', () => signDueHeads(ctx)),
  ]
  return async () => {
    await Promise.all(stops.map((stop) => stop()))
  }
}

/** One round at a time. What fails is tried again in the next one, and told once until it works. */
function every(ctx: Context, milliseconds: number, work: string, round: () => Promise<unknown>): () => Promise<void> {
  let running: Promise<void> | undefined
  let reported = false
  const run = async () => {
    try {
      await round()
      reported = false
    } catch (error) {
      if (!reported) ctx.log.warn({ err: error, work }, 'audit events cannot be chained and signed yet; we retry')
      reported = true
    }
  }
  const timer = setInterval(() => {
    running ??= run().finally(() => {
      running = undefined
    })
  }, milliseconds)
  return async () => {
    clearInterval(timer)
    await running
  }
}
