// What an upstream says that it has revoked is asked about: a refusal of what worked before proves it dead (docs/decisions/0098).
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { revokeSelection } from '../../lib/broker/acts.ts'
import { issueToken } from '../../lib/broker/issue.ts'
import { readAct } from '../../lib/broker/read/act.ts'
import { readToken } from '../../lib/broker/read/token.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'

let broker: Broker
let owner: BrowserActor
beforeAll(async () => {
  broker = await startBroker()
  owner = await broker.actorOf('owner@acme.test')
})
afterAll(() => broker.stop())
beforeEach(() => broker.demo.faults.clear())

const linked = async (provider?: string) => {
  const outcome = await broker.link(owner, 'owner@acme.test', provider ? { provider } : {})
  if (outcome.kind !== 'linked') throw outcome.error
  return outcome.projectId
}
const end = async (id: string) => (await revoke(broker.ctx, owner, { tokens: [id], connections: [] }))[0]
const truths = async (id: string) => (await readToken(broker.ctx, owner, id)).revocation
const rowsOf = async (id: string) => {
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
  const text =
    'SELECT r.state, r.seen_at, t.handle FROM upstream_revocation r JOIN issued_token t ON t.id = r.token_id WHERE token_id = $1'
  return (await broker.owner.query(text, [id])).rows
}
const events = async (id: string) => {
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
  const text = `SELECT body->'details'->>'state' AS state FROM audit_event WHERE action = 'revocation.finished' AND target_id = $1 ORDER BY id`
  return (await broker.owner.query(text, [id])).rows.map(({ state }) => state)
}
const later = async (seconds: number) => {
  await broker.advance(seconds)
  await tick(broker.ctx)
}

describe('an upstream that gives a verdict on a token (Keboola)', () => {
  const deletion = 'DELETE /v2/storage/tokens/*'
  const verdict = 'GET /v2/storage/tokens/verify'
  const silent = { status: 503, body: { kind: 'empty' as const } }
  let project: string
  beforeAll(async () => {
    project = await linked()
  })
  const issue = () =>
    issueToken(broker.ctx, owner, {
      project,
      scopes: { buckets: { 'in.c-crm': 'read' } },
      lifetimeSeconds: 7200,
      purpose: 'test',
    })

  it('A-01: that is silent when it is asked is asked again, and the moment of the proof is kept', async () => {
    const { token } = await issue()
    broker.demo.faults.push(verdict, silent, silent, silent)
    expect(await end(token.id)).toMatchObject({ upstream: 'done', latestMoment: token.expiresAt })
    expect(await truths(token.id)).toMatchObject({ upstream: 'done', provedAt: null, nextTryAt: expect.any(Date) })
    const [row] = await rowsOf(token.id)
    expect(row.handle).not.toBeNull()
    await later(30)
    expect(await truths(token.id)).toMatchObject({ upstream: 'done' })
    await later(300)
    expect(await truths(token.id)).toMatchObject({
      upstream: 'confirmed',
      provedAt: expect.any(Date),
      latestMoment: null,
      nextTryAt: null,
    })
    expect(await rowsOf(token.id)).toMatchObject([{ state: 'confirmed', handle: null }])
    expect(await events(token.id)).toEqual(['done', 'confirmed'])
  })

  it('A-01: that lets it in after all is told so, and revokes it again', async () => {
    const { token, value } = await issue()
    // It says that it has deleted the token, and has not; then it does not answer.
    broker.demo.faults.push(deletion, { status: 204, body: { kind: 'empty' } })
    broker.demo.faults.push(verdict, silent, silent, silent)
    const selection = { filter: { kind: 'tokens' as const, userId: owner.userId }, asOf: broker.ctx.now() }
    const { act } = await revokeSelection(broker.ctx, owner, { selection, count: 1 })
    expect(await truths(token.id)).toMatchObject({ upstream: 'done' })
    expect(await readAct(broker.ctx, owner, act)).toMatchObject({ upstream: { done: 1 }, settledAt: expect.any(Date) })
    broker.demo.faults.push(deletion, ...Array.from({ length: 4 }, () => silent))
    await later(300)
    expect(await truths(token.id)).toMatchObject({ upstream: 'pending', lastError: 'alive', provedAt: null })
    expect(await readAct(broker.ctx, owner, act)).toMatchObject({ upstream: { pending: 1 }, settledAt: null })
    expect(await worksAtStack(value.reveal())).toBe(true)
    broker.demo.faults.clear()
    await later(600)
    expect(await truths(token.id)).toMatchObject({ upstream: 'confirmed', provedAt: expect.any(Date) })
    await tick(broker.ctx)
    expect(await readAct(broker.ctx, owner, act)).toMatchObject({
      upstream: { confirmed: 1 },
      provedAt: expect.any(Date),
      settledAt: expect.any(Date),
    })
    expect(await worksAtStack(value.reveal())).toBe(false)
    expect(await events(token.id)).toEqual(['done', 'confirmed'])
  })

  it('that never tells is asked a few times, and then what asking needs is wiped', async () => {
    const { token } = await issue()
    broker.demo.faults.push(verdict, ...Array.from({ length: 60 }, () => silent))
    await end(token.id)
    for (let turn = 0; turn < 12; turn += 1) await later(20_000)
    expect(await rowsOf(token.id)).toMatchObject([{ state: 'done', handle: null }])
    expect(await truths(token.id)).toMatchObject({ upstream: 'done', nextTryAt: null })
    expect(await events(token.id)).toEqual(['done'])
  })

  const worksAtStack = async (token: string) =>
    (await fetch(`${broker.demo.url}/v2/storage/tokens/verify`, { headers: { 'x-storageapi-token': token } }))
      .status === 200
})

describe('an upstream that introspects (RFC 7662)', () => {
  let project: string
  let introspection: ReturnType<typeof createServer>
  /** What it says; by default the truth. */
  let says: ((token: string) => Promise<{ active: boolean } | undefined>) | undefined
  let asked: string[] = []
  const works = async (token: string) =>
    (await fetch(`${broker.demo.ticketsIssuer}/api/me`, { headers: { authorization: `Bearer ${token}` } })).status ===
    200
  beforeAll(async () => {
    project = await linked('Demo tickets')
    introspection = createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      const token = new URLSearchParams(body).get('token') ?? ''
      asked.push(token)
      const told = says ? await says(token) : { active: await works(token) }
      response.writeHead(told ? 200 : 503, { 'content-type': 'application/json' }).end(JSON.stringify(told ?? {}))
    })
    await new Promise<void>((resolve) => introspection.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(introspection.address() as AddressInfo).port}/introspect`
    await broker.owner.query(
      `UPDATE provider SET settings = jsonb_set(settings, '{server,introspection_endpoint}', to_jsonb($1::text)) WHERE kind = 'oauth' AND name = 'Demo tickets'`,
      [url],
    )
  })
  afterAll(() => new Promise((resolve) => introspection.close(resolve)))
  afterEach(() => {
    says = undefined
    asked = []
  })
  const issue = () =>
    issueToken(broker.ctx, owner, {
      project,
      scopes: { scopes: ['tickets:read'] },
      lifetimeSeconds: 3600,
      purpose: 'test',
    })

  it('A-01 X-07: what it let in before and refuses now is proved dead there; an API that asks nobody may take it until it expires', async () => {
    const { token, value } = await issue()
    expect(await end(token.id)).toMatchObject({ upstream: 'confirmed', latestMoment: token.expiresAt })
    expect(asked).toEqual([value.reveal(), value.reveal()])
    expect(await truths(token.id)).toMatchObject({ provedAt: expect.any(Date) })
    expect(await rowsOf(token.id)).toMatchObject([{ state: 'confirmed', seen_at: expect.any(Date) }])
  })

  it('A-01: one that never lets it in proves nothing: "not active" is also what it says to whom it does not tell', async () => {
    const { token } = await issue()
    says = async () => ({ active: false })
    expect(await end(token.id)).toMatchObject({ upstream: 'done', latestMoment: token.expiresAt })
    expect(await truths(token.id)).toMatchObject({ provedAt: null, nextTryAt: null })
  })

  it('A-01: one that says that it lives still is believed: it is pending, and revoked until it is dead', async () => {
    const { token } = await issue()
    says = async () => ({ active: true })
    expect(await end(token.id)).toMatchObject({
      upstream: 'pending',
      lastError: 'alive',
      latestMoment: token.expiresAt,
    })
    says = undefined
    await later(60)
    expect(await truths(token.id)).toMatchObject({ upstream: 'confirmed', provedAt: expect.any(Date) })
  })

  it('one that does not answer delays no revocation, and is asked again where it let it in before', async () => {
    const { token, value } = await issue()
    let calls = 0
    says = async () => (calls++ === 0 ? { active: true } : undefined)
    expect(await end(token.id)).toMatchObject({ upstream: 'done' })
    expect(await works(value.reveal())).toBe(false)
    says = undefined
    await later(300)
    expect(await truths(token.id)).toMatchObject({ upstream: 'confirmed' })
  })
})
