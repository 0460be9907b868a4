// Many who ask the same at once share a statement, and nothing else.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { hash } from '../../lib/security/secrets.ts'
import { findSession } from '../../lib/store/sessions.ts'
import { queryTogether } from '../../lib/store/together.ts'
import { startTestApp, type TestApp } from '../support/app.ts'

let app: TestApp
beforeAll(async () => {
  app = await startTestApp()
})
afterAll(() => app.stop())

const divided =
  'SELECT 60 / q.by AS whole, q.n::int FROM unnest($1::int[]) WITH ORDINALITY AS q (by, n) WHERE q.by <> 7'
const divide = (by: number) =>
  queryTogether<{ whole: number }>(app.ctx, 'divided', divided, [by]).then((rows) => rows.map(({ whole }) => whole))

async function counting<T>(work: () => Promise<T>): Promise<[T, number]> {
  let statements = 0
  const stop = app.watchStatements(() => {
    statements += 1
  })
  const result = await work()
  stop()
  return [result, statements]
}

it('answers each what is theirs, and nothing where there is nothing, in two statements at most', async () => {
  const [answers, statements] = await counting(() => Promise.all([1, 7, 2, 3, 7, 60].map(divide)))
  expect(answers).toEqual([[60], [], [30], [20], [], [1]])
  expect(statements).toBeLessThanOrEqual(2)
})

it('asks again for each by itself where one is refused: the others have their answer', async () => {
  const answers = await Promise.allSettled([1, 0, 2, 0].map(divide))
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected'])
  expect(await divide(5)).toEqual([12])
})

it('Z-03: people who ask in the same moment are each themselves, and a made-up session is nobody', async () => {
  const accounts = ['owner@acme.test', 'member@acme.test', 'owner@globex.test'] as const
  const jars = await Promise.all(accounts.map((account) => app.signIn(account)))
  const me = (jar: (typeof jars)[number] | undefined) =>
    jar ? app.call<{ email: string }>(jar, 'GET', '/me') : undefined
  const seen = await Promise.all(Array.from({ length: 30 }, (_, at) => me(jars[at % 3])))
  expect(seen.map((answer) => answer?.body.email)).toEqual(Array.from({ length: 30 }, (_, at) => accounts[at % 3]))
  const [nobody, again] = await Promise.all([findSession(app.ctx, hash('made up')), me(jars[0])])
  expect([nobody, again?.body.email]).toEqual([undefined, accounts[0]])
})
