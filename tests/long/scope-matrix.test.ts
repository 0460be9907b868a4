// Every operation by programs with every combination of scopes, over access tokens as the authorization server makes them.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type Scope, scopes } from '../../lib/actor.ts'
import { byAddress, type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { origin } from '../support/broker.ts'
import { forBrowsers, forPrograms, neededBy, queries } from '../support/operations.ts'
import { insertAccessToken, insertGrant } from '../support/programs.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { makeThings, pathOf, type Things } from '../support/things.ts'

let app: TestApp
let receiver: Receiver
let things: Things
/** An access token for each combination. */
const held: { scopes: readonly Scope[]; token: string }[] = []

beforeAll(async () => {
  app = await startTestApp()
  receiver = await startReceiver()
  const owner: Jar = await app.signIn('owner@acme.test')
  things = await makeThings(app, owner, { account: 'owner@acme.test', project: '10231', receiver })
  const user = (await app.call<{ id: string }>(owner, 'GET', '/me')).body.id
  const grant = await insertGrant(app, 'acme', { client: 'cli_matrix', user, scopes })
  for (let bits = 0; bits < 2 ** scopes.length; bits += 1) {
    const some = scopes.filter((_, index) => bits & (1 << index))
    const token = await insertAccessToken(app, 'acme', grant, some)
    held.push({ scopes: some, token })
  }
})
afterAll(async () => {
  await app.stop()
  await receiver.stop()
})
beforeEach(() => app.forgetLimits())

/** What a token gets of an operation; a change is asked for in a way that cannot be read, so that none is made. */
async function ask(operation: { id: string; method: string; path: string }, token: string) {
  const isChange = operation.method !== 'GET'
  const url = `${origin}/api/v1${pathOf(operation.path, 'acme', things)}${queries[operation.id] ?? ''}`
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const { status, body } = await app.send(
    new Map(),
    new Request(url, { method: operation.method, headers, ...(isChange && { body: '{"nobody knows": 1}' }) }),
  )
  return [status, (body as { code?: string }).code] as const
}

test.each(byAddress(forPrograms))('%s: takes all of its scopes, and no others', async (_, operation) => {
  const needed = neededBy(operation)
  const wrong: string[] = []
  for (const [index, { scopes: some, token }] of held.entries()) {
    // The strictest limit lets six through.
    if (index % 6 === 0) await app.forgetLimits()
    const [status, code] = await ask(operation, token)
    const isAllowed = needed.every((scope) => some.includes(scope))
    const isRefused = status === 403 && code === 'insufficient_scope'
    if (isAllowed === isRefused || status >= 500 || status === 401) wrong.push(`${some.join(' ')}: ${status} ${code}`)
  }
  expect(wrong).toEqual([])
})

test.each(byAddress(forBrowsers))('%s: takes none of them', async (_, operation) => {
  for (const { token } of [held[0], held.at(-1)].filter((one) => one !== undefined))
    expect(await ask(operation, token)).toEqual([403, 'browser_only'])
})
