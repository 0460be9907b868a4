import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Actor } from '../../lib/actor.ts'
import { raiseClientRefused } from '../../lib/broker/notifications.ts'
import { sweepNotifications } from '../../lib/jobs/notifications.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { deliverWebhook } from '../../lib/jobs/webhooks.ts'
import { dueDeliveries } from '../../lib/store/lookups.ts'
import { asSystem } from '../../lib/store/system.ts'
import { claimDelivery } from '../../lib/store/webhooks.ts'
import {
  changeWebhook,
  createWebhook,
  deleteWebhook,
  deliveryPage,
  retryDelivery,
  rotateWebhookSecret,
  testWebhook,
  webhookList,
} from '../../lib/webhooks/webhooks.ts'
import { type Broker, startBroker } from '../support/broker.ts'
import { type Receiver, startReceiver, verified } from '../support/receiver.ts'

let broker: Broker
let receiver: Receiver
let actor: Actor
let globex: Actor
let webhookId: string
let secret: string
beforeAll(async () => {
  broker = await startBroker()
  receiver = await startReceiver()
  actor = await broker.actorOf('owner@acme.test')
  globex = await broker.actorOf('owner@globex.test')
})
afterAll(async () => {
  await broker.stop()
  await receiver.stop()
})

/** Each test begins with one webhook and nothing under way. */
beforeEach(async () => {
  receiver.forget()
  const made = await createWebhook(broker.ctx, actor, { url: receiver.url })
  webhookId = made.webhook.id
  secret = made.secret.reveal()
})
afterEach(async () => {
  receiver.release()
  for (const { id } of await webhookList(broker.ctx, actor)) await deleteWebhook(broker.ctx, actor, id)
  await rows('DELETE FROM notification')
})

async function rows(sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [actor.tenantId])
  return (await broker.owner.query(sql, values)).rows
}
/** Something to tell, in this person's tenant. */
const tell = async (who: Actor = actor) => {
  const provider = await broker.providerOf(who)
  await raiseClientRefused(broker.ctx, { tenantId: who.tenantId, providerId: provider.id })
}
const deliver = async (ctx = broker.ctx) => {
  for (const place of await dueDeliveries(ctx, ctx.now(), 50)) await deliverWebhook(ctx, place)
}
const deliveries = async () => (await deliveryPage(broker.ctx, actor, { webhookId })).items
const hook = async (id = webhookId) => (await webhookList(broker.ctx, actor)).find((one) => one.id === id)
const hours = (count: number) => count * 3600

describe('messages', () => {
  it('a notification reaches the receiver signed, with ids and words and nothing secret', async () => {
    await tell()
    await tick(broker.ctx)
    const [message, ...others] = receiver.received
    if (!message) throw new Error('nothing came')
    expect(others).toEqual([])
    const provider = await broker.providerOf(actor)
    expect(verified(message, secret)).toEqual({
      type: 'provider.client_refused',
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      data: {
        notification: expect.stringMatching(/^ntf_/),
        tenant: actor.tenantId,
        owner: null,
        connection: null,
        provider: provider.id,
        cause: 'client_not_registered',
      },
    })
    expect(message.id).toMatch(/^msg_[0-9a-f]{32}$/)
    expect((await deliveries())[0]).toMatchObject({ id: message.id, state: 'delivered', lastStatus: 204, tries: 1 })
    expect(() => verified({ ...message, body: message.body.replace('refused', 'allowed') }, secret)).toThrow()
    await deliver()
    expect(receiver.received).toHaveLength(1)
  })

  it('a change of a connection is told with its status, cause and project', async () => {
    const linker = await broker.actorOf('owner@acme.test')
    const linked = await broker.link(linker, 'owner@acme.test', { project: '10231' })
    if (linked.kind === 'failed') throw linked.error
    await rows(`UPDATE connection SET status = 'degraded', cause = 'upstream_unavailable' WHERE status = 'linked'`)
    await deliver()
    const message = receiver.received.find((one) => one.type === 'connection.degraded')
    if (!message) throw new Error('nothing came')
    expect(verified(message, secret)).toMatchObject({
      data: {
        connection: expect.stringMatching(/^con_/),
        owner: actor.userId,
        before: 'linked',
        status: 'degraded',
        cause: 'upstream_unavailable',
        projects: [{ id: expect.stringMatching(/^prj_/), alias: expect.any(String) }],
      },
    })
    expect(message.body).not.toMatch(/@/)
  })

  it('two instances deliver a message once', async () => {
    const other = await broker.makeContext()
    try {
      await tell()
      receiver.reply({ hang: true })
      const arrived = receiver.next()
      const [place] = await dueDeliveries(broker.ctx, broker.ctx.now(), 50)
      if (!place) throw new Error('nothing is due')
      const first = deliverWebhook(broker.ctx, place)
      await arrived
      await deliverWebhook(other, place)
      receiver.release()
      await first
      // Who read the list before and comes late finds it done.
      await deliverWebhook(other, place)
      expect(receiver.received).toHaveLength(1)
      // The same where it was put off: not due is not taken.
      await rows(`UPDATE webhook_delivery SET state = 'pending', next_try_at = vk_now() + interval '1 hour'`)
      await deliverWebhook(other, place)
      expect(receiver.received).toHaveLength(1)
    } finally {
      await other.close()
    }
  })

  it('a kill between the send and its mark brings the same message again, by the same id', async () => {
    await tell()
    const [place] = await dueDeliveries(broker.ctx, broker.ctx.now(), 50)
    if (!place) throw new Error('nothing is due')
    // An instance that sends and dies: its context fails at whatever comes after the answer.
    const dying = await broker.makeContext()
    const fetch = dying.fetchOutside
    dying.fetchOutside = async (...call) => {
      await fetch(...call)
      await dying.pool.end()
      throw new Error('killed')
    }
    await expect(deliverWebhook(dying, place)).rejects.toThrow('killed')
    await dying.close().catch(() => undefined)
    await deliver()
    expect(receiver.received).toHaveLength(1)
    await broker.advance(61)
    await deliver()
    expect(receiver.received).toHaveLength(2)
    expect(receiver.received[1]?.id).toBe(receiver.received[0]?.id)
    expect(receiver.received[1]?.body).toBe(receiver.received[0]?.body)
    expect((await deliveries())[0]).toMatchObject({ state: 'delivered', tries: 2 })
  })

  it('a sender that lost its lease leaves the mark to who has it', async () => {
    await tell()
    const [place] = await dueDeliveries(broker.ctx, broker.ctx.now(), 50)
    if (!place) throw new Error('nothing is due')
    receiver.reply({ hang: true })
    const arrived = receiver.next()
    const slow = deliverWebhook(broker.ctx, place)
    await arrived
    await broker.advance(61)
    const now = broker.ctx.now()
    const taken = await asSystem(broker.ctx, actor.tenantId, 'job', (tx) =>
      claimDelivery(tx, actor.tenantId, place.id, now, 60),
    )
    expect(taken?.tries).toBe(2)
    receiver.release()
    await slow
    expect((await deliveries())[0]).toMatchObject({ state: 'pending', tries: 2 })
  })
})

describe('receivers that fail', () => {
  it('are tried again at growing times, ten times in all, then given up', async () => {
    await tell()
    receiver.reply(...Array.from({ length: 10 }, () => ({ status: 500 })))
    const waits: number[] = []
    for (let round = 0; round < 10; round += 1) {
      await deliver()
      const [message] = await deliveries()
      if (message?.state !== 'pending') break
      const wait = ((message.nextTryAt?.getTime() ?? 0) - broker.ctx.now().getTime()) / 1000
      waits.push(wait)
      await broker.advance(wait - 1)
      await deliver()
      expect(receiver.received).toHaveLength(round + 1)
      await broker.advance(2)
    }
    const steps = [0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    for (const [index, wait] of waits.entries()) {
      expect(wait).toBeGreaterThan((steps[index] ?? 0) - 5)
      expect(wait).toBeLessThanOrEqual(steps[index + 1] ?? 0)
    }
    expect(receiver.received).toHaveLength(10)
    expect(new Set(receiver.received.map(({ id }) => id)).size).toBe(1)
    expect((await deliveries())[0]).toMatchObject({
      state: 'failed',
      tries: 10,
      lastStatus: 500,
      lastError: 'http_500',
    })
    // By hand: a new round, with the same id.
    await retryDelivery(broker.ctx, actor, { webhookId, deliveryId: receiver.received[0]?.id ?? '' })
    await deliver()
    expect(receiver.received.at(-1)?.id).toBe(receiver.received[0]?.id)
    expect((await deliveries())[0]).toMatchObject({ state: 'delivered', lastError: null })
  })

  it('are not asked again before the time that they name', async () => {
    await tell()
    receiver.reply({ status: 429, headers: { 'retry-after': '7200' } })
    await deliver()
    await broker.advance(7100)
    await deliver()
    expect(receiver.received).toHaveLength(1)
    await broker.advance(101)
    await deliver()
    expect(receiver.received).toHaveLength(2)
  })

  it('a redirect is not followed', async () => {
    await tell()
    receiver.reply({ status: 307, headers: { location: receiver.url } })
    await deliver()
    expect(receiver.received).toHaveLength(1)
    expect((await deliveries())[0]).toMatchObject({ state: 'pending', lastStatus: null, lastError: 'no_answer' })
  })

  it('410 switches the webhook off, gives up what waits, and tells the admins', async () => {
    await tell()
    receiver.reply({ status: 410 })
    await deliver()
    expect(await hook()).toMatchObject({ enabled: false, disabledCause: 'gone' })
    const states = (await deliveries()).map(({ state, lastError }) => [state, lastError])
    expect(states).toEqual([['failed', 'http_410']])
    expect(await rows(`SELECT kind, user_id FROM notification ORDER BY id DESC LIMIT 1`)).toEqual([
      { kind: 'webhook.disabled', user_id: null },
    ])
    await expect(
      retryDelivery(broker.ctx, actor, { webhookId, deliveryId: receiver.received[0]?.id ?? '' }),
    ).rejects.toMatchObject({ code: 'webhook_off' })
    expect(await changeWebhook(broker.ctx, actor, { webhookId, enabled: true })).toMatchObject({
      enabled: true,
      disabledCause: null,
    })
  })

  it('five days of failing alone switch it off; one success begins anew', async () => {
    const fail = async (status: number) => {
      await rows('DELETE FROM notification')
      await tell()
      receiver.reply({ status })
      await deliver()
      await rows('DELETE FROM webhook_delivery')
    }
    await fail(500)
    await broker.advance(hours(4 * 24))
    await fail(500)
    await broker.advance(hours(12))
    await fail(204)
    await broker.advance(hours(24))
    await fail(500)
    expect(await hook()).toMatchObject({ enabled: true })
    await broker.advance(hours(5 * 24))
    await fail(500)
    expect(await hook()).toMatchObject({ enabled: false, disabledCause: 'failing' })
  })

  it('one that hangs holds up no other', async () => {
    const other = await startReceiver()
    try {
      await createWebhook(broker.ctx, actor, { url: other.url })
      receiver.reply({ hang: true })
      await tell()
      const arrived = other.received.length === 0 ? other.next() : Promise.resolve()
      const work = tick(broker.ctx)
      await arrived
      expect(other.received).toHaveLength(1)
      receiver.release()
      await work
    } finally {
      await other.stop()
    }
  })
})

describe('the signing key', () => {
  it('after a rotation both keys sign for a day, then only the new one, and the old one is destroyed', async () => {
    const rotated = await rotateWebhookSecret(broker.ctx, actor, webhookId)
    const fresh = rotated.secret.reveal()
    expect(fresh).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(fresh).not.toBe(secret)
    await testWebhook(broker.ctx, actor, webhookId)
    const [first] = receiver.received
    if (!first) throw new Error('nothing came')
    verified(first, secret)
    verified(first, fresh)
    await broker.advance(hours(24) + 1)
    await testWebhook(broker.ctx, actor, webhookId)
    const second = receiver.received[1]
    if (!second) throw new Error('nothing came')
    verified(second, fresh)
    expect(() => verified(second, secret)).toThrow('no signature')
    await sweepNotifications(broker.ctx)
    expect(await rows('SELECT previous_secret FROM webhook WHERE id = $1', [webhookId])).toEqual([
      { previous_secret: null },
    ])
  })

  it('is stored sealed, and named in no event', async () => {
    const [row] = await rows('SELECT secret FROM webhook WHERE id = $1', [webhookId])
    expect(row?.secret).toMatch(/^eyJ/)
    const events = await rows(`SELECT body::text FROM audit_event WHERE body->>'action' LIKE 'webhook.%'`)
    expect(JSON.stringify(events)).not.toContain('whsec_')
  })
})

describe('managing webhooks', () => {
  it('a test is sent at once, answers how it ended, and is not tried again', async () => {
    expect(await testWebhook(broker.ctx, actor, webhookId)).toMatchObject({ state: 'delivered', lastStatus: 204 })
    receiver.reply({ status: 500 })
    expect(await testWebhook(broker.ctx, actor, webhookId)).toMatchObject({ state: 'failed', lastError: 'http_500' })
    await broker.advance(hours(1))
    await deliver()
    expect(receiver.received.map(({ type }) => type)).toEqual(['webhook.test', 'webhook.test'])
    const closed = await startReceiver()
    await closed.stop()
    const nowhere = await createWebhook(broker.ctx, actor, { url: closed.url })
    expect(await testWebhook(broker.ctx, actor, nowhere.webhook.id)).toMatchObject({
      state: 'failed',
      lastError: 'not_reached',
    })
  })

  it('five at most, also when they are added at once', async () => {
    const made = await Promise.allSettled(
      Array.from({ length: 7 }, () => createWebhook(broker.ctx, actor, { url: receiver.url })),
    )
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(4)
    expect(await webhookList(broker.ctx, actor)).toHaveLength(5)
  })

  it('only addresses that the way out allows', async () => {
    for (const url of [
      'http://hooks.example.com/',
      'https://name:word@hooks.example.com/',
      'ftp://x.example/',
      'nothing',
    ])
      await expect(createWebhook(broker.ctx, actor, { url })).rejects.toMatchObject({ code: 'bad_request' })
  })

  it('one that is off is told nothing; off gives up what waits', async () => {
    await tell()
    await changeWebhook(broker.ctx, actor, { webhookId, enabled: false })
    expect((await deliveries())[0]).toMatchObject({ state: 'failed', lastError: 'webhook_off' })
    await rows('DELETE FROM notification')
    await tell()
    await deliver()
    expect(receiver.received).toEqual([])
    expect(await deliveries()).toHaveLength(1)
  })

  it('Z-02: another tenant’s webhook is unknown, and is told nothing of this one', async () => {
    await tell(globex)
    await deliver()
    expect(receiver.received).toEqual([])
    const id = webhookId
    for (const act of [
      () => changeWebhook(broker.ctx, globex, { webhookId: id, enabled: false }),
      () => deleteWebhook(broker.ctx, globex, id),
      () => rotateWebhookSecret(broker.ctx, globex, id),
      () => testWebhook(broker.ctx, globex, id),
      () => deliveryPage(broker.ctx, globex, { webhookId: id }),
    ])
      await expect(act()).rejects.toMatchObject({ code: 'not_found' })
    expect(await webhookList(broker.ctx, globex)).toEqual([])
  })

  it('messages are kept for thirty days', async () => {
    await testWebhook(broker.ctx, actor, webhookId)
    await broker.advance(hours(29 * 24))
    await sweepNotifications(broker.ctx)
    expect(await deliveries()).toHaveLength(1)
    await broker.advance(hours(2 * 24))
    await sweepNotifications(broker.ctx)
    expect(await deliveries()).toEqual([])
  })
})
