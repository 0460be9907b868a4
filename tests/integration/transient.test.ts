// What each kind of upstream call does about a transient failure (K-24), counted at the upstream itself.

import { createServer } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { approve } from '../../demo/browser.ts'
import type { Fault } from '../../demo/index.ts'
import { readScopeChoices } from '../../lib/broker/choices.ts'
import { issueToken } from '../../lib/broker/issue.ts'
import { completeLink } from '../../lib/broker/link/complete.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { errorCodes } from '../../lib/errors.ts'
import { type CallKind, retries } from '../../lib/providers/retry.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { connectionList } from '../support/connection.ts'

let broker: Broker
let actor: BrowserActor
let project: string
beforeAll(async () => {
  broker = await startBroker()
  actor = await broker.actorOf('owner@acme.test')
})
afterAll(() => broker.stop())
beforeEach(async () => {
  broker.demo.faults.clear()
  await setIssuer(broker.demo.url)
  // Whatever was paused by the test before goes on.
  await broker.advance(400)
  const linked = await broker.link(actor, 'owner@acme.test', { project: '10231' })
  if (linked.kind === 'failed') throw linked.error
  project = linked.projectId
  broker.waits.length = 0
})

const inTenant = () => broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [actor.tenantId])
async function setIssuer(url: string) {
  await inTenant()
  await broker.owner.query('UPDATE provider SET issuer = $1', [url])
  await broker.owner.query('UPDATE attempt SET issuer = $1', [url])
}
/** An address that refuses connections. */
const closedPort = () =>
  new Promise<string>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address ? address.port : 0
      server.close(() => resolve(`http://127.0.0.1:${port}`))
    })
  })
const key = async () => {
  const [connection] = await connectionList(broker.ctx, actor)
  return { tenantId: actor.tenantId, connectionId: connection?.id ?? '' }
}
const scopes = {
  components: [],
  buckets: { 'in.c-crm': 'read' as const },
  manage_buckets: false,
  read_all_files: false,
}
const issue = () => issueToken(broker.ctx, actor, { project, scopes, lifetimeSeconds: 900, purpose: 'transient' })
/** Long pauses are noted, not made; short ones are waits for others. */
const pauses = () => broker.waits.filter((milliseconds) => milliseconds >= 1000)

type Call = {
  route: string
  /** What its requests are told apart by. */
  fields?: Record<string, string>
  /** Readies it before anything fails; answers the call itself, which throws where it failed. */
  ready(): Promise<() => Promise<unknown>>
  /** Its row in the table. */
  kind: CallKind
  /** Attempts that are made of it, each with its own tries. */
  anew?: number
}
type Ending = keyof (typeof retries)['read']['tries']
const triesOf = ({ kind, anew = 1 }: Call, ending: Ending) =>
  retries[kind].tries[ending] * (ending === 'failed' || ending === 'cutOff' ? anew : 1)

const calls: Record<string, Call> = {
  'a read': {
    route: 'GET /v2/storage/components',
    ready: async () => () => readScopeChoices(broker.ctx, actor, project),
    kind: 'read',
  },
  'a code exchange': {
    route: 'POST /oauth/token',
    fields: { grant_type: 'authorization_code' },
    async ready() {
      const { id } = await broker.providerOf(actor)
      const started = await startLink(broker.ctx, actor, { providerId: id, browser: actor.browser })
      const location = await approve(started.url, { account: 'owner@acme.test', project: '10231' })
      return async () => {
        const result = await completeLink(broker.ctx, broker.callbackOf(location, actor))
        if (result.kind === 'failed') throw result.error
      }
    },
    kind: 'exchange',
  },
  'a refresh': {
    route: 'POST /oauth/token',
    fields: { grant_type: 'refresh_token' },
    async ready() {
      await broker.advance(3700)
      const connection = await key()
      return () => freshTokens(broker.ctx, connection)
    },
    // League only refuses a replay.
    kind: 'repeatableRefresh',
  },
  'a mint': {
    route: 'POST /v2/storage/tokens',
    ready: async () => issue,
    kind: 'mint',
    // After a look for what it left.
    anew: 2,
  },
  'a revocation': {
    route: 'DELETE /v2/storage/tokens/*',
    async ready() {
      const { token } = await issue()
      return async () => {
        const [outcome] = await revoke(broker.ctx, actor, { tokens: [token.id], connections: [] })
        if (outcome?.upstream !== 'confirmed') throw new Error(String(outcome?.lastError))
      }
    },
    kind: 'revoke',
  },
}
const sent = ({ route, fields = {} }: Call) => {
  const [method, path = ''] = route.split(' ')
  return broker.demo.ledger.requests.filter(
    (one) =>
      one.method === method &&
      (path.endsWith('*') ? one.path.startsWith(path.slice(0, -1)) : one.path === path) &&
      Object.entries(fields).every(([name, value]) => one.body[name] === value),
  )
}
const answers = (fault: Fault, times: number, { fields }: Call): Fault[] =>
  Array.from({ length: times }, () => ({ ...fault, ...(fields && { when: fields }) }))
const failing = (status: number): Fault => ({ status, effect: 'skipped', body: { kind: 'empty' } })
const failures: [string, Fault, Ending][] = [
  ['429', failing(429), 'busy'],
  ['500', failing(500), 'failed'],
  ['502', failing(502), 'failed'],
  ['503', failing(503), 'failed'],
  ['504', failing(504), 'failed'],
  ['a connection that is reset', { reset: 'before' }, 'cutOff'],
  ['an answer that breaks off', { effect: 'skipped', status: 200, body: { kind: 'truncated' } }, 'cutOff'],
]

describe.each(Object.entries(calls))('%s', (name, call) => {
  it.each(failures)(
    'K-24: that meets %s is sent as often as its row allows, then says what to do',
    async (_, fault, end) => {
      const act = await call.ready()
      broker.demo.faults.push(call.route, ...answers(fault, 6, call))
      const before = sent(call).length
      broker.waits.length = 0
      const error = await act().catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(Error)
      const { code } = retries[call.kind]
      if (code && (end !== 'busy' || call.kind === 'exchange')) expect(error).toMatchObject({ code })
      expect(sent(call).length - before).toBe(triesOf(call, end))
      // A mint is not repeated but made anew, after a look: without a pause.
      expect(pauses()).toEqual([1000, 2000].slice(0, retries[call.kind].tries[end] - 1))
    },
  )

  it('K-24: that meets 429 twice passes at the third try, after the pauses that were asked for', async () => {
    const act = await call.ready()
    const asked = { ...failing(429), headers: { 'retry-after': '2' } }
    broker.demo.faults.push(call.route, ...answers(asked, 2, call))
    const before = sent(call).length
    broker.waits.length = 0
    await act()
    expect(sent(call).length - before).toBe(3)
    expect(pauses()).toEqual([2000, 2000])
  })

  it('K-24: that is asked to wait for minutes is not repeated at once', async () => {
    const act = await call.ready()
    broker.demo.faults.push(call.route, ...answers({ ...failing(429), headers: { 'retry-after': '900' } }, 3, call))
    const before = sent(call).length
    broker.waits.length = 0
    const refused = await act().catch((error: unknown) => error)
    expect(sent(call).length - before).toBe(1)
    expect(pauses()).toEqual([])
    // What a caller is told is capped at a minute.
    const code = call.kind === 'exchange' ? 'link_interrupted' : 'upstream_unavailable'
    if (name !== 'a revocation') expect(refused).toMatchObject({ code, retryAfterSeconds: 60 })
  })

  it('K-24: that finds nobody listening is tried three times', async () => {
    const act = await call.ready()
    await setIssuer(await closedPort())
    broker.waits.length = 0
    await expect(act()).rejects.toBeInstanceOf(Error)
    // What can be chosen is asked with four requests beside each other.
    expect(pauses()).toEqual(name === 'a read' ? [1000, 1000, 1000, 1000, 2000, 2000, 2000, 2000] : [1000, 2000])
  })
})

describe('a code exchange', () => {
  it('K-24: that meets 429, then 503, waited as asked, and does not send the code a third time', async () => {
    const call = calls['a code exchange'] as Call
    const act = await call.ready()
    broker.demo.faults.push(
      call.route,
      ...answers({ ...failing(429), headers: { 'retry-after': '2' } }, 1, call),
      ...answers(failing(503), 1, call),
    )
    const before = sent(call).length
    broker.waits.length = 0
    await expect(act()).rejects.toMatchObject({ code: 'link_interrupted' })
    expect(errorCodes.link_interrupted.next).toMatch(/^Link again/)
    expect(sent(call).length - before).toBe(2)
    expect(pauses()).toEqual([2000])
  })
})

describe('a mint', () => {
  it('K-24: that fails after it took effect is looked for by its nonce, once, and made anew', async () => {
    const live = () => broker.demo.ledger.tokens.filter(({ kind, live }) => kind === 'storage' && live).length
    const before = { mints: sent(calls['a mint'] as Call).length, live: live() }
    broker.demo.faults.push('POST /v2/storage/tokens', { status: 500, effect: 'applied', body: { kind: 'empty' } })
    await issue()
    expect(sent(calls['a mint'] as Call).length - before.mints).toBe(2)
    expect(live() - before.live).toBe(1)
  })
})
