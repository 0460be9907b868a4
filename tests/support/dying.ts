import type pg from 'pg'
import { putContext } from '../../lib/context.ts'
import type { Broker } from './broker.ts'

const never = new Promise<never>(() => undefined)

/**
 * Another instance of the product that dies right before its step number `lives`: a step is a statement or a request to an
 * upstream. From there on it does nothing at all, not even clean up, and its connections are cut, as a killed process leaves it.
 * Requests reach it until `buried`. `after`: steps count from the answer on to a request to such an address.
 */
export async function dyingInstance(
  app: Pick<Broker, 'makeContext' | 'ctx'>,
  lives: number,
  { after }: { after?: (url: string) => boolean } = {},
) {
  const ctx = await app.makeContext()
  const clients = new Set<pg.PoolClient>()
  let steps = 0
  let isCounting = after === undefined
  let died: () => void = () => undefined
  const dead = new Promise<'dead'>((resolve) => {
    died = () => resolve('dead')
  })
  /** True while it lives. */
  const step = () => {
    if (!isCounting) return true
    steps += 1
    if (steps === lives) {
      died()
      for (const client of clients)
        (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()
    }
    return steps < lives
  }
  ctx.pool.on('connect', (client) => {
    clients.add(client)
    const { query } = client
    // pg takes what it is to tell by a callback as well: whoever waits for it waits for ever.
    client.query = ((...args: unknown[]) => (step() ? Reflect.apply(query, client, args) : never)) as typeof query
  })
  const { fetch } = ctx
  ctx.fetch = async (...args) => {
    if (!step()) return never
    const answer = await fetch(...args)
    isCounting ||= after?.(String(args[0])) ?? true
    return answer
  }
  putContext(ctx)
  return { ctx, dead, buried: () => putContext(app.ctx) }
}
