// An upstream that takes requests and answers none, asked by many for many connections at once.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { type Context, createContext } from '../../lib/context.ts'
import { createOutbound } from '../../lib/security/outbound.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { connectionList, rowOf } from '../support/connection.ts'
import { type Seeded, seedConnections } from '../support/grants.ts'

const connections = 40
const callersEach = 5
/** How long one request waits for an answer here: 5 s in earnest. */
const headersMs = 1_000
/** A request and its one repeat, with room for a busy machine; nobody waits longer for a refresh of their own. */
const budgetMs = 20_000

let broker: Broker
let ctx: Context
let actor: BrowserActor
let seeded: Seeded[]
let close: () => Promise<void>
beforeAll(async () => {
  broker = await startBroker()
  actor = await broker.actorOf('owner@acme.test')
  seeded = await seedConnections(broker, actor, connections)
  const way = createOutbound({ ...broker.ctx.config, limits: { headersMs } })
  const shared = { now: () => broker.ctx.now(), sleep: broker.ctx.sleep, log: broker.ctx.log, fetch: way.fetch }
  ctx = await createContext({ ...broker.ctx.config, poolSize: 5 }, shared)
  close = way.close
}, 60_000)
afterAll(async () => {
  await ctx?.close()
  await close?.()
  await broker?.stop()
})

const route = 'POST /oauth/token'
const refreshes = () => broker.demo.ledger.find(route, { grant_type: 'refresh_token' }).length
const quantile = (values: number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0
/** What another route takes, in milliseconds, asked one after another. */
async function otherRoute(times: number): Promise<number[]> {
  const took: number[] = []
  for (let time = 0; time < times; time += 1) {
    const began = performance.now()
    await connectionList(ctx, actor)
    took.push(performance.now() - began)
  }
  return took
}
const idleInTransaction = async () => {
  const { rows } = await broker.owner.query(
    `SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database()
      AND application_name = 'valetkey' AND state LIKE 'idle in transaction%' AND state_change < clock_timestamp() - interval '500 ms'`,
  )
  return rows[0]?.count
}

describe('two hundred callers and an upstream that is silent', () => {
  it('H-04: are each answered within the budget, while pool, event loop and other routes are well; then the upstream is left alone; then it heals', async () => {
    await broker.advance(400)
    const usual = quantile(await otherRoute(20), 0.99)
    const delay = monitorEventLoopDelay({ resolution: 10 })
    broker.demo.faults.push(
      route,
      ...Array.from({ length: 400 }, () => ({
        hold: { barrier: 'silent', at: 'before' as const },
        reset: 'before' as const,
      })),
    )
    delay.enable()
    const began = performance.now()
    const callers = seeded.flatMap((key) =>
      Array.from({ length: callersEach }, async () => {
        const error = await freshTokens(ctx, key).catch((reason: unknown) => reason)
        return { error, took: performance.now() - began }
      }),
    )
    expect(callers).toHaveLength(200)
    await broker.demo.faults.barrier('silent').arrived(3)
    const meanwhile = await otherRoute(20)
    const held = await idleInTransaction()
    const answers = await Promise.all(callers)
    delay.disable()

    for (const { error, took } of answers) {
      expect(error).toMatchObject({ code: 'upstream_unavailable' })
      expect(took).toBeLessThan(budgetMs)
    }
    // No transaction and no connection is held while the upstream is waited for.
    expect(held).toBe(0)
    expect(ctx.pool.waitingCount).toBe(0)
    expect(quantile(meanwhile, 0.99)).toBeLessThan(20 * usual + 500)
    expect(delay.percentile(99) / 1e6).toBeLessThan(1_000)

    // The circuit is open: whoever asks now is answered at once, and nobody asks the upstream.
    const before = refreshes()
    for (const key of seeded.slice(0, 5)) {
      const asked = performance.now()
      await expect(freshTokens(ctx, key)).rejects.toMatchObject({
        code: 'upstream_unavailable',
        retryAfterSeconds: expect.any(Number),
      })
      expect(performance.now() - asked).toBeLessThan(headersMs)
    }
    expect(refreshes()).toBe(before)

    // It answers again: one tries for all when the pause is over, and everybody goes on. No grant was lost.
    broker.demo.faults.clear()
    await broker.advance(400)
    for (const key of seeded) expect((await freshTokens(ctx, key)).degraded).toBe(false)
    for (const key of seeded) expect((await rowOf(broker, key)).status).toBe('linked')
  }, 90_000)
})
