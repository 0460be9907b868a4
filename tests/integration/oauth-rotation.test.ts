// What a refresh may meet, at an upstream of kind `oauth`: the demo's ticket service, which ends a family at a second use.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Fault } from '../../demo/index.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import type { Context } from '../../lib/context.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { beginAndDie, connectionList, rowOf, setFrozen, storedRefreshToken } from '../support/connection.ts'
import { refreshTokenIn, upstreams } from '../support/grants.ts'

let broker: Broker
/** A second process on the same database. */
let other: Context
let actor: BrowserActor
let key: { tenantId: string; connectionId: string }
beforeAll(async () => {
  broker = await startBroker()
  other = await broker.makeContext()
  actor = await broker.actorOf('owner@acme.test')
})
afterAll(async () => {
  await other.close()
  await broker.stop()
})
beforeEach(async () => {
  broker.demo.faults.clear()
  broker.demo.modes.set({ rotation: 'strict', refreshReturnsToken: true, expiresIn: 'number', missingFields: [] })
  const linked = await broker.link(actor, 'owner@acme.test', { provider: 'Demo tickets' })
  if (linked.kind !== 'linked') throw linked.error
  const [connection] = await connectionList(broker.ctx, actor)
  key = { tenantId: actor.tenantId, connectionId: connection?.id ?? '' }
  await broker.advance(3700)
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [actor.tenantId])
  await broker.owner.query('DELETE FROM upstream_pace')
})

const route = upstreams.tickets.tokenRoute
const refreshes = () => broker.demo.ledger.find(route, { grant_type: 'refresh_token' })
const fail = (fault: Fault, times = 3) => broker.demo.faults.push(route, ...Array.from({ length: times }, () => fault))
const skipped = (status: number, value?: Record<string, unknown>): Fault => ({
  effect: 'skipped',
  status,
  body: value ? { kind: 'json', value } : { kind: 'empty' },
})
const state = async () => {
  const { status, cause } = await rowOf(broker, key)
  return [status, cause]
}
const fresh = (ctx = broker.ctx) => freshTokens(ctx, key)
const works = async () => {
  const { accessToken } = await fresh()
  const headers = { authorization: `Bearer ${accessToken.reveal()}` }
  return (await fetch(`${broker.demo.ticketsIssuer}/api/me`, { headers })).status === 200
}

it('RR-01 K-11: sixty callers in two processes cause one refresh, and all get its token', async () => {
  const before = refreshes().length
  const got = await Promise.all(Array.from({ length: 60 }, (_, index) => fresh(index % 2 ? other : broker.ctx)))
  expect(new Set(got.map(({ accessToken }) => accessToken.reveal())).size).toBe(1)
  expect(refreshes().length).toBe(before + 1)
})

describe('what says nothing about the grant costs nothing', () => {
  it.each<[string, Fault, string]>([
    ['429', { ...skipped(429), headers: { 'retry-after': '30' } }, 'upstream_unavailable'],
    ['503', skipped(503), 'upstream_unavailable'],
    ['a page instead of JSON', { effect: 'skipped', status: 200, body: { kind: 'html' } }, 'upstream_protocol'],
    ['an answer that breaks off', { effect: 'skipped', body: { kind: 'truncated' } }, 'upstream_unavailable'],
    ['a reset before it was taken', { reset: 'before' }, 'upstream_unavailable'],
    ['an unknown client', skipped(401, { error: 'invalid_client' }), 'client_not_registered'],
    ['an error in a 500', skipped(500, { error: 'invalid_grant' }), 'upstream_unavailable'],
  ])('RR-07: %s: degraded, and it goes on by itself', async (_, fault, code) => {
    fail(fault)
    await expect(fresh()).rejects.toMatchObject({ code })
    expect((await state())[0]).toBe('degraded')
    broker.demo.faults.clear()
    await broker.advance(400)
    expect(await works()).toBe(true)
    expect(await state()).toEqual(['linked', null])
  })
})

it('RR-07: only invalid_grant ends it', async () => {
  fail(skipped(400, { error: 'invalid_grant' }), 1)
  await expect(fresh()).rejects.toMatchObject({ code: 'needs_relink' })
  expect(await state()).toEqual(['needs_relink', 'refused'])
})

describe('a lost answer', () => {
  it('RR-05: of a strict server is one recovery try, and then lost in rotation', async () => {
    fail({ reset: 'after' }, 1)
    await expect(fresh()).rejects.toThrow()
    await broker.advance(400)
    const before = refreshes().length
    await expect(fresh()).rejects.toMatchObject({ code: 'needs_relink' })
    expect(refreshes().length).toBe(before + 1)
    expect(await state()).toEqual(['needs_relink', 'lost_in_rotation'])
  })

  it('RR-05: of a graceful server is made good by the next caller', async () => {
    broker.demo.modes.set({ rotation: 'grace' })
    expect((await beginAndDie(other, key)).outcome).toBe('claimed')
    await broker.advance(16)
    expect(await works()).toBe(true)
    expect(await state()).toEqual(['linked', null])
  })
})

describe('RR-09: odd answers', () => {
  it('N-27: no new refresh token: the old one is kept, with all that is beside it', async () => {
    broker.demo.modes.set({ rotation: 'none', refreshReturnsToken: false })
    const before = await storedRefreshToken(broker, key)
    expect(await works()).toBe(true)
    expect(refreshTokenIn(await storedRefreshToken(broker, key))).toBe(refreshTokenIn(before))
  })

  it('N-29: a lifetime as text, or none', async () => {
    for (const expiresIn of ['string', 'missing'] as const) {
      broker.demo.modes.set({ expiresIn })
      expect(await works()).toBe(true)
      await broker.advance(3700)
    }
  })
})

describe('what wins over a refresh that is under way', () => {
  it('RR-12: a revocation: nothing is stored or served, and what came is ended', async () => {
    const known = broker.demo.ledger.tokens.length
    broker.demo.faults.push(route, { hold: { barrier: 'sent', at: 'after' } })
    const asked = fresh().catch((error: unknown) => error)
    await broker.demo.faults.barrier('sent').arrived()
    await revoke(broker.ctx, actor, { tokens: [], connections: [key.connectionId] })
    broker.demo.faults.barrier('sent').release()
    expect(await asked).toMatchObject({ code: 'not_linked' })
    expect(await rowOf(broker, key)).toMatchObject({ status: 'revoked', refreshToken: null, accessToken: null })
    const received = () => broker.demo.ledger.tokens.slice(known).filter(({ kind }) => kind === 'refresh')
    expect(received()).toHaveLength(1)
    await broker.advance(5)
    await tick(broker.ctx)
    expect(received().filter(({ live }) => live)).toEqual([])
  })

  it('a freeze: what came is stored, and nobody is served', async () => {
    broker.demo.faults.push(route, { hold: { barrier: 'frozen', at: 'after' } })
    const asked = fresh().catch((error: unknown) => error)
    await broker.demo.faults.barrier('frozen').arrived()
    await setFrozen(broker.ctx, actor, { connectionId: key.connectionId, frozen: true })
    broker.demo.faults.barrier('frozen').release()
    await asked
    await expect(fresh()).rejects.toMatchObject({ code: 'frozen' })
    await setFrozen(broker.ctx, actor, { connectionId: key.connectionId, frozen: false })
    expect(await works()).toBe(true)
  })
})
