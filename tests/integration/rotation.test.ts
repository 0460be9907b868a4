import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Fault } from '../../demo/faults.ts'
import { freeze } from '../../lib/broker/freezes.ts'
import { tryNow } from '../../lib/broker/health.ts'
import { connectionDetail } from '../../lib/broker/read/connection.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import type { Context } from '../../lib/context.ts'
import { renewDue } from '../../lib/jobs/renewals.ts'
import { startJobs, tick } from '../../lib/jobs/tick.ts'
import { beginRefresh, claimRefresh, releaseRefresh, takeDue } from '../../lib/store/connections.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { beginAndDie, connectionList, type Key, rowOf, setFrozen, storedRefreshToken } from '../support/connection.ts'
import { sendsByToken } from '../support/invariants.ts'

let broker: Broker
let other: Context
let actor: BrowserActor
let key: Key
beforeAll(async () => {
  broker = await startBroker()
  other = await broker.makeContext()
  actor = await broker.actorOf('owner@acme.test')
})
afterAll(async () => {
  await other.close()
  await broker.stop()
})

async function linked(project: string): Promise<Key> {
  const result = await broker.link(actor, 'owner@acme.test', { project })
  if (result.kind === 'failed') throw result.error
  const connection = (await connectionList(broker.ctx, actor)).find(({ project: its }) => its?.externalId === project)
  if (!connection) throw new Error('not linked')
  return { tenantId: actor.tenantId, connectionId: connection.id }
}

/** Each test begins with a fresh grant whose access token has expired, at an upstream that is well. */
beforeEach(async () => {
  broker.demo.faults.clear()
  broker.demo.modes.set({ rotation: 'strict', replayRevokesFamily: true, refreshReturnsToken: true, league: 9 })
  key = await linked('10231')
  await broker.advance(3700)
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [actor.tenantId])
  await broker.owner.query('DELETE FROM upstream_pace')
})

const route = 'POST /oauth/token'
const refreshes = () => broker.demo.ledger.find(route, { grant_type: 'refresh_token' })
const fail = (fault: Fault, times = 3) => broker.demo.faults.push(route, ...Array.from({ length: times }, () => fault))
const skipped = (status: number, value?: Record<string, unknown>): Fault => ({
  effect: 'skipped',
  status,
  body: value ? { kind: 'json', value } : { kind: 'empty' },
})
const unreached: Fault = { ...skipped(429), headers: { 'retry-after': '30' } }
const refused = skipped(400, { error: 'invalid_grant' })
const state = async (of = key) => {
  const { status, cause } = await rowOf(broker, of)
  return [status, cause]
}
/** What a process that is killed when its token may have been sent leaves behind. */
async function crash(of = key) {
  const claim = await beginAndDie(other, of)
  expect(claim.outcome).toBe('claimed')
  await broker.advance(16)
  return claim
}
/** What one leaves behind that is killed between its claim and the last look: nothing was sent. */
async function crashUnsent(of = key) {
  const claim = await claimRefresh(other, of, { leaseSeconds: 15 })
  expect(claim.outcome).toBe('claimed')
  await broker.advance(16)
  return claim
}
const fresh = (of = key) => freshTokens(broker.ctx, of)

describe('an interrupted rotation', () => {
  it('RR-05: one recovery try after a cut-off, and after a second one none: nothing loops', async () => {
    await crash()
    await crash()
    expect(await state()).toEqual(['uncertain', null])
    const before = refreshes().length
    await expect(fresh()).rejects.toMatchObject({ code: 'needs_relink' })
    await expect(fresh()).rejects.toMatchObject({ code: 'needs_relink' })
    expect(refreshes().length).toBe(before)
    expect(await state()).toEqual(['needs_relink', 'lost_in_rotation'])
    const [event] = (await connectionDetail(broker.ctx, actor, key.connectionId)).timeline
    expect(event).toMatchObject({ action: 'refresh.failed', details: { cause: 'lost_in_rotation' } })
  })

  it('RR-05: killed between claim and last look, however often, it costs nothing: no doubt, no try counted, no state', async () => {
    for (let kill = 0; kill < 4; kill += 1) {
      expect(await crashUnsent()).toMatchObject({ uncertain: false, doubt: false })
      expect(await rowOf(broker, key)).toMatchObject({ status: 'linked', intentAt: null, doubt: false, recoveries: 0 })
    }
    const before = refreshes().length
    expect((await fresh()).degraded).toBe(false)
    expect(refreshes().length).toBe(before + 1)
  })

  it('RR-05: a recovery try that is killed between claim and last look still has its turn', async () => {
    await crash()
    for (let kill = 0; kill < 3; kill += 1) {
      expect(await crashUnsent()).toMatchObject({ uncertain: true, doubt: true })
      expect(await rowOf(broker, key)).toMatchObject({ status: 'uncertain', recoveries: 0 })
    }
    expect((await fresh()).degraded).toBe(false)
    expect(await state()).toEqual(['linked', null])
  })

  it('RR-05: a recovery try that is given back before anything was sent leaves the interruption as it was', async () => {
    await crash()
    const claim = await claimRefresh(other, key, { leaseSeconds: 15 })
    await releaseRefresh(other, key, { sentVersion: claim.version, fence: claim.fence, uncertain: claim.uncertain })
    expect(await rowOf(broker, key)).toMatchObject({ status: 'uncertain', recoveries: 0 })
    await broker.advance(3)
    // Killed now, it was the one recovery try.
    await crash()
    const before = refreshes().length
    await expect(fresh()).rejects.toMatchObject({ code: 'needs_relink' })
    expect(refreshes().length).toBe(before)
  })

  it('RR-05: a recovery try whose answer was cut off was the one: a spent token is not evaluated again', async () => {
    broker.demo.modes.set({ replayRevokesFamily: false })
    broker.demo.faults.push(route, { hold: { barrier: 'killed', at: 'after' }, reset: 'after' })
    const dying = freshTokens(other, key).catch(() => undefined)
    await broker.demo.faults.barrier('killed').arrived()
    await broker.advance(16)
    // The upstream refuses the spent token, and nobody hears it.
    fail({ reset: 'after' }, 1)
    const before = refreshes().length
    await expect(fresh()).rejects.toMatchObject({ code: 'needs_relink' })
    await broker.advance(400)
    await expect(fresh()).rejects.toMatchObject({ code: 'needs_relink' })
    expect(refreshes().length).toBe(before + 1)
    expect(await state()).toEqual(['needs_relink', 'lost_in_rotation'])
    broker.demo.faults.barrier('killed').release()
    await dying
  })

  it('RR-02: a holder whose last look commits late is not overtaken: its successor sends nothing', async () => {
    const claim = await claimRefresh(other, key, { leaseSeconds: 15 })
    const held = [key.tenantId, key.connectionId, claim.version, claim.fence]
    const late = await other.pool.connect()
    await late.query('BEGIN')
    const { rows } = await late.query(`SELECT vk.refresh_begin($1, $2, $3, $4, interval '15 s') AS stands`, held)
    expect(rows).toEqual([{ stands: true }])
    await broker.advance(16)
    const next = claimRefresh(broker.ctx, key, { leaseSeconds: 15 })
    const waiting = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%refresh_claim%'`
    while ((await broker.ctx.pool.query(waiting)).rowCount === 0) await new Promise((resolve) => setImmediate(resolve))
    await late.query('COMMIT')
    late.release()
    expect((await next).outcome).toBe('busy')
    expect((await rowOf(broker, key)).intentAt).not.toBeNull()
  })

  it('RR-05: a recovery try that surely reached nothing does not count as the one', async () => {
    await crash()
    fail(unreached)
    await expect(fresh()).rejects.toMatchObject({ code: 'upstream_unavailable' })
    expect(await state()).toEqual(['uncertain', 'upstream_unavailable'])
    expect((await rowOf(broker, key)).recoveries).toBe(0)
    broker.demo.faults.clear()
    await broker.advance(400)
    await crash()
    expect((await fresh()).degraded).toBe(false)
    expect(await state()).toEqual(['linked', null])
  })

  it('RR-05: with an upstream that forgives a replay the one try brings the grant back', async () => {
    broker.demo.modes.set({ rotation: 'grace', replayRevokesFamily: false })
    fail({ reset: 'after' }, 1)
    broker.demo.faults.push(route, { hold: { barrier: 'killed', at: 'after' } })
    const dying = freshTokens(other, key).catch(() => undefined)
    await broker.demo.faults.barrier('killed').arrived()
    await broker.advance(16)
    expect((await fresh()).degraded).toBe(false)
    broker.demo.faults.barrier('killed').release()
    await dying
    expect(await state()).toEqual(['linked', null])
    expect((await fresh()).degraded).toBe(false)
  })

  it('RR-02 RR-08: a holder paused past its lease heals what its successor lost', async () => {
    broker.demo.modes.set({ replayRevokesFamily: false })
    broker.demo.faults.push(route, { hold: { barrier: 'paused', at: 'after' } })
    const paused = freshTokens(other, key)
    await broker.demo.faults.barrier('paused').arrived()
    await broker.advance(16)
    await expect(fresh()).rejects.toMatchObject({ code: 'needs_relink' })
    expect(await state()).toEqual(['needs_relink', 'lost_in_rotation'])
    broker.demo.faults.barrier('paused').release()
    expect((await paused).degraded).toBe(false)
    expect(await state()).toEqual(['linked', null])
    await broker.advance(3700)
    expect((await fresh()).degraded).toBe(false)
  })

  it('RR-02: a second worker does not start while the first may still finish', async () => {
    broker.demo.faults.push(route, { hold: { barrier: 'slow', at: 'before' } })
    const slow = freshTokens(other, key)
    await broker.demo.faults.barrier('slow').arrived()
    const before = refreshes().length
    await broker.advance(14)
    const claim = await claimRefresh(broker.ctx, key, { leaseSeconds: 15 })
    expect(claim.outcome).toBe('busy')
    broker.demo.faults.barrier('slow').release()
    expect((await fresh()).version).toBe((await slow).version)
    expect(refreshes().length).toBe(before)
  })

  it('RR-02: what is claimed is looked at once more before it is sent: who lost the claim meanwhile sends nothing', async () => {
    const claim = await claimRefresh(other, key, { leaseSeconds: 15 })
    await broker.advance(16)
    const held = { sentVersion: claim.version, fence: claim.fence, leaseSeconds: 15 }
    expect(await beginRefresh(other, key, held)).toBe(false)
    expect((await fresh()).version).toBe(claim.version + 1)
    expect(await beginRefresh(other, key, held)).toBe(false)
  })

  it('RR-02: who lost the claim sends nothing while its successor is about to', async () => {
    const lost = await claimRefresh(other, key, { leaseSeconds: 15 })
    await broker.advance(16)
    const next = await claimRefresh(broker.ctx, key, { leaseSeconds: 15 })
    expect(next.outcome).toBe('claimed')
    const held = { sentVersion: lost.version, leaseSeconds: 15 }
    expect(await beginRefresh(other, key, { ...held, fence: lost.fence })).toBe(false)
    expect(await beginRefresh(broker.ctx, key, { ...held, fence: next.fence })).toBe(true)
    await releaseRefresh(broker.ctx, key, { ...held, fence: next.fence, uncertain: false })
  })

  it('RR-02: a process that sleeps past its lease before it sends leaves the token to who came after it', async () => {
    const sleeper = await broker.makeContext()
    onTestFinished(() => sleeper.close())
    const ask = sleeper.pool.query.bind(sleeper.pool) as (statement: { text: string }) => Promise<unknown>
    let asleep = true
    const query = async (statement: { text: string }) => {
      if (asleep && statement.text.includes('vk.refresh_begin')) {
        asleep = false
        await broker.advance(16)
        await fresh()
      }
      return ask(statement)
    }
    Object.assign(sleeper.pool, { query })
    const before = refreshes().length
    const { version } = await freshTokens(sleeper, key)
    expect([asleep, refreshes().length]).toEqual([false, before + 1])
    expect((await fresh()).version).toBe(version)
  })

  it('RR-05: an answered recovery try is no new version: it is repeated in peace, and the next kill is the last', async () => {
    await crash()
    fail(skipped(503), 1)
    await expect(fresh()).rejects.toMatchObject({ code: 'upstream_unavailable' })
    expect(await rowOf(broker, key)).toMatchObject({ status: 'uncertain', doubt: true, recoveries: 1 })
    await broker.advance(400)
    fail(skipped(503), 1)
    await expect(fresh()).rejects.toMatchObject({ code: 'upstream_unavailable' })
    await broker.advance(400)
    await crash()
    const before = refreshes().length
    await expect(fresh()).rejects.toMatchObject({ code: 'needs_relink' })
    expect(refreshes().length).toBe(before)
  })

  it('RR-05: a new token version gives the next kill a try of its own', async () => {
    for (let round = 0; round < 2; round += 1) {
      await crash()
      fail(skipped(503), 1)
      await expect(fresh()).rejects.toMatchObject({ code: 'upstream_unavailable' })
      await broker.advance(400)
      expect((await fresh()).degraded).toBe(false)
      expect(await rowOf(broker, key)).toMatchObject({ status: 'linked', doubt: false, recoveries: 0 })
      await broker.advance(3700)
    }
  })

  it('RR-05: in doubt the token is sent once a try, also where a repeat would be allowed', async () => {
    await crash()
    const before = refreshes().length
    fail(skipped(503))
    await expect(fresh()).rejects.toMatchObject({ code: 'upstream_unavailable' })
    expect(refreshes().length).toBe(before + 1)
  })

  it('H-06: an intent that the version before left at an answered failure is a doubt, no kill', async () => {
    for (let round = 0; round < 3; round += 1) {
      await broker.owner.query('UPDATE connection SET intent_at = vk_now(), claim_until = NULL WHERE id = $1', [
        key.connectionId,
      ])
      fail(skipped(503), 1)
      await expect(fresh()).rejects.toMatchObject({ code: 'upstream_unavailable' })
      broker.demo.faults.clear()
      await broker.advance(400)
    }
    expect(await rowOf(broker, key)).toMatchObject({ status: 'degraded', doubt: true, recoveries: 0 })
    expect((await fresh()).degraded).toBe(false)
  })

  it('H-06: an intent that the version before set at its claim is no interruption when it begins itself', async () => {
    const claim = await claimRefresh(other, key, { leaseSeconds: 15 })
    await broker.owner.query(`UPDATE connection SET intent_at = claim_until - interval '15 s' WHERE id = $1`, [
      key.connectionId,
    ])
    const held = { sentVersion: claim.version, fence: claim.fence, leaseSeconds: 15 }
    expect(await beginRefresh(other, key, held)).toBe(true)
    expect((await rowOf(broker, key)).recoveries).toBe(0)
  })

  it('RR-03: a claim carries the version: a reader from before the write-back gets the new token, not a claim', async () => {
    const winner = await fresh()
    const late = await claimRefresh(other, key, { leaseSeconds: 15, staleVersion: winner.version - 1 })
    expect(late).toMatchObject({ outcome: 'fresh', version: winner.version })
  })

  it('H-07: a lease that ends further ahead than any lease is not believed', async () => {
    await broker.owner.query(`UPDATE connection SET claim_until = vk_now() + interval '3 days' WHERE id = $1`, [
      key.connectionId,
    ])
    expect((await fresh()).degraded).toBe(false)
  })

  it('RR-07: an answered failure leaves a doubt: the refusal after it says lost in rotation', async () => {
    fail(skipped(503))
    await expect(fresh()).rejects.toMatchObject({ code: 'upstream_unavailable' })
    expect(await state()).toEqual(['degraded', 'upstream_unavailable'])
    broker.demo.faults.clear()
    await broker.advance(400)
    fail(refused, 1)
    await expect(fresh()).rejects.toMatchObject({ code: 'needs_relink' })
    expect(await state()).toEqual(['needs_relink', 'lost_in_rotation'])
  })

  it('RR-07: what surely never reached the token leaves none: the refusal after it is the upstream’s own', async () => {
    fail(unreached)
    await expect(fresh()).rejects.toMatchObject({ code: 'upstream_unavailable' })
    broker.demo.faults.clear()
    await broker.advance(400)
    fail(refused, 1)
    await expect(fresh()).rejects.toMatchObject({ code: 'needs_relink' })
    expect(await state()).toEqual(['needs_relink', 'refused'])
  })

  it('RR-12 K-37: what arrives for a revoked connection is queued to be revoked, sealed, not dropped', async () => {
    broker.demo.faults.push(route, { hold: { barrier: 'late', at: 'after' } })
    const running = fresh()
    await broker.demo.faults.barrier('late').arrived()
    await revoke(broker.ctx, actor, { tokens: [], connections: [key.connectionId] })
    const queued = async () =>
      (
        await broker.owner.query(
          `SELECT state, handle FROM upstream_revocation WHERE connection_id = $1 AND kind = 'grant'`,
          [key.connectionId],
        )
      ).rows
    const before = (await queued()).length
    broker.demo.faults.barrier('late').release()
    await expect(running).rejects.toMatchObject({ code: 'not_linked' })
    const after = await queued()
    expect(after.length).toBe(before + 1)
    expect(after.filter(({ handle }) => handle !== null).every(({ handle }) => handle.startsWith('eyJ'))).toBe(true)
  })
})

describe('what the upstream says', () => {
  it.each([
    [9, skipped(400, { error: 'invalid_grant', hint: 'Token has been revoked' })],
    [8, skipped(401, { error: 'invalid_request', message: 'The refresh token is invalid.' })],
  ] as const)('RR-07: League %i refuses a dead token in its own words', async (league, fault) => {
    broker.demo.modes.set({ league })
    fail(fault, 1)
    await expect(fresh()).rejects.toMatchObject({ code: 'needs_relink' })
    expect(await state()).toEqual(['needs_relink', 'refused'])
  })

  it.each([
    [
      'HTML from a proxy with a challenge',
      { status: 401, headers: { 'www-authenticate': 'Basic realm="proxy"' }, body: { kind: 'html' } },
    ],
    ['a 403 of Keycloak', skipped(403, { error: 'access_denied' })],
    ['a malformed request', skipped(400, { error: 'invalid_request' })],
    ['invalid_scope', skipped(400, { error: 'invalid_scope' })],
    ['a list', { effect: 'skipped', status: 400, body: { kind: 'json', value: [{ error: 'invalid_grant' }] } }],
  ] as [string, Fault][])('RR-07: %s is no verdict on the grant and no alarm', async (_, fault) => {
    const alarms = broker.logged.filter((line) => line.includes('"alarm":true')).length
    fail({ effect: 'skipped', ...fault } as Fault)
    await expect(fresh()).rejects.toMatchObject({ name: 'BrokerError' })
    expect((await state())[0]).toBe('degraded')
    expect(broker.logged.filter((line) => line.includes('"alarm":true')).length).toBe(alarms)
  })

  it('H-04: what the upstream says of one request pauses nobody else, and leaves no doubt', async () => {
    const second = await linked('10232')
    await broker.advance(3700)
    for (let round = 0; round < 4; round += 1) {
      fail(skipped(400, { error: 'invalid_request' }), 1)
      await expect(fresh()).rejects.toMatchObject({ code: 'upstream_protocol' })
      await broker.owner.query('UPDATE connection SET next_try_at = NULL WHERE id = $1', [key.connectionId])
    }
    expect(await state()).toEqual(['degraded', 'upstream_rejected'])
    expect((await rowOf(broker, key)).doubt).toBe(false)
    expect((await fresh(second)).degraded).toBe(false)
  })

  it('RR-07: a refused client is an alarm for the operator, and every grant is kept', async () => {
    fail(skipped(401, { error: 'invalid_client' }))
    await expect(fresh()).rejects.toMatchObject({ code: 'client_not_registered' })
    expect(await state()).toEqual(['degraded', 'client_not_registered'])
    expect(broker.logged.at(-1) ?? '').not.toContain('eyJ')
    expect(
      broker.logged.some((line) => line.includes('"alarm":true') && line.includes('"outcome":"misconfigured"')),
    ).toBe(true)
    expect((await rowOf(broker, key)).refreshToken).not.toBeNull()
  })

  const given = { access_token: 'at-given', refresh_token: 'rt-given', token_type: 'Bearer', expires_in: 600 }
  it.each([
    ['no new refresh token', { refresh_token: undefined }, { kept: true }],
    ['an empty refresh token', { refresh_token: '' }, { kept: true }],
    [
      'unknown extra fields',
      { refresh_token_expires_in: 7200, 'not-before-policy': 0, session_state: 'x' },
      { grant: 7200 },
    ],
    ['a refresh token that does not end by time', { refresh_expires_in: 0 }, {}],
    ['a lifetime in text', { refresh_expires_in: '1800', expires_in: '900' }, { life: 900, grant: 1800 }],
    ['no lifetime', { expires_in: undefined }, { life: 300 }],
    ['a negative lifetime', { expires_in: -5 }, { life: 300 }],
    ['a lifetime that is no number', { expires_in: 'soon' }, { life: 300 }],
    ['a huge lifetime', { expires_in: 9e15 }, { life: 86_400 }],
    [
      'a grant for ever, as the largest number',
      { refresh_expires_in: Number.MAX_SAFE_INTEGER },
      { grant: 10 * 365 * 86_400 },
    ],
    ['another case of the type', { token_type: 'BEARER' }, {}],
    ['no type', { token_type: undefined }, {}],
    ['an ID token that is nonsense', { id_token: 'nonsense' }, {}],
    ['scopes of a wrong shape', { scope: ['a'] }, {}],
  ] as [string, Record<string, unknown>, { kept?: boolean; life?: number; grant?: number }][])(
    'RR-09 N-27 N-29: %s does not cost the rotated grant',
    async (_, change, { kept = false, life = 600, grant }) => {
      const old = await storedRefreshToken(broker, key)
      fail(skipped(200, { ...given, ...change }), 1)
      const { accessToken, expiresAt } = await fresh()
      expect(accessToken.reveal()).toBe('at-given')
      expect(await storedRefreshToken(broker, key)).toBe(kept ? old : 'rt-given')
      const seconds = (expiresAt.getTime() - broker.ctx.now().getTime()) / 1000
      expect(Math.abs(seconds - life)).toBeLessThan(15)
      const ends = (await rowOf(broker, key)).grantExpiresAt?.getTime() ?? 0
      expect(Math.abs((ends - broker.ctx.now().getTime()) / 1000 - (grant ?? 30 * 86_400))).toBeLessThan(15)
    },
  )

  it('RR-09: fewer scopes are recorded, scopes that were never granted are not believed', async () => {
    await broker.owner.query(`UPDATE connection SET scopes_granted = '{read,write}' WHERE id = $1`, [key.connectionId])
    fail(skipped(200, { ...given, scope: 'read admin' }), 1)
    await fresh()
    expect((await rowOf(broker, key)).scopesGranted).toEqual(['read'])
  })

  it('RR-09: a success without an access token is no success, and the grant is kept to be tried again', async () => {
    fail(skipped(200, { refresh_token: 'rt', token_type: 'Bearer' }))
    await expect(fresh()).rejects.toMatchObject({ code: 'upstream_protocol' })
    expect(await state()).toEqual(['degraded', 'upstream_protocol'])
  })

  it('N-30: what is stored opens to what the upstream gave, sealed once', async () => {
    await fresh()
    const stored = await storedRefreshToken(broker, key)
    expect(broker.demo.ledger.tokens.some(({ value, live }) => value === stored && live)).toBe(true)
  })

  it('K-38: an expired access token beside a good refresh token is healthy, and an upstream out of reach is no verdict', async () => {
    expect(await state()).toEqual(['linked', null])
    fail(unreached)
    await expect(tryNow(broker.ctx, actor, key.connectionId)).rejects.toMatchObject({ code: 'upstream_unavailable' })
    expect(await state()).toEqual(['degraded', 'upstream_unavailable'])
    broker.demo.faults.clear()
    await tryNow(broker.ctx, actor, key.connectionId)
    expect(await state()).toEqual(['linked', null])
  })

  it('a caller who asks for more life than tokens begin with does not refresh at every call', async () => {
    const first = await freshTokens(broker.ctx, { ...key, minimumSeconds: 7200 })
    const again = await freshTokens(broker.ctx, { ...key, minimumSeconds: 7200 })
    expect(again.version).toBe(first.version)
  })

  it('callers can ask for a minimum remaining life', async () => {
    const first = await fresh()
    await broker.advance(2000)
    expect((await freshTokens(broker.ctx, { ...key, minimumSeconds: 1500 })).version).toBe(first.version)
    await broker.advance(500)
    expect((await freshTokens(broker.ctx, { ...key, minimumSeconds: 1500 })).version).toBe(first.version + 1)
  })
})

describe('an upstream that is away', () => {
  it('H-03 H-04: after three connections failed in a row it is paused: others are neither asked for nor marked', async () => {
    const others = [await linked('10232'), await linked('20877')]
    const member = await broker.actorOf('member@acme.test')
    const linkedByMember = await broker.link(member, 'member@acme.test', { project: '10231' })
    if (linkedByMember.kind === 'failed') throw linkedByMember.error
    const [connection] = await connectionList(broker.ctx, member)
    const fourth = { tenantId: key.tenantId, connectionId: connection?.id ?? '' }
    await broker.advance(3700)
    for (const one of [key, ...others]) {
      fail(skipped(503), 2)
      await expect(fresh(one)).rejects.toMatchObject({ code: 'upstream_unavailable' })
      broker.demo.faults.clear()
    }
    const before = refreshes().length
    await expect(fresh(fourth)).rejects.toMatchObject({
      code: 'upstream_unavailable',
      retryAfterSeconds: expect.any(Number),
    })
    expect(await state(fourth)).toEqual(['linked', null])
    expect(refreshes().length).toBe(before)
    await broker.advance(61)
    for (const one of [fourth, key, ...others]) expect((await fresh(one)).degraded).toBe(false)
    expect(await state()).toEqual(['linked', null])
  })

  it('H-04: one connection that fails for ever pauses nobody else', async () => {
    const second = await linked('10232')
    await broker.advance(3700)
    for (let round = 0; round < 5; round += 1) {
      await broker.advance(400)
      fail(skipped(503), 2)
      await expect(fresh()).rejects.toMatchObject({ code: 'upstream_unavailable' })
      broker.demo.faults.clear()
    }
    expect((await fresh(second)).degraded).toBe(false)
  })

  it('H-04: when the pause is over one caller tries for all; while that one hangs the others rest', async () => {
    const second = await linked('10232')
    await broker.advance(3700)
    await broker.owner.query(`INSERT INTO upstream_pace (tenant_id, provider_id, failures, paused_until)
      SELECT tenant_id, provider_id, 5, vk_now() - interval '1 second' FROM connection WHERE id = '${key.connectionId}'
      ON CONFLICT (tenant_id, provider_id) DO UPDATE SET failures = 5, paused_until = excluded.paused_until`)
    broker.demo.faults.push(route, { hold: { barrier: 'probe', at: 'before' } })
    const probe = fresh()
    await broker.demo.faults.barrier('probe').arrived()
    await expect(freshTokens(other, second)).rejects.toMatchObject({ code: 'upstream_unavailable' })
    broker.demo.faults.barrier('probe').release()
    expect((await probe).degraded).toBe(false)
    expect((await freshTokens(other, second)).degraded).toBe(false)
  })

  it('RR-07 K-24: Retry-After pauses the upstream for everybody, from the first time', async () => {
    const second = await linked('10232')
    await broker.advance(3700)
    fail(unreached)
    await expect(fresh()).rejects.toMatchObject({ code: 'upstream_unavailable' })
    broker.demo.faults.clear()
    const before = refreshes().length
    await expect(fresh(second)).rejects.toMatchObject({ code: 'upstream_unavailable' })
    expect(refreshes().length).toBe(before)
    await broker.advance(31)
    expect((await fresh(second)).degraded).toBe(false)
  })

  it('H-03: half an hour of it, refusing connections and failing in turns, costs no grant', async () => {
    for (let minute = 0; minute < 30; minute += 1) {
      broker.demo.faults.clear()
      fail(minute % 2 ? skipped(503) : unreached, 4)
      await freshTokens(minute % 3 ? broker.ctx : other, key).catch(() => undefined)
      await broker.advance(60)
    }
    expect((await rowOf(broker, key)).refreshToken).not.toBeNull()
    broker.demo.faults.clear()
    await broker.advance(400)
    expect((await fresh()).degraded).toBe(false)
    expect(await state()).toEqual(['linked', null])
  })

  it('a failing connection is an event once a change, not once a failed call', async () => {
    const events = async () =>
      (
        await broker.owner.query(
          `SELECT FROM audit_event WHERE body->>'action' = 'refresh.failed' AND body->'target'->>'id' = $1`,
          [key.connectionId],
        )
      ).rowCount ?? 0
    const before = await events()
    for (let round = 0; round < 4; round += 1) {
      broker.demo.faults.clear()
      fail(skipped(503), 2)
      await fresh().catch(() => undefined)
      await broker.advance(400)
    }
    expect(await events()).toBe(before + 1)
  })

  it('trying now leaves alone what is well, and what it meets pauses nobody else', async () => {
    await fresh()
    const before = refreshes().length
    await tryNow(broker.ctx, actor, key.connectionId)
    expect(refreshes().length).toBe(before)
    const second = await linked('10232')
    await broker.advance(3700)
    fail(unreached)
    await expect(tryNow(broker.ctx, actor, key.connectionId)).rejects.toMatchObject({ code: 'upstream_unavailable' })
    broker.demo.faults.clear()
    expect((await fresh(second)).degraded).toBe(false)
  })

  it('trying now does not wait for the pause, and only its owner or an admin may', async () => {
    fail({ ...skipped(503), headers: { 'retry-after': '30' } })
    await expect(fresh()).rejects.toMatchObject({ code: 'upstream_unavailable' })
    broker.demo.faults.clear()
    await expect(fresh()).rejects.toMatchObject({ code: 'upstream_unavailable' })
    const member = await broker.actorOf('member@acme.test')
    await expect(tryNow(broker.ctx, member, key.connectionId)).rejects.toMatchObject({ code: 'not_found' })
    await tryNow(broker.ctx, actor, key.connectionId)
    expect(await state()).toEqual(['linked', null])
  })
})

describe('a freeze', () => {
  it('stops issue and renewal, loses nothing, and is lifted again', async () => {
    await setFrozen(broker.ctx, actor, { ...key, frozen: true, reason: 'on leave' })
    await setFrozen(broker.ctx, actor, { ...key, frozen: true })
    await expect(fresh()).rejects.toMatchObject({ code: 'frozen', detail: expect.stringContaining('on leave') })
    await setFrozen(broker.ctx, actor, { ...key, frozen: false })
    expect((await fresh()).degraded).toBe(false)
    const actions = (await connectionDetail(broker.ctx, actor, key.connectionId)).timeline.map(({ action }) => action)
    expect(actions.filter((action) => action.startsWith('freeze.'))).toEqual(['freeze.lifted', 'freeze.set'])
  })

  it('a renewal under way is stored beneath it', async () => {
    broker.demo.faults.push(route, { hold: { barrier: 'freeze', at: 'after' } })
    const running = fresh()
    await broker.demo.faults.barrier('freeze').arrived()
    await setFrozen(broker.ctx, actor, { ...key, frozen: true })
    broker.demo.faults.barrier('freeze').release()
    const { version } = await running
    expect(await state()).toEqual(['linked', null])
    await expect(fresh()).rejects.toMatchObject({ code: 'frozen' })
    await setFrozen(broker.ctx, actor, { ...key, frozen: false })
    expect((await fresh()).version).toBe(version)
  })

  it('a refusal beneath it shows when it is lifted', async () => {
    broker.demo.faults.push(route, { ...refused, hold: { barrier: 'refusal', at: 'before' } })
    const running = fresh()
    await broker.demo.faults.barrier('refusal').arrived()
    await setFrozen(broker.ctx, actor, { ...key, frozen: true })
    broker.demo.faults.barrier('refusal').release()
    await expect(running).rejects.toMatchObject({ name: 'BrokerError' })
    await expect(fresh()).rejects.toMatchObject({ code: 'frozen' })
    await setFrozen(broker.ctx, actor, { ...key, frozen: false })
    expect(await state()).toEqual(['needs_relink', 'refused'])
    await expect(fresh()).rejects.toMatchObject({ code: 'needs_relink' })
  })

  it('what would have been renewed beneath it is renewed soon after it, and not before', async () => {
    await setFrozen(broker.ctx, actor, { ...key, frozen: true })
    await broker.owner.query('UPDATE connection SET refresh_due_at = vk_now() WHERE id = $1', [key.connectionId])
    const { tokenVersion } = await rowOf(broker, key)
    await tick(broker.ctx)
    await setFrozen(broker.ctx, actor, { ...key, frozen: false })
    expect((await rowOf(broker, key)).tokenVersion).toBe(tokenVersion)
    await tick(broker.ctx)
    expect((await rowOf(broker, key)).tokenVersion).toBe(tokenVersion + 1)
  })

  it('RR-11: what is frozen takes no turn of others in the background, and comes due when its time is over', async () => {
    const place = { tenantId: key.tenantId, providerId: (await rowOf(broker, key)).providerId }
    const until = new Date(broker.ctx.now().getTime() + 1_800_000)
    await freeze(broker.ctx, actor, { kind: 'connection', id: key.connectionId, until })
    const due = 'UPDATE connection SET refresh_due_at = CASE WHEN id = $1 THEN vk_now() END'
    await broker.owner.query(due, [key.connectionId])
    expect(await takeDue(broker.ctx, place, { perSecond: 10, burst: 10 })).toEqual([])
    expect((await rowOf(broker, key)).refreshDueAt).toEqual(until)
    const { rows } = await broker.owner.query('SELECT allowance FROM upstream_pace')
    expect(rows[0].allowance).toBeGreaterThanOrEqual(10)
    await broker.advance(1801)
    expect(await takeDue(broker.ctx, place, { perSecond: 10, burst: 10 })).toEqual([key.connectionId])
  })

  it('a claim made before it is not begun beneath it', async () => {
    const claim = await claimRefresh(other, key, { leaseSeconds: 15 })
    await setFrozen(broker.ctx, actor, { ...key, frozen: true })
    const held = { sentVersion: claim.version, fence: claim.fence, leaseSeconds: 15 }
    expect(await beginRefresh(other, key, held)).toBe(false)
    await setFrozen(broker.ctx, actor, { ...key, frozen: false })
    expect(await beginRefresh(other, key, held)).toBe(true)
  })

  it('members cannot, and a foreign connection has none; a revoked one can be kept from being linked again', async () => {
    const member = await broker.actorOf('member@acme.test')
    const stranger = await broker.actorOf('owner@globex.test')
    await expect(setFrozen(broker.ctx, member, { ...key, frozen: true })).rejects.toMatchObject({ code: 'forbidden' })
    await expect(setFrozen(broker.ctx, stranger, { ...key, frozen: true })).rejects.toMatchObject({ code: 'not_found' })
    await revoke(broker.ctx, actor, { tokens: [], connections: [key.connectionId] })
    await setFrozen(broker.ctx, actor, { ...key, frozen: true })
    await expect(linked('10231')).rejects.toMatchObject({ code: 'frozen' })
    await setFrozen(broker.ctx, actor, { ...key, frozen: false })
  })
})

describe('an upstream that forgives a spent token for half a minute', () => {
  /** A process that renews a connection whose access token still lives is killed when the upstream has rotated. */
  async function cutOff({ alive = true } = {}) {
    broker.demo.modes.set({ rotation: 'grace', replayRevokesFamily: true })
    if (alive) await fresh()
    await broker.advance(alive ? 120 : 0)
    const claim = await beginAndDie(other, key, { mode: alive ? 'due' : 'need' })
    expect(claim.outcome).toBe('claimed')
    const sent = await storedRefreshToken(broker, key)
    const body = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: (await rowOf(broker, key)).provider.clientId,
      client_secret: 'stack-client-secret',
      refresh_token: sent,
    })
    expect((await fetch(`${broker.demo.url}/oauth/token`, { method: 'POST', body })).status).toBe(200)
    return sent
  }
  const sends = (token: string) => sendsByToken(broker.demo.ledger).get(token) ?? 0
  const settings = (value: object) =>
    broker.owner.query('UPDATE provider SET settings = $1', [JSON.stringify(value)]).then(() => undefined)

  it.each([true, false])(
    'RR-05: is asked again within it, though nobody calls (access token alive: %s)',
    async (alive) => {
      await cutOff({ alive })
      await broker.advance(13)
      await tick(broker.ctx)
      expect((await rowOf(broker, key)).intentAt).not.toBeNull()
      await broker.advance(3)
      await tick(broker.ctx)
      expect(await state()).toEqual(['linked', null])
      expect(await rowOf(broker, key)).toMatchObject({ intentAt: null, doubt: false, recoveries: 0 })
      await broker.advance(3700)
      expect((await fresh()).degraded).toBe(false)
    },
  )

  it('RR-05: is asked again by whoever boots, at once, whatever rests', async () => {
    await cutOff()
    const { tokenVersion: version } = await rowOf(broker, key)
    await broker.owner.query(`UPDATE connection SET next_try_at = vk_now() + interval '5 minutes' WHERE id = $1`, [
      key.connectionId,
    ])
    await broker.owner.query(`INSERT INTO upstream_pace (tenant_id, provider_id, failures, paused_until)
      SELECT tenant_id, provider_id, 5, vk_now() + interval '1 minute' FROM connection WHERE id = '${key.connectionId}'
      ON CONFLICT (tenant_id, provider_id) DO UPDATE SET failures = 5, paused_until = excluded.paused_until`)
    await broker.advance(16)
    // An hour from here to its first regular round.
    const stop = startJobs(broker.ctx, { everyMilliseconds: 3_600_000 })
    await vi.waitFor(async () => expect((await rowOf(broker, key)).tokenVersion).toBe(version + 1), 5_000)
    await stop()
    expect(await rowOf(broker, key)).toMatchObject({ status: 'linked', intentAt: null })
  })

  it('RR-05: two processes that boot at once make one try', async () => {
    const sent = await cutOff()
    await broker.advance(16)
    await Promise.all([tick(broker.ctx), tick(other), tick(broker.ctx)])
    expect(sends(sent)).toBe(2)
    expect(await state()).toEqual(['linked', null])
  })

  it('RR-05: once it is over, or where none is known, there is no hurry', async () => {
    const sent = await cutOff()
    await broker.advance(31)
    await tick(broker.ctx)
    expect(sends(sent)).toBe(1)
    await settings({ refreshGraceSeconds: 0 })
    try {
      key = await linked('10231')
      const next = await cutOff()
      await broker.advance(16)
      await tick(broker.ctx)
      expect(sends(next)).toBe(1)
    } finally {
      await settings({})
    }
  })

  it('RR-05: its second kill within it is still the last: no third sending', async () => {
    const sent = await cutOff()
    await broker.advance(16)
    await beginAndDie(other, key, { mode: 'recover' })
    await broker.advance(16)
    await tick(broker.ctx)
    expect(sends(sent)).toBe(1)
    expect(await state()).toEqual(['needs_relink', 'lost_in_rotation'])
  })
})

describe('the background', () => {
  /** Only this connection is left to the background. */
  const alone = () =>
    broker.owner.query('UPDATE connection SET refresh_due_at = NULL WHERE id <> $1', [key.connectionId])
  const upstream = async () => ({ tenantId: key.tenantId, providerId: (await rowOf(broker, key)).providerId })

  it('N-16 RR-11: a connection in use is renewed before its token ends, so that callers find it fresh', async () => {
    const first = await fresh()
    await broker.advance(3400)
    await tick(broker.ctx)
    const before = refreshes().length
    await broker.advance(150)
    expect((await fresh()).version).toBe(first.version + 1)
    expect(refreshes().length).toBe(before)
  })

  it('RR-11: connections made together come due apart', async () => {
    const dues = new Set<number>()
    for (let round = 0; round < 5; round += 1) {
      await broker.advance(3700)
      await fresh()
      const { refreshDueAt, lastRefreshAt } = await rowOf(broker, key)
      dues.add(Math.round(((refreshDueAt?.getTime() ?? 0) - (lastRefreshAt?.getTime() ?? 0)) / 10_000))
    }
    expect(dues.size).toBeGreaterThan(1)
    for (const due of dues) expect(due * 10).toBeGreaterThanOrEqual(2150)
    for (const due of dues) expect(due * 10).toBeLessThanOrEqual(3250)
  })

  it('RR-11: however many instances take, one second’s allowance is what they get together', async () => {
    const place = await upstream()
    await broker.owner.query(`INSERT INTO connection (tenant_id, id, user_id, provider_id, account_id, account_name, status,
        status_since, scopes_granted, linked_at, refresh_due_at)
      SELECT tenant_id, 'con_seed' || n, user_id, provider_id, account_id, account_name, 'linked', now(), '{}', now(), vk_now()
      FROM connection, generate_series(1, 100) n WHERE id = '${key.connectionId}'`)
    const started = performance.now()
    const taken = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        takeDue(index % 2 ? broker.ctx : other, place, { perSecond: 10, burst: 10 }),
      ),
    )
    const seconds = (performance.now() - started) / 1000
    const ids = taken.flat()
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.length).toBeGreaterThan(0)
    expect(ids.length).toBeLessThanOrEqual(10 + 10 * seconds)
    await broker.owner.query(`DELETE FROM connection WHERE id LIKE 'con_seed%'`)
  })

  it('N-28: the background and a caller at once are one refresh', async () => {
    await alone()
    await broker.owner.query('UPDATE connection SET refresh_due_at = vk_now() WHERE id = $1', [key.connectionId])
    const before = refreshes().length
    await Promise.all([tick(broker.ctx), tick(other), fresh(), freshTokens(other, key)])
    expect(refreshes().length).toBe(before + 1)
    // Nor is one that somebody just made repeated because the schedule read the row before.
    await broker.owner.query('UPDATE connection SET refresh_due_at = vk_now() WHERE id = $1', [key.connectionId])
    await tick(other)
    expect(refreshes().length).toBe(before + 1)
  })

  it('an idle connection is kept alive for a season of nobody asking, by one refresh a week', async () => {
    await alone()
    const before = refreshes().length
    for (let day = 0; day < 120; day += 1) {
      await broker.advance(86_400)
      await renewDue(broker.ctx, await upstream())
    }
    expect(await state()).toEqual(['linked', null])
    const made = refreshes().length - before
    expect(made).toBeGreaterThanOrEqual(15)
    expect(made).toBeLessThan(30)
    expect((await fresh()).degraded).toBe(false)
  })

  it('K-12: one broken connection does not stop the others', async () => {
    const second = await linked('10232')
    await broker.advance(3700)
    await broker.owner.query(
      `UPDATE connection SET refresh_token = 'nonsense', refresh_due_at = vk_now() - interval '1 hour' WHERE id = $1`,
      [key.connectionId],
    )
    await broker.owner.query('UPDATE connection SET refresh_due_at = vk_now() WHERE id = $1', [second.connectionId])
    const lines = broker.logged.length
    await tick(broker.ctx)
    expect(broker.logged.slice(lines).filter((line) => line.includes('job failed'))).toEqual([])
    expect(await state()).toEqual(['needs_relink', 'unreadable'])
    expect((await rowOf(broker, second)).lastRefreshAt).not.toBeNull()
    expect(await state(second)).toEqual(['linked', null])
  })

  it('a degraded connection is tried again by itself and heals without anybody asking', async () => {
    fail(skipped(503))
    await expect(fresh()).rejects.toMatchObject({ code: 'upstream_unavailable' })
    broker.demo.faults.clear()
    await broker.advance(400)
    await tick(broker.ctx)
    expect(await state()).toEqual(['linked', null])
  })
})
