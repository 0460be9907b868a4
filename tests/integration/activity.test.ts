// What happened is found again: by person, project, act, outcome, time, address, program, fingerprint and request.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { csvLine, downloadEvents } from '../../lib/audit/download.ts'
import { toEventFilter } from '../../lib/audit/filter.ts'
import { activity, activityLines, readEvent } from '../../lib/audit/list.ts'
import { record } from '../../lib/audit/record.ts'
import { fewPeople, peopleNames, personCalled } from '../../lib/broker/read/people.ts'
import { asSystem } from '../../lib/store/system.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import type { BrowserActor } from '../support/broker.ts'

let app: TestApp
let owner: Jar
let member: Jar
let globex: Jar
let project: string
let theirs: string
let actor: BrowserActor
let memberActor: BrowserActor
let tenantId: string
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  globex = await app.signIn('owner@globex.test')
  project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
  theirs = await app.linkProject(member, 'acme', { account: 'member@acme.test', project: '10231' })
  actor = await app.actorOf('owner@acme.test')
  memberActor = await app.actorOf('member@acme.test')
  tenantId = actor.tenantId
})
afterAll(() => app.stop())
afterEach(() => app.forgetLimits())

type Event = {
  id: string
  at: string
  action: string
  outcome: string
  actor_id: string | null
  target: { kind: string; id: string } | null
  address: string | null
  request_id: string | null
  details: Record<string, unknown>
}
const list = async (filter: Record<string, string | undefined>, jar = owner, tenant = 'acme') =>
  (
    await app.call<{ items: Event[]; next: string | null; code?: string; fields?: Record<string, string> }>(
      jar,
      'GET',
      `/tenants/${tenant}/audit-events?${new URLSearchParams(JSON.parse(JSON.stringify(filter)))}`,
    )
  ).body
const issued = async (jar = owner, id = project) => (await app.issue(jar, 'acme', id)).body.token
const requestOf = async (token: string) =>
  String(
    (
      await app.rows('acme', `SELECT request_id FROM audit_event WHERE target_id = $1 AND action = 'token.issued'`, [
        token,
      ])
    )[0]?.request_id,
  )

describe('a filter', () => {
  it('AC-01: finds by each of what an event says, and by all of it together', async () => {
    const token = await issued()
    const request = await requestOf(token.id)
    const [issue] = (await list({ request })).items
    const fingerprint = String(issue?.details.fingerprint)
    await app.call(owner, 'POST', '/tenants/acme/revocations', { tokens: [token.id], reason: 'a test' })
    expect((await list({ request })).items.map(({ action }) => action)).toEqual(['token.issued', 'token.requested'])
    expect((await list({ fingerprint })).items.map(({ action }) => action)).toEqual(['token.revoked', 'token.issued'])
    expect((await list({ about: token.id, action: 'token.requested' })).items).toMatchObject([
      { target: { kind: 'token', id: token.id } },
    ])
    // A noun is all that begins with it.
    const nouns = (await list({ action: 'token' })).items.map(({ action }) => action)
    expect(nouns.length).toBeGreaterThan(2)
    expect(nouns.every((one) => one.startsWith('token.'))).toBe(true)
    for (const { details, target } of (await list({ project, action: 'token' })).items)
      expect([details.project, target?.id]).toContain(project)
    expect((await list({ project, action: 'token.revoked' })).items[0]?.target?.id).toBe(token.id)
    expect((await list({ project, action: 'token.revoked', outcome: 'failed' })).items).toEqual([])
    expect((await list({ request, fingerprint })).items).toHaveLength(1)
  })

  it('AC-01: a person is found as who did it, whose it was, and who it was done to', async () => {
    const token = await issued(member, theirs)
    await app.call(owner, 'POST', '/tenants/acme/revocations', { tokens: [token.id] })
    const { items } = await list({ person: memberActor.userId })
    const revoked = items.find(({ action, target }) => action === 'token.revoked' && target?.id === token.id)
    expect(revoked?.actor_id).toBe(actor.userId)
    expect(items.some(({ actor_id }) => actor_id === memberActor.userId)).toBe(true)
    for (const { actor_id, details, target } of items)
      expect([actor_id, details.owner, target?.id]).toContain(memberActor.userId)
  })

  it('AC-01: by address, program and outcome', async () => {
    const address = '203.0.113.99'
    const at = app.ctx.now()
    const origin = { userId: actor.userId, address, requestId: 'req_00000000000000000000000000000001' }
    const credential = { kind: 'bearer', client: 'cli_x', grant: 'grt_x', scopes: [] } as const
    await asSystem(app.ctx, tenantId, 'job', async (tx) => {
      await record(
        tx,
        tenantId,
        at,
        { ...origin, credential },
        {
          action: 'link.failed',
          outcome: 'failed',
          target: { kind: 'attempt', id: 'att_x' },
          details: { code: 'denied' },
        },
      )
    })
    for (const filter of [{ address }, { client: 'cli_x' }, { outcome: 'failed' }, { about: 'att_x' }])
      expect((await list(filter)).items[0], JSON.stringify(filter)).toMatchObject({ target: { id: 'att_x' }, address })
    expect((await list({ address: '203.0.113.98' })).items).toEqual([])
  })

  it('AC-01: by time, from a moment on and before one', async () => {
    const first = await issued()
    await app.advance(7200)
    const middle = app.ctx.now().toISOString()
    await app.advance(1)
    const second = await issued()
    const about = (events: Event[]) => events.map(({ target }) => target?.id)
    expect(about((await list({ from: middle, action: 'token' })).items)).toContain(second.id)
    expect(about((await list({ from: middle, action: 'token' })).items)).not.toContain(first.id)
    expect(about((await list({ until: middle, action: 'token' })).items)).toContain(first.id)
    expect(about((await list({ until: middle, action: 'token' })).items)).not.toContain(second.id)
    expect((await list({ from: middle, until: middle })).items).toEqual([])
  })

  it('AC-01: pages by key: each event once, whatever is written meanwhile', async () => {
    for (let count = 0; count < 40; count += 1) await app.issue(owner, 'acme', project)
    await app.forgetLimits()
    const seen: string[] = []
    let before: string | undefined
    for (;;) {
      const { items, next } = await list({ person: actor.userId, action: 'token', ...(before && { before }) })
      seen.push(...items.map(({ id }) => id))
      await issued()
      if (!next) break
      before = next
    }
    expect(seen.length).toBeGreaterThan(60)
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen).toEqual([...seen].sort().reverse())
  })

  it.each([
    { person: 'x' },
    { outcome: 'perhaps' },
    { from: 'yesterday' },
    { address: "' OR 1=1" },
    { fingerprint: 'x' },
    { action: 'token.revoked; DROP' },
    { about: '%' },
    { colour: 'red' },
  ])('AC-01: %j is refused by its name', async (filter) => {
    const { code, fields } = await list(filter)
    expect([code, Object.keys(fields ?? {})]).toEqual(['bad_request', Object.keys(filter)])
  })

  it('Z-02 G-04 AC-02: members find what they did alone, and tenants nothing of each other', async () => {
    const token = await issued()
    const request = await requestOf(token.id)
    for (const filter of [
      { request },
      { about: token.id },
      { person: actor.userId },
      { project, action: 'token.issued' },
    ]) {
      const { items } = await list(filter, member)
      expect(items.every(({ actor_id }) => actor_id === memberActor.userId)).toBe(true)
      expect((await list(filter, globex, 'globex')).items).toEqual([])
    }
    const [event] = (await list({ request })).items
    for (const [jar, tenant] of [
      [member, 'acme'],
      [globex, 'globex'],
    ] as const)
      expect((await app.call(jar, 'GET', `/tenants/${tenant}/audit-events/${event?.id}/related`)).status).toBe(404)
    const read = await app.call<{ event: Event; act: Event[]; about: Event[] }>(
      owner,
      'GET',
      `/tenants/acme/audit-events/${event?.id}/related`,
    )
    expect(read.body).toMatchObject({ event: { id: event?.id }, act: [{ action: 'token.requested' }] })
  })
})

describe('names', () => {
  it('AC-02 Z-02: an event comes with the names of its own people, and of nobody else', async () => {
    const token = await issued()
    const event = (await list({ request: await requestOf(token.id) })).items[0]
    const read = () => readEvent(app.ctx, actor, String(event?.id))
    expect((await read()).names).toEqual({ [actor.userId]: 'owner@acme.test' })
    // Of another tenant, whatever an event says.
    const { userId: stranger } = await app.actorOf('owner@globex.test')
    expect([...(await peopleNames(app.ctx, tenantId, [stranger, memberActor.userId, null, undefined]))]).toEqual([
      [memberActor.userId, 'member@acme.test'],
    ])
  })

  it('AC-01 Z-02: a member is found by a name or a part that is theirs alone, and nobody of another tenant', async () => {
    const called = (text: string, tenant = tenantId) => personCalled(app.ctx, tenant, text)
    expect(await called('Member@acme.test')).toBe(memberActor.userId)
    expect(await called('member@')).toBe(memberActor.userId)
    expect(await called('acme.test')).toBeUndefined()
    expect(await called('globex')).toBeUndefined()
    expect(await called('member@acme', String(await app.tenantId('globex')))).toBeUndefined()
    // What a pattern would take for more.
    expect(await called('%')).toBeUndefined()
  })

  it('people are listed to choose from while they are few', async () => {
    const all = await fewPeople(app.ctx, tenantId, 200)
    expect(all?.get(memberActor.userId)).toBe('member@acme.test')
    expect(await fewPeople(app.ctx, tenantId, Number(all?.size))).toEqual(all)
    expect(await fewPeople(app.ctx, tenantId, Number(all?.size) - 1)).toBeUndefined()
  })
})

describe('lines of acts', () => {
  const lines = (given: Parameters<typeof toEventFilter>[0] & { before?: string } = {}, as = actor) => {
    const { before, ...filter } = given
    return activityLines(app.ctx, as, { ...toEventFilter(filter), before })
  }

  it('AC-03: what was asked and what came of it are one', async () => {
    const token = await issued()
    const [line, ...others] = (await lines({ about: token.id })).items
    expect(others).toEqual([])
    expect(line?.event.action).toBe('token.issued')
    expect(line?.others.map(({ action }) => action)).toEqual(['token.requested'])
  })

  it('AC-03: everything that one act ended of one person is one, with what and whose', async () => {
    const tokens = []
    for (let count = 0; count < 5; count += 1) tokens.push((await issued(member, theirs)).id)
    await app.call(owner, 'POST', '/tenants/acme/revocations', { tokens })
    const [line] = (await lines({ person: memberActor.userId, action: 'token.revoked' })).items
    expect(line).toMatchObject({ event: { action: 'token.revoked' }, owner: memberActor.userId, owners: 1 })
    expect(line?.counts['token.revoked']).toBe(5)
    const detail = await readEvent(app.ctx, actor, line?.event.id ?? '')
    expect(detail.act.filter(({ action }) => action === 'token.revoked')).toHaveLength(4)
  })

  it('AC-03: pages of acts leave nothing out and tell nothing twice, also where an act spans a page', async () => {
    await app.forgetLimits()
    const many = []
    for (let count = 0; count < 55; count += 1) {
      many.push((await issued(member, theirs)).id)
      if (count % 25 === 0) await app.forgetLimits()
    }
    await app.call(owner, 'POST', '/tenants/acme/revocations', { tokens: many })
    const shown = new Set<string>()
    const acts: string[] = []
    let newest: string | undefined
    let before: string | undefined
    for (;;) {
      const { items, next } = await lines({ ...(before && { before }) })
      newest ??= items[0]?.event.id
      for (const { event } of items) {
        acts.push(event.requestId ?? event.id)
        shown.add(event.requestId ?? event.id)
      }
      if (!next) break
      before = next
    }
    expect(shown.size).toBe(acts.length)
    // What came while the pages were read is on none of them.
    const all = await app.rows(
      'acme',
      'SELECT DISTINCT coalesce(request_id, id) AS act FROM audit_event WHERE id <= $1',
      [newest],
    )
    expect(all.length).toBeGreaterThan(60)
    expect(all.map(({ act }) => String(act)).filter((act) => !shown.has(act))).toEqual([])
  })
})

describe('a download', () => {
  const download = (format: 'csv' | 'ndjson', body: object, jar = owner, tenant = 'acme') =>
    app.call(jar, 'POST', `/tenants/${tenant}/audit-events/${format}`, body)

  it('AC-04: has what the filter finds, as CSV and as lines of JSON, and is recorded with it', async () => {
    const token = await issued()
    const request = await requestOf(token.id)
    const csv = await download('csv', { request })
    expect(csv.headers.get('content-type')).toBe('text/csv')
    expect(csv.headers.get('content-disposition')).toMatch(/^attachment; filename="activity-acme-[\d-]+\.csv"$/)
    expect(csv.text.split('\r\n')).toHaveLength(4)
    expect(csv.text).toContain('"token.issued","ok","owner@acme.test"')
    const [last] = (await list({ action: 'audit.downloaded' })).items
    expect(last?.details).toEqual({ format: 'csv', filter: [`request=${request}`] })
    const lines = (await download('ndjson', { request })).text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.map(({ action }) => action)).toEqual(['token.issued', 'token.requested', undefined])
    expect(lines.at(-1)).toEqual({ count: 2, cut: false })
  })

  it('AC-04: is cut where it says so, and holds a page at a time', async () => {
    const pages: number[] = []
    for await (const piece of await downloadEvents(app.ctx, actor, { format: 'ndjson' }, 7))
      pages.push(piece.split('\n').length - 1)
    expect(pages).toEqual([7, 1])
    let text = ''
    for await (const piece of await downloadEvents(app.ctx, actor, { format: 'csv' }, 7)) text += piece
    expect(text).toMatch(/"cut after 7 events: narrow the filter for the rest"\r\n$/)
    text = ''
    for await (const piece of await downloadEvents(app.ctx, actor, { format: 'ndjson' }, 7)) text += piece
    expect(JSON.parse(text.trim().split('\n').at(-1) ?? '')).toEqual({ count: 7, cut: true })
  })

  it('AC-04 Z-02: members get what they did, and nobody what is another tenant’s', async () => {
    await issued()
    const own = (await download('ndjson', {}, member)).text.trim().split('\n').slice(0, -1)
    expect(own.length).toBeGreaterThan(0)
    for (const line of own) expect(JSON.parse(line).actor_id).toBe(memberActor.userId)
    const foreign = await download('ndjson', { person: actor.userId }, globex, 'globex')
    expect(JSON.parse(foreign.text.trim().split('\n').at(-1) ?? '').count).toBe(0)
  })

  it.each([
    ['=1+1', `"'=1+1"`],
    ['+x', `"'+x"`],
    ['-x', `"'-x"`],
    ['@SUM(A1)', `"'@SUM(A1)"`],
    ['  =x', `"'  =x"`],
    ['\t=x', `"'\t=x"`],
    ['＝x', `"'＝x"`],
    ['a"b,c', `"a""b,c"`],
    ['a\r\nb', '"a\r\nb"'],
    [null, '""'],
    [12, '"12"'],
  ])('AC-05: %j is no formula and no other field: %s', (field, written) => {
    expect(csvLine([field])).toBe(`${written}\r\n`)
  })

  it('AC-05: a user agent that is a formula comes out as text', async () => {
    const path = `/tenants/acme/projects/${project}/tokens`
    const agent = '=HYPERLINK("http://evil.example","x")'
    await app.call(
      owner,
      'POST',
      path,
      { scopes: { buckets: { 'in.c-crm': 'read' } }, expires_in: 900, purpose: 'x' },
      { 'user-agent': agent },
    )
    expect((await download('csv', { action: 'token.issued' })).text).toContain(`"'=HYPERLINK(""http`)
  })
})

it('AC-01: activity without a filter is as it was', async () => {
  const { items } = await activity(app.ctx, actor)
  expect(items.length).toBe(50)
})
