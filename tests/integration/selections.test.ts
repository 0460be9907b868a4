// Everything that a filter matches, as it was previewed: what is listed, counted and revoked is one selection.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { tick } from '../../lib/jobs/tick.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { besideHeld, failAt } from '../support/database-faults.ts'
import { startReceiver } from '../support/receiver.ts'
import { type Filter, selectionsOf } from '../support/selections.ts'

let app: TestApp
let owner: Jar
let member: Jar
let project: string
let theirs: string
const userIds = { owner: '', member: '' }
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
  theirs = await app.linkProject(member, 'acme', { account: 'member@acme.test', project: '10231' })
  const idOf = async (jar: Jar) => (await app.call<{ id: string }>(jar, 'GET', '/me')).body.id
  userIds.owner = await idOf(owner)
  userIds.member = await idOf(member)
})
afterAll(() => app.stop())
beforeEach(() => app.rows('acme', `UPDATE issued_token SET expires_at = now() - interval '1 hour'`))
afterEach(() => app.forgetLimits())

const issued = async (jar = owner, id = project) => (await app.issue(jar, 'acme', id)).body
const { preview, act, copies, dropCopies } = selectionsOf(
  () => app,
  () => owner,
)

describe('a selection', () => {
  it('is previewed with owners and counts, and revoked as it was then: what came later is not touched', async () => {
    const first = [await issued(), await issued(), await issued(member, theirs)]
    const seen = await preview({})
    expect(seen).toMatchObject({ count: 3, tokens: 3, used_lately: 0, owner_count: 2 })
    expect(seen.owners).toEqual([
      { owner_id: userIds.owner, name: 'owner@acme.test', count: 2 },
      { owner_id: userIds.member, name: 'member@acme.test', count: 1 },
    ])
    await app.advance(1)
    const later = await issued()
    const { status, body } = await act({ as_of: seen.as_of, count: seen.count })
    expect([status, body.total, body.ended]).toEqual([201, 3, 3])
    const used = await Promise.all([...first, later].map(({ value }) => app.useToken(value)))
    expect(used).toEqual([401, 401, 401, 200])
  })

  it('asks again where another number matches by now, says which, and revokes nothing', async () => {
    const tokens = [await issued(), await issued()]
    const seen = await preview({})
    await app.call(owner, 'POST', '/tenants/acme/revocations', { tokens: [tokens[0]?.token.id] })
    const { status, body } = await act({ as_of: seen.as_of, count: seen.count })
    expect(status).toBe(409)
    expect(body).toMatchObject({ code: 'count_changed', detail: '1 match now.', fields: { count: '1' } })
    expect(await app.useToken(tokens[1]?.value ?? '')).toBe(200)
    expect((await act({ as_of: seen.as_of, count: 1 })).body.ended).toBe(1)
  })

  it('is of the moment of its act at most, whatever is named: what is made before a batch comes to it is not touched', async () => {
    await issued()
    const { as_of, count } = await preview({})
    await act({ as_of: new Date(Date.parse(as_of) + 3_600_000).toISOString(), count })
    const made = await app.rows('acme', 'SELECT as_of = created_at AS now FROM revocation_act ORDER BY id DESC LIMIT 1')
    expect(made).toEqual([{ now: true }])
  })

  it('holds for tokens that ended since it was previewed', async () => {
    await issued()
    const seen = await preview({})
    await app.advance(1000)
    const { status, body } = await act({ as_of: seen.as_of, count: 1 })
    expect([status, body.total]).toEqual([201, 1])
  })

  describe('that goes on by itself', () => {
    type Act = { total: number; ended: number; settled_at: string | null; upstream: Record<string, number> }
    const begin = async (selection: Filter, jar = owner) => {
      const answer = await app.call<{ act: string; code?: string; fields?: object }>(
        jar,
        'POST',
        '/tenants/acme/revocation-acts',
        { kind: 'tokens', reason: 'laptop lost', ...selection },
      )
      // The answer waits for a few seconds; on a slow machine the act goes on behind it.
      await app.settled()
      return answer
    }
    const read = async (id: string, jar = owner) =>
      (await app.call<Act>(jar, 'GET', `/tenants/acme/revocation-acts/${id}`)).body

    it('A-02: is one act with one event, in batches, and leaves what came after the preview', async () => {
      const { token } = await issued()
      await copies(token, 1_100, 'proxy')
      const seen = await preview({})
      await app.advance(1)
      const later = await issued(member, theirs)
      const { status, body } = await begin({ as_of: seen.as_of, count: seen.count })
      expect(status).toBe(201)
      expect(await read(body.act)).toMatchObject({ total: 1_101, ended: 1_101 })
      expect(await app.useToken(later.value)).toBe(200)
      const events = await app.rows(
        'acme',
        `SELECT body -> 'details' AS details FROM audit_event WHERE body ->> 'action' = 'selection.revoked' AND body -> 'target' ->> 'id' = $1`,
        [body.act],
      )
      expect(events).toEqual([{ details: { act: body.act, kind: 'tokens', count: 1_101, reason: 'laptop lost' } }])
      await dropCopies()
    }, 120_000)

    /** Where one of the copies would be marked. */
    const copy = (nth: number) =>
      ({ on: 'UPDATE', table: 'issued_token', when: `OLD.id = 'tok_' || lpad(to_hex(${nth}), 32, '0')` }) as const

    it('A-02: whose process dies goes on with the tick from where it stopped, and nothing is done twice', async () => {
      const { token, value } = await issued()
      await copies(token, 510, 'proxy')
      // Around where it dies an upstream is to be told of each.
      await app.rows(
        'acme',
        `UPDATE issued_token SET strategy = 'mint', secret_hash = NULL WHERE id > $1 AND id < 'tok_0001'`,
        [`tok_${(490).toString(16).padStart(32, '0')}`],
      )
      const seen = await preview({})
      const goOn = await failAt(app, copy(505))
      const { body } = await begin({ as_of: seen.as_of, count: 511 })
      expect(await read(body.act)).toMatchObject({ total: 511, ended: 500, settled_at: null })
      await goOn()
      await Promise.all([tick(app.ctx), tick(app.ctx)])
      await tick(app.ctx)
      expect(await read(body.act)).toMatchObject({ total: 511, ended: 511 })
      expect(await app.useToken(value)).toBe(401)
      const [twice] = await app.rows(
        'acme',
        `SELECT count(*)::int AS count FROM (SELECT token_id FROM upstream_revocation WHERE act_id = $1 GROUP BY 1 HAVING count(*) > 1) d`,
        [body.act],
      )
      expect(twice).toEqual({ count: 0 })
      const [told] = await app.rows(
        'acme',
        'SELECT count(*)::int AS count FROM upstream_revocation WHERE act_id = $1',
        [body.act],
      )
      // Of the copies and of the token that they are copies of.
      expect(told).toEqual({ count: 21 })
      await dropCopies()
    }, 120_000)

    it('A-02: means whom it meant when it was confirmed, though people are renamed before it goes on', async () => {
      const named = (thief: string, other: string) =>
        app.rows(
          'acme',
          `UPDATE "user" SET name = CASE id WHEN $1 THEN 'Thief' ELSE 'Somebody' END WHERE id IN ($1, $2)`,
          [thief, other],
        )
      const before = await app.rows('acme', `SELECT id, name FROM "user" WHERE id IN ($1, $2)`, [
        userIds.owner,
        userIds.member,
      ])
      await named(userIds.owner, userIds.member)
      const { token, value } = await issued()
      const others = await issued(member, theirs)
      await copies(token, 510, 'proxy')
      const { as_of, count } = await preview({ search: 'thief' })
      expect(count).toBe(511)
      const goOn = await failAt(app, copy(505))
      const { body } = await begin({ as_of, count, search: 'thief' })
      await goOn()
      expect(await read(body.act)).toMatchObject({ total: 511, ended: 500 })
      await named(userIds.member, userIds.owner)
      await tick(app.ctx)
      await tick(app.ctx)
      for (const { id, name } of before) await app.rows('acme', 'UPDATE "user" SET name = $2 WHERE id = $1', [id, name])
      expect(await read(body.act)).toMatchObject({ total: 511, ended: 511 })
      expect([await app.useToken(value), await app.useToken(others.value)]).toEqual([401, 200])
      await dropCopies()
    }, 120_000)

    it('asks again where another number matches by now, and is of a member’s own things alone', async () => {
      const [mine, others] = [await issued(member, theirs), await issued()]
      const { as_of } = await preview({}, member)
      const refused = await begin({ as_of, count: 2 }, member)
      expect([refused.status, refused.body.code, refused.body.fields]).toEqual([409, 'count_changed', { count: '1' }])
      const { body } = await begin({ as_of, count: 1 }, member)
      expect(await read(body.act, member)).toMatchObject({ total: 1, ended: 1, settled_at: expect.any(String) })
      expect([await app.useToken(mine.value), await app.useToken(others.value)]).toEqual([401, 200])
    })
  })

  it('is filtered by person, project, provider, age and last use, as the list is', async () => {
    const [old, used, fresh] = [await issued(), await issued(), await issued(member, theirs)]
    const hoursAgo = (hours: number) => new Date(app.ctx.now().getTime() - hours * 3_600_000).toISOString()
    await app.rows('acme', 'UPDATE issued_token SET created_at = $2 WHERE id = $1', [old.token.id, hoursAgo(48)])
    await app.rows('acme', 'UPDATE issued_token SET last_used_at = $2 WHERE id = $1', [used.token.id, hoursAgo(2)])
    const provider = await app.demoProvider(owner, 'acme')
    const nowhere = `prv_${'0'.repeat(32)}`
    const cases: [Filter, string[]][] = [
      [{ owner: userIds.member }, [fresh.token.id]],
      [{ project: theirs }, project === theirs ? [old, used, fresh].map(({ token }) => token.id) : [fresh.token.id]],
      [{ provider }, [old.token.id, used.token.id, fresh.token.id]],
      [{ provider: nowhere }, []],
      [{ made_before: hoursAgo(24) }, [old.token.id]],
      [{ used_before: hoursAgo(1) }, [used.token.id]],
      [{ used_before: hoursAgo(3) }, []],
      [{ used_before: 'unknown' }, [old.token.id, fresh.token.id]],
    ]
    for (const [filter, ids] of cases) {
      expect((await preview(filter)).count, JSON.stringify(filter)).toBe(ids.length)
      const query = new URLSearchParams({ everybody: '1', state: 'live', ...(filter as Record<string, string>) })
      const listed = await app.call<{ items: { id: string }[] }>(owner, 'GET', `/tenants/acme/tokens?${query}`)
      expect(listed.body.items.map(({ id }) => id).sort(), JSON.stringify(filter)).toEqual(ids.sort())
    }
    expect(await preview({})).toMatchObject({ used_lately: 1 })
    const seen = await preview({ made_before: hoursAgo(24) })
    await act({ made_before: hoursAgo(24), as_of: seen.as_of, count: 1 })
    expect((await preview({})).count).toBe(2)
  })

  it('is searched by whatever somebody has at hand, and filtered by kind, strategy and end, as the list is', async () => {
    const [orders, invoices, theirOwn] = [await issued(), await issued(), await issued(member, theirs)]
    const soon = new Date(app.ctx.now().getTime() + 600_000).toISOString()
    const set = (id: string, columns: string, ...values: unknown[]) =>
      app.rows('acme', `UPDATE issued_token SET ${columns} WHERE id = $1`, [id, ...values])
    await set(orders.token.id, `purpose = 'Nightly load of orders', upstream_id = '4711'`)
    await set(invoices.token.id, `purpose = 'nightly load of invoices', strategy = 'narrow', expires_at = $2`, soon)
    await set(theirOwn.token.id, `purpose = 'Überweisungen', upstream_id = '471'`)
    const [one, two, three] = [orders.token.id, invoices.token.id, theirOwn.token.id]
    const [kept] = await app.rows('acme', 'SELECT fingerprint FROM issued_token WHERE id = $1', [invoices.token.id])
    const fingerprint = String(kept?.fingerprint)
    const cases: [Filter, string[]][] = [
      [{ search: 'NIGHTLY LOAD' }, [one, two]],
      [{ search: 'nightly load of o' }, [one]],
      [{ search: 'load' }, []],
      [{ search: 'night_y' }, []],
      [{ search: 'Überw' }, [three]],
      [{ search: fingerprint }, [two]],
      [{ search: fingerprint.slice(0, 8).toUpperCase() }, [two]],
      [{ search: '471' }, [three]],
      [{ search: '4711' }, [one]],
      [{ search: one }, [one]],
      [{ search: orders.token.connection_id }, [one, two]],
      [{ search: userIds.member }, [three]],
      [{ search: 'MEMBER@acme' }, [three]],
      [{ search: 'nightly', owner: userIds.member }, []],
      [{ provider_kind: 'keboola' }, [one, two, three]],
      [{ provider_kind: 'oauth' }, []],
      [{ strategy: 'narrow' }, [two]],
      [{ ends_before: new Date(Date.parse(soon) + 1).toISOString() }, [two]],
      [{ ends_before: soon }, []],
      [{ ends_after: new Date(Date.parse(soon) + 1).toISOString() }, [one, three]],
      [{ ends_after: soon, search: 'nightly' }, [one, two]],
      [{ ends_before: 'unknown' }, []],
    ]
    for (const [filter, ids] of cases) {
      const what = JSON.stringify(filter)
      expect((await preview(filter)).count, what).toBe(ids.length)
      const query = new URLSearchParams({ everybody: '1', state: 'live', ...(filter as Record<string, string>) })
      const listed = await app.call<{ items: { id: string }[] }>(owner, 'GET', `/tenants/acme/tokens?${query}`)
      expect(listed.body.items.map(({ id }) => id).sort(), what).toEqual(ids.sort())
    }
    const of = (filter: Filter) => preview({ kind: 'connections', ...filter })
    const accounts = [
      [{ search: 'owner@' }, 1],
      [{ search: 'nobody' }, 0],
      [{ search: theirOwn.token.connection_id }, 1],
      [{ provider_kind: 'keboola' }, 2],
      [{ ends_after: soon }, 2],
      [{ ends_before: 'unknown' }, 0],
    ] as const
    for (const [filter, count] of accounts) expect((await of(filter)).count, JSON.stringify(filter)).toBe(count)
    expect((await preview({ search: 'nightly' })).owners).toEqual([
      { owner_id: userIds.owner, name: 'owner@acme.test', count: 2 },
    ])
  })

  it('A-02: is previewed with where it reaches, what each upstream can do about it, and what breaks', async () => {
    const [minted, proxied, other] = [await issued(), await issued(), await issued(member, theirs)]
    const minutesAgo = (minutes: number) => new Date(app.ctx.now().getTime() - minutes * 60_000).toISOString()
    const end = new Date(app.ctx.now().getTime() + 7_200_000).toISOString()
    await app.rows('acme', 'UPDATE issued_token SET last_used_at = $2, expires_at = $3 WHERE id = $1', [
      minted.token.id,
      minutesAgo(30),
      end,
    ])
    await app.rows('acme', `UPDATE issued_token SET strategy = 'proxy', last_used_at = $2 WHERE id = $1`, [
      proxied.token.id,
      minutesAgo(90),
    ])
    await app.rows(
      'acme',
      `UPDATE issued_token SET strategy = 'sign', offline = true, connection_id = NULL WHERE id = $1`,
      [other.token.id],
    )
    const provider = await app.demoProvider(owner, 'acme')
    const seen = await preview({})
    expect(seen).toMatchObject({ count: 3, used_lately: 2, used_in_hour: 1, breaks: { connections: 0, audiences: [] } })
    expect(seen.upstreams.map(({ effect, count }) => [effect, count]).sort()).toEqual([
      ['at_end', 1],
      ['here', 1],
      ['upstream', 1],
    ])
    expect(seen.upstreams.find(({ effect }) => effect === 'upstream')).toMatchObject({
      provider_id: provider,
      what: 'tokens',
      latest: end,
    })
    expect(seen.projects.reduce((sum, { count }) => sum + count, 0)).toBe(3)
    expect(seen.project_count).toBe(seen.projects.length)
    const connections = await preview({ kind: 'connections', owner: userIds.owner })
    expect(connections).toMatchObject({ count: 1, tokens: 2, breaks: { connections: 1 } })
    expect(connections.projects).toEqual([{ project_id: project, name: expect.any(String), count: 1 }])
    expect(connections.upstreams.map(({ what, effect, count }) => [what, effect, count])).toContainEqual([
      'connections',
      'copy',
      1,
    ])
    expect(await preview({ owner: userIds.owner }, member)).toMatchObject({
      projects: [],
      upstreams: [],
      project_count: 0,
    })
  })

  it('A-02: is previewed with the webhooks that its owners made, which go on; for who administers alone', async () => {
    await issued()
    await issued(member, theirs)
    const receiver = await startReceiver()
    try {
      const made = await app.call<{ webhook: { id: string } }>(owner, 'POST', '/tenants/acme/webhooks', {
        url: `${receiver.url}/hook?key=of-the-receiver`,
      })
      const { id } = made.body.webhook
      const named = [{ webhook_id: id, host: new URL(receiver.url).host, owner_id: userIds.owner }]
      expect((await preview({})).webhooks).toEqual(named)
      expect((await preview({ kind: 'connections', owner: userIds.owner })).webhooks).toEqual(named)
      expect((await preview({ owner: userIds.member })).webhooks).toEqual([])
      expect((await preview({}, member)).webhooks).toEqual([])
      type Ending = { webhooks: number; webhook_hosts: string[] }
      const ending = (jar: Jar) => app.call<Ending>(jar, 'GET', `/tenants/acme/members/${userIds.owner}/ending`)
      expect((await ending(owner)).body).toMatchObject({ webhooks: 1, webhook_hosts: [named[0]?.host] })
      const role = (name: string) =>
        app.rows('acme', 'UPDATE member SET role = $2 WHERE user_id = $1', [userIds.member, name])
      await role('auditor')
      // Where it tells is not theirs to know; that there is one is.
      expect((await ending(member)).body).toMatchObject({ webhooks: 1, webhook_hosts: [] })
      expect((await preview({ owner: userIds.owner }, member).catch(() => undefined))?.webhooks ?? []).toEqual([])
      await role('member')
      await app.call(owner, 'PATCH', `/tenants/acme/webhooks/${id}`, { enabled: false })
      expect((await preview({})).webhooks).toEqual([])
      await app.call(owner, 'DELETE', `/tenants/acme/webhooks/${id}`)
    } finally {
      await receiver.stop()
    }
  })

  it('is listed by end and by last use as well, each page behind the one before, whatever is used meanwhile', async () => {
    const { token } = await issued()
    await copies(token, 120)
    // Ends and uses that many share, and uses that nobody told of.
    await app.rows(
      'acme',
      `UPDATE issued_token SET expires_at = now() + make_interval(hours => 1 + (right(id, 2) < '80')::int, secs => 60),
         last_used_at = CASE WHEN right(id, 1) < 'a' THEN now() - make_interval(mins => length(replace(id, '1', ''))) END
       WHERE id LIKE 'tok_0000%'`,
    )
    type Listed = { items: { id: string; expires_at: string; last_used_at: string | null }[]; next: string | null }
    const list = async (query: Record<string, string>, jar = owner) =>
      (
        await app.call<Listed & { code?: string }>(
          jar,
          'GET',
          `/tenants/acme/tokens?${new URLSearchParams({ everybody: '1', state: 'live', ...query })}`,
        )
      ).body
    const all = async (sort: string) => {
      const seen: Listed['items'] = []
      for (let before: string | null = ''; before !== null; ) {
        const { items, next }: Listed = await list({ sort, ...(before && { before }) })
        seen.push(...items)
        // The last one shown is used now: it would come first, and nothing behind it is shown twice or left out.
        await app.rows(
          'acme',
          'UPDATE issued_token SET last_used_at = now() WHERE id = $1 AND last_used_at IS NOT NULL',
          [items.at(-1)?.id],
        )
        before = next
      }
      return seen
    }
    for (const [sort, keyOf] of [
      ['ends', ({ expires_at }: Listed['items'][number]) => Date.parse(expires_at)],
      ['used', ({ last_used_at }: Listed['items'][number]) => (last_used_at ? -Date.parse(last_used_at) : Infinity)],
    ] as const) {
      const seen = await all(sort)
      expect(new Set(seen.map(({ id }) => id)).size, sort).toBe(121)
      expect(seen.length, sort).toBe(121)
      const keys = seen.map(keyOf)
      expect(keys, sort).toEqual(keys.toSorted((a, b) => (a === b ? 0 : a - b)))
    }
    const { next } = await list({ sort: 'ends' })
    expect((await list({ sort: 'newest', before: next ?? '' })).code).toBe('bad_request')
    expect((await list({ sort: 'ends', before: token.id })).code).toBe('bad_request')
    expect((await list({ sort: 'ends', state: 'revoked' })).code).toBe('bad_request')
    await dropCopies()
    for (const sort of ['ends', 'used']) {
      const connections = `/tenants/acme/connections?everybody=1&status=standing&sort=${sort}`
      expect((await app.call<Listed>(owner, 'GET', connections)).body.items, sort).toHaveLength(2)
      expect((await app.call(owner, 'GET', `/tenants/acme/grants?everybody=1&state=live&sort=${sort}`)).status).toBe(
        200,
      )
    }
  })

  it('is listed whole where a text is in more than are read at once, whether they are the newest or behind others', async () => {
    const { token } = await issued()
    await copies(token, 2_300)
    const numbered = `('x' || right(id, 8))::bit(32)::int`
    const named = (condition: string) =>
      app.rows(
        'acme',
        `UPDATE issued_token SET purpose = CASE WHEN ${condition} THEN 'Load of orders' ELSE 'a script in a loop' END WHERE id LIKE 'tok_0000%'`,
      )
    type Listed = { items: { id: string }[]; next: string | null; total_is_capped: boolean }
    const list = async (query: Record<string, string>) =>
      (
        await app.call<Listed>(
          owner,
          'GET',
          `/tenants/acme/tokens?${new URLSearchParams({ everybody: '1', state: 'live', search: 'load of', ...query })}`,
        )
      ).body
    for (const condition of [`${numbered} <= 1150`, `${numbered} % 2 = 0`]) {
      await named(condition)
      const ids = (
        await app.rows('acme', `SELECT id FROM issued_token WHERE purpose = 'Load of orders' ORDER BY id DESC`)
      ).map(({ id }) => id)
      const first = await list({})
      expect(first.total_is_capped, condition).toBe(true)
      const second = await list({ before: first.next ?? '' })
      expect(
        [...first.items, ...second.items].map(({ id }) => id),
        condition,
      ).toEqual(ids.slice(0, 100))
      const ends = await list({ sort: 'ends' })
      expect(ends.items.length, condition).toBe(50)
      expect(
        ends.items.every(({ id }) => ids.includes(id)),
        condition,
      ).toBe(true)
    }
    await dropCopies()
  })

  it('A-02: is revoked as it was searched: what it does not find lives on', async () => {
    const [found, other] = [await issued(), await issued()]
    await app.rows('acme', `UPDATE issued_token SET purpose = 'leaked build' WHERE id = $1`, [found.token.id])
    const filter = { kind: 'tokens', search: 'Leaked', strategy: 'mint', ends_after: app.ctx.now().toISOString() }
    const { as_of, count } = await preview(filter)
    const { status } = await app.call(owner, 'POST', '/tenants/acme/revocation-acts', { ...filter, as_of, count })
    expect([status, count]).toEqual([201, 1])
    expect([await app.useToken(found.value), await app.useToken(other.value)]).toEqual([401, 200])
  })

  it('is frozen as it was previewed, all of it or none, with a reason and an end; what is frozen already stays as it is', async () => {
    const freeze = (body: Filter, jar = owner) =>
      app.call<{ frozen: number; already: number; code?: string }>(jar, 'POST', '/tenants/acme/freezes/selection', {
        kind: 'connections',
        ...body,
      })
    const frozen = () => app.rows('acme', `SELECT target_id, reason, until FROM freeze_fact ORDER BY until`)
    const { as_of, count } = await preview({ kind: 'connections' })
    expect(count).toBe(2)
    expect((await freeze({ as_of, count: 1 })).body.code).toBe('count_changed')
    expect((await freeze({ as_of, count, until: '2020-01-01T00:00:00Z' })).body.code).toBe('bad_request')
    expect((await freeze({ as_of, count }, member)).status).toBe(403)
    expect((await freeze({ as_of, count: 1_001 })).status).toBe(400)
    expect(await frozen()).toEqual([])
    const { token } = await issued()
    const one = { ids: [token.connection_id], as_of, count: 1, reason: 'odd traffic' }
    expect((await freeze(one)).body).toEqual({ frozen: 1, already: 0 })
    const until = new Date(app.ctx.now().getTime() + 3_600_000).toISOString()
    expect((await freeze({ as_of, count, until, reason: 'all of them' })).body).toEqual({ frozen: 1, already: 1 })
    expect(await frozen()).toMatchObject([
      { reason: 'all of them', until: new Date(until) },
      { target_id: token.connection_id, reason: 'odd traffic', until: null },
    ])
    expect((await app.issue(owner, 'acme', project)).body).toMatchObject({ code: 'frozen' })
    expect((await app.issue(member, 'acme', theirs)).body).toMatchObject({ code: 'frozen' })
    const events = await app.rows(
      'acme',
      `SELECT body -> 'details' AS details FROM audit_event WHERE action = 'selection.frozen' ORDER BY id`,
    )
    expect(events.map(({ details }) => details)).toMatchObject([
      { kind: 'connections', count: 1, reason: 'odd traffic', until: null },
      { kind: 'connections', count: 1, reason: 'all of them', until },
    ])
    await app.rows('acme', 'DELETE FROM freeze_fact')
  })

  it('A-03: is frozen once nobody completes a token from it any more, so that none slips through', async () => {
    const { as_of, count } = await preview({ kind: 'connections' })
    // What an issue holds while it completes (vk.ground_stands).
    const { waits, result } = await besideHeld(
      app,
      ['SELECT FROM connection WHERE user_id = $1 FOR SHARE', [userIds.member]],
      () => app.call(owner, 'POST', '/tenants/acme/freezes/selection', { kind: 'connections', as_of, count }),
    )
    expect([waits, result.body]).toEqual([true, { frozen: count, already: 0 }])
    await app.rows('acme', 'DELETE FROM freeze_fact')
  })

  it('refuses what a list of its kind is not chosen by', async () => {
    for (const query of ['kind=connections&strategy=mint', 'kind=tokens&program=app', 'kind=grants&strategy=proxy']) {
      const { status } = await app.call(owner, 'GET', `/tenants/acme/revocations/preview?${query}`)
      expect(status, query).toBe(400)
    }
  })

  it('Z-02: of a member holds their own things alone, however it is filtered', async () => {
    const [mine, others] = [await issued(member, theirs), await issued()]
    expect(await preview({}, member)).toMatchObject({
      count: 1,
      owners: [{ owner_id: userIds.member, name: 'member@acme.test', count: 1 }],
    })
    expect(await preview({ owner: userIds.owner }, member)).toMatchObject({ count: 0, owners: [] })
    const { as_of } = await preview({}, member)
    expect((await act({ as_of, count: 2 }, member)).body).toMatchObject({ code: 'count_changed' })
    expect((await act({ as_of, count: 1 }, member)).body.ended).toBe(1)
    expect([await app.useToken(mine.value), await app.useToken(others.value)]).toEqual([401, 200])
    const ofConnections = { kind: 'connections', status: 'linked' }
    expect((await preview(ofConnections, member)).owners).toEqual([
      { owner_id: userIds.member, name: 'member@acme.test', count: 1 },
    ])
    for (const owner of [userIds.owner, 'usr_00000000000000000000000000000000'])
      expect(await preview({ ...ofConnections, owner }, member)).toMatchObject({ count: 0, tokens: 0, owners: [] })
  })

  it('leaves what was linked again while it waited: under its lock it is asked once more', async () => {
    await app.rows('acme', `UPDATE connection SET status = 'needs_relink', cause = 'refused' WHERE user_id = $1`, [
      userIds.member,
    ])
    const broken = { kind: 'connections', status: 'needs_relink' }
    const { as_of, count } = await preview(broken)
    expect(count).toBe(1)
    const { waits, result } = await besideHeld(
      app,
      [`UPDATE connection SET status = 'linked', cause = NULL WHERE user_id = $1`, [userIds.member]],
      () => act({ ...broken, as_of, count }),
    )
    expect(waits).toBe(true)
    expect(result.body).toMatchObject({ ended: 0, blocked_at: expect.any(String) })
    const after = await app.rows('acme', 'SELECT status FROM connection WHERE user_id = $1', [userIds.member])
    expect(after).toEqual([{ status: 'linked' }])
  })

  it('G-04: a preview of everybody’s things is noted, one’s own is not', async () => {
    await app.rows('acme', 'DELETE FROM access_tally')
    await preview({}, member)
    const noted = () => app.rows('acme', `SELECT actor_id FROM access_tally WHERE operation = 'previewRevocation'`)
    expect(await noted()).toEqual([])
    await preview({})
    expect(await noted()).toEqual([{ actor_id: userIds.owner }])
  })

  it('of connections tells of the tokens made from them, and ends both', async () => {
    const tokens = [await issued(), await issued(), await issued(member, theirs)]
    const seen = await preview({ kind: 'connections', status: 'linked' })
    expect(seen).toMatchObject({ count: 2, tokens: 3, owner_count: 2 })
    const { body } = await act({ kind: 'connections', status: 'linked', as_of: seen.as_of, count: 2 })
    expect(body).toMatchObject({ total: 2, ended: 2 })
    expect(await Promise.all(tokens.map(({ value }) => app.useToken(value)))).toEqual([401, 401, 401])
    const left = await app.call<{ items: unknown[] }>(
      owner,
      'GET',
      '/tenants/acme/connections?everybody=1&status=standing',
    )
    expect(left.body.items).toEqual([])
  })
})
