import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { isBrokerError } from '../../lib/errors.ts'
import { type LimitName, limits, takeLimit } from '../../lib/http/limits.ts'
import { startEdges } from '../support/edges.ts'

let edges: Awaited<ReturnType<typeof startEdges>>
beforeAll(async () => {
  edges = await startEdges()
})
afterAll(() => edges.stop())
afterEach(async () => {
  vi.useRealTimers()
  // What is counted altogether is counted for every test.
  await edges.ctx.pool.query('DELETE FROM rate_limit')
})

const shared = (Object.keys(limits) as LimitName[]).filter((name) => limits[name].store === 'shared')
let last = 0
/** Somebody nobody has counted yet, by either key. */
const somebody = () => {
  last += 1
  return { userId: `usr_${last}`, address: `10.0.${last >> 8}.${last & 255}` }
}
const outcomes = async (calls: Promise<unknown>[]) => {
  const settled = await Promise.allSettled(calls)
  const codes = settled.map((one) =>
    one.status === 'fulfilled' ? 'passed' : isBrokerError(one.reason) ? one.reason.code : String(one.reason),
  )
  return (code: string) => codes.filter((one) => one === code).length
}

test.each(shared)('B-01 B-03: of %s exactly the limit passes, whichever process counts', async (name) => {
  const other = await edges.makeContext()
  const caller = somebody()
  const { points } = limits[name]
  const count = await outcomes(
    Array.from({ length: points + 50 }, (_, index) => takeLimit(index % 2 ? other : edges.ctx, name, caller)),
  )
  expect({ passed: count('passed'), refused: count('rate_limited') }).toEqual({ passed: points, refused: 50 })
  await other.close()
  // A process that starts in the middle of the window knows what was counted.
  const restarted = await edges.makeContext()
  await expect(takeLimit(restarted, name, caller)).rejects.toMatchObject({ code: 'rate_limited' })
  await restarted.close()
})

test.each(Object.keys(limits) as LimitName[])('B-01: %s says when it passes again, and then it does', async (name) => {
  const { points, seconds } = limits[name]
  const now = Date.now()
  vi.useFakeTimers({ toFake: ['Date'], now })
  const caller = somebody()
  await Promise.all(Array.from({ length: points }, () => takeLimit(edges.ctx, name, caller)))
  const refused = await takeLimit(edges.ctx, name, caller).catch((error: unknown) => error)
  const wait = isBrokerError(refused, 'rate_limited') ? (refused.retryAfterSeconds ?? 0) : 0
  expect(wait).toBeGreaterThan(0)
  expect(wait).toBeLessThanOrEqual(seconds)
  vi.setSystemTime(now + seconds * 1000 + 1)
  await takeLimit(edges.ctx, name, caller)
})

test('B-02: addresses inside one /64 share a limit, the next /64 has its own', async () => {
  const { points } = limits.signin
  const inside = (index: number) => `2001:db8:5:5:${index.toString(16)}::${index.toString(16)}`
  await Promise.all(Array.from({ length: points }, (_, i) => takeLimit(edges.ctx, 'signin', { address: inside(i) })))
  await expect(takeLimit(edges.ctx, 'signin', { address: '2001:DB8:5:5:ffff::1' })).rejects.toMatchObject({
    code: 'rate_limited',
  })
  await takeLimit(edges.ctx, 'signin', { address: '2001:db8:5:6::1' })
})

test('B-01: one person at the limit does not slow another down', async () => {
  const [busy, calm] = [somebody(), somebody()]
  await outcomes(Array.from({ length: limits.issue.points + 5 }, () => takeLimit(edges.ctx, 'issue', busy)))
  await takeLimit(edges.ctx, 'issue', calm)
})

test('what cannot be counted is not let through: without the store every shared limit answers unavailable', async () => {
  const cut = await edges.makeContext()
  await cut.close()
  for (const name of shared)
    await expect(takeLimit(cut, name, somebody()), name).rejects.toMatchObject({ code: 'unavailable' })
})

test('what was counted waits for no disk: it need not outlive a crash', async () => {
  const { rows } = await edges.ctx.pool.query(`SELECT relpersistence FROM pg_class WHERE oid = 'rate_limit'::regclass`)
  expect(rows).toEqual([{ relpersistence: 'u' }])
})
