// Sessions of a tenant's members, and what is open in it, are listed, selected and ended as tokens, connections and grants are.
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { approve as approveUpstream } from '../../demo/browser.ts'
import { runAct } from '../../lib/broker/acts.ts'
import { withdrawRequests } from '../../lib/store/requests.ts'
import { asSystem } from '../../lib/store/system.ts'
import { refuseSessionsById } from '../../lib/store/tenant-sessions.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { ask, askedState } from '../support/asked.ts'
import { claim, pollDevice, startDevice } from '../support/authorization.ts'
import { startPrograms } from '../support/grants-of-programs.ts'
import { insertClient } from '../support/programs.ts'
import { type Filter, selectionsOf } from '../support/selections.ts'

let app: TestApp
let owner: Jar
let member: Jar
let globex: Jar
let project: string
const ids = { owner: '', member: '', tenant: '' }
const idOf = async (jar: Jar) => (await app.call<{ id: string }>(jar, 'GET', '/me')).body.id
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  globex = await app.signIn('owner@globex.test')
  ids.owner = await idOf(owner)
  ids.member = await idOf(await app.signIn('member@acme.test'))
  ids.tenant = String(await app.tenantId('acme'))
  project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
})
afterAll(() => app.stop())
beforeEach(async () => {
  await app.rows('acme', 'DELETE FROM session WHERE user_id = $1', [ids.member])
  member = await app.signIn('member@acme.test')
})
afterEach(async () => {
  await app.forgetLimits()
  for (const table of ['link_request', 'attempt', 'notification']) await app.rows('acme', `DELETE FROM ${table}`)
  await app.rows('acme', 'DELETE FROM authorization_request')
})

const { preview, act } = selectionsOf(
  () => app,
  () => owner,
)
type Outcome = { kind: string; id: string; already: boolean; over: boolean; upstream: string; latest_moment: null }
const revoke = (named: Filter, jar = owner) =>
  app.call<{ items: Outcome[]; code: string; fields: Record<string, string> }>(
    jar,
    'POST',
    '/tenants/acme/revocations',
    named,
  )
const events = (action: string) =>
  app.rows('acme', 'SELECT body FROM audit_event WHERE action = $1 ORDER BY id DESC', [action]) as Promise<
    { body: { target: object; details: Record<string, unknown> } }[]
  >
const isIn = async (jar: Jar) =>
  (await app.call<{ code?: string }>(jar, 'GET', '/tenants/acme/projects')).status === 200
const told = async (jar: Jar) =>
  (await app.call<{ items: { kind: string; ended: object }[] }>(jar, 'GET', '/tenants/acme/notifications')).body.items
    .filter(({ kind }) => kind === 'access.revoked')
    .map(({ ended }) => ended)

/** Holds what `sql` locks until `meeting` waits for it, then commits. */
async function meets<T>(sql: string, values: unknown[], meeting: () => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: app.database.appUrl })
  await client.connect()
  try {
    await client.query('BEGIN')
    await client.query(`SELECT set_config('app.tenant_id', $1, true)`, [ids.tenant])
    await client.query(sql, values)
    const met = meeting()
    met.catch(() => {})
    const waiting =
      'SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted'
    await vi.waitFor(async () => expect((await client.query(waiting)).rowCount).toBe(1), 30_000)
    await client.query('COMMIT')
    return await met
  } finally {
    await client.end()
  }
}

describe('sessions', () => {
  type Session = { id: string; owner_id: string; agent: string | null; current: boolean }
  type Listed = { items: Session[]; total: number; next: string | null; code?: string }
  const list = async (query: Record<string, string> = {}, jar = owner) =>
    (await app.call<Listed>(jar, 'GET', `/tenants/acme/sessions?${new URLSearchParams(query)}`)).body
  const sessionOf = async (user: string) =>
    String((await app.rows('acme', 'SELECT max(id) AS id FROM session WHERE user_id = $1', [user]))[0]?.id)
  const sessions = { kind: 'sessions' }
  /** More sessions of the member, one hour apart in their ends. */
  const more = (count: number) =>
    app.rows(
      'acme',
      `INSERT INTO session (id, token_hash, user_id, agent, auth_time, created_at, last_active_at, expires_at)
       SELECT 'ses_' || lpad(to_hex(n), 32, '0'), sha256(('copy' || n)::bytea), $1, 'Firefox ' || n, vk_now(), vk_now(), vk_now(),
         vk_now() + make_interval(hours => 1 + (n / 2)::int)
       FROM generate_series(1, $2::int) n`,
      [ids.member, count],
    )

  it('A-01: of all members are listed with person, browser and end, and without what tells of other tenants', async () => {
    const seen = await list()
    expect(seen.total).toBe(2)
    expect(seen.items.map(({ owner_id, current }) => [owner_id, current])).toEqual([
      [ids.member, false],
      [ids.owner, true],
    ])
    expect(Object.keys(seen.items[0] ?? {}).sort()).toEqual([
      'agent',
      'created_at',
      'current',
      'expires_at',
      'id',
      'owner_id',
    ])
    // An overseer's look at other people's things leaves a trace.
    expect((await events('access.read')).map(({ body }) => body.target)).toContainEqual({
      kind: 'operation',
      id: 'listSessions',
    })
  })

  it('Z-02: are of members of this tenant alone, that it accepts and that live, and shown to who oversees it', async () => {
    await app.signIn('owner@globex.test')
    const other = await sessionOf(await idOf(globex))
    expect((await list()).items.map(({ id }) => id)).not.toContain(other)
    expect((await revoke({ sessions: [other] })).body.code).toBe('not_found')
    for (const [jar, path, status] of [
      [member, '/tenants/acme/sessions', 403],
      [member, '/tenants/acme/revocations/preview?kind=sessions', 403],
      [globex, '/tenants/acme/sessions', 404],
    ] as const)
      expect((await app.call(jar, 'GET', path)).status, path).toBe(status)
    const [theirs, mine] = [await sessionOf(ids.member), await sessionOf(ids.owner)]
    expect((await revoke({ sessions: [mine] }, member)).status).toBe(403)
    const body = { kind: 'sessions', as_of: app.ctx.now().toISOString(), count: 1 }
    expect((await app.call(member, 'POST', '/tenants/acme/revocation-acts', body)).status).toBe(403)
    expect(await isIn(owner)).toBe(true)
    await app.rows('acme', 'UPDATE session SET last_active_at = $2 WHERE id = $1', [theirs, new Date(0)])
    expect((await list()).items.map(({ id }) => id)).toEqual([mine])
    await app.rows('acme', 'UPDATE session SET last_active_at = vk_now() WHERE id = $1', [theirs])
    const [until] = await app.rows('acme', 'SELECT expires_at FROM session WHERE id = $1', [theirs])
    await app.rows('acme', 'UPDATE session SET expires_at = vk_now() WHERE id = $1', [theirs])
    expect((await list()).items.map(({ id }) => id)).toEqual([mine])
    await app.rows('acme', 'UPDATE session SET expires_at = $2 WHERE id = $1', [theirs, until?.expires_at])
    await app.rows('acme', `UPDATE member SET status = 'suspended' WHERE user_id = $1`, [ids.member])
    expect((await list()).items.map(({ id }) => id)).toEqual([mine])
    await app.rows('acme', `UPDATE member SET status = 'active' WHERE user_id = $1`, [ids.member])
    await revoke({ sessions: [theirs] })
    expect((await list()).items.map(({ id }) => id)).toEqual([mine])
  })

  it('A-01 A-02: that match are ended for this tenant in one act, all but the one that asks; newer ones are untouched', async () => {
    const second = await app.signIn('member@acme.test')
    const seen = await preview(sessions)
    expect(seen).toMatchObject({ count: 2, owner_count: 1, keeps_session: true, used_lately: null, tokens: 0 })
    await app.advance(1)
    const later = await app.signIn('member@acme.test')
    const { status, body } = await act({ ...sessions, as_of: seen.as_of, count: seen.count })
    expect([status, body.total, body.ended]).toEqual([201, 2, 2])
    expect(await Promise.all([member, second, later, owner].map(isIn))).toEqual([false, false, true, true])
    // The person is signed in still, and hears what this tenant thinks of it.
    expect(await app.call(member, 'GET', '/tenants/acme/projects')).toMatchObject({ body: { code: 'session_refused' } })
    expect((await app.call(member, 'GET', '/me')).status).toBe(200)
    const [selected] = await events('selection.revoked')
    expect(selected?.body.details).toMatchObject({ kind: 'sessions', count: 2, reason: 'laptop lost' })
    expect((await events('member.session_ended')).slice(0, 2)).toMatchObject(
      [1, 2].map(() => ({
        body: {
          target: { kind: 'member', id: ids.member },
          details: { session: expect.any(String), reason: 'laptop lost' },
        },
      })),
    )
    expect(await told(later)).toEqual([
      { by: ids.owner, act: null, blocked: false, connections: 0, grants: 0, tokens: 0, sessions: 2, requests: 0 },
    ])
  })

  it('asks again where another number matches by now, and ends none', async () => {
    await app.signIn('member@acme.test')
    const seen = await preview(sessions)
    await app.signOut(member)
    const { status, body } = await act({ ...sessions, as_of: seen.as_of, count: seen.count })
    expect([status, body.code, body.fields]).toEqual([409, 'count_changed', { count: '1' }])
    expect((await preview(sessions)).count).toBe(1)
  })

  it('are found by person, by browser and by id, and chosen by age and end; by what is not theirs they are refused', async () => {
    await more(4)
    const now = app.ctx.now().getTime()
    const hours = (count: number) => new Date(now + count * 3_600_000 + 60_000).toISOString()
    const firefox = `ses_${'3'.padStart(32, '0')}`
    await app.rows('acme', 'UPDATE session SET created_at = $2 WHERE id = $1', [firefox, new Date(now - 86_400_000)])
    const cases: [Filter, number][] = [
      [{ search: 'member@acme' }, 5],
      [{ search: 'FIREFOX' }, 4],
      [{ search: 'firefox 3' }, 1],
      [{ search: firefox }, 1],
      [{ search: ids.member }, 5],
      [{ search: 'nobody' }, 0],
      [{ search: `tok_${'0'.repeat(32)}` }, 0],
      [{ owner: ids.member }, 5],
      [{ owner: ids.owner }, 0],
      [{ made_before: new Date(now - 3_600_000).toISOString() }, 1],
      [{ ends_before: hours(2) }, 3],
      [{ ends_after: hours(2), search: 'firefox' }, 1],
      [{ ends_before: 'unknown' }, 0],
    ]
    for (const [filter, count] of cases) {
      const what = JSON.stringify(filter)
      expect((await preview({ ...sessions, ...filter })).count, what).toBe(count)
      const listed = await list(filter as Record<string, string>)
      expect(listed.items.filter(({ current }) => !current).length, what).toBe(count)
    }
    for (const field of ['project', 'provider', 'client', 'status', 'strategy', 'program', 'used_before', 'request']) {
      const value = { project: `prj_${'0'.repeat(32)}`, provider: `prv_${'0'.repeat(32)}`, client: 'valetkey' }[field]
      const given =
        value ?? { status: 'frozen', strategy: 'mint', program: 'app', used_before: 'unknown' }[field] ?? 'link'
      const query = new URLSearchParams({ kind: 'sessions', [field]: given })
      const { status, body } = await app.call(owner, 'GET', `/tenants/acme/revocations/preview?${query}`)
      expect([status, Object.keys(body.fields ?? {})], field).toEqual([400, [field]])
    }
  })

  it('are listed by age and by end, each page behind the one before', async () => {
    await more(120)
    for (const sort of ['newest', 'ends']) {
      const seen: string[] = []
      for (let before: string | null = ''; before !== null; ) {
        const page: Listed = await list({ sort, ...(before && { before }) })
        seen.push(...page.items.map(({ id }) => id))
        before = page.next
      }
      expect([seen.length, new Set(seen).size], sort).toEqual([122, 122])
      const order = sort === 'newest' ? 'id DESC' : 'expires_at, id'
      const rows = await app.rows('acme', `SELECT id FROM session WHERE user_id = ANY($1) ORDER BY ${order}`, [
        [ids.owner, ids.member],
      ])
      expect(seen, sort).toEqual(rows.map(({ id }) => id))
    }
    expect((await app.call(owner, 'GET', '/tenants/acme/sessions?sort=used')).status).toBe(400)
  })

  it('A-01 A-04: are ended by id, told twice as ended before; the one that asks is not ended by itself', async () => {
    const [theirs, mine] = [await sessionOf(ids.member), await sessionOf(ids.owner)]
    expect((await revoke({ sessions: [mine] })).body).toMatchObject({
      code: 'bad_request',
      fields: { sessions: expect.any(String) },
    })
    const first = await revoke({ sessions: [theirs], reason: 'not theirs' })
    expect(first.body.items).toMatchObject([
      { kind: 'session', id: theirs, already: false, over: false, upstream: 'none', latest_moment: null },
    ])
    expect((await revoke({ sessions: [theirs] })).body.items).toMatchObject([{ id: theirs, already: true }])
    expect([await isIn(member), await isIn(owner)]).toEqual([false, true])
    expect((await revoke({ sessions: [`ses_${'0'.repeat(32)}`] })).body.code).toBe('not_found')
    expect(await app.rows('acme', 'SELECT session_id FROM session_refusal WHERE session_id = $1', [mine])).toEqual([])
  })

  it('of one that an admin ended on its person’s page they are told as well', async () => {
    const path = `/tenants/acme/members/${ids.member}/sessions/${await sessionOf(ids.member)}`
    expect((await app.call(owner, 'DELETE', path)).status).toBe(204)
    expect(await told(await app.signIn('member@acme.test'))).toMatchObject([{ by: ids.owner, sessions: 1, tokens: 0 }])
  })

  it('A-04: a program ends them only with the rights of its person over the tenant', async () => {
    const programs = startPrograms(app)
    const theirs = await sessionOf(ids.member)
    const path = '/tenants/acme/revocations'
    const little = await programs.grant({ userId: ids.owner, scopes: ['tokens:revoke'] })
    expect(await programs.call(little, 'POST', path, { sessions: [theirs] })).toMatchObject({
      status: 403,
      body: { code: 'insufficient_scope' },
    })
    const all = await programs.grant({ userId: ids.owner, scopes: ['tokens:revoke', 'tenant:manage'] })
    expect((await programs.call(all, 'POST', path, { sessions: [theirs] })).status).toBe(200)
    // It has no session that would stay.
    expect(await isIn(owner)).toBe(true)
  })

  it('A-03: an act meets a sign-out that has not committed yet: what is gone is gone, and the rest is ended', async () => {
    const second = await app.signIn('member@acme.test')
    const [first] = await app.rows('acme', 'SELECT min(id) AS id FROM session WHERE user_id = $1', [ids.member])
    const seen = await preview(sessions)
    const body = { ...sessions, as_of: seen.as_of, count: 2 }
    const met = await meets('DELETE FROM session WHERE id = $1', [first?.id], () =>
      app.call<{ act: string }>(owner, 'POST', '/tenants/acme/revocation-acts', body),
    )
    // By itself, and with no second try.
    await app.settled()
    const told = await app.call(owner, 'GET', `/tenants/acme/revocation-acts/${met.body.act}`)
    expect(told.body).toMatchObject({ total: 1, ended: 1, blocked_at: expect.any(String) })
    expect(await isIn(second)).toBe(false)
  })

  it('A-03: by id it meets a sign-out in the same way', async () => {
    const theirs = await sessionOf(ids.member)
    const met = await meets('DELETE FROM session WHERE id = $1', [theirs], () => revoke({ sessions: [theirs] }))
    expect([met.status, met.body.code]).toEqual([404, 'not_found'])
    await app.signIn('member@acme.test')
    const newest = await sessionOf(ids.member)
    const refused = await meets('DELETE FROM session WHERE id = $1', [newest], () =>
      asSystem(app.ctx, ids.tenant, 'job', (tx) => refuseSessionsById(tx, ids.tenant, [newest])),
    )
    expect(refused.size).toBe(0)
  })

  it('two acts on the same sessions end each of them once', async () => {
    await more(30)
    const { as_of, count } = await preview(sessions)
    const body = { ...sessions, as_of, count }
    const sent = await Promise.all(
      [1, 2].map(() => app.call<{ act: string }>(owner, 'POST', '/tenants/acme/revocation-acts', body)),
    )
    const acts = sent.flatMap(({ status, body }) => (status === 201 ? [body.act] : []))
    expect(acts.length).toBeGreaterThan(0)
    for (const id of acts) await runAct(app.ctx, { tenantId: ids.tenant, id })
    const rows = await app.rows('acme', 'SELECT sum(ended)::int AS ended FROM revocation_act WHERE id = ANY($1)', [
      acts,
    ])
    expect(rows).toEqual([{ ended: 31 }])
    const ended = await events('member.session_ended')
    const of = ended.filter(({ body }) => String(body.details.session).startsWith('ses_0000000000000000000'))
    expect(of.length).toBe(30)
  })
})

describe('requests', () => {
  type Open = { id: string; kind: string; owner_id: string | null; approved: boolean; client: { name: string } | null }
  const list = async (query: Record<string, string> = {}, jar = owner) =>
    (
      await app.call<{ items: Open[]; total: number; next: string | null }>(
        jar,
        'GET',
        `/tenants/acme/requests?${new URLSearchParams(query)}`,
      )
    ).body
  const requests = { kind: 'requests' }
  const client = () => insertClient(app, 'acme')
  const form = ({ id, secret }: { id: string; secret: string }) => ({ client_id: id, client_secret: secret })

  /** One of each: a link begun, one that a program asks for, a device of a client of acme, and one that is allowed. */
  async function each() {
    const { id: link, url } = await app.startLink(owner, 'acme')
    const { id: asked } = await ask(app, { userId: ids.owner, projectId: project })
    const program = await client()
    const waiting = await startDevice(app, form(program))
    const { body: claimed } = await claim(app, member, waiting.user_code)
    const allowed = await startDevice(app)
    const { body } = await claim(app, owner, allowed.user_code)
    const approved = await app.call(owner, 'POST', `/authorizations/${body.id}/approval`, {
      tenant: 'acme',
      scopes: ['projects:read'],
      ceilings: {},
    })
    expect(approved.status).toBe(200)
    return { link, url, asked, program, waiting, device: claimed.id, allowed, allowedId: body.id }
  }

  it('O-20: that are open in the tenant are listed: links, what programs ask for, devices that wait or are allowed', async () => {
    const made = await each()
    const { items, total } = await list()
    expect(total).toBe(4)
    const seen = new Map(items.map(({ id, kind, owner_id, approved }) => [id, [kind, owner_id, approved]]))
    expect(seen).toEqual(
      new Map<string, unknown[]>([
        [made.link, ['link', ids.owner, false]],
        [made.asked, ['ask', ids.owner, false]],
        [made.device, ['device', ids.member, false]],
        [made.allowedId, ['device', ids.owner, true]],
      ]),
    )
  })

  it('Z-02: are of this tenant alone, and nobody sees or withdraws another’s', async () => {
    const made = await each()
    const elsewhere = await insertClient(app, 'globex')
    const foreign = await startDevice(app, form(elsewhere))
    // Of the instance's own program, of which no tenant knows before a person has chosen one.
    const nobodys = await startDevice(app)
    const hidden = await app.rows('acme', `SELECT id FROM authorization_request WHERE claimed_by IS NULL`)
    expect(hidden).toHaveLength(2)
    expect((await list()).total).toBe(4)
    for (const { id } of hidden) expect((await revoke({ requests: [id] })).body.code).toBe('not_found')
    expect((await app.call(globex, 'POST', '/tenants/globex/revocations', { requests: [made.device] })).status).toBe(
      404,
    )
    expect((await app.call(globex, 'GET', '/tenants/acme/requests')).status).toBe(404)
    expect((await app.call(member, 'GET', '/tenants/acme/requests')).status).toBe(403)
    expect((await revoke({ requests: [made.link] }, member)).status).toBe(403)
    for (const device of [foreign, nobodys])
      expect((await pollDevice(app, device, device === foreign ? form(elsewhere) : undefined)).body.error).toBe(
        'authorization_pending',
      )
    await app.rows('acme', 'DELETE FROM authorization_request')
  })

  it('A-02 A-03: that match are withdrawn in one act: whoever answers, fetches or comes back is refused', async () => {
    const made = await each()
    const seen = await preview(requests)
    expect(seen).toMatchObject({ count: 4, owner_count: 2, keeps_session: false, used_in_hour: null })
    await app.advance(1)
    const later = await app.startLink(owner, 'acme')
    const { status, body } = await act({ ...requests, as_of: seen.as_of, count: 4 })
    expect([status, body.ended]).toEqual([201, 4])
    expect((await pollDevice(app, made.waiting, form(made.program))).body.error).toBe('access_denied')
    expect((await pollDevice(app, made.allowed)).body.error).toBe('access_denied')
    expect(await askedState(app, made.asked)).toBe('cancelled')
    const back = await app.follow(
      owner,
      await approveUpstream(made.url, { account: 'owner@acme.test', project: '10231' }),
    )
    expect(back.headers.get('location')).not.toMatch(/linked=1/)
    expect((await app.call(owner, 'GET', `/tenants/acme/attempts/${made.link}`)).body).toMatchObject({
      status: 'failed',
      outcome: 'withdrawn',
      detail: 'An admin withdrew it: laptop lost',
    })
    expect((await list()).items.map(({ id }) => id)).toEqual([later.id])
    const ended = (await events('request.withdrawn')).slice(0, 4).map(({ body }) => body.details)
    expect(ended.map(({ request }) => request).sort()).toEqual(
      [made.link, made.asked, made.device, made.allowedId].sort(),
    )
    expect(ended.find(({ request }) => request === made.device)).toMatchObject({
      kind: 'device',
      owner: ids.member,
      reason: 'laptop lost',
    })
    expect(await told(member)).toMatchObject([{ by: ids.owner, requests: 1, sessions: 0 }])
  })

  it('are chosen by kind, person, program and provider; by what is not theirs they are refused', async () => {
    const made = await each()
    const provider = await app.demoProvider(owner, 'acme')
    const cases: [Filter, string[]][] = [
      [{ request: 'link' }, [made.link]],
      [{ request: 'ask' }, [made.asked]],
      [{ request: 'device' }, [made.device, made.allowedId]],
      [{ request: 'app' }, []],
      [{ owner: ids.member }, [made.device]],
      [{ client: made.program.id }, [made.device]],
      [{ client: 'valetkey' }, [made.allowedId]],
      [{ provider }, [made.link, made.asked]],
      [{ search: '203.0.113.7' }, [made.device, made.allowedId]],
      [{ search: 'member@' }, [made.device]],
      [{ search: made.asked }, [made.asked]],
      [{ search: project }, [made.asked]],
    ]
    for (const [filter, expected] of cases) {
      const what = JSON.stringify(filter)
      expect((await list(filter as Record<string, string>)).items.map(({ id }) => id).sort(), what).toEqual(
        expected.sort(),
      )
      expect((await preview({ ...requests, ...filter })).count, what).toBe(expected.length)
    }
    const query = '/tenants/acme/revocations/preview?kind=requests&used_before=unknown'
    expect((await app.call(owner, 'GET', query)).status).toBe(400)
  })

  it('what a program asks for and what its person has begun for it end as one, whichever is named', async () => {
    for (const named of ['asked', 'begun'] as const) {
      await app.rows('acme', `UPDATE connection SET status = 'needs_relink', refresh_token = NULL WHERE user_id = $1`, [
        ids.owner,
      ])
      const { id: asked } = await ask(app, { userId: ids.owner, projectId: project })
      const begun = await app.call<{ id: string }>(owner, 'POST', `/tenants/acme/link-requests/${asked}/start`)
      const { items } = await list()
      const attempt = items.find(({ kind }) => kind === 'link')?.id ?? ''
      expect([begun.status, items.length], named).toEqual([201, 2])
      const { body } = await revoke({ requests: [named === 'asked' ? asked : attempt] })
      expect(body.items, named).toMatchObject([{ kind: 'request', over: false, upstream: 'none', latest_moment: null }])
      expect(await askedState(app, asked), named).toBe('cancelled')
      expect((await list()).total, named).toBe(0)
    }
  })

  it('D-05 A-03: a device that fetches what it got at the same moment has it or has not, and never both', async () => {
    const made = await each()
    const won = await meets(
      `UPDATE authorization_request SET status = 'consumed' WHERE id = $1`,
      [made.allowedId],
      () => revoke({ requests: [made.allowedId] }),
    )
    expect(won.body.items).toMatchObject([{ id: made.allowedId, over: true }])
    const lost = await meets(
      `UPDATE attempt SET status = 'consumed', consumed_at = vk_now() WHERE id = $1`,
      [made.link],
      () => revoke({ requests: [made.link] }),
    )
    expect(lost.body.items).toMatchObject([{ id: made.link, over: true }])
    expect(
      await app.rows('acme', 'SELECT status, secrets IS NULL AS wiped FROM attempt WHERE id = $1', [made.link]),
    ).toEqual([{ status: 'consumed', wiped: false }])
    const [first, second] = await Promise.all(
      [1, 2].map(() =>
        asSystem(app.ctx, ids.tenant, 'job', (tx) => withdrawRequests(tx, ids.tenant, [made.asked, made.device], 'x')),
      ),
    )
    expect((first?.length ?? 0) + (second?.length ?? 0)).toBe(2)
    expect((await revoke({ requests: [`att_${'0'.repeat(32)}`] })).body.code).toBe('not_found')
  })

  it('are listed page by page, what ends soonest first', async () => {
    await app.startLink(owner, 'acme')
    await app.rows(
      'acme',
      `INSERT INTO attempt (tenant_id, id, state_hash, browser_hash, session_id, user_id, provider_id, purpose, callback_key, issuer,
         redirect_uri, created_at, expires_at)
       SELECT tenant_id, 'att_' || lpad(to_hex(n), 32, '0'), sha256(n::text::bytea), browser_hash, session_id, user_id, provider_id,
         purpose, callback_key, issuer, redirect_uri, created_at, expires_at + make_interval(secs => n / 3)
       FROM attempt, generate_series(1, 110) n`,
    )
    const seen: string[] = []
    for (let before: string | null = ''; before !== null; ) {
      const page: Awaited<ReturnType<typeof list>> = await list(before ? { before } : {})
      seen.push(...page.items.map(({ id }) => id))
      before = page.next
    }
    const rows = await app.rows('acme', 'SELECT id FROM attempt ORDER BY expires_at, id')
    expect(seen).toEqual(rows.map(({ id }) => id))
    expect(seen).toHaveLength(111)
  })
})
