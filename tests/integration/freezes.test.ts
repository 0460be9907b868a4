// A freeze holds whatever its owner does, over the routes of the product, a real database and the demo upstream.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { approve } from '../../demo/browser.ts'
import { connectionPage } from '../../lib/broker/read/connection.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { sweep } from '../../lib/jobs/sweep.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { newId } from '../../lib/security/ids.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'

let app: TestApp
let owner: Jar
let member: Jar
/** The member's: what each kind of freeze names. */
let ids: Record<FreezeKind, string>
const email = 'member@acme.test'
const project = '10231'
const kinds = ['connection', 'project', 'provider', 'member'] as const
type FreezeKind = (typeof kinds)[number]

beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn(email)
})
afterAll(() => app.stop())

const call = <T = Record<string, unknown>>(jar: Jar, method: string, path: string, body?: unknown) =>
  app.call<T>(jar, method, `/tenants/acme${path}`, body)
type FrozenOnWire = { kind: string; by: string | null; at: string | null; reason: string | null; until: string | null }
type OnWire = { id: string; status: string; frozen: FrozenOnWire | null }
const connection = async (jar = member) => (await call<OnWire>(jar, 'GET', `/connections/${ids.connection}`)).body

/** Each test begins with a project that the member has linked, nothing frozen, and an access token that has expired. */
beforeEach(async () => {
  app.demo.faults.clear()
  await app.forgetLimits()
  const linked = await app.linkProject(member, 'acme', { account: email, project })
  const detail = (await call<{ connection: { id: string; owner_id: string } }>(member, 'GET', `/projects/${linked}`))
    .body
  ids = {
    connection: detail.connection.id,
    project: linked,
    provider: await app.demoProvider(owner, 'acme'),
    member: detail.connection.owner_id,
  }
  await app.advance(3700)
  await app.forgetLimits()
})
afterEach(async () => {
  await app.rows('acme', 'DELETE FROM freeze_fact')
  await app.rows('acme', `UPDATE member SET status = 'active'`)
})

type FreezeAnswer = { freeze: { kind: string; id: string; until: string | null }; already: boolean }
const freeze = (kind: FreezeKind, more: object = {}, jar = owner, id = ids[kind]) =>
  call<FreezeAnswer>(jar, 'POST', '/freezes', { kind, id, ...more })
const lift = (kind: FreezeKind, jar = owner, id = ids[kind]) => call(jar, 'DELETE', `/freezes/${kind}/${id}`)
const issue = () => app.issue(member, 'acme', ids.project)
const startLink = (body: object = {}) => call(member, 'POST', '/attempts', { provider: ids.provider, ...body })
const isFrozen = { status: 409, body: expect.objectContaining({ code: 'frozen' }) }
const refreshes = () => app.requests('POST /oauth/token', { grant_type: 'refresh_token' }).length
const disconnect = () => call(member, 'POST', '/revocations', { tokens: [], connections: [ids.connection] })
const inMinutes = (minutes: number) => new Date(app.ctx.now().getTime() + minutes * 60_000).toISOString()
/** How an attempt that was followed back to us ended. */
const outcomeOf = async (attempt: string) =>
  (await call<{ status: string; outcome: string | null; detail: string | null }>(member, 'GET', `/attempts/${attempt}`))
    .body

/**
 * A freeze that has run and is not committed when `work` goes on, and commits when that waits for it: whatever does not
 * hold the thing that is frozen has decided by then.
 */
async function commitDuring(kind: FreezeKind, work: Promise<unknown>, goOn: () => void): Promise<void> {
  const client = await app.ctx.pool.connect()
  let over = false
  const ended = work.finally(() => {
    over = true
  })
  try {
    await client.query('BEGIN')
    await client.query(`SELECT set_config('app.tenant_id', $1, true)`, [await app.tenantId('acme')])
    const column = kind === 'member' ? 'user_id' : 'id'
    await client.query(`SELECT 1 FROM ${kind} WHERE ${column} = $1 FOR NO KEY UPDATE`, [ids[kind]])
    await client.query(
      'INSERT INTO freeze_fact (tenant_id, kind, target_id, frozen_at) VALUES ($1, $2, $3, vk_now())',
      [await app.tenantId('acme'), kind, ids[kind]],
    )
    goOn()
    const waiting = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
    while (!over && (await app.ctx.pool.query(waiting)).rowCount === 0) await new Promise(setImmediate)
    await client.query('COMMIT')
    await ended
  } finally {
    client.release()
  }
}

describe('a member cannot lift it', () => {
  it.each(kinds)('neither by disconnecting nor by linking again, once and for all: %s', async (kind) => {
    expect((await freeze(kind, { reason: 'incident 7' })).body).toMatchObject({ already: false })
    expect((await disconnect()).status).toBe(200)
    expect(await startLink({ connection: ids.connection })).toMatchObject(isFrozen)
    if (kind === 'provider' || kind === 'member') expect(await startLink()).toMatchObject(isFrozen)
    else {
      // Which project it will be is chosen at the upstream: what comes back is kept by nobody.
      const back = await app.link(member, 'acme', { account: email, project })
      expect(await outcomeOf(back.attempt)).toMatchObject({
        status: 'failed',
        outcome: 'frozen',
        detail: expect.stringContaining('incident 7'),
        can_adopt: false,
      })
    }
    expect(await issue()).toMatchObject(isFrozen)
    expect(await connection()).toMatchObject({ status: 'revoked', frozen: { kind, reason: 'incident 7' } })
    await lift(kind)
    await app.linkProject(member, 'acme', { account: email, project })
    expect((await issue()).status).toBe(201)
  })

  it('nor by linking the project with another account of theirs', async () => {
    await freeze('connection')
    await disconnect()
    const back = await app.link(member, 'acme', { account: 'owner@acme.test', project })
    expect(await outcomeOf(back.attempt)).toMatchObject({ outcome: 'frozen' })
    expect((await connection()).frozen).toMatchObject({ kind: 'connection' })
  })

  it('nor at all: members see none listed, set none and lift none', async () => {
    await freeze('connection')
    expect((await lift('connection', member)).status).toBe(403)
    expect((await freeze('project', {}, member)).status).toBe(403)
    expect((await call(member, 'GET', '/freezes')).status).toBe(403)
    expect((await call(member, 'DELETE', `/connections/${ids.connection}/freeze`)).status).toBe(403)
    expect((await connection()).frozen).not.toBeNull()
  })
})

describe.each(kinds)('a frozen %s', (kind) => {
  it('is not linked: neither started, nor resumed, nor kept when it froze on the way', async () => {
    const open = await app.startLink(member, 'acme')
    const location = await approve(open.url, { account: email, project })
    await freeze(kind)
    if (kind === 'provider' || kind === 'member')
      expect(await call(member, 'POST', `/attempts/${open.id}/resume`)).toMatchObject(isFrozen)
    const before = await connection()
    const exchanges = () => app.requests('POST /oauth/token', { grant_type: 'authorization_code' }).length
    const exchanged = exchanges()
    await app.follow(member, location)
    expect(await outcomeOf(open.id)).toMatchObject({ status: 'failed', outcome: 'frozen' })
    // Which project it is only the grant tells; for the rest none is asked for.
    expect(exchanges() - exchanged).toBe(kind === 'provider' || kind === 'member' ? 0 : 1)
    // Nothing of it was stored: the row is as it was.
    expect(await connection()).toEqual(before)
    expect(await startLink({ connection: ids.connection })).toMatchObject(isFrozen)
  })

  it('does not become free by a freeze that commits while its grant is on the way back', async () => {
    const open = await app.startLink(member, 'acme')
    const location = await approve(open.url, { account: email, project })
    app.demo.faults.push('GET /v2/storage/tokens/verify', { hold: { barrier: `keep ${kind}`, at: 'after' } })
    const following = app.follow(member, location)
    await app.demo.faults.barrier(`keep ${kind}`).arrived()
    await freeze(kind)
    app.demo.faults.barrier(`keep ${kind}`).release()
    await following
    expect(await outcomeOf(open.id)).toMatchObject({ outcome: 'frozen' })
  })

  it('issues nothing, offers no rights to choose, and renews nothing: not asked for, not by hand, not in the background', async () => {
    await freeze(kind, { reason: 'incident 7', until: inMinutes(60) })
    const before = refreshes()
    const answer = await issue()
    expect(answer).toMatchObject(isFrozen)
    expect(answer.body).toMatchObject({ detail: expect.stringContaining('incident 7') })
    expect(await call(member, 'POST', `/projects/${ids.project}/scopes`)).toMatchObject(isFrozen)
    expect(await call(member, 'POST', `/connections/${ids.connection}/renewal`)).toMatchObject(isFrozen)
    await app.rows('acme', 'UPDATE connection SET refresh_due_at = vk_now() WHERE id = $1', [ids.connection])
    await tick(app.ctx)
    const tenantId = (await app.tenantId('acme')) ?? ''
    await expect(freshTokens(app.ctx, { tenantId, connectionId: ids.connection })).rejects.toMatchObject({
      code: 'frozen',
    })
    expect(refreshes()).toBe(before)
    // By itself, at its time.
    await app.advance(3601)
    await app.forgetLimits()
    expect((await issue()).status).toBe(201)
    expect(await connection()).toMatchObject({ status: 'linked', frozen: null })
  })

  it('hands out no token whose making it overtook: what came back is ended upstream', async () => {
    app.demo.faults.push('POST /v2/storage/tokens', { hold: { barrier: `issue ${kind}`, at: 'after' } })
    const issuing = issue()
    await app.demo.faults.barrier(`issue ${kind}`).arrived()
    await freeze(kind, { reason: 'incident 7' })
    app.demo.faults.barrier(`issue ${kind}`).release()
    const answer = await issuing
    expect(answer).toMatchObject(isFrozen)
    expect(answer.body).toMatchObject({ detail: expect.stringContaining('incident 7') })
    const [token] = await app.rows('acme', 'SELECT * FROM issued_token ORDER BY id DESC LIMIT 1')
    expect(token).toMatchObject({ status: 'revoked', failure: 'frozen' })
    const made = app.demo.ledger.tokens.filter(({ kind: of }) => of === 'storage').at(-1)
    expect(made?.live).toBe(false)
    expect(JSON.stringify(answer)).not.toContain(made?.value)
  })

  it('commits while a token is completed, and none slips through in between', async () => {
    app.demo.faults.push('POST /v2/storage/tokens', { hold: { barrier: `slip ${kind}`, at: 'after' } })
    const issuing = issue()
    await app.demo.faults.barrier(`slip ${kind}`).arrived()
    await commitDuring(kind, issuing, () => app.demo.faults.barrier(`slip ${kind}`).release())
    expect(await issuing).toMatchObject(isFrozen)
  })

  it('commits while a grant is kept, and none slips through in between', async () => {
    const open = await app.startLink(member, 'acme')
    const location = await approve(open.url, { account: email, project })
    app.demo.faults.push('GET /v2/storage/tokens/verify', { hold: { barrier: `slip in ${kind}`, at: 'after' } })
    const following = app.follow(member, location)
    await app.demo.faults.barrier(`slip in ${kind}`).arrived()
    await commitDuring(kind, following, () => app.demo.faults.barrier(`slip in ${kind}`).release())
    await following
    expect(await outcomeOf(open.id)).toMatchObject({ outcome: 'frozen' })
  })

  it('is found among the frozen ones, and in no other state but what is not ended', async () => {
    const actor = await app.actorOf('owner@acme.test')
    const found = async (status: 'frozen' | 'linked' | 'standing') => {
      const { items, total } = await connectionPage(app.ctx, actor, { everybody: true, userId: ids.member, status })
      expect(total).toBe(items.length)
      return items.map(({ id }) => id)
    }
    expect([await found('frozen'), await found('linked')]).toEqual([[], [ids.connection]])
    await freeze(kind)
    expect([await found('frozen'), await found('linked')]).toEqual([[ids.connection], []])
    expect(await found('standing')).toEqual([ids.connection])
  })

  it('says so to its owner and to admins, each what they may know, and is lifted once', async () => {
    const until = inMinutes(60)
    expect((await freeze(kind, { reason: 'incident 7', until })).body).toMatchObject({ already: false })
    expect((await freeze(kind, { reason: 'again', until })).body).toMatchObject({ already: true })
    const seen = { kind, reason: 'incident 7', until }
    expect((await connection()).frozen).toEqual({ ...seen, by: null, at: expect.any(String) })
    const projects = await call<{ items: OnWire[] }>(member, 'GET', '/projects')
    expect(projects.body.items.find(({ id }) => id === ids.project)?.frozen).toMatchObject({ ...seen, by: null })
    expect((await connection(owner)).frozen).toMatchObject({ ...seen, by: expect.stringMatching(/^usr_/) })
    const listed = (await call<{ items: object[] }>(owner, 'GET', '/freezes')).body.items
    expect(listed).toMatchObject([{ ...seen, id: ids[kind], by: expect.stringMatching(/^usr_/) }])
    expect((await lift(kind)).body).toEqual({ already: false })
    expect((await lift(kind)).body).toEqual({ already: true })
    expect((await connection()).frozen).toBeNull()
    const events = await app.rows(
      'acme',
      `SELECT body FROM audit_event WHERE body->>'action' LIKE 'freeze.%' AND body->'target'->>'id' = $1 ORDER BY id DESC LIMIT 2`,
      [ids[kind]],
    )
    expect(events).toMatchObject([
      { body: { action: 'freeze.lifted', target: { kind, id: ids[kind] } } },
      { body: { action: 'freeze.set', target: { kind, id: ids[kind] }, details: { reason: 'incident 7', until } } },
    ])
  })
})

describe('a freeze', () => {
  it('is not shown over a token that works at the upstream, where it reaches nothing', async () => {
    const made = await app.issue(member, 'acme', ids.project)
    const { id } = made.body.token
    await freeze('project')
    expect((await call(member, 'GET', `/tokens/${id}`)).body).toMatchObject({ id, state: 'live', frozen: null })
    expect(await app.useToken(made.body.value)).toBe(200)
  })

  it('of one thing stays when that of another is lifted', async () => {
    await freeze('provider')
    await freeze('connection')
    await lift('provider')
    expect((await connection()).frozen).toMatchObject({ kind: 'connection' })
    expect(await issue()).toMatchObject(isFrozen)
  })

  it('of a member or connection stops nobody else who linked the same project', async () => {
    const theirs = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project })
    expect(theirs).toBe(ids.project)
    await freeze('connection')
    await freeze('member')
    expect((await app.issue(owner, 'acme', theirs)).status).toBe(201)
    await freeze('project')
    expect(await app.issue(owner, 'acme', theirs)).toMatchObject(isFrozen)
  })

  it('for longer prolongs, for as long or less changes nothing, and an end that is past is none', async () => {
    await freeze('connection', { until: inMinutes(60) })
    expect((await freeze('connection', { until: inMinutes(30) })).body).toMatchObject({ already: true })
    const longer = inMinutes(120)
    expect((await freeze('connection', { until: longer })).body).toMatchObject({
      already: false,
      freeze: { until: longer },
    })
    expect((await freeze('connection')).body).toMatchObject({ already: false, freeze: { until: null } })
    expect((await freeze('connection', { until: longer })).body).toMatchObject({
      already: true,
      freeze: { until: null },
    })
    const past = await freeze('project', { until: inMinutes(-1) })
    expect(past).toMatchObject({ status: 400, body: { fields: { until: expect.any(String) } } })
  })

  it('touches no token that is out: copied ones are not affected', async () => {
    const { value, token } = (await issue()).body
    await freeze('provider')
    expect(await app.useToken(value)).toBe(200)
    expect((await call<{ state: string }>(member, 'GET', `/tokens/${token.id}`)).body.state).toBe('live')
    expect((await call(member, 'POST', '/revocations', { tokens: [token.id], connections: [] })).status).toBe(200)
    expect(await app.useToken(value)).not.toBe(200)
  })

  it('of what is not there, or is another tenant’s, is 404', async () => {
    const globex = await app.signIn('owner@globex.test')
    for (const kind of kinds) {
      const nowhere = newId(kind === 'member' ? 'user' : kind)
      expect((await freeze(kind, {}, owner, nowhere)).status).toBe(404)
      expect((await lift(kind, owner, nowhere)).status).toBe(404)
      const foreign = await app.call(globex, 'POST', '/tenants/globex/freezes', { kind, id: ids[kind] })
      expect(foreign.status, kind).toBe(404)
    }
    expect((await lift('nothing' as FreezeKind)).status).toBe(404)
    expect(await app.rows('acme', 'SELECT * FROM freeze_fact')).toEqual([])
  })

  it('of an owner is an owner’s; an admin does not lift that of themself', async () => {
    const self = (await call<{ items: { user_id: string; role: string }[] }>(owner, 'GET', '/members')).body.items
    const ownerId = self.find(({ role }) => role === 'owner')?.user_id ?? ''
    await app.rows('acme', `UPDATE member SET role = 'admin' WHERE user_id = $1`, [ids.member])
    try {
      expect((await freeze('member', {}, member, ownerId)).status).toBe(403)
      await freeze('member')
      expect((await lift('member', member)).status).toBe(403)
      expect((await freeze('member', {}, owner, ownerId)).status).toBe(200)
      expect((await lift('member', member, ownerId)).status).toBe(403)
      expect((await lift('member', owner, ownerId)).body).toEqual({ already: false })
    } finally {
      await app.rows('acme', `UPDATE member SET role = 'member' WHERE user_id = $1`, [ids.member])
    }
  })

  it('of a suspended member: what they linked is not renewed, and comes back with them', async () => {
    await app.rows('acme', `UPDATE member SET status = 'suspended' WHERE user_id = $1`, [ids.member])
    const versions = () => app.rows('acme', 'SELECT token_version FROM connection WHERE id = $1', [ids.connection])
    await app.rows('acme', 'UPDATE connection SET refresh_due_at = vk_now() WHERE id = $1', [ids.connection])
    const before = await versions()
    await tick(app.ctx)
    expect(await versions()).toEqual(before)
    expect((await connection(owner)).frozen).toMatchObject({ kind: 'membership', by: null })
    await app.rows('acme', `UPDATE member SET status = 'active' WHERE user_id = $1`, [ids.member])
    expect((await issue()).status).toBe(201)
  })

  it('that the version before sets by status becomes the fact (H-06)', async () => {
    await app.rows('acme', `UPDATE connection SET status = 'frozen', frozen_from = status WHERE id = $1`, [
      ids.connection,
    ])
    expect(await connection()).toMatchObject({ status: 'linked', frozen: { kind: 'connection' } })
    expect(await issue()).toMatchObject(isFrozen)
    expect((await lift('connection')).body).toEqual({ already: false })
    expect((await issue()).status).toBe(201)
  })

  it('of one tenant is not there for another, nor without a tenant', async () => {
    await freeze('connection')
    const seen = async (tenant: string | null) => {
      const client = await app.ctx.pool.connect()
      try {
        await client.query('BEGIN')
        await client.query(`SELECT set_config('app.tenant_id', $1, true)`, [tenant ?? ''])
        return (await client.query('SELECT * FROM freeze_fact')).rowCount
      } finally {
        await client.query('ROLLBACK')
        client.release()
      }
    }
    const [acme, other] = [await app.tenantId('acme'), await app.tenantId('globex')]
    expect([await seen(acme ?? ''), await seen(other ?? ''), await seen(null)]).toEqual([1, 0, 0])
    const write = app.ctx.pool.query(
      `INSERT INTO freeze_fact (tenant_id, kind, target_id, frozen_at) VALUES ($1, 'member', 'x', now())`,
      [acme],
    )
    await expect(write).rejects.toMatchObject({ code: '42501' })
  })

  it('whose time is over goes with the sweep, and is not told as lifted', async () => {
    await freeze('connection', { until: inMinutes(1) })
    await app.advance(61)
    expect((await connection()).frozen).toBeNull()
    await app.advance(90 * 86_400)
    await sweep(app.ctx)
    expect(await app.rows('acme', 'SELECT * FROM freeze_fact')).toEqual([])
  })
})
