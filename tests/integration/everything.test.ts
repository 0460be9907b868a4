// Everything that one person holds in a tenant, in one act: sessions, connections, tokens, devices, apps, invitations.
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { runAct } from '../../lib/broker/acts.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { type Jar, startTestApp, type TestApp, type TokenOnWire } from '../support/app.ts'
import { failAt } from '../support/database-faults.ts'
import { giveGrant } from '../support/grants-of-programs.ts'

let app: TestApp
let owner: Jar
let member: Jar
let globex: Jar
let project: string
let userId: string
let ownerId: string
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  globex = await app.signIn('owner@globex.test')
  member = await app.signIn('member@acme.test')
  userId = await idOf(member)
  ownerId = await idOf(owner)
})
afterAll(() => app.stop())
beforeEach(async () => {
  await app.rows('acme', `UPDATE issued_token SET expires_at = now() - interval '1 hour' WHERE expires_at > now()`)
  await app.rows('acme', `UPDATE member SET role = 'member', status = 'active' WHERE user_id = $1`, [userId])
  await app.rows('acme', `UPDATE member SET role = 'owner', status = 'active' WHERE user_id = $1`, [ownerId])
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  project = await app.linkProject(member, 'acme', { account: 'member@acme.test', project: '10231' })
  leftUpstream = new Set()
  leftUpstream = new Set(livingUpstream().map(({ value }) => value))
})
afterEach(() => app.forgetLimits())

type Ended = { act: string; already: boolean; blocked: boolean } & Record<string, number>
type Act = { total: number; ended: number; blocked_at: string | null; settled_at: string | null } & {
  upstream: Record<string, number>
  latest_moment: string | null
}
const idOf = async (jar: Jar) => (await app.call<{ id: string }>(jar, 'GET', '/me')).body.id
const pathOf = (user = userId) => `/tenants/acme/members/${user}`
const everything = async (jar = owner, body: object = {}, user = userId) => {
  const answer = await app.call<Ended>(jar, 'POST', `${pathOf(user)}/revocation`, body)
  // The answer waits for a few seconds; on a slow machine the act goes on behind it.
  await app.settled()
  return answer
}
const readAct = async (id: string, jar = owner) =>
  (await app.call<Act>(jar, 'GET', `/tenants/acme/revocation-acts/${id}`)).body
const reaches = async (jar: Jar, tenant = 'acme') => (await app.call(jar, 'GET', `/tenants/${tenant}/projects`)).status
const issued = async () => (await app.issue(member, 'acme', project)).body
/** Of the member, but for what an earlier test has left. */
const livingUpstream = () =>
  app.demo.ledger.tokens.filter(
    ({ kind, account, live, value }) =>
      kind === 'storage' && account === 'member@acme.test' && live && !leftUpstream.has(value),
  )
let leftUpstream = new Set<string>()
const place = async (id: string) => ({ tenantId: (await app.tenantId('acme')) ?? '', id })
/** Copies of a token, that many, as if somebody had issued them; they work through us alone. */
const copies = (token: TokenOnWire, count: number) =>
  app.rows(
    'acme',
    `INSERT INTO issued_token (tenant_id, id, user_id, project_id, connection_id, provider_id, strategy, status, nonce, purpose,
       scopes_asked, generations, expires_at, created_at, secret_hash)
     SELECT tenant_id, vk.new_id('tok'), user_id, project_id, connection_id, provider_id, 'proxy', 'live',
       'n' || n || id, purpose, scopes_asked, generations, expires_at, created_at, sha256((id || n)::bytea)
     FROM issued_token, generate_series(1, $2) n WHERE id = $1`,
    [token.id, count],
  )

describe('everything of one person', () => {
  it('A-02: dies in one act, here and upstream: sessions of this tenant, connections, tokens, devices, invitations; one event says so', async () => {
    await app.rows('acme', `UPDATE member SET role = 'admin' WHERE user_id = $1`, [userId])
    const { value, token } = await issued()
    const grant = await giveGrant(app, userId)
    await app.call(member, 'POST', '/tenants/acme/invitations', { role: 'member' })
    const invitation = await app.call<{ url: string }>(globex, 'POST', '/tenants/globex/invitations', {
      role: 'member',
    })
    const secret = new URL(invitation.body.url).hash.slice(1)
    await app.call(member, 'POST', '/invitations/accept', { secret })
    const { body: seen } = await app.call(owner, 'GET', `${pathOf()}/ending`)
    expect(seen).toMatchObject({ connections: 1, tokens: 1, grants: 1, invitations: 1, used_lately: 0 })

    const before = await app.rows('acme', 'SELECT count(*)::int AS count FROM audit_event')
    const { status, body, headers } = await everything(owner, { reason: 'laptop stolen' })
    expect([status, body.already, body.blocked]).toEqual([200, false, true])
    expect(body).toMatchObject({ connections: 1, tokens: 1, grants: 1, invitations: 1, sessions: seen.sessions })

    expect(await app.useToken(value)).toBe(401)
    expect(livingUpstream()).toEqual([])
    expect(await reaches(member)).toBe(404)
    expect(await reaches(member, 'globex')).toBe(200)
    const rows = await app.rows(
      'acme',
      `SELECT (SELECT status FROM connection WHERE id = $1) AS connection, (SELECT refresh_token FROM connection WHERE id = $1) AS held,
         (SELECT ended_at IS NOT NULL FROM oauth_grant WHERE id = $2) AS ended, (SELECT count(*)::int FROM access_token WHERE grant_id = $2) AS access,
         (SELECT revoked_by FROM issued_token WHERE id = $3) AS by, (SELECT count(*)::int FROM invitation WHERE created_by = $4) AS open`,
      [token.connection_id, grant, token.id, userId],
    )
    expect(rows).toEqual([{ connection: 'revoked', held: null, ended: true, access: 0, by: ownerId, open: 0 }])
    const events = await app.rows('acme', `SELECT body FROM audit_event WHERE body->>'request' = $1`, [
      headers.get('x-request-id'),
    ])
    expect(events.map((row) => row.body)).toMatchObject([
      {
        action: 'member.revoked',
        target: { kind: 'member', id: userId },
        details: { connections: 1, tokens: 1, grants: 1, act: body.act, blocked: true, reason: 'laptop stolen' },
      },
    ])
    expect(before).toHaveLength(1)
    expect(await readAct(body.act)).toMatchObject({
      total: 1,
      ended: 1,
      blocked_at: expect.any(String),
      settled_at: expect.any(String),
      upstream: { pending: 0, confirmed: 1 },
    })
    // Signing in anew lets them in elsewhere alone.
    member = await app.signIn('member@acme.test')
    expect(await reaches(member)).toBe(404)
  })

  it('A-02: a second time finds nothing left, and says so', async () => {
    await issued()
    expect((await everything()).body).toMatchObject({ already: false, tokens: 1 })
    expect((await everything()).body).toMatchObject({ already: true, tokens: 0, connections: 0, sessions: 0 })
  })

  it('A-04: of one’s own, all but the session that asks: whoever has another is out, and nobody blocks themselves', async () => {
    const laptop = await app.signIn('member@acme.test')
    const { value } = await issued()
    expect((await everything(member, { block: true })).status).toBe(400)
    const { body } = await everything(member, { reason: 'I lost my laptop' })
    expect(body).toMatchObject({ blocked: false, tokens: 1, connections: 1 })
    expect(await app.useToken(value)).toBe(401)
    expect(await reaches(member)).toBe(200)
    expect((await app.call(laptop, 'GET', '/tenants/acme/projects')).body).toMatchObject({ code: 'session_refused' })
    expect(await readAct(body.act, member)).toMatchObject({ total: 1 })
  })

  it('A-04 Z-02: is for who administers: others learn nothing, auditors change nothing, and an admin cannot block an owner', async () => {
    expect((await everything(member, {}, ownerId)).status).toBe(404)
    expect((await everything(globex)).status).toBe(404)
    await app.rows('acme', `UPDATE member SET role = 'auditor' WHERE user_id = $1`, [userId])
    expect((await everything(member, {}, ownerId)).status).toBe(403)
    expect((await everything(member, { block: false }, ownerId)).status).toBe(403)
    await app.rows('acme', `UPDATE member SET role = 'admin' WHERE user_id = $1`, [userId])
    expect((await everything(member, {}, ownerId)).status).toBe(403)
    expect(await reaches(owner)).toBe(200)
    expect((await everything(member, { block: false }, ownerId)).body).toMatchObject({ blocked: false })
    owner = await app.signIn('owner@acme.test')
    expect(await reaches(owner)).toBe(200)
    await app.rows('acme', `UPDATE member SET role = 'owner' WHERE user_id = $1`, [userId])
    await app.rows('acme', `UPDATE member SET role = 'admin' WHERE user_id = $1`, [ownerId])
    owner = await app.signIn('owner@acme.test')
    expect((await everything(member, { block: true }, ownerId)).status).toBe(200)
  })

  it('an act is told to who did it, to whom it was about and to who oversees, and to nobody else', async () => {
    const { body } = await everything(owner, { block: false })
    member = await app.signIn('member@acme.test')
    expect((await app.call(member, 'GET', `/tenants/acme/revocation-acts/${body.act}`)).status).toBe(200)
    expect((await app.call(globex, 'GET', `/tenants/globex/revocation-acts/${body.act}`)).status).toBe(404)
    const own = (await everything(owner, {}, ownerId)).body
    expect((await app.call(member, 'GET', `/tenants/acme/revocation-acts/${own.act}`)).status).toBe(404)
  })
})

describe('however much it is', () => {
  it('A-02: ten thousand tokens are dead when the act commits, and are marked in batches after it', async () => {
    const { token } = await issued()
    await copies(token, 10_000)
    const statements: string[] = []
    const stop = app.watchStatements((text) => statements.push(text))
    const { status, body } = await everything(owner, { block: false })
    stop()
    expect([status, body.tokens]).toEqual([200, 10_001])
    // Nothing grows with what there is: no ids travel, and each batch is one statement.
    expect(statements.filter((text) => text.includes('vk.end_held'))).toHaveLength(1)
    expect(statements.filter((text) => text.includes('vk.end_batch'))).toHaveLength(6)
    expect(await readAct(body.act)).toMatchObject({ total: 10_001, ended: 10_001 })
    const [left] = await app.rows(
      'acme',
      `SELECT count(*)::int AS count FROM issued_token WHERE user_id = $1 AND status IN ('issuing', 'live')`,
      [userId],
    )
    expect(left).toEqual({ count: 0 })
  }, 60_000)

  it('A-02: what was issued after the act is not touched by its batches, whatever the clocks say', async () => {
    const { body } = await everything(owner, { block: false })
    await app.rows('acme', 'UPDATE revocation_act SET done_at = NULL, settled_at = NULL WHERE id = $1', [body.act])
    member = await app.signIn('member@acme.test')
    project = await app.linkProject(member, 'acme', { account: 'member@acme.test', project: '10231' })
    const later = await issued()
    await app.rows('acme', `UPDATE issued_token SET created_at = now() - interval '1 day' WHERE id = $1`, [
      later.token.id,
    ])
    await runAct(app.ctx, await place(body.act))
    expect(await app.useToken(later.value)).toBe(200)
  })

  it('A-02: an act that was cut off goes on with the tick, and does nothing twice', async () => {
    const { token, value } = await issued()
    await copies(token, 3_000)
    // Of the tenant's own APIs: they hang below no connection, and the member alone can take them along.
    await app.rows(
      'acme',
      `UPDATE issued_token SET strategy = 'sign', connection_id = NULL, generations[2] = 0 WHERE strategy = 'proxy' AND user_id = $1`,
      [userId],
    )
    const state = async () =>
      (
        await app.rows(
          'acme',
          `SELECT vk.token_state(t) AS state FROM issued_token t WHERE strategy = 'sign' AND user_id = $1 AND status = 'live' LIMIT 1`,
          [userId],
        )
      )[0]
    expect(await state()).toEqual({ state: 'live' })
    const goOn = await failAt(app, { on: 'INSERT', table: 'upstream_revocation', when: `NEW.kind = 'token'` })
    const { body } = await everything(owner, { block: false })
    await goOn()
    // Dead with us since it committed, though no row says so yet.
    expect(await state()).toEqual({ state: 'revoked' })
    expect((await readAct(body.act)).ended).toBeLessThan(3_001)
    const deletions = () =>
      app.demo.ledger.requests.filter(
        ({ method, path }) => method === 'DELETE' && path.startsWith('/v2/storage/tokens'),
      ).length
    const asked = deletions()
    await Promise.all([tick(app.ctx), tick(app.ctx), tick(app.ctx)])
    await tick(app.ctx)
    expect(await readAct(body.act)).toMatchObject({ total: 3_001, ended: 3_001, settled_at: expect.any(String) })
    expect(deletions() - asked).toBe(1)
    expect(await app.useToken(value)).toBe(401)
    const work = await app.rows('acme', `SELECT kind FROM upstream_revocation WHERE act_id = $1 ORDER BY kind`, [
      body.act,
    ])
    expect(work).toEqual([{ kind: 'grant' }, { kind: 'token' }])
  }, 60_000)

  it('A-01: what was ended by an act that was cut off is that act’s, however often it is ended again', async () => {
    const { value } = await issued()
    const goOn = await failAt(app, { on: 'INSERT', table: 'upstream_revocation', when: `NEW.kind = 'token'` })
    const first = (await everything(owner, { block: false })).body
    const again = (await everything(owner, { block: false })).body
    await goOn()
    expect([first.tokens, again.tokens, again.already]).toEqual([1, 0, true])
    // The later one alone, as another process may get to it first.
    await runAct(app.ctx, await place(again.act))
    expect((await readAct(again.act)).settled_at).toBeNull()
    for (let turn = 0; turn < 3; turn += 1) await tick(app.ctx)
    expect(await readAct(first.act)).toMatchObject({ total: 1, ended: 1, settled_at: expect.any(String) })
    expect(await readAct(again.act)).toMatchObject({ total: 0, ended: 0, settled_at: expect.any(String) })
    expect(await app.useToken(value)).toBe(401)
  })
})

describe('everything that races what is under way wins', () => {
  it('A-03: a mint', async () => {
    app.demo.faults.push('POST /v2/storage/tokens', { hold: { barrier: 'everything', at: 'after' } })
    const racing = app.issue(member, 'acme', project)
    await app.demo.faults.barrier('everything').arrived()
    expect((await everything(owner, { block: false })).body).toMatchObject({ tokens: 1, connections: 1 })
    app.demo.faults.barrier('everything').release()
    const late = await racing
    expect([late.status, late.body.value]).toEqual([expect.toSatisfy((status) => status >= 400), undefined])
    await tick(app.ctx)
    expect(livingUpstream()).toEqual([])
  })

  it('A-03: a refresh: what it brings is revoked upstream, not stored', async () => {
    await issued()
    await app.rows('acme', `UPDATE connection SET access_token = NULL, access_expires_at = NULL WHERE user_id = $1`, [
      userId,
    ])
    app.demo.faults.push('POST /oauth/token', { hold: { barrier: 'renewing', at: 'after' } })
    const racing = app.issue(member, 'acme', project)
    await app.demo.faults.barrier('renewing').arrived()
    // Without what goes on behind it: the renewal is part of that, and gives up after a while.
    const { body } = await app.call<Ended>(owner, 'POST', `${pathOf()}/revocation`, { block: false })
    expect(body).toMatchObject({ connections: 1 })
    app.demo.faults.barrier('renewing').release()
    expect((await racing).status).toBeGreaterThanOrEqual(400)
    await app.settled()
    const grants = `SELECT id FROM upstream_revocation WHERE kind = 'grant' AND act_id = $1`
    expect(await app.rows('acme', grants, [body.act])).toHaveLength(2)
    const rows = await app.rows(
      'acme',
      'SELECT status, refresh_token, access_token FROM connection WHERE user_id = $1',
      [userId],
    )
    for (const row of rows) expect(row).toEqual({ status: 'revoked', refresh_token: null, access_token: null })
    const [received] = await app.rows(
      'acme',
      `SELECT count(*)::int AS count FROM upstream_revocation WHERE kind = 'grant' AND state <> 'pending' AND handle IS NOT NULL`,
    )
    expect(received).toEqual({ count: 0 })
  })

  it('A-03: an act of the person themselves either comes before it, and is ended, or finds no right any more', async () => {
    const results = await Promise.all([
      app.issue(member, 'acme', project),
      everything(owner),
      app.issue(member, 'acme', project),
      app.call(member, 'POST', '/tenants/acme/attempts', { provider: await app.demoProvider(owner, 'acme') }),
    ])
    expect(results[1]?.status).toBe(200)
    await tick(app.ctx)
    expect(livingUpstream()).toEqual([])
    const [left] = await app.rows(
      'acme',
      `SELECT count(*)::int AS count FROM issued_token WHERE user_id = $1 AND status = 'live' AND expires_at > now()`,
      [userId],
    )
    expect(left).toEqual({ count: 0 })
  })
})

describe('sessions of a member', () => {
  type Session = { id: string; address: string | null; last_active_at: string | null; current: boolean }
  const sessions = async (jar: Jar, user = userId) =>
    (await app.call<{ items: Session[] }>(jar, 'GET', `${pathOf(user)}/sessions`)).body.items
  const end = (jar: Jar, id: string, user = userId) => app.call(jar, 'DELETE', `${pathOf(user)}/sessions/${id}`)

  it.each([
    ['ending one', (id: string) => end(owner, id), 404],
    ['everything of its person', () => everything(owner), 200],
  ])(
    'A-03: %s meets a sign-out that has not committed yet: the session is gone, and that is no failure',
    async (_, meet, status) => {
      const [newest] = await sessions(owner)
      const client = new pg.Client({ connectionString: app.database.appUrl })
      await client.connect()
      try {
        await client.query('BEGIN')
        await client.query('DELETE FROM session WHERE id = $1', [newest?.id])
        const meeting = meet(newest?.id ?? '')
        const waiting =
          'SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted'
        await vi.waitFor(async () => expect((await client.query(waiting)).rowCount).toBe(1), 10_000)
        await client.query('COMMIT')
        expect((await meeting).status).toBe(status)
      } finally {
        await client.end()
      }
    },
  )

  it('A-01: an admin ends one for this tenant alone, its person ends it everywhere, and once is enough', async () => {
    const invitation = await app.call<{ url: string }>(globex, 'POST', '/tenants/globex/invitations', {
      role: 'member',
    })
    await app.call(member, 'POST', '/invitations/accept', { secret: new URL(invitation.body.url).hash.slice(1) })
    const [newest] = await sessions(owner)
    expect((await end(owner, newest?.id ?? '')).status).toBe(204)
    expect((await end(owner, newest?.id ?? '')).status).toBe(404)
    expect((await app.call(member, 'GET', '/tenants/acme/projects')).body).toMatchObject({ code: 'session_refused' })
    expect(await reaches(member, 'globex')).toBe(200)

    const laptop = await app.signIn('member@acme.test')
    member = await app.signIn('member@acme.test')
    const own = await sessions(member)
    expect(own.filter(({ current }) => current)).toHaveLength(1)
    const lost = own[1]
    expect((await end(member, lost?.id ?? '')).status).toBe(204)
    expect(await reaches(laptop)).toBe(401)
    expect(await reaches(laptop, 'globex')).toBe(401)
    expect(await reaches(member)).toBe(200)
  })

  it('A-04 Z-02: are nobody else’s business: where they are is told to their person alone', async () => {
    expect((await sessions(member))[0]).toMatchObject({ last_active_at: expect.any(String) })
    expect((await sessions(owner))[0]).toMatchObject({ address: null, last_active_at: null })
    expect((await app.call(member, 'GET', `${pathOf(ownerId)}/sessions`)).status).toBe(404)
    expect((await app.call(globex, 'GET', `${pathOf()}/sessions`)).status).toBe(404)
    const [theirs] = await sessions(owner, ownerId)
    expect((await end(member, theirs?.id ?? '', ownerId)).status).toBe(404)
    // A session of somebody else is none of this member's.
    expect((await end(owner, theirs?.id ?? '')).status).toBe(404)
    expect(await reaches(owner)).toBe(200)
  })
})

describe('what an admin ends is told', () => {
  type Told = { kind: string; reason: string | null; ended: Record<string, unknown> | null }
  const told = async () =>
    (await app.call<{ items: Told[] }>(member, 'GET', '/tenants/acme/notifications')).body.items.filter(
      ({ kind }) => kind === 'access.revoked',
    )

  it('to its owner, once: what, by whom and why; and nobody is told of what they did themselves', async () => {
    const before = (await told()).length
    const [first, second] = [await issued(), await issued()]
    await app.call(owner, 'POST', '/tenants/acme/revocations', { tokens: [first.token.id], reason: 'leaked in a log' })
    await app.call(member, 'POST', '/tenants/acme/revocations', { tokens: [second.token.id] })
    const [one, ...rest] = await told()
    expect(rest).toHaveLength(before)
    expect(one).toMatchObject({
      reason: 'leaked in a log',
      ended: { by: ownerId, tokens: 1, connections: 0, act: null },
    })
    const { body } = await everything(owner, { block: false, reason: 'laptop stolen' })
    member = await app.signIn('member@acme.test')
    const [all] = await told()
    expect(all).toMatchObject({ reason: 'laptop stolen', ended: { by: ownerId, act: body.act, blocked: false } })
  })

  it('A-02: and a revocation commits though it cannot be told', async () => {
    const { value } = await issued()
    await app.rows(
      'acme',
      `ALTER TABLE notification ADD CONSTRAINT fail_here CHECK (kind <> 'access.revoked') NOT VALID`,
    )
    const { status, body } = await everything(owner, { block: false })
    await app.rows('acme', 'ALTER TABLE notification DROP CONSTRAINT fail_here')
    expect([status, body.connections]).toEqual([200, 1])
    expect(await app.useToken(value)).toBe(401)
  })
})

describe('upstream work that nobody can do', () => {
  it('is recorded as ended with a reason, tried no more, and never told as confirmed; all others are tried again at once', async () => {
    const refuse = Array.from({ length: 6 }, () => ({ status: 503, body: { kind: 'empty' as const } }))
    app.demo.faults.push('DELETE /v2/storage/tokens/*', ...refuse)
    const tokens = [await issued(), await issued()]
    const ids = tokens.map(({ token }) => token.id)
    await app.call(owner, 'POST', '/tenants/acme/revocations', { tokens: ids })
    app.demo.faults.clear()
    const list = async () =>
      (
        await app.call<{ items: { id: string; token_id: string }[] }>(owner, 'GET', '/tenants/acme/revocations')
      ).body.items.filter(({ token_id }) => ids.includes(token_id))
    const [first, second] = await list()
    const record = (body: object, jar = owner) =>
      app.call(jar, 'POST', `/tenants/acme/revocations/${first?.id}/record`, body)
    expect((await record({})).status).toBe(400)
    expect((await record({ reason: 'x' }, member)).status).toBe(403)
    expect((await record({ reason: 'deleted it in the upstream’s console' })).status).toBe(204)
    expect((await record({ reason: 'again' })).status).toBe(404)
    const shown = await app.call<{ revocation: object }>(owner, 'GET', `/tenants/acme/tokens/${first?.token_id}`)
    expect(shown.body.revocation).toMatchObject({ upstream: 'impossible', last_error: 'recorded_as_ended' })
    const [row] = await app.rows('acme', 'SELECT handle FROM issued_token WHERE id = $1', [first?.token_id])
    expect(row).toEqual({ handle: null })

    expect((await app.call(member, 'POST', '/tenants/acme/revocations/retry')).status).toBe(403)
    const { body } = await app.call<{ retried: number }>(owner, 'POST', '/tenants/acme/revocations/retry')
    expect(body.retried).toBeGreaterThanOrEqual(1)
    await tick(app.ctx)
    expect(await list()).toEqual([])
    const after = await app.call<{ revocation: object }>(owner, 'GET', `/tenants/acme/tokens/${second?.token_id}`)
    expect(after.body.revocation).toMatchObject({ upstream: 'confirmed' })
  })
})
