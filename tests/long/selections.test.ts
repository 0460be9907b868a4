// A selection that is larger than one call revokes: each of a thousand tokens is ended for itself.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { type Filter, selectionsOf } from '../support/selections.ts'

let app: TestApp
let owner: Jar
let project: string
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
})
afterAll(() => app.stop())
const { preview, act, copies, dropCopies } = selectionsOf(
  () => app,
  () => owner,
)

it('a selection of thousands takes several calls, each of which says how many are left', async () => {
  const { token } = (await app.issue(owner, 'acme', project)).body
  await copies(token, 1_100)
  const seen = await preview({})
  expect(seen).toMatchObject({ count: 1_101, owner_count: 1 })
  const left: number[] = []
  let rest: Filter = { count: seen.count }
  for (let next: string | null = ''; next !== null; ) {
    const { status, body } = await act({ as_of: seen.as_of, ...rest })
    expect(status).toBe(200)
    left.push(body.remaining)
    next = body.next
    rest = { count: body.remaining, after: next }
  }
  expect(left).toEqual([101, 0])
  expect((await preview({})).count).toBe(0)
  const [told] = await app.rows(
    'acme',
    `SELECT count(*)::int AS count FROM audit_event WHERE body ->> 'action' = 'token.revoked'
       AND body -> 'target' ->> 'id' IN (SELECT id FROM issued_token WHERE id LIKE 'tok_0000%')`,
  )
  expect(told).toEqual({ count: 1_100 })
  await dropCopies()
}, 120_000)
