import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Fault } from '../../demo/index.ts'
import { reconcileIssuing } from '../../lib/broker/issue.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { staleIssuing } from '../../lib/store/lookups.ts'
import { type Issued, issueBody, type Jar, startTestApp, type TestApp, type TokenOnWire } from '../support/app.ts'
import { connectionList } from '../support/connection.ts'

let app: TestApp
let owner: Jar
let member: Jar
let project: string
let guestProject: string
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
  guestProject = await app.linkProject(member, 'acme', { account: 'member@acme.test', project: '10231' })
})
afterAll(() => app.stop())
afterEach(async () => {
  app.demo.faults.clear()
  app.demo.modes.set({ mintStatus: 201, missingFields: [] })
  await app.forgetLimits()
})

const mintRoute = 'POST /v2/storage/tokens'
const mints = () => app.requests(mintRoute)
const issue = (body: Record<string, unknown> = {}) => app.issue(owner, 'acme', project, body)
const liveUpstream = () => app.demo.ledger.tokens.filter(({ kind, live }) => kind === 'storage' && live).length
const newest = async (jar = owner) =>
  (await app.call<{ items: TokenOnWire[] }>(jar, 'GET', '/tenants/acme/tokens')).body.items[0]
const fault = (...answers: Fault[]) => app.demo.faults.push(mintRoute, ...answers)

describe('issuing a token', () => {
  it('K-07: hands out a token that works, with its end and where it is for, and never again', async () => {
    const { status, body, headers } = await issue()
    expect(status).toBe(201)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(body).toMatchObject({ token_type: 'storage', base_url: app.demo.url })
    expect(900 - body.expires_in).toBeLessThan(5)
    expect(body.token).toMatchObject({ state: 'live', granted: { buckets: { 'in.c-crm': 'read' } }, not_granted: [] })
    expect(await app.useToken(body.value)).toBe(200)
    for (const path of ['/tokens', `/tokens/${body.token.id}`, `/projects/${project}`, '/audit-events'])
      expect((await app.call(owner, 'GET', `/tenants/acme${path}`)).text).not.toContain(body.value)
  })

  it('K-06 K-07: the access token is used for the mint and is stored nowhere in clear', async () => {
    await issue()
    const access = app.demo.ledger.tokens.filter(({ kind, system }) => kind === 'access' && system === 'stack')
    const [row] = await app.rows('acme', 'SELECT string_agg(t::text, chr(10)) AS text FROM connection t')
    expect(access.length).toBeGreaterThan(0)
    for (const { value } of access) expect(String(row?.text).includes(value)).toBe(false)
  })

  it.each([200, 201] as const)('K-19: a mint that answers %i is a success', async (mintStatus) => {
    app.demo.modes.set({ mintStatus })
    const { status, body } = await issue()
    expect(status).toBe(201)
    expect(await app.useToken(body.value)).toBe(200)
    expect(mints().at(-1)?.status).toBe(mintStatus)
  })

  it('K-20 K-21: asks upstream for what was chosen and for no wide right; for managing tokens not at all', async () => {
    await issue({ scopes: { components: ['keboola.ex-salesforce'], buckets: { 'out.c-reporting': 'write' } } })
    const { description, ...asked } = mints().at(-1)?.body ?? {}
    expect(asked).toEqual({
      expiresIn: 900,
      componentAccess: ['keboola.ex-salesforce'],
      bucketPermissions: { 'out.c-reporting': 'write' },
    })
    expect(description).toContain('nightly export')
    await issue({ scopes: { manage_buckets: true, read_all_files: true } })
    expect(mints().at(-1)?.body).toMatchObject({ canManageBuckets: true, canReadAllFileUploads: true })
    for (const { body } of mints()) expect(Object.keys(body)).not.toContain('canManageTokens')
    const before = mints().length
    for (const extra of [{ can_manage_tokens: true }, { canManageTokens: true }])
      expect((await issue({ scopes: { ...issueBody.scopes, ...extra } })).status).toBe(400)
    expect((await issue({ scopes: { ...issueBody.scopes, manage_tokens: true } })).status).toBe(422)
    expect(mints().length).toBe(before)
  })

  it('K-22: what the upstream dropped is told from what came back, in the answer and in the list', async () => {
    const { body } = await app.issue(member, 'acme', guestProject, {
      scopes: { components: ['keboola.ex-salesforce'], buckets: { 'in.c-crm': 'read' }, manage_buckets: true },
    })
    const expected = {
      granted: { components: [], buckets: {}, manage_buckets: false, read_all_files: false },
      not_granted: ['component keboola.ex-salesforce', 'read in.c-crm', 'manage buckets'],
    }
    expect(body.token).toMatchObject(expected)
    expect(await newest(member)).toMatchObject(expected)
  })

  it('K-36: lists tokens with their last use as the upstream reports it, else null', async () => {
    const { body } = await issue()
    expect((await newest())?.last_used_at).toBe(null)
    const path = `/tenants/acme/tokens/${body.token.id}/last-use`
    expect((await app.call(owner, 'POST', path)).body).toEqual({ last_used_at: null })
    await app.useToken(body.value)
    const { body: used } = await app.call<{ last_used_at: string }>(owner, 'POST', path)
    expect(Math.abs(Date.parse(used.last_used_at) - app.ctx.now().getTime())).toBeLessThan(5_000)
    expect((await newest())?.last_used_at).toBe(used.last_used_at)
    expect((await app.call(member, 'POST', path)).status).toBe(404)
  })

  it('policy caps the lifetime, and says who set the cap', async () => {
    const { status, body } = await app.call(owner, 'POST', `/tenants/acme/projects/${project}/tokens`, {
      ...issueBody,
      expires_in: 7201,
    })
    expect(status).toBe(422)
    expect(body).toMatchObject({ code: 'over_policy', detail: 'At most 7200 seconds, set by the provider.' })
    const choices = await app.call(owner, 'POST', `/tenants/acme/projects/${project}/scopes`)
    expect(choices.body).toMatchObject({ role: 'admin', cap: { seconds: 7200, set_by: 'provider' } })
  })

  it('an alias, also a former one, issues like the id', async () => {
    const { body } = await app.call<{ alias: string }>(owner, 'GET', `/tenants/acme/projects/${project}`)
    await app.call(owner, 'PATCH', `/tenants/acme/projects/${body.alias}`, { alias: 'renamed' })
    for (const name of [body.alias, 'renamed', project]) expect((await app.issue(owner, 'acme', name)).status).toBe(201)
  })
})

describe('a mint that goes wrong', () => {
  const empty = { kind: 'empty' } as const
  const cases: [string, Fault[], number, string][] = [
    ['K-27: HTML with a 200', [{ status: 200, effect: 'skipped', body: { kind: 'html' } }], 502, 'issue_unconfirmed'],
    [
      'K-27: HTML with a 502, twice',
      [
        { status: 502, body: { kind: 'html' } },
        { status: 502, body: { kind: 'html' } },
      ],
      502,
      'issue_unconfirmed',
    ],
    [
      'K-28: a success without a token',
      [{ status: 201, effect: 'skipped', body: { kind: 'json', value: { id: '1' } } }],
      502,
      'issue_unconfirmed',
    ],
    [
      'K-17: a right that the upstream does not give',
      [{ status: 400, effect: 'skipped', body: { kind: 'json', value: { error: 'Permission is not possible.' } } }],
      422,
      'upstream_rejected',
    ],
    [
      'K-17: a role that may not',
      [{ status: 403, body: { kind: 'json', value: { error: 'no' } } }],
      403,
      'upstream_forbidden',
    ],
    [
      'K-17: an upstream that refuses connections',
      Array.from({ length: 3 }, () => ({ status: 429, headers: { 'retry-after': '1' }, body: empty })),
      503,
      'upstream_unavailable',
    ],
  ]
  it.each(cases)('%s leaves no token that nobody knows of', async (_, answers, status, code) => {
    const before = liveUpstream()
    fault(...answers)
    const answer = await issue()
    expect([answer.status, answer.body.code]).toEqual([status, code])
    expect(answer.body.value).toBeUndefined()
    await app.advance(300)
    for (const place of await staleIssuing(app.ctx, app.ctx.now(), app.ctx.now(), 50))
      await reconcileIssuing(app.ctx, place)
    expect(liveUpstream()).toBeLessThanOrEqual(before)
    expect((await newest())?.state).toBe('failed')
  })

  it('K-24: after a 500 the mint is repeated once, after what it may have left was deleted', async () => {
    const before = { mints: mints().length, live: liveUpstream() }
    fault({ status: 500, effect: 'applied', body: empty })
    const { status, body } = await issue()
    expect(status).toBe(201)
    expect(await app.useToken(body.value)).toBe(200)
    expect(mints().length - before.mints).toBe(2)
    expect(liveUpstream() - before.live).toBe(1)
  })

  it('K-10: a refresh that succeeded is kept when the mint then fails: the next call uses the rotated token', async () => {
    await app.advance(3700)
    const refreshes = () => app.requests('POST /oauth/token', { grant_type: 'refresh_token' })
    const before = refreshes().length
    fault({ status: 500, body: empty }, { status: 500, body: empty })
    expect((await issue()).status).toBe(502)
    expect(refreshes().length - before).toBe(1)
    expect((await issue()).status).toBe(201)
    expect(refreshes().length - before).toBe(1)
    await app.advance(3700)
    expect((await issue()).status).toBe(201)
    const [older, newer] = refreshes().slice(before)
    expect(newer?.outcome).toBe('ok')
    expect(newer?.body.refresh_token).not.toBe(older?.body.refresh_token)
  })

  it('an issue that is killed in the middle leaves a row, by whose nonce the token upstream is found and deleted', async () => {
    const before = liveUpstream()
    fault({ hold: { barrier: 'killed', at: 'after' } })
    const cut = issue()
    await app.demo.faults.barrier('killed').arrived()
    // As after a kill: the row stands, the token exists upstream, nobody has its value.
    expect(await newest()).toMatchObject({ state: 'issuing' })
    expect(liveUpstream() - before).toBe(1)
    await app.advance(130)
    const places = await staleIssuing(app.ctx, new Date(app.ctx.now().getTime() - 120_000), app.ctx.now(), 50)
    expect(places.map(({ id }) => id)).toContain((await newest())?.id)
    for (const place of places) await reconcileIssuing(app.ctx, place)
    expect(liveUpstream()).toBe(before)
    expect(await newest()).toMatchObject({ state: 'failed', failure: 'cut_off' })
    app.demo.faults.barrier('killed').release()
    const late = await cut
    expect(late.body.value).toBeUndefined()
    expect(liveUpstream()).toBe(before)
  })

  it('K-12: one dead connection fails alone: the page lists both, the other one issues', async () => {
    const other = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10232' })
    await app.advance(3700)
    app.demo.faults.push('POST /oauth/token', {
      status: 400,
      body: { kind: 'json', value: { error: 'invalid_grant' } },
    })
    expect((await issue()).body).toMatchObject({ code: 'needs_relink' })
    const { status, body } = await app.call<{ items: { id: string; connection: { status: string } | null }[] }>(
      owner,
      'GET',
      '/tenants/acme/projects',
    )
    expect(status).toBe(200)
    const health = new Map(body.items.map((one) => [one.id, one.connection?.status]))
    expect([health.get(project), health.get(other)]).toEqual(['needs_relink', 'linked'])
    expect((await app.issue(owner, 'acme', other, { scopes: { buckets: { 'in.c-features': 'read' } } })).status).toBe(
      201,
    )
    await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
    expect((await issue()).status).toBe(201)
  })
})

describe('many at once', () => {
  it('RR-01 LK-07: fifty issues for two people cause one refresh a connection, and each answer is its owner’s', async () => {
    const actor = await app.actorOf('owner@acme.test')
    await app.advance(3700)
    const before = app.requests('POST /oauth/token').length
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        index % 2 ? issue() : app.issue(member, 'acme', guestProject, { purpose: 'of the member' }),
      ),
    )
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201))
    expect(app.requests('POST /oauth/token').length - before).toBe(2)
    for (const [index, { body }] of answers.entries()) {
      const entry = app.demo.ledger.tokens.find(({ value }) => value === body.value)
      expect(entry?.account).toBe(index % 2 ? 'owner@acme.test' : 'member@acme.test')
      expect(body.token.owner_id === actor.userId).toBe(index % 2 === 1)
    }
    expect(new Set(answers.map(({ body }: { body: Issued }) => body.value)).size).toBe(50)
  })

  it('RR-01: fifty callers in one process on an expired token cause one refresh', async () => {
    const actor = await app.actorOf('owner@acme.test')
    const connection = (await connectionList(app.ctx, actor)).find((one) => one.project?.id === project)
    await app.advance(3700)
    const before = app.requests('POST /oauth/token').length
    const key = { tenantId: actor.tenantId, connectionId: connection?.id ?? '' }
    const all = await Promise.all(Array.from({ length: 50 }, () => freshTokens(app.ctx, key)))
    expect(app.requests('POST /oauth/token').length - before).toBe(1)
    expect(new Set(all.map(({ accessToken }) => accessToken.reveal())).size).toBe(1)
  })

  it('B-01 on issue: the sixty-first issue of a minute waits', async () => {
    const answers = []
    for (let index = 0; index < 61; index += 1) answers.push(await issue({ expires_in: 1 }))
    expect(answers.slice(0, 60).map(({ status }) => status)).toEqual(Array(60).fill(400))
    expect(answers.at(-1)?.status).toBe(429)
    expect(Number(answers.at(-1)?.headers.get('retry-after'))).toBeGreaterThan(0)
  })
})

describe('a renewal', () => {
  it('RR-13: whoever wants the token – a caller, a form’s question, the background – renews alike and sets no cookie', async () => {
    const renewals = () =>
      app
        .requests('POST /oauth/token', { grant_type: 'refresh_token' })
        .filter(({ account, project }) => account === 'owner@acme.test' && project === '10231').length
    await app.advance(3700)
    const before = renewals()
    const asked = await app.call(owner, 'POST', `/tenants/acme/projects/${project}/scopes`, {})
    await app.advance(3700)
    const issued = await issue()
    await app.advance(3700)
    await tick(app.ctx)
    expect(renewals()).toBe(before + 3)
    await app.advance(10)
    const again = await issue()
    expect([asked.status, issued.status, again.status]).toEqual([200, 201, 201])
    for (const answer of [asked, issued, again]) expect(answer.headers.getSetCookie()).toEqual([])
    expect(renewals()).toBe(before + 3)
  })
})
