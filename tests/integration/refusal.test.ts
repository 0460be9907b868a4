// How fast what is revoked is refused, measured between processes by a canary token of our own (docs/decisions/0099).
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { refusal } from '../../lib/broker/read/refusal.ts'
import type { Context } from '../../lib/context.ts'
import { endCanary, makeCanary, watchCanary } from '../../lib/jobs/canary.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'

let app: TestApp
let other: Context
let owner: Jar
beforeAll(async () => {
  app = await startTestApp()
  other = await app.makeContext()
  owner = await app.signIn('owner@acme.test')
})
afterAll(async () => {
  await other.close()
  await app.stop()
})

/** As if what was made so far had been made a while ago. */
const age = (interval: string) =>
  app.owner.query(
    `SELECT set_config('app.tenant_id', 'instance', false);
     UPDATE refusal_canary SET ends_at = ends_at - interval '${interval}';
     UPDATE oauth_grant SET created_at = created_at - interval '${interval}' WHERE user_id = 'usr_canary'`,
  )
const grants = async () => {
  await app.owner.query(`SELECT set_config('app.tenant_id', 'instance', false)`)
  const text = `SELECT (SELECT count(*)::int FROM oauth_grant WHERE user_id = 'usr_canary') AS grants,
    (SELECT count(*)::int FROM access_token WHERE tenant_id = 'instance') AS tokens, (SELECT count(*)::int FROM refusal_canary) AS canaries`
  return (await app.owner.query(text)).rows[0]
}
async function made(ctx = app.ctx): Promise<string> {
  const id = await makeCanary(ctx)
  if (!id) throw new Error('no canary was made')
  return id
}
/** Watches at a process, and resolves `watching` once it has been let in. */
function watch(ctx: Context, id: string, process: string) {
  const asked = vi.spyOn(ctx.pool, 'query')
  const reading = watchCanary(ctx, { id, process, patience: 60_000 }).finally(() => asked.mockRestore())
  const watching = vi.waitFor(() => expect(asked.mock.calls.length).toBeGreaterThan(1), { timeout: 30_000 })
  return { reading, watching }
}

describe('a canary token', () => {
  it('A-01: is let in by every process until it is revoked at one, and each keeps how long it took', async () => {
    const id = await made()
    const here = watch(app.ctx, id, 'one')
    const there = watch(other, id, 'two')
    await Promise.all([here.watching, there.watching])
    await endCanary(app.ctx, id)
    const readings = await Promise.all([here.reading, there.reading])
    for (const milliseconds of readings) expect(milliseconds).toBeGreaterThan(0)
    const { p50, p99, ...rest } = await refusal(app.ctx, await app.actorOf('owner@acme.test'))
    expect(rest).toEqual({ readings: 2, processes: 2 })
    expect(p99 ?? 0).toBeGreaterThanOrEqual(p50 ?? 1)
    expect(p50).toBeGreaterThanOrEqual(Math.min(...readings.map(Number)))
    const text = await app.ctx.metrics.registry.metrics()
    expect(text).toMatch(/valetkey_revocation_refusal_seconds\{quantile="0.99"\} [\d.e-]+/)
    expect(text).toContain('valetkey_revocation_refusal_seconds_count 1')
  })

  it('is one at a time, however many processes make them, and the next sweeps what the last one stood on', async () => {
    await age('2 hours')
    const ids = (await Promise.all([app.ctx, other, app.ctx, other].map(makeCanary))).filter(Boolean)
    expect(ids).toHaveLength(1)
    expect(await makeCanary(other)).toBeUndefined()
    expect(await grants()).toEqual({ grants: 1, tokens: 1, canaries: 1 })
    const actor = await app.actorOf('owner@acme.test')
    expect(await refusal(app.ctx, actor)).toEqual({ p50: null, p99: null, readings: 0, processes: 0 })
  })

  it('says nothing where it was refused from the first, or nobody revoked it', async () => {
    await age('1 minute')
    const id = await made()
    expect(await watchCanary(other, { id, process: 'two', patience: 30 })).toBeUndefined()
    await endCanary(app.ctx, id)
    await endCanary(other, id)
    expect(await watchCanary(other, { id, process: 'two' })).toBeUndefined()
    expect(await watchCanary(other, { id: 'grt_none', process: 'two' })).toBeUndefined()
  })

  it('a process that goes on to let it in is an alarm', async () => {
    await age('1 minute')
    const id = await made()
    const pool = Object.create(other.pool, {
      query: {
        value: async (...args: [{ text: string }]) => {
          const answer = await Reflect.apply(other.pool.query, other.pool, args)
          if (args[0].text.includes('vk.access_enter')) answer.rows[0].stands = true
          return answer
        },
      },
    })
    await app.owner.query('UPDATE refusal_canary SET revoked_at = clock_timestamp() WHERE id = $1', [id])
    const milliseconds = await watchCanary({ ...other, pool }, { id, process: 'stuck', patience: 40 })
    expect(milliseconds).toBeGreaterThan(0)
    await age('1 minute')
    expect(app.logged.filter((line) => line.includes('is not refused by this process'))).toHaveLength(1)
  })

  it('Z-02: no tenant lists, counts or records it, and it opens nothing', async () => {
    await age('1 minute')
    const before = await app.rows('acme', 'SELECT count(*)::int AS count FROM audit_event')
    await app.owner.query(`SELECT set_config('app.tenant_id', 'instance', false)`)
    const events = async () =>
      (await app.owner.query(`SELECT count(*)::int AS count FROM audit_event WHERE tenant_id = 'instance'`)).rows[0]
    const ofInstance = await events()
    const id = await made()
    await endCanary(app.ctx, id)
    expect(await app.rows('acme', 'SELECT count(*)::int AS count FROM audit_event')).toEqual(before)
    await app.owner.query(`SELECT set_config('app.tenant_id', 'instance', false)`)
    expect(await events()).toEqual(ofInstance)
    const members = await app.call<{ items: { user_id: string }[] }>(owner, 'GET', '/tenants/acme/members')
    expect(members.text).not.toContain('usr_canary')
    expect((await app.call(owner, 'GET', '/tenants/acme/grants')).text).not.toContain(id)
    expect(await app.rows('acme', `SELECT FROM member WHERE user_id = 'usr_canary'`)).toEqual([])
  })
})
