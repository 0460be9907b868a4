import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Fault } from '../../demo/faults.ts'
import { tryNow } from '../../lib/broker/health.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import type { Context } from '../../lib/context.ts'
import { isBrokerError } from '../../lib/errors.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { claimRefresh } from '../../lib/store/connections.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { beginAndDie, connectionList, type Key, rowOf, setFrozen, storedRefreshToken } from '../support/connection.ts'

let broker: Broker
let contexts: [Context, Context]
let actor: BrowserActor
beforeAll(async () => {
  broker = await startBroker()
  contexts = [broker.ctx, await broker.makeContext()]
  actor = await broker.actorOf('owner@acme.test')
})
afterAll(async () => {
  await contexts[1].close()
  await broker.stop()
})

const route = 'POST /oauth/token'
const json = (value: Record<string, unknown>) => ({ kind: 'json' as const, value })
/** What an upstream may do to the next request. `applied`: it took effect, and the answer hides it. */
const troubles: Record<string, Fault> = {
  'fails before it acts': { effect: 'skipped', status: 503, body: { kind: 'html' } },
  'acts, then fails': { effect: 'applied', status: 500, body: { kind: 'empty' } },
  'acts, then hangs up': { reset: 'after' },
  'hangs up before it acts': { reset: 'before' },
  'asks to wait': { effect: 'skipped', status: 429, headers: { 'retry-after': '20' }, body: { kind: 'empty' } },
  'answers nonsense': { effect: 'skipped', status: 200, body: { kind: 'truncated' } },
  'refuses our client': { effect: 'skipped', status: 401, body: json({ error: 'invalid_client' }) },
}

/** Everything that people, processes and time do to one connection. */
type Step =
  | { act: 'ask' | 'die after the claim' | 'die before the call' | 'die after the call'; who: 0 | 1 }
  | { act: 'all ask' | 'link again' | 'revoke' | 'freeze' | 'lift' | 'try now' | 'background' }
  | { act: 'wait'; seconds: number }
  | { act: 'trouble'; kind: string; times: number }

const who = fc.constantFrom<0 | 1>(0, 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ act: fc.constant('ask' as const), who }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('all ask' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({ act: fc.constant('wait' as const), seconds: fc.integer({ min: 5, max: 4000 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      act: fc.constant('trouble' as const),
      kind: fc.constantFrom(...Object.keys(troubles)),
      times: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      act: fc.constantFrom<'die after the claim' | 'die before the call' | 'die after the call'>(
        'die after the claim',
        'die before the call',
        'die after the call',
      ),
      who,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      act: fc.constantFrom<'link again' | 'revoke' | 'freeze' | 'lift' | 'try now' | 'background'>(
        'link again',
        'revoke',
        'freeze',
        'lift',
        'try now',
        'background',
      ),
    }),
  },
)

/** A refusal with a name is an answer; anything else is a defect. */
const named = (work: Promise<unknown>) =>
  work.catch((error: unknown) => {
    if (!isBrokerError(error)) throw error
  })

async function link(): Promise<Key> {
  broker.demo.faults.clear()
  const result = await broker.link(actor, 'owner@acme.test', { project: '10231' })
  if (result.kind === 'failed') throw result.error
  const [connection] = await connectionList(broker.ctx, actor)
  if (!connection) throw new Error('not linked')
  return { tenantId: actor.tenantId, connectionId: connection.id }
}

async function take(key: Key, current: Step): Promise<void> {
  switch (current.act) {
    case 'ask':
      return void (await named(freshTokens(contexts[current.who], key)))
    case 'all ask':
      return void (await Promise.all(
        Array.from({ length: 10 }, (_, n) => named(freshTokens(contexts[n % 2 ? 1 : 0], key))),
      ))
    case 'wait':
      return broker.advance(current.seconds)
    case 'trouble':
      return broker.demo.faults.push(route, ...Array<Fault>(current.times).fill(troubles[current.kind] ?? {}))
    case 'die after the claim':
      await claimRefresh(contexts[current.who], key, { leaseSeconds: 15, mode: 'now', staleVersion: anyVersion })
      return broker.advance(16)
    case 'die before the call':
      await beginAndDie(contexts[current.who], key, { mode: 'now', staleVersion: anyVersion })
      return broker.advance(16)
    case 'die after the call': {
      const claim = await beginAndDie(contexts[current.who], key, { mode: 'now', staleVersion: anyVersion })
      if (claim.outcome !== 'claimed') return
      const { provider } = await rowOf(broker, key)
      const body = new URLSearchParams({
        grant_type: 'refresh_token',
        client_id: provider.clientId,
        client_secret: 'stack-client-secret',
        refresh_token: await storedRefreshToken(broker, key),
      })
      await fetch(`${broker.demo.url}/oauth/token`, { method: 'POST', body }).catch(() => undefined)
      return broker.advance(16)
    }
    case 'link again':
      return void (await named(link()))
    case 'revoke':
      return void (await revoke(broker.ctx, actor, { tokens: [], connections: [key.connectionId] }))
    case 'freeze':
    case 'lift':
      return void (await named(setFrozen(broker.ctx, actor, { ...key, frozen: current.act === 'freeze' })))
    case 'try now':
      return void (await named(tryNow(contexts[1], actor, key.connectionId)))
    case 'background':
      await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [key.tenantId])
      await broker.owner.query('UPDATE connection SET refresh_due_at = vk_now() WHERE refresh_due_at IS NOT NULL')
      return void (await Promise.all(contexts.map((ctx) => tick(ctx))))
  }
}

/** Above every version: whoever asks like this wants another token. */
const anyVersion = 2 ** 31 - 1
const liveUpstream = (value: string) => broker.demo.ledger.tokens.some((token) => token.value === value && token.live)

/** What holds whatever has happened. */
async function holds(key: Key, before: { version: number } | undefined): Promise<{ version: number }> {
  const row = await rowOf(broker, key)
  if (before) expect(row.tokenVersion, 'versions only grow').toBeGreaterThanOrEqual(before.version)
  if (row.status === 'revoked') expect([row.refreshToken, row.accessToken], 'revoked is wiped').toEqual([null, null])
  else if (row.status === 'needs_relink')
    expect(row.cause, 'the upstream never ended it by itself').toBe('lost_in_rotation')
  else {
    const stored = await storedRefreshToken(broker, key)
    const certain = !row.doubt && row.intentAt === null
    if (certain) expect(liveUpstream(stored), 'what is held without a doubt is alive upstream').toBe(true)
  }
  return { version: row.tokenVersion }
}

/** After the trouble: the connection works, or says that it must be linked again and then works under its old id. */
async function heals(key: Key): Promise<void> {
  broker.demo.faults.clear()
  await named(setFrozen(broker.ctx, actor, { ...key, frozen: false }))
  for (let round = 0; round < 3; round += 1) {
    await broker.advance(3700)
    await named(freshTokens(broker.ctx, key))
    await holds(key, undefined)
  }
  if (['needs_relink', 'revoked'].includes((await rowOf(broker, key)).status)) expect(await link()).toEqual(key)
  await broker.advance(3700)
  const { accessToken, degraded } = await freshTokens(contexts[1], key)
  expect(degraded).toBe(false)
  expect(liveUpstream(accessToken.reveal())).toBe(true)
  expect((await rowOf(broker, key)).status).toBe('linked')
}

describe('whatever happens to a connection, in any order', () => {
  it.each([
    ['refuses a replay', { rotation: 'strict', replayRevokesFamily: false }],
    ['ends the family at a replay', { rotation: 'strict', replayRevokesFamily: true }],
    ['forgives a replay for 30 s', { rotation: 'grace', replayRevokesFamily: false }],
  ] as const)(
    'RR-05 RR-08 H-05: an upstream that %s: nothing is silently dead, nothing loops',
    async (_, modes) => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
          broker.demo.modes.set(modes)
          const key = await link()
          await named(setFrozen(broker.ctx, actor, { ...key, frozen: false }))
          let before: { version: number } | undefined
          for (const current of steps) {
            await take(key, current)
            before = await holds(key, before)
          }
          await heals(key)
        }),
        { numRuns: 20, endOnFailure: true },
      )
    },
    90_000,
  )
})
