// Signed receipts of acts that revoke many things: what they state, and that the chain of events bears them out.
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { publicAuditKeys } from '../../lib/audit/keys.ts'
import { type Receipt, verifyExport, verifyReceipt } from '../../lib/audit/verify.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { settleAct } from '../../lib/store/acts.ts'
import { reopenRevocation } from '../../lib/store/revocations.ts'
import { asSystem } from '../../lib/store/system.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'

let app: TestApp
let owner: Jar
let member: Jar
let project: string
let ownerId: string
let userId: string
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  ownerId = await idOf(owner)
  userId = await idOf(member)
  project = await app.linkProject(member, 'acme', { account: 'member@acme.test', project: '10231' })
})
afterAll(() => app.stop())
afterEach(() => app.forgetLimits())

const idOf = async (jar: Jar) => (await app.call<{ id: string }>(jar, 'GET', '/me')).body.id
const take = (act: string, jar = owner) => app.call(jar, 'POST', `/tenants/acme/revocation-acts/${act}/receipts`)
const exported = async () => (await app.call(owner, 'POST', '/tenants/acme/audit-events/exports')).text.split('\n')

/** Revokes all living tokens as the page does. The act. */
async function revokeTokens(): Promise<string> {
  const { body } = await app.call<{ count: number; as_of: string }>(
    owner,
    'GET',
    '/tenants/acme/revocations/preview?kind=tokens',
  )
  const given = { kind: 'tokens', as_of: body.as_of, count: body.count, reason: 'laptop stolen' }
  const { act } = (await app.call<{ act: string }>(owner, 'POST', '/tenants/acme/revocation-acts', given)).body
  // The answer waits for a few seconds; on a slow machine the act goes on behind it.
  await app.settled()
  return act
}

it('A-01: while an upstream is away a receipt says what is blocked and what is pending; a later one that it is over; the chain has both', async () => {
  await app.issue(member, 'acme', project)
  await app.issue(member, 'acme', project)
  const away = { status: 503, body: { kind: 'empty' as const } }
  app.demo.faults.push('DELETE /v2/storage/tokens/*', ...Array.from({ length: 30 }, () => away))
  const act = await revokeTokens()
  const early = await take(act)
  expect(early.status).toBe(200)
  expect(early.headers.get('content-type')).toBe('application/jose')
  expect(early.headers.get('content-disposition')).toBe(`attachment; filename="receipt-${act}.jws"`)
  expect(decodeProtectedHeader(early.text)).toMatchObject({ alg: 'EdDSA', typ: 'vk-revocation-receipt' })
  expect(decodeJwt(early.text)).toMatchObject({
    format: 'valetkey-receipt-1',
    tenant: await app.tenantId('acme'),
    ...{ act, by: ownerId, kind: 'tokens', user_id: null, reason: 'laptop stolen' },
    filter: { kind: 'tokens' },
    counts: { tokens: 2 },
    blocked_here: { total: 2, ended: 2, since: expect.any(String) },
    upstream: { pending: 2, done: 0, confirmed: 0, failed: 0, impossible: 0 },
    settled_at: null,
    latest_moment: expect.any(String),
  })

  app.demo.faults.clear()
  app.advance(600)
  // Work and act go beside each other: an act that found all of its work taken is settled with the next tick.
  await tick(app.ctx)
  await tick(app.ctx)
  const late = await take(act)
  expect(decodeJwt<Receipt>(late.text)).toMatchObject({
    upstream: { pending: 0, confirmed: 2 },
    proved_at: expect.any(String),
    latest_moment: null,
    settled_at: expect.any(String),
  })
  const lines = await exported()
  for (const { text } of [early, late]) {
    const verdict = await verifyExport(lines, { receipt: text })
    expect(verdict).toMatchObject({ fault: null, receipt: { act, event: { seq: expect.any(Number) } } })
    expect((await verifyReceipt(text, await publicAuditKeys(app.ctx))).receipt.act).toBe(act)
  }
  const signed = await app.rows(
    'acme',
    `SELECT actor_id FROM audit_event WHERE action = 'receipt.signed' AND target_id = $1`,
    [act],
  )
  expect(signed).toEqual([{ actor_id: ownerId }, { actor_id: ownerId }])
})

it('Z-02: of everything that one person held it names them and the event; they get one too, and nobody else without oversight', async () => {
  const path = `/tenants/acme/members/${userId}/revocation`
  const { act } = (await app.call<{ act: string }>(owner, 'POST', path, { block: false, reason: 'phone lost' })).body
  member = await app.signIn('member@acme.test')
  const { text, status } = await take(act, member)
  expect(status).toBe(200)
  expect(decodeJwt(text)).toMatchObject({
    kind: 'held',
    user_id: userId,
    by: ownerId,
    filter: null,
    reason: 'phone lost',
  })
  expect(await verifyExport(await exported(), { receipt: text })).toMatchObject({ fault: null, receipt: { act } })
  const own = (await app.call<{ act: string }>(owner, 'POST', `/tenants/acme/members/${ownerId}/revocation`, {})).body
    .act
  expect((await take(own, member)).status).toBe(404)
  const globex = await app.signIn('owner@globex.test')
  expect((await app.call(globex, 'POST', `/tenants/globex/revocation-acts/${own}/receipts`)).status).toBe(404)
  expect((await take('act_none')).status).toBe(404)
})

type Way = [string, () => Promise<string>]
const suspension = async () => {
  await app.call(owner, 'PATCH', `/tenants/acme/members/${userId}`, { status: 'suspended' })
  const [row] = await app.rows('acme', 'SELECT id FROM revocation_act ORDER BY id DESC LIMIT 1')
  return String(row?.id)
}
const stated = async (act: string) => decodeJwt<Receipt>((await take(act)).text)

/** A member who holds nothing but one connection, linked a moment ago. */
async function anew(): Promise<void> {
  app.demo.faults.clear()
  await app.rows('acme', `UPDATE member SET status = 'active' WHERE user_id = $1`, [userId])
  await app.rows('acme', `UPDATE issued_token SET expires_at = now() - interval '1 hour'`)
  member = await app.signIn('member@acme.test')
  project = await app.linkProject(member, 'acme', { account: 'member@acme.test', project: '10231' })
}
const away = Array.from({ length: 30 }, () => ({ status: 503, body: { kind: 'empty' as const } }))
const open = { upstream: { pending: 1, confirmed: 0 }, settled_at: null, latest_moment: expect.any(String) }
const over = (confirmed: number) => ({
  upstream: { pending: 0, confirmed, failed: 0, impossible: 0 },
  latest_moment: null,
  settled_at: expect.any(String),
})
/** Past what a process that died had claimed, and past the time in which an issue may be under way. */
async function later(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) {
    await app.advance(150)
    await tick(app.ctx)
  }
  await app.settled()
}

it.each<Way>([
  ['a selection of tokens', revokeTokens],
  ['a suspension', suspension],
])('A-01 A-03: of %s a receipt says no end of what was still being made, until it is dead upstream', async (_, end) => {
  await anew()
  app.demo.faults.push('POST /v2/storage/tokens', { hold: { barrier: 'being made', at: 'after' } })
  const racing = app.issue(member, 'acme', project)
  await app.demo.faults.barrier('being made').arrived()
  const act = await end()
  await app.settled()
  expect(await stated(act)).toMatchObject(open)

  app.demo.faults.push('DELETE /v2/storage/tokens/*', ...away)
  app.demo.faults.barrier('being made').release()
  expect((await racing).status).toBeGreaterThanOrEqual(400)
  await app.settled()
  expect(await stated(act)).toMatchObject(open)

  app.demo.faults.clear()
  await later()
  expect(await stated(act)).toMatchObject(over(1))
})

it.each<[string, { reset: 'after' } | { status: number }, number]>([
  ['was made, and its answer lost', { reset: 'after' }, 1],
  ['was not made at all', { status: 403 }, 0],
])('A-01 A-03: what was ended while it %s is pending until that is known, and then no more', async (_, fault, dead) => {
  await anew()
  // Who may list tokens upstream, so that what was cut off is found.
  const theirs = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
  app.demo.faults.push('POST /v2/storage/tokens', { ...fault, hold: { barrier: 'unknown', at: 'before' } })
  const racing = app.issue(owner, 'acme', theirs)
  await app.demo.faults.barrier('unknown').arrived()
  const act = await revokeTokens()
  expect(await stated(act)).toMatchObject(open)
  // Whoever asked cannot look for it either, so it is the background's.
  app.demo.faults.push('GET /v2/storage/tokens', ...away)
  app.demo.faults.barrier('unknown').release()
  expect((await racing).status).toBeGreaterThanOrEqual(400)
  app.demo.faults.clear()
  await later()
  expect(await stated(act)).toMatchObject(over(dead))
})

it('A-01 A-03: a grant that a renewal brings after its connection was ended is the act’s, which has not settled by then', async () => {
  await anew()
  await app.rows('acme', `UPDATE connection SET access_token = NULL, access_expires_at = NULL WHERE user_id = $1`, [
    userId,
  ])
  const [connection] = await app.rows('acme', `SELECT id FROM connection WHERE user_id = $1 AND status = 'linked'`, [
    userId,
  ])
  app.demo.faults.push('POST /oauth/token', { hold: { barrier: 'renewed', at: 'after' } })
  const key = { tenantId: (await app.tenantId('acme')) ?? '', connectionId: String(connection?.id) }
  const renewing = freshTokens(app.ctx, key).catch((error: unknown) => error)
  await app.demo.faults.barrier('renewed').arrived()
  const path = `/tenants/acme/members/${userId}/revocation`
  const { act } = (await app.call<{ act: string }>(owner, 'POST', path, { block: false })).body
  const settled = { upstream: { pending: 0 }, settled_at: expect.any(String) }
  await expect.poll(() => stated(act), { timeout: 10_000 }).toMatchObject(settled)
  app.demo.faults.barrier('renewed').release()
  expect(await renewing).toBeInstanceOf(Error)
  await app.settled()
  expect(await stated(act)).toMatchObject({ upstream: { pending: 1 }, settled_at: null, latest_moment: 'unknown' })
  await later()
  expect(await stated(act)).toMatchObject(settled)
})

it('A-01: an act that is being settled meets work that is being opened: whoever is first, it has not settled with something pending', async () => {
  const tenantId = (await app.tenantId('acme')) ?? ''
  const [row] = await app.rows(
    'acme',
    `SELECT a.id, r.id AS work FROM revocation_act a JOIN upstream_revocation r ON r.act_id = a.id
     WHERE a.settled_at IS NOT NULL AND r.state <> 'pending' LIMIT 1`,
  )
  const [act, work] = [String(row?.id), String(row?.work)]
  let opened: () => void = () => undefined
  let commit: () => void = () => undefined
  const isOpened = new Promise<void>((resolve) => {
    opened = resolve
  })
  const committed = new Promise<void>((resolve) => {
    commit = resolve
  })
  const opening = asSystem(app.ctx, tenantId, 'job', async (tx) => {
    await reopenRevocation(tx, tenantId, work, app.ctx.now())
    opened()
    await committed
  })
  await isOpened
  const settling = asSystem(app.ctx, tenantId, 'job', (tx) => settleAct(tx, tenantId, act, app.ctx.now()))
  const waits = `SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted`
  await expect.poll(async () => (await app.rows('acme', waits)).length, { timeout: 8_000 }).toBe(1)
  commit()
  await opening
  expect(await settling).toBe(false)
  expect(await app.rows('acme', 'SELECT settled_at FROM revocation_act WHERE id = $1', [act])).toEqual([
    { settled_at: null },
  ])
})
