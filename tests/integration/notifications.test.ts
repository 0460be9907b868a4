import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Actor } from '../../lib/actor.ts'
import { freeze, liftFreeze } from '../../lib/broker/freezes.ts'
import {
  markNotificationsRead,
  type NotificationView,
  notificationPage,
  raiseClientRefused,
  unreadCount,
} from '../../lib/broker/notifications.ts'
import { type FreshRequest, freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { notifyEndings, sweepNotifications } from '../../lib/jobs/notifications.ts'
import { newId } from '../../lib/security/ids.ts'
import { insertNotifications } from '../../lib/store/notifications.ts'
import { asSystem } from '../../lib/store/system.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { connectionList } from '../support/connection.ts'

let broker: Broker
let actor: BrowserActor
let member: BrowserActor
let key: FreshRequest
beforeAll(async () => {
  broker = await startBroker()
  actor = await broker.actorOf('owner@acme.test')
  member = await broker.actorOf('member@acme.test')
})
afterAll(() => broker.stop())

/** Rows as the tables' owner sees them, inside acme. */
async function rows(sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [actor.tenantId])
  return (await broker.owner.query(sql, values)).rows
}
const told = async (who: Actor = actor) => (await notificationPage(broker.ctx, who)).items
const kinds = async (who: Actor = actor) => (await told(who)).map((one) => one.kind)
const days = (count: number) => count * 24 * 3600
const link = async () => {
  const linked = await broker.link(actor, 'owner@acme.test', { project: '10231' })
  if (linked.kind === 'failed') throw linked.error
}
const refuse = (error: string, times = 1, status = 400) =>
  broker.demo.faults.push(
    'POST /oauth/token',
    ...Array.from({ length: times }, () => ({
      effect: 'skipped' as const,
      status,
      body: { kind: 'json' as const, value: { error } },
    })),
  )
const placeOf = async () => {
  const [found] = await rows(
    'SELECT c.provider_id, l.project_id FROM connection c JOIN connection_project l ON l.connection_id = c.id WHERE c.id = $1',
    [key.connectionId],
  )
  return { providerId: String(found?.provider_id), projectId: String(found?.project_id) }
}
const state = async () => (await connectionList(broker.ctx, actor)).find(({ id }) => id === key.connectionId)?.status

/** Each test begins with a fresh grant, whose access token has expired, and nothing told. */
beforeEach(async () => {
  broker.demo.faults.clear()
  await link()
  const [connection] = await connectionList(broker.ctx, actor)
  if (!connection) throw new Error('not linked')
  key = { tenantId: actor.tenantId, connectionId: connection.id }
  await broker.advance(3700)
  await rows('DELETE FROM notification')
})

describe('a change of status is told once', () => {
  it('twenty failing callers make one notification, and failing again makes no other', async () => {
    for (let round = 0; round < 3; round += 1) {
      refuse('server_error', 3, 503)
      const calls = Array.from({ length: 20 }, () => freshTokens(broker.ctx, key))
      expect((await Promise.allSettled(calls)).every(({ status }) => status === 'rejected')).toBe(true)
      await broker.advance(400)
    }
    expect(await state()).toBe('degraded')
    const [one, ...others] = await told()
    expect(others).toEqual([])
    expect(one).toMatchObject({
      kind: 'connection.degraded',
      connectionId: key.connectionId,
      cause: 'upstream_unavailable',
      projects: [{ alias: expect.any(String) }],
      forAdmins: false,
      readAt: null,
    } satisfies { [Name in keyof NotificationView]?: unknown })
    broker.demo.faults.clear()
    await freshTokens(broker.ctx, key)
    expect(await kinds()).toEqual(['connection.recovered', 'connection.degraded'])
  })

  it('a refused grant, linking again and disconnecting are told, each to whose connection it is', async () => {
    refuse('invalid_grant')
    await expect(freshTokens(broker.ctx, key)).rejects.toMatchObject({ code: 'needs_relink' })
    await link()
    await revoke(broker.ctx, actor, { tokens: [], connections: [key.connectionId] })
    expect(await kinds()).toEqual(['connection.revoked', 'connection.recovered', 'connection.needs_relink'])
    expect(await kinds(member)).toEqual([])
    expect(await kinds({ ...member, role: 'admin' })).toEqual([])
  })

  it('a freeze, more of it and its end are told to whom it stops, each kind once; what changes nothing is not', async () => {
    const until = new Date(broker.ctx.now().getTime() + 3_600_000)
    const { providerId, projectId } = await placeOf()
    for (const [kind, id] of [
      ['connection', key.connectionId],
      ['project', projectId],
      ['provider', providerId],
      ['member', actor.userId],
    ] as const) {
      await freeze(broker.ctx, actor, { kind, id, reason: 'incident 7', until })
      await freeze(broker.ctx, actor, { kind, id, until })
      expect((await told())[0]).toMatchObject({ kind: `${kind}.frozen`, reason: 'incident 7', until, forAdmins: false })
      await freeze(broker.ctx, actor, { kind, id })
      await liftFreeze(broker.ctx, actor, { kind, id })
      await liftFreeze(broker.ctx, actor, { kind, id })
      expect((await kinds()).slice(0, 3)).toEqual([`${kind}.unfrozen`, `${kind}.frozen`, `${kind}.frozen`])
    }
    expect((await kinds()).length).toBe(12)
    expect(await kinds(member)).toEqual([])
  })

  it('a freeze that was over by itself is not told to be lifted', async () => {
    const until = new Date(broker.ctx.now().getTime() + 60_000)
    await freeze(broker.ctx, actor, { kind: 'connection', id: key.connectionId, until })
    await broker.advance(61)
    expect(await liftFreeze(broker.ctx, actor, { kind: 'connection', id: key.connectionId })).toEqual({ already: true })
    expect(await kinds()).toEqual(['connection.frozen'])
  })

  it('what is rolled back was not told', async () => {
    await rows('BEGIN')
    await rows(`UPDATE connection SET status = 'degraded' WHERE id = $1`, [key.connectionId])
    await rows('ROLLBACK')
    expect(await told()).toEqual([])
  })

  it('a notification that cannot be written holds up neither a rotation nor a revocation', async () => {
    refuse('server_error', 3, 503)
    await expect(freshTokens(broker.ctx, key)).rejects.toThrow()
    broker.demo.faults.clear()
    await broker.advance(400)
    await rows('ALTER TABLE notification ADD CONSTRAINT nothing CHECK (false) NOT VALID')
    try {
      await freshTokens(broker.ctx, key)
      expect(await state()).toBe('linked')
      await revoke(broker.ctx, actor, { tokens: [], connections: [key.connectionId] })
      expect(await state()).toBe('revoked')
    } finally {
      await rows('ALTER TABLE notification DROP CONSTRAINT nothing')
    }
  })
})

describe('an end is told before it comes', () => {
  /** An end that renewals do not move, this many seconds from now. */
  const endIn = (seconds: number) =>
    rows(
      `UPDATE connection SET grant_expires_at = vk_now() + make_interval(secs => $2), grant_fixed = true WHERE id = $1`,
      [key.connectionId, seconds],
    )

  it('seven days and one day before, each once, and then the end itself, with the tokens destroyed', async () => {
    await endIn(days(8))
    await notifyEndings(broker.ctx)
    expect(await kinds()).toEqual([])
    await broker.advance(days(1.5))
    await Promise.all([notifyEndings(broker.ctx), notifyEndings(broker.ctx)])
    await notifyEndings(broker.ctx)
    expect(await kinds()).toEqual(['grant.ending'])
    await broker.advance(days(6))
    await notifyEndings(broker.ctx)
    await notifyEndings(broker.ctx)
    expect(await kinds()).toEqual(['grant.ending', 'grant.ending'])
    await broker.advance(days(1))
    await notifyEndings(broker.ctx)
    await notifyEndings(broker.ctx)
    expect(await kinds()).toEqual(['connection.needs_relink', 'grant.ending', 'grant.ending'])
    expect((await told())[0]?.cause).toBe('expired')
    const [row] = await rows('SELECT status, cause, refresh_token FROM connection WHERE id = $1', [key.connectionId])
    expect(row).toEqual({ status: 'needs_relink', cause: 'expired', refresh_token: null })
  })

  it('a stage that was missed is not told late', async () => {
    await endIn(3 * 3600)
    await notifyEndings(broker.ctx)
    await notifyEndings(broker.ctx)
    const endings = await told()
    expect(endings.map((one) => one.kind)).toEqual(['grant.ending'])
    expect(endings[0]?.endsAt?.getTime()).toBeGreaterThan(broker.ctx.now().getTime())
  })

  it('another end is another matter', async () => {
    await endIn(3 * 3600)
    await notifyEndings(broker.ctx)
    await endIn(4 * 3600)
    await notifyEndings(broker.ctx)
    expect(await kinds()).toEqual(['grant.ending', 'grant.ending'])
  })

  it('a grant that renewals keep alive is not told of; where they fail, it is', async () => {
    await endIn(3 * 3600)
    await rows('UPDATE connection SET grant_fixed = false WHERE id = $1', [key.connectionId])
    await notifyEndings(broker.ctx)
    expect(await kinds()).toEqual([])
    refuse('server_error', 3, 503)
    await expect(freshTokens(broker.ctx, key)).rejects.toThrow()
    await notifyEndings(broker.ctx)
    expect(await kinds()).toEqual(['grant.ending', 'connection.degraded'])
    // Nobody knows for certain that it has ended: the upstream decides.
    await broker.advance(days(1))
    await notifyEndings(broker.ctx)
    expect(await state()).toBe('degraded')
  })

  it('an end that moves back was moved by the settings, and is nothing to be told', async () => {
    await rows(`UPDATE provider SET settings = '{"refreshTokenDays": 2}'`)
    await broker.advance(3700)
    await freshTokens(broker.ctx, key)
    const [row] = await rows('SELECT grant_fixed FROM connection WHERE id = $1', [key.connectionId])
    expect(row?.grant_fixed).toBe(false)
    await notifyEndings(broker.ctx)
    expect(await kinds()).toEqual([])
    await rows(`UPDATE provider SET settings = '{}'`)
  })

  it('an end that a renewal does not move is known from then on, and does not waver', async () => {
    const renewal = (grantSeconds: number) =>
      rows(
        `UPDATE connection SET token_version = token_version + 1, last_refresh_at = vk_now(),
          grant_expires_at = vk_now() + make_interval(secs => $2) WHERE id = $1 RETURNING grant_fixed, grant_expires_at`,
        [key.connectionId, grantSeconds],
      )
    await renewal(days(5))
    await broker.advance(3600)
    expect((await renewal(days(5)))[0]?.grant_fixed).toBe(false)
    await broker.advance(3600)
    const [first] = await renewal(days(5) - 3600 + 2)
    expect(first?.grant_fixed).toBe(true)
    await broker.advance(3600)
    const [second] = await renewal(days(5) - 7200 - 3)
    expect(second).toEqual(first)
    await notifyEndings(broker.ctx)
    expect(await kinds()).toEqual(['grant.ending'])
  })

  it('a refresh that is under way is not cut off by the end', async () => {
    await endIn(-60)
    await rows(`UPDATE connection SET claim_until = vk_now() + interval '10 seconds' WHERE id = $1`, [key.connectionId])
    await notifyEndings(broker.ctx)
    expect(await state()).toBe('linked')
  })
})

describe('alarms for admins', () => {
  it('a refused client is told to admins once, until it is accepted again', async () => {
    const { id: providerId } = await broker.providerOf(actor)
    const raise = () => raiseClientRefused(broker.ctx, { tenantId: actor.tenantId, providerId })
    const alarms = async (who: Actor) => (await kinds(who)).filter((kind) => kind === 'provider.client_refused').length
    refuse('invalid_client', 1, 401)
    await expect(freshTokens(broker.ctx, key)).rejects.toThrow()
    await Promise.all([raise(), raise(), raise()])
    expect([await alarms(actor), await alarms(member), await alarms({ ...member, role: 'auditor' })]).toEqual([1, 0, 0])
    await broker.advance(400)
    await freshTokens(broker.ctx, key)
    expect(await raise()).toBe(true)
    expect(await alarms(actor)).toBe(2)
  })
})

describe('reading', () => {
  it('only the reader’s own are marked, and no more than they have seen', async () => {
    refuse('invalid_grant')
    await expect(freshTokens(broker.ctx, key)).rejects.toThrow()
    const [seen] = await told()
    await link()
    const { unread } = await notificationPage(broker.ctx, actor)
    expect([unread, await unreadCount(broker.ctx, actor)]).toEqual([2, 2])
    expect(await markNotificationsRead(broker.ctx, member, { ids: [seen?.id ?? ''] })).toBe(0)
    expect(await markNotificationsRead(broker.ctx, actor, { through: seen?.id ?? '' })).toBe(1)
    expect(await unreadCount(broker.ctx, actor)).toBe(1)
    expect((await notificationPage(broker.ctx, actor, { unread: true })).items.map((one) => one.kind)).toEqual([
      'connection.recovered',
    ])
  })

  it('Z-02: one’s own are counted, and for who administers what is told to all of them, in this tenant and up to a hundred', async () => {
    const stranger = await broker.actorOf('owner@globex.test')
    const auditor: Actor = { ...actor, role: 'auditor' }
    const tell = (tenantId: string, userId: string | null, count: number) =>
      asSystem(broker.ctx, tenantId, 'job', (tx) =>
        insertNotifications(
          tx,
          Array.from({ length: count }, () => ({
            ...{
              tenantId,
              id: newId('notification'),
              userId,
              kind: 'provider.check_failed',
              createdAt: broker.ctx.now(),
            },
            details: {},
          })),
        ),
      )
    await tell(actor.tenantId, actor.userId, 2)
    await tell(actor.tenantId, member.userId, 3)
    await tell(actor.tenantId, null, 4)
    await tell(stranger.tenantId, actor.userId, 5)
    await tell(stranger.tenantId, null, 6)
    const counts = (...who: Actor[]) => Promise.all(who.map((one) => unreadCount(broker.ctx, one)))
    expect(await counts(actor, auditor, member, stranger)).toEqual([6, 2, 3, 6])
    await tell(actor.tenantId, null, 200)
    expect(await counts(actor, auditor)).toEqual([100, 2])
    await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [stranger.tenantId])
    await broker.owner.query('DELETE FROM notification')
  })

  it('what was read is kept for thirty days, what was not read longer', async () => {
    refuse('invalid_grant')
    await expect(freshTokens(broker.ctx, key)).rejects.toThrow()
    const [seen] = await told()
    await markNotificationsRead(broker.ctx, actor, { ids: [seen?.id ?? ''] })
    await link()
    await broker.advance(days(29))
    await sweepNotifications(broker.ctx)
    expect(await kinds()).toHaveLength(2)
    await broker.advance(days(2))
    await sweepNotifications(broker.ctx)
    expect(await kinds()).toEqual(['connection.recovered'])
  })
})
