// A process is killed at each moment of a bulk revocation, before each of its statements and requests (SIGKILL): what was committed goes on, nothing
// is done twice, and receipts are true.
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { exportChain } from '../../lib/audit/export.ts'
import { verifyExport } from '../../lib/audit/verify.ts'
import { issueToken } from '../../lib/broker/issue.ts'
import { signReceipt } from '../../lib/broker/receipts.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { bundleProcesses, type Processes } from '../support/processes.ts'
import type { BulkRevocation } from '../support/worker.ts'

vi.setConfig({ testTimeout: 1_200_000 })

/** Every so many moments; 1: each of them, which takes minutes. */
const stride = Number(process.env.KILL_STRIDE ?? 10)

let broker: Broker
let processes: Processes
let owner: BrowserActor
let member: BrowserActor
beforeAll(async () => {
  processes = await bundleProcesses()
  broker = await startBroker()
  owner = await broker.actorOf('owner@acme.test')
  member = await broker.actorOf('member@acme.test')
}, 60_000)
afterAll(async () => {
  await broker?.stop()
  await processes?.stop()
})

const rows = async (text: string, values: unknown[] = []) => {
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
  return (await broker.owner.query(text, values)).rows
}
const issue = (project: string, strategy?: 'proxy') =>
  issueToken(broker.ctx, member, {
    ...{ project, lifetimeSeconds: 3_600, purpose: 'a kill' },
    ...(strategy ? { strategy, scopes: { access: 'everything' } } : { scopes: { buckets: { 'in.c-crm': 'read' } } }),
  })
const worksUpstream = async (token: string) =>
  (await fetch(`${broker.demo.url}/v2/storage/tokens/verify`, { headers: { 'x-storageapi-token': token } })).status ===
  200
async function exported(): Promise<string[]> {
  const pieces: string[] = []
  for await (const piece of await exportChain(broker.ctx, owner)) pieces.push(piece)
  return pieces.join('').split('\n')
}
/** A receipt, as it is now, that the chain bears out. */
async function receiptOf(act: string) {
  const receipt = await signReceipt(broker.ctx, owner, act)
  const verdict = await verifyExport(await exported(), { receipt })
  expect(verdict.fault).toBeNull()
  if (!verdict.receipt?.event) throw new Error('the receipt names no event')
  return verdict.receipt
}

const kinds: [string, () => BulkRevocation][] = [
  [
    'a selection',
    () => {
      const filter = { kind: 'tokens', userId: member.userId } as const
      return { of: 'selection', selection: { filter, asOf: broker.ctx.now() }, count: 3, reason: 'stolen' }
    },
  ],
  ['everything of a person', () => ({ of: 'person', userId: member.userId, block: false, reason: 'stolen' })],
]

test.each(kinds)('A-01 A-02: %s: killed before one statement or request after another', async (kind, bulk) => {
  let committed = 0
  let untouched = 0
  let isWhole = false
  for (let until = 1; !isWhole; until += stride) {
    member = await broker.actorOf('member@acme.test')
    const linked = await broker.link(member, 'member@acme.test', { project: '10231' })
    if (linked.kind === 'failed') throw linked.error
    const { projectId } = linked
    const made = [await issue(projectId), await issue(projectId), await issue(projectId, 'proxy')]
    const ids = made.map(({ token }) => token.id)
    const worker = await processes.start(broker.ctx.config, { offsetMilliseconds: +broker.ctx.now() - Date.now() })
    await worker.ask({ kind: 'steps', until })
    const racing = worker.ask({ kind: 'revoke', actor: owner, act: bulk() }).then(
      () => 'whole' as const,
      () => 'killed' as const,
    )
    isWhole = (await Promise.race([racing, worker.reached().then(() => 'held' as const)])) === 'whole'
    await worker.kill()
    await racing

    const [act] = await rows('SELECT id FROM revocation_act ORDER BY id DESC LIMIT 1')
    const mine =
      act &&
      (
        await rows(
          `SELECT count(*)::int AS count FROM audit_event WHERE body->'details'->>'act' = $1 AND outcome = 'ok' AND action <> 'receipt.signed'`,
          [act.id],
        )
      )[0]
    const isNew = mine?.count === 1 && !seen.has(act.id)
    if (!isNew) {
      untouched += 1
      expect(isWhole).toBe(false)
      for (const { value, token } of made.slice(0, 2)) {
        expect(await worksUpstream(value.reveal())).toBe(true)
        expect(await rows('SELECT status, generation FROM issued_token WHERE id = $1', [token.id])).toEqual([
          { status: 'live', generation: 0 },
        ])
      }
      // Nobody else's business any more.
      await rows(`UPDATE issued_token SET status = 'failed' WHERE id = ANY($1)`, [ids])
      continue
    }
    committed += 1
    seen.add(act.id)
    const early = await receiptOf(act.id)
    expect(early.blocked_here.ended).toBeLessThanOrEqual(3)
    const work = Object.values(early.upstream).reduce((sum, count) => sum + count, 0)
    expect(early.settled_at === null || early.upstream.pending === 0).toBe(true)
    const dead = (await Promise.all(made.slice(0, 2).map(({ value }) => worksUpstream(value.reveal())))).filter(
      (works) => !works,
    )
    // Never more than is so.
    expect(early.upstream.confirmed).toBeLessThanOrEqual(dead.length)
    expect(work).toBeLessThanOrEqual(kind === 'a selection' ? 2 : 3)

    // Whoever died had claimed what it was at for a minute.
    await broker.advance(90)
    for (let turn = 0; turn < 3; turn += 1) await tick(broker.ctx)
    for (const { value } of made.slice(0, 2)) expect(await worksUpstream(value.reveal())).toBe(false)
    const late = await receiptOf(act.id)
    expect(late).toMatchObject({
      blocked_here: { total: 3, ended: 3, since: expect.any(String) },
      upstream: { pending: 0, failed: 0, confirmed: 2 },
      settled_at: expect.any(String),
      reason: 'stolen',
    })
    const perToken = `SELECT token_id, count(*)::int AS count FROM upstream_revocation WHERE token_id = ANY($1) GROUP BY token_id`
    expect((await rows(perToken, [ids])).map(({ count }) => count)).toEqual([1, 1])
    const events = await rows(
      `SELECT action, count(*)::int AS count FROM audit_event WHERE target_id = ANY($1) AND action IN ('token.revoked', 'revocation.finished') GROUP BY action ORDER BY action`,
      [ids],
    )
    const told = { action: 'revocation.finished', count: 2 }
    expect(events).toEqual(kind === 'a selection' ? [told, { action: 'token.revoked', count: 3 }] : [told])
  }
  expect({ committed: committed > 2, untouched: untouched > 0 }).toEqual({ committed: true, untouched: true })
})

const seen = new Set<string>()
