// Each route of the stack's own sign-in for programs, with each fault of upstreams.md 3.9: it ends in the failure that is documented,
// nothing is lost that could be kept, and nothing of a credential shows.
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Fault } from '../../demo/index.ts'
import { checkProvider } from '../../lib/broker/check.ts'
import { issueToken } from '../../lib/broker/issue.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { upstreamSessions } from '../../lib/broker/upstream-sessions.ts'
import type { Context } from '../../lib/context.ts'
import { isBrokerError } from '../../lib/errors.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { type Key, rowOf } from '../support/connection.ts'
import { linkMany, signInForMany, turnOn } from '../support/session-flow.ts'

const email = 'owner@acme.test'

let broker: Broker
/** With less patience, so that a slow drip is over soon. */
let impatient: Context
let owner: BrowserActor
let key: Key
const told: string[] = []

beforeAll(async () => {
  broker = await startBroker()
  impatient = await broker.makeContext({}, { limits: { headersMs: 2_000, bodyMs: 2_000 } })
  owner = await broker.actorOf(email)
})
afterAll(async () => {
  await impatient.close()
  await broker.stop()
})

beforeEach(async () => {
  broker.demo.faults.clear()
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
  // What was cut off before is given up first: the end of a session waits for that.
  await broker.advance(180)
  await tick(broker.ctx)
  const { rows } = await broker.owner.query<{ id: string }>("SELECT id FROM connection WHERE status <> 'revoked'")
  await revoke(broker.ctx, owner, { tokens: [], connections: rows.map(({ id }) => id) })
  await tick(broker.ctx)
  await broker.settled()
  broker.demo.reset()
  await broker.advance(0)
  await turnOn(broker, owner)
})

const codeOf = (work: Promise<unknown>) =>
  work.then(
    (answer) => (typeof answer === 'string' ? answer : 'done'),
    (error: unknown) => {
      if (!isBrokerError(error)) throw error
      told.push(JSON.stringify([error.message, error.detail, error.fields]))
      return error.code as string
    },
  )
const linked = async () => {
  key = await linkMany(broker, owner, email, ['10231'])
}
const expired = async () => {
  await linked()
  await broker.advance(3_700)
}
const link = async (ctx: Context) => {
  const came = await signInForMany({ ...broker, ctx }, owner, email)
  if (came.kind !== 'failed') return came.kind
  told.push(JSON.stringify(came.error))
  return came.error.code as string
}
const child = async (ctx: Context) => {
  const [link] = (await rowOf(broker, key)).projects
  return issueToken(ctx, owner, {
    project: link?.projectId ?? '',
    strategy: 'exchange',
    scopes: { read_project: true },
    lifetimeSeconds: 600,
    purpose: 'a test',
  })
}
/** Until nobody is at it any more: how it stands. */
const disconnect = async (ctx: Context) => {
  await revoke(ctx, owner, { tokens: [], connections: [key.connectionId] })
  return vi.waitFor(
    async () => {
      const { rows } = await broker.owner.query<{ state: string; claimed: boolean }>(
        `SELECT state, claim_until IS NOT NULL AS claimed FROM upstream_revocation WHERE connection_id = $1 AND kind = 'grant'
         ORDER BY id DESC LIMIT 1`,
        [key.connectionId],
      )
      expect(rows.map(({ claimed }) => claimed)).toEqual([false])
      return rows[0]?.state ?? 'none'
    },
    { timeout: 15_000, interval: 50 },
  )
}
const check = async (ctx: Context) => {
  const { lines } = await checkProvider(ctx, owner, (await broker.providerOf(owner)).id)
  return lines.find(({ id }) => id === 'session')?.state ?? 'none'
}

const faults = {
  drip: { effect: 'applied', body: { kind: 'drip', everyMilliseconds: 60_000 } },
  truncated: { effect: 'applied', body: { kind: 'truncated' } },
  huge: { status: 200, effect: 'applied', body: { kind: 'huge' } },
  'a page in place of JSON': { status: 200, effect: 'applied', body: { kind: 'html' } },
  'delivered twice': { duplicate: true },
  'reset before': { reset: 'before' },
  'reset after': { reset: 'after' },
  'a clock that is ahead': 400,
  'a clock that is behind': -400,
} satisfies Record<string, Fault | number>
type Name = keyof typeof faults

type Route = {
  route: string
  when: string
  before?: () => Promise<void>
  act: (ctx: Context) => Promise<unknown>
  /** How many calls of the route are let through first. */
  skip?: number
  /** How often it is sent at most, so that each of them fails. */
  tries?: number
  /** Where no fault has another word. */
  usual: string
  codes: Partial<Record<Name, string>>
  /** What is there in the end, once the fault is over. */
  after: () => Promise<void>
}

const cut = (code: string): Partial<Record<Name, string>> => ({
  drip: code,
  truncated: code,
  huge: code,
  'reset before': code,
  'reset after': code,
})
const worksAgain = async () => {
  await broker.advance(10)
  await freshTokens(broker.ctx, key)
  expect((await rowOf(broker, key)).status).toBe('linked')
}
const nothingLinked = async () => {
  const { rows } = await broker.owner.query("SELECT FROM connection WHERE status <> 'revoked'")
  expect(rows).toEqual([])
  expect(await link(broker.ctx)).toBe('projects_not_chosen')
}
const isOver = async () => {
  await broker.advance(60)
  await tick(broker.ctx)
  await broker.settled()
  expect(broker.demo.ledger.tokens.filter(({ system, live }) => system === 'sessions' && live)).toEqual([])
}

const routes: Route[] = [
  {
    route: 'GET /admin/auth/pkce/authorize',
    when: 'a provider is checked',
    act: check,
    usual: 'ok',
    codes: cut('unknown'),
    after: async () => expect(await check(broker.ctx)).toBe('ok'),
  },
  {
    route: 'POST /v1/auth/pkce/token',
    when: 'somebody links',
    act: link,
    tries: 3,
    usual: 'projects_not_chosen',
    codes: {
      ...cut('link_interrupted'),
      'a page in place of JSON': 'upstream_protocol',
      // The code is spent by the first one.
      'delivered twice': 'upstream_refused',
    },
    after: nothingLinked,
  },
  {
    route: 'GET /v1/auth/token/introspect',
    when: 'somebody links',
    act: link,
    skip: 1,
    tries: 3,
    usual: 'projects_not_chosen',
    codes: { ...cut('link_interrupted'), 'a page in place of JSON': 'upstream_protocol' },
    after: nothingLinked,
  },
  {
    route: 'POST /v1/auth/token/refresh',
    when: 'a connection is renewed',
    before: expired,
    act: (ctx) => freshTokens(ctx, key),
    usual: 'done',
    codes: { ...cut('upstream_unavailable'), 'a page in place of JSON': 'upstream_protocol' },
    after: worksAgain,
  },
  {
    route: 'GET /v1/auth/token/introspect',
    when: 'a child is asked for',
    before: linked,
    act: child,
    tries: 3,
    usual: 'done',
    codes: { ...cut('upstream_unavailable'), 'a page in place of JSON': 'upstream_unavailable' },
    after: async () => void (await child(broker.ctx)),
  },
  {
    route: 'GET /v1/auth/token/introspect',
    when: 'a child is looked at',
    before: linked,
    act: child,
    skip: 1,
    tries: 3,
    usual: 'done',
    codes: { ...cut('unsound_token'), 'a page in place of JSON': 'unsound_token' },
    after: async () => void (await child(broker.ctx)),
  },
  {
    route: 'POST /v1/auth/pat/exchange',
    when: 'a child is made',
    before: linked,
    act: child,
    usual: 'done',
    codes: { ...cut('issue_unconfirmed'), 'a page in place of JSON': 'issue_unconfirmed' },
    after: async () => void (await child(broker.ctx)),
  },
  {
    route: 'GET /v1/auth/sessions',
    when: 'somebody looks at their sessions',
    before: linked,
    act: (ctx) => upstreamSessions(ctx, owner, key.connectionId),
    tries: 3,
    usual: 'done',
    codes: { ...cut('upstream_unavailable'), 'a page in place of JSON': 'upstream_protocol' },
    after: async () => expect((await upstreamSessions(broker.ctx, owner, key.connectionId)).sessions).toHaveLength(1),
  },
  {
    route: 'GET /v1/auth/sessions',
    when: 'a connection that was disconnected is looked for',
    before: linked,
    act: disconnect,
    tries: 3,
    usual: 'confirmed',
    // Its 2xx is what is known then.
    codes: { ...cut('done'), 'a page in place of JSON': 'done' },
    after: isOver,
  },
  {
    route: 'DELETE /v1/auth/sessions/*',
    when: 'a connection is disconnected',
    before: linked,
    act: disconnect,
    usual: 'confirmed',
    codes: {},
    after: isOver,
  },
  {
    route: 'POST /v1/auth/token/revoke',
    when: 'a connection is disconnected',
    before: linked,
    act: disconnect,
    usual: 'confirmed',
    codes: {},
    after: isOver,
  },
]

describe.each(routes)('$route, when $when', ({ route, before, act, skip = 0, tries = 1, usual, codes, after }) => {
  it.each(Object.keys(faults) as Name[])('K-27 H-05: %s ends as documented, and nothing is lost', async (name) => {
    const fault: Fault | number = faults[name]
    await before?.()
    if (typeof fault === 'number') broker.demo.clock.setOffset(fault)
    else {
      broker.demo.faults.push(route, ...Array.from({ length: skip }, (): Fault => ({})))
      broker.demo.faults.push(route, ...Array.from({ length: tries }, () => fault))
    }
    expect(await codeOf(act(name === 'drip' ? impatient : broker.ctx))).toBe(codes[name] ?? usual)
    broker.demo.faults.clear()
    broker.demo.clock.setOffset(0)
    await broker.settled()
    await after()
  })
})

it('K-14 V-08: no credential showed in a log or in what people were told', () => {
  const secrets = broker.demo.ledger.tokens.filter(({ system }) => system === 'sessions').map(({ value }) => value)
  expect(secrets.length).toBeGreaterThan(100)
  const seen = [...broker.logged, ...told].join('\n')
  for (const secret of secrets) expect(seen.includes(secret)).toBe(false)
})
