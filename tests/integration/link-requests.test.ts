import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { approve } from '../../demo/browser.ts'
import { sweep } from '../../lib/jobs/sweep.ts'
import { acceptLinkRequest } from '../../lib/store/link-requests.ts'
import { asSystem } from '../../lib/store/system.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { ask, askedState } from '../support/asked.ts'
import { origin } from '../support/broker.ts'
import { besideHeld } from '../support/database-faults.ts'
import { giveGrant } from '../support/grants-of-programs.ts'

let app: TestApp
let owner: Jar
let member: Jar
let ownerId: string
let memberId: string
let project: string
let tickets: string
const account = 'owner@acme.test'
const idOf = async (jar: Jar) => (await app.call<{ id: string }>(jar, 'GET', '/me')).body.id ?? ''

beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  ownerId = await idOf(owner)
  memberId = await idOf(member)
  project = await app.linkProject(owner, 'acme', { account, project: '10231' })
  tickets = await app.linkProject(owner, 'acme', { account, provider: 'Demo tickets' })
})
afterAll(() => app.stop())
// What a reconnect is asked for: nothing but its person brings it back.
beforeEach(() =>
  app.rows(
    'acme',
    `UPDATE connection c SET status = 'needs_relink', cause = 'refused', refresh_token = NULL, access_token = NULL, refresh_due_at = NULL
     FROM connection_project l WHERE l.connection_id = c.id AND l.project_id = $1 AND c.user_id = $2`,
    [project, ownerId],
  ),
)
afterEach(async () => {
  app.demo.faults.clear()
  await app.forgetLimits()
  await app.rows('acme', 'DELETE FROM link_request')
})

const stateOf = (id: string) => askedState(app, id)
const path = (id: string) => `/tenants/acme/link-requests/${id}`
type Told = { id: string; url: string; code?: string; title?: string; detail?: string }
const start = (id: string, jar = owner) => app.call<Told>(jar, 'POST', `${path(id)}/start`)
const decline = (id: string, jar = owner) => app.call<Told>(jar, 'POST', `${path(id)}/decline`)
const counted = async (outcome: string, cause = 'reconnect') =>
  (await app.ctx.metrics.linkRequests.get()).values.find(
    ({ labels }) => labels.outcome === outcome && labels.cause === cause,
  )?.value ?? 0
/** What a transition adds to its count. */
async function adds(outcome: string, work: () => Promise<unknown>, cause = 'reconnect') {
  const before = await counted(outcome, cause)
  await work()
  return (await counted(outcome, cause)) - before
}

describe('a program asks its person for a link', () => {
  it('N-14: its address holds an id and nothing else: no token, no state, no verifier, nobody’s name', async () => {
    const { id, url } = await ask(app, { userId: ownerId, projectId: project })
    expect(url).toBe(`${origin}/connect/${id}`)
    expect(id).toMatch(/^lrq_[0-9a-f]{32}$/)
    const { rows } = await app.owner.query(`SELECT to_jsonb(l)::text AS text FROM link_request l WHERE id = $1`, [id])
    expect(rows[0].text).not.toMatch(/secret|verifier|state":|nonce/)
  })

  it('N-14: a flood of calls makes one request of one person, project, cause and set of scopes', async () => {
    const made = await Promise.all(Array.from({ length: 12 }, () => ask(app, { userId: ownerId, projectId: project })))
    expect(new Set(made.map(({ id }) => id)).size).toBe(1)
    const scopes = ['tickets:delete', 'tickets:read']
    const one = await ask(app, { userId: ownerId, projectId: tickets, scopes })
    const same = await ask(app, { userId: ownerId, projectId: tickets, scopes: [...scopes].reverse() })
    const other = await ask(app, { userId: ownerId, projectId: tickets, scopes: ['tickets:read'] })
    expect(same.id).toBe(one.id)
    expect(other.id).not.toBe(one.id)
    const others = await ask(app, { userId: memberId, projectId: project })
    expect(made.map(({ id }) => id)).not.toContain(others.id)
  })

  it('N-14: no more than ten wait for one person, however many ask at once', async () => {
    const asked = await Promise.allSettled(
      Array.from({ length: 25 }, (_, index) =>
        ask(app, { userId: ownerId, projectId: tickets, scopes: [`scope:${index}`] }),
      ),
    )
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(10)
    for (const one of asked) if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'rate_limited' })
    // Somebody else's place is their own.
    await ask(app, { userId: memberId, projectId: project })
    await app.advance(601)
    await ask(app, { userId: ownerId, projectId: tickets, scopes: ['another'] })
  })

  it('N-14: who asks counts what was asked of the person just before', async () => {
    const of = (index: number) => ask(app, { userId: ownerId, projectId: tickets, scopes: [`scope:${index}`] })
    const made = []
    for (let index = 0; index < 10; index += 1) made.push((await of(index)).id)
    const last = made.at(-1)
    await app.rows('acme', `UPDATE link_request SET status = 'declined' WHERE id = $1`, [last])
    const acme = await app.tenantId('acme')
    const before = `WITH held AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended($1, 0)))
      UPDATE link_request SET status = 'asked' FROM held WHERE id = $2`
    const { waits, result } = await besideHeld(app, [before, [`link_request ${acme} ${ownerId}`, last]], () =>
      of(10).then(
        () => 'asked',
        (error) => error.code,
      ),
    )
    expect([waits, result]).toEqual([true, 'rate_limited'])
  })

  it('N-14 LK-01: nobody but the person who was asked can start or decline it, and an unknown one looks alike', async () => {
    const { id } = await ask(app, { userId: memberId, projectId: project })
    const globex = await app.signIn('owner@globex.test')
    const unknown = `lrq_${'0'.repeat(32)}`
    for (const jar of [owner, globex, new Map() as Jar])
      for (const act of [start, decline]) {
        const [theirs, none] = [await act(id, jar), await act(unknown, jar)]
        expect(theirs.status).toBe(jar.size === 0 ? 401 : 404)
        expect(theirs.body).toMatchObject({ code: none.body.code, title: none.body.title })
        expect(theirs.body.detail).toEqual(none.body.detail)
      }
    expect(await stateOf(id)).toBe('asked')
  })

  it('R-15 ASK-17: continuing reconnects in place, in this browser alone, and the request is completed', async () => {
    const before = (await app.call<{ items: { id: string }[] }>(owner, 'GET', '/tenants/acme/connections')).body.items
    const { id } = await ask(app, { userId: ownerId, projectId: project })
    let url = ''
    expect(
      await adds('accepted', async () => {
        url = (await start(id)).body.url
        // Again, in another tab: it is accepted once.
        await start(id)
      }),
    ).toBe(1)
    expect(await stateOf(id)).toBe('accepted')
    const location = await approve((await start(id)).body.url, { account, project: '10231' })
    const elsewhere = await app.follow(await app.signIn(account), location)
    expect(elsewhere.headers.get('location')).toContain('/connect/failed?code=attempt_unknown')
    expect(await stateOf(id)).toBe('accepted')
    expect(
      await adds('completed', async () => {
        const back = await app.follow(owner, location)
        expect(back.headers.get('location')).toBe(`/connect/${id}`)
      }),
    ).toBe(1)
    expect(url).toContain(app.demo.url)
    expect(await stateOf(id)).toBe('completed')
    const after = (await app.call<{ items: { id: string }[] }>(owner, 'GET', '/tenants/acme/connections')).body.items
    expect(after.map(({ id: each }) => each)).toEqual(before.map(({ id: each }) => each))
    expect((await start(id)).body).toMatchObject({ code: 'attempt_used' })
  })

  it('ASK-23 R-15: a step-up asks for the union of what is granted and what is needed', async () => {
    const { id } = await ask(app, { userId: ownerId, projectId: tickets, scopes: ['tickets:delete', 'tickets:export'] })
    const asked = new URL((await start(id)).body.url).searchParams.get('scope')?.split(' ')
    expect(asked?.sort()).toEqual(
      ['offline_access', 'openid', 'tickets:delete', 'tickets:export', 'tickets:read', 'tickets:write'].sort(),
    )
  })

  it('ASK-23: what an upstream calls a scope and is none reaches neither the page nor the upstream', async () => {
    const hostile = ['a b', 'x"y', 'ok:scope', '<script>', 'new\nline', 'ä', '\\', 'z'.repeat(300)]
    const { id } = await ask(app, { userId: ownerId, projectId: tickets, scopes: hostile })
    const [row] = await app.rows('acme', 'SELECT scopes FROM link_request WHERE id = $1', [id])
    expect(row?.scopes).toEqual(['<script>', 'ok:scope'])
  })

  it('ASK-23: a link without the scopes that were needed is no answer to a step-up', async () => {
    const { id } = await ask(app, { userId: ownerId, projectId: tickets, scopes: ['tickets:export'] })
    // By the person's own way, for what it asks always.
    await app.linkProject(owner, 'acme', { account, provider: 'Demo tickets' })
    expect(await stateOf(id)).toBe('asked')
    const enough = await ask(app, { userId: ownerId, projectId: tickets, scopes: ['tickets:read'] })
    await app.linkProject(owner, 'acme', { account, provider: 'Demo tickets' })
    expect(await stateOf(enough.id)).toBe('completed')
  })

  it('N-15: declined here, declined at the upstream, cancelled and timed out are told apart and each counted once', async () => {
    const asked = await ask(app, { userId: ownerId, projectId: project })
    expect(
      await adds('declined', async () => {
        const answers = await Promise.all([decline(asked.id), decline(asked.id), decline(asked.id)])
        expect(answers.filter(({ status }) => status === 204)).toHaveLength(1)
      }),
    ).toBe(1)
    expect(await stateOf(asked.id)).toBe('declined')

    const denied = await ask(app, { userId: ownerId, projectId: project })
    expect(denied.id).not.toBe(asked.id)
    const location = await approve((await start(denied.id)).body.url, { account, deny: true })
    expect(await adds('declined', () => app.follow(owner, location))).toBe(1)
    expect(await stateOf(denied.id)).toBe('declined')

    const cancelled = await ask(app, { userId: ownerId, projectId: project })
    const attempt = (await start(cancelled.id)).body.id
    expect(await adds('cancelled', () => app.call(owner, 'DELETE', `/tenants/acme/attempts/${attempt}`))).toBe(1)
    expect(await stateOf(cancelled.id)).toBe('cancelled')

    const late = await ask(app, { userId: ownerId, projectId: project })
    await app.advance(601)
    expect(await stateOf(late.id)).toBe('timed_out')
    expect((await start(late.id)).body).toMatchObject({ code: 'attempt_expired' })
    expect((await decline(late.id)).body).toMatchObject({ code: 'attempt_expired' })
    expect(await adds('timed_out', () => Promise.all([sweep(app.ctx), sweep(app.ctx)]))).toBe(1)
  })

  it('N-15: a decline that races a start wins or loses, and what it lost to is told', async () => {
    const { id } = await ask(app, { userId: ownerId, projectId: project })
    const [started, declined] = await Promise.all([start(id), decline(id)])
    expect(declined.status).toBe(204)
    expect([201, 400]).toContain(started.status)
    expect(await stateOf(id)).toBe('declined')
  })

  it('N-15: what was declined meanwhile is accepted by no attempt that was begun before', async () => {
    const { id } = await ask(app, { userId: ownerId, projectId: project })
    await decline(id)
    const [row] = await app.rows('acme', 'SELECT tenant_id FROM link_request WHERE id = $1', [id])
    const request = { tenantId: String(row?.tenant_id), id, userId: ownerId }
    const attempt = { id: 'att_begun', expiresAt: new Date(Date.now() + 600_000) }
    const accepted = await asSystem(app.ctx, request.tenantId, 'job', (tx) =>
      acceptLinkRequest(tx, request, attempt, app.ctx.now()),
    )
    expect(accepted).toBe(false)
    expect(await stateOf(id)).toBe('declined')
  })

  it('N-15: a failure at the upstream leaves it open, and its person can try again', async () => {
    const { id } = await ask(app, { userId: ownerId, projectId: project })
    const location = await approve((await start(id)).body.url, { account, project: '10231' })
    app.demo.faults.push('POST /oauth/token', {
      status: 400,
      body: { kind: 'json', value: { error: 'invalid_grant' } },
    })
    await app.follow(owner, location)
    expect(await stateOf(id)).toBe('accepted')
    expect((await start(id)).status).toBe(201)
  })

  it('R-14 R-17: those that are over are deleted a day later', async () => {
    await ask(app, { userId: ownerId, projectId: project })
    await app.advance(601)
    await sweep(app.ctx)
    expect(await app.rows('acme', 'SELECT 1 FROM link_request')).toHaveLength(1)
    await app.advance(86_400)
    await sweep(app.ctx)
    expect(await app.rows('acme', 'SELECT 1 FROM link_request')).toHaveLength(0)
  })

  it('N-14: the trail says who was asked, through which grant, and what for', async () => {
    const grant = await giveGrant(app, ownerId)
    const { id } = await ask(app, { userId: ownerId, projectId: project, by: { grant } })
    const [event] = await app.rows('acme', `SELECT body FROM audit_event WHERE body->'details'->>'request' = $1`, [id])
    expect(event?.body).toMatchObject({ action: 'link.asked', actor: ownerId, details: { grant, cause: 'reconnect' } })
  })
})
