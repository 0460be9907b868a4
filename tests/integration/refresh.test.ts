import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type FreshRequest, freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { claimRefresh } from '../../lib/store/connections.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { beginAndDie, connectionList } from '../support/connection.ts'

let broker: Broker
let actor: BrowserActor
let key: FreshRequest
beforeAll(async () => {
  broker = await startBroker()
  actor = await broker.actorOf('owner@acme.test')
})
afterAll(() => broker.stop())

/** Each test begins with a fresh grant whose access token has expired. */
beforeEach(async () => {
  broker.demo.faults.clear()
  const linked = await broker.link(actor, 'owner@acme.test', { project: '10231' })
  if (linked.kind === 'failed') throw linked.error
  const [connection] = await connectionList(broker.ctx, actor)
  if (!connection) throw new Error('not linked')
  key = { tenantId: actor.tenantId, connectionId: connection.id }
  await broker.advance(3700)
})

const refreshes = () => broker.demo.ledger.find('POST /oauth/token', { grant_type: 'refresh_token' }).length
const state = async () => {
  const connection = (await connectionList(broker.ctx, actor)).find(({ id }) => id === key.connectionId)
  return [connection?.status, connection?.cause]
}
/** Lets back-off and lease pass. */
const later = () => broker.advance(400)
const expiresSoon = async () => {
  await freshTokens(broker.ctx, key)
  await broker.advance(3590)
}

describe('a connection keeps its grant', () => {
  it('K-09 K-10: the newest refresh token is the one that is sent next', async () => {
    const first = await freshTokens(broker.ctx, key)
    await broker.advance(3700)
    const second = await freshTokens(broker.ctx, key)
    expect(second.version).toBe(first.version + 1)
    const [older, newer] = broker.demo.ledger.find('POST /oauth/token', { grant_type: 'refresh_token' }).slice(-2)
    expect(newer?.outcome).toBe('ok')
    expect(newer?.body.refresh_token).not.toBe(older?.body.refresh_token)
  })

  it('K-11: a stale reader adopts the winner instead of replaying the consumed token', async () => {
    const before = refreshes()
    const [winner, ...rest] = await Promise.all(Array.from({ length: 20 }, () => freshTokens(broker.ctx, key)))
    const late = await freshTokens(broker.ctx, { ...key, staleVersion: (winner?.version ?? 0) - 1 })
    expect(refreshes() - before).toBe(1)
    expect([...rest, late].every(({ version }) => version === winner?.version)).toBe(true)
  })

  it('RR-07: only invalid_grant ends a connection', async () => {
    broker.demo.faults.push('POST /oauth/token', {
      status: 400,
      body: { kind: 'json', value: { error: 'invalid_grant' } },
    })
    await expect(freshTokens(broker.ctx, key)).rejects.toMatchObject({ code: 'needs_relink' })
    expect(await state()).toEqual(['needs_relink', 'refused'])
  })

  const passing = [
    ['503', { status: 503, body: { kind: 'html' as const } }],
    [
      'a 500 that speaks of invalid_grant',
      {
        status: 500,
        body: { kind: 'json' as const, value: { error: 'server_error', error_description: 'invalid_grant' } },
      },
    ],
    ['HTML with 200', { status: 200, body: { kind: 'html' as const } }],
    ['an empty body', { status: 200, body: { kind: 'empty' as const } }],
    ['a huge body', { status: 200, body: { kind: 'huge' as const, bytes: 2_000_000 } }],
    ['a truncated body', { status: 200, body: { kind: 'truncated' as const } }],
    [
      'wrong types',
      {
        effect: 'skipped' as const,
        status: 200,
        body: { kind: 'json' as const, value: { access_token: 7, token_type: [] } },
      },
    ],
    ['invalid_client', { status: 401, body: { kind: 'json' as const, value: { error: 'invalid_client' } } }],
    ['unauthorized_client', { status: 400, body: { kind: 'json' as const, value: { error: 'unauthorized_client' } } }],
    ['invalid_request', { status: 400, body: { kind: 'json' as const, value: { error: 'invalid_request' } } }],
    ['a reset connection', { reset: 'before' as const }],
    ['429', { status: 429, headers: { 'retry-after': '60' }, body: { kind: 'empty' as const } }],
  ] as const
  it.each(passing)('RR-07: %s keeps the grant, and the next try succeeds', async (_, fault) => {
    broker.demo.faults.push(
      'POST /oauth/token',
      ...Array.from({ length: 3 }, () => ({ effect: 'skipped' as const, ...fault })),
    )
    await expect(freshTokens(broker.ctx, key)).rejects.toMatchObject({ name: 'BrokerError' })
    expect((await state())[0]).toBe('degraded')
    broker.demo.faults.clear()
    await later()
    expect((await freshTokens(broker.ctx, key)).degraded).toBe(false)
    expect(await state()).toEqual(['linked', null])
  })

  it('H-03: while the upstream is away a still valid token is served, marked degraded', async () => {
    await expiresSoon()
    broker.demo.faults.push(
      'POST /oauth/token',
      ...Array.from({ length: 3 }, () => ({ status: 503, body: { kind: 'empty' as const } })),
    )
    const served = await freshTokens(broker.ctx, { ...key, minimumSeconds: 60 })
    expect(served.degraded).toBe(true)
    expect((await freshTokens(broker.ctx, { ...key, minimumSeconds: 60 })).degraded).toBe(true)
  })

  it('RR-08: a holder that fails late changes nothing for the one that succeeded meanwhile', async () => {
    broker.demo.faults.push('POST /oauth/token', {
      effect: 'skipped',
      hold: { barrier: 'late', at: 'before' },
      status: 400,
      body: { kind: 'json', value: { error: 'invalid_grant' } },
    })
    const slow = freshTokens(broker.ctx, key)
    await broker.demo.faults.barrier('late').arrived()
    await broker.advance(20)
    const other = await broker.makeContext()
    const winner = await freshTokens(other, key)
    broker.demo.faults.barrier('late').release()
    expect((await slow).version).toBe(winner.version)
    expect(await state()).toEqual(['linked', null])
    await other.close()
  })

  it('RR-12: revoking during a refresh wins: nothing is stored, nothing is served', async () => {
    broker.demo.faults.push('POST /oauth/token', { hold: { barrier: 'revoked', at: 'after' } })
    const running = freshTokens(broker.ctx, key)
    await broker.demo.faults.barrier('revoked').arrived()
    await revoke(broker.ctx, actor, { tokens: [], connections: [key.connectionId] })
    broker.demo.faults.barrier('revoked').release()
    await expect(running).rejects.toMatchObject({ code: 'not_linked' })
    expect((await state())[0]).toBe('revoked')
    const { rows } = await broker.owner.query(
      `SELECT set_config('app.tenant_id', $1, false), refresh_token, access_token FROM connection WHERE id = $2`,
      [actor.tenantId, key.connectionId],
    )
    expect(rows.every((row) => row.refresh_token === null && row.access_token === null)).toBe(true)
  })

  it('RR-05: a rotation cut off before it was stored ends as lost in rotation, once, without a loop', async () => {
    const claim = await beginAndDie(broker.ctx, key)
    expect(claim).toMatchObject({ outcome: 'claimed', uncertain: false })
    // The claimer dies here, its token consumed: what it had sent is refused from now on.
    const before = refreshes()
    broker.demo.faults.push('POST /oauth/token', {
      status: 400,
      body: { kind: 'json', value: { error: 'invalid_grant' } },
    })
    await broker.advance(16)
    await expect(freshTokens(broker.ctx, key)).rejects.toMatchObject({ code: 'needs_relink' })
    await expect(freshTokens(broker.ctx, key)).rejects.toMatchObject({ code: 'needs_relink' })
    expect(await state()).toEqual(['needs_relink', 'lost_in_rotation'])
    expect(refreshes() - before).toBe(1)
  })

  it('RR-05: a rotation cut off before anything was sent is taken up by the next caller', async () => {
    await claimRefresh(broker.ctx, key, { leaseSeconds: 15 })
    await broker.advance(16)
    expect((await freshTokens(broker.ctx, key)).degraded).toBe(false)
    expect(await state()).toEqual(['linked', null])
  })
})
