// Signed receipts of acts that revoke many things: what they state, and that the chain of events bears them out.
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { publicAuditKeys } from '../../lib/audit/keys.ts'
import { type Receipt, verifyExport, verifyReceipt } from '../../lib/audit/verify.ts'
import { tick } from '../../lib/jobs/tick.ts'
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
