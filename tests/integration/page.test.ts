// What every page asks first (lib/http/page.ts), on a real database; of Next only the headers are pretended.
import { AsyncLocalStorage } from 'node:async_hooks'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { GET as me } from '../../app/api/v1/me/route.ts'
import { unreadCount } from '../../lib/broker/notifications.ts'
import { limits, takeLimit } from '../../lib/http/limits.ts'
import type { PageScope } from '../../lib/http/listener.ts'
import { currentPerson, requireMember } from '../../lib/http/page.ts'
import { origin, startEdges } from '../support/edges.ts'
import { pretendHeaders } from '../support/next-headers.ts'
import { watchStatements } from '../support/watch-statements.ts'

let edges: Awaited<ReturnType<typeof startEdges>>
type Person = Awaited<ReturnType<typeof edges.person>>
let busy: Person
beforeAll(async () => {
  edges = await startEdges()
})
afterAll(() => edges.stop())
beforeEach(async () => {
  busy = await edges.person({ tenant: 'acme' })
})

/** One page's request, as the server lets Next handle it: what it threw, and what it left for the head. */
async function visit(who: Person | undefined, page: () => Promise<unknown> = () => requireMember('acme')) {
  const slot = Symbol.for('valetkey.page')
  const holder = globalThis as unknown as Record<symbol, AsyncLocalStorage<PageScope>>
  holder[slot] ??= new AsyncLocalStorage<PageScope>()
  pretendHeaders(who ? { cookie: who.cookie } : {})
  const scope: PageScope = {}
  const thrown = await holder[slot].run(scope, () =>
    page().then(
      () => undefined,
      (error: unknown) => error,
    ),
  )
  return { thrown: thrown as { code?: string; digest?: string } | undefined, scope }
}
const spend = (who: Person, points: number) =>
  Promise.all(Array.from({ length: points }, () => takeLimit(edges.ctx, 'read', who)))
const readMe = async (who: Person) =>
  (await me(new Request(`${origin}/api/v1/me`, { headers: { cookie: who.cookie } }), { params: Promise.resolve({}) }))
    .status

test('B-01: pages and the API’s reads add to one limit; over it a page is 429 and says when to come back', async () => {
  expect((await visit(busy)).thrown).toBeUndefined()
  await spend(busy, limits.read.points - 2)
  expect(await readMe(busy)).toBe(200)
  const { thrown, scope } = await visit(busy)
  // The page that stands in for it learns the digest, and nothing else of an error.
  expect(thrown).toMatchObject({ code: 'rate_limited', digest: 'too_many_pages' })
  expect(scope.status).toBe(429)
  expect(scope.retryAfterSeconds).toBeGreaterThan(0)
  expect(scope.retryAfterSeconds).toBeLessThanOrEqual(limits.read.seconds)
  expect(await readMe(busy)).toBe(429)
})

test('B-01: one person over the limit holds up nobody else, signed in or not', async () => {
  await spend(busy, limits.read.points)
  expect((await visit(busy)).scope.status).toBe(429)
  const calm = await edges.person({ tenant: 'acme', role: 'member' })
  expect((await visit(calm)).thrown).toBeUndefined()
  expect((await visit(undefined, currentPerson)).thrown).toBeUndefined()
})

test('Z-02: what every page shows around itself is asked by two prepared statements', async () => {
  const person = await edges.person({ tenant: 'acme', role: 'member' })
  const framed = async () => {
    const { ctx, actor, tenants } = await requireMember('acme')
    expect(tenants.map(({ slug, role }) => [slug, role])).toEqual([['acme', 'member']])
    await unreadCount(ctx, actor)
  }
  const seen: unknown[] = []
  const stop = watchStatements((_, name) => seen.push(name))
  expect((await visit(person, framed).finally(stop)).thrown).toBeUndefined()
  expect(seen).toEqual(['find_placed_session', 'unread_count'])
})
