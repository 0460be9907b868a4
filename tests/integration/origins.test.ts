// Every change that a cookie can make, asked for from everywhere else.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { operations } from '../../lib/http/wire.ts'
import { byAddress, type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { origin } from '../support/broker.ts'
import { foreignOrigins } from '../support/origins.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { bodiesFor, makeThings, pathOf, type Things } from '../support/things.ts'

let app: TestApp
let owner: Jar
let things: Things
let bodies: Record<string, unknown>
let receiver: Receiver
beforeAll(async () => {
  app = await startTestApp()
  receiver = await startReceiver()
  owner = await app.signIn('owner@acme.test')
  things = await makeThings(app, owner, { account: 'owner@acme.test', project: '10231', receiver })
  bodies = bodiesFor(things, receiver)
})
afterAll(async () => {
  await app.stop()
  await receiver.stop()
})

const mutations = operations.filter(({ method, permission }) => method !== 'GET' && permission !== 'public')
/** As a client without Fetch Metadata sends it; nothing else is wrong with it. */
const send = async (operation: (typeof mutations)[number], claims: Record<string, string>, given: Partial<Things>) => {
  const request = new Request(`${origin}/api/v1${pathOf(operation.path, 'acme', given)}`, {
    method: operation.method,
    headers: { 'x-valetkey': '1', 'content-type': 'application/json', ...claims },
    body: JSON.stringify(bodies[operation.id] ?? {}),
  })
  request.headers.set('cookie', [...owner].map(([name, value]) => `${name}=${value}`).join('; '))
  const { status, body, headers } = await app.send(new Map(), request)
  return { status, code: body.code, cookies: headers.getSetCookie() }
}
/** Everything that is stored, but for the counters of limits. */
async function everything(): Promise<string> {
  const tables = await app.rows(
    'acme',
    `SELECT relname AS name FROM pg_class WHERE relkind = 'r'
    AND relnamespace = 'public'::regnamespace AND relname <> 'rate_limit' ORDER BY 1`,
  )
  const each = tables.map(({ name }) => `SELECT '${name}' AS name, t::text AS row FROM "${name}" t`)
  const stored = await app.rows('acme', `${each.join(' UNION ALL ')} ORDER BY 1, 2`)
  return stored.map(({ name, row }) => `${name}: ${row}`).join('\n')
}

describe('without Fetch Metadata', () => {
  it('the matrix has twenty values and more, and each change is in it', () => {
    expect(foreignOrigins(origin).length).toBeGreaterThanOrEqual(20)
    expect(mutations.length).toBeGreaterThan(25)
  })

  it.each(byAddress(mutations))(
    'C-02 %s: from any Origin or Referer but our Origin it is 403, and changes nothing',
    async (_, operation) => {
      const before = await everything()
      for (const claims of foreignOrigins(origin)) {
        const given = Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined))
        expect([JSON.stringify(claims), await send(operation, given, things)]).toEqual([
          JSON.stringify(claims),
          { status: 403, code: 'cross_site', cookies: [] },
        ])
      }
      expect(await everything()).toBe(before)
      // Ours passes this layer; it names nothing, so nothing comes of it.
      await app.forgetLimits()
      const ours = await send(operation, { origin }, {})
      expect(ours.code).not.toBe('cross_site')
    },
  )
})
