// Storage tokens that people paste in place of a consent: taken, shown, rotated, replaced by an account, and ended.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Demo } from '../../demo/index.ts'
import { renew } from '../../lib/broker/refresh/refresh.ts'
import { renewDue } from '../../lib/jobs/renewals.ts'
import { sweep } from '../../lib/jobs/sweep.ts'
import { type Jar, startTestApp, type TestApp, type TokenOnWire } from '../support/app.ts'
import { dyingInstance } from '../support/dying.ts'
import { startPassing } from '../support/passing.ts'

type Pasted = {
  title: string
  token_id: string
  owner: string | null
  is_master: boolean
  rights: { text: string; risk: string }[]
  lacks: string | null
  warning_off: boolean
  rotate_days: number | null
  next_rotation_at: string | null
  last_rotation_at: string | null
}
type Connection = {
  id: string
  status: string
  cause: string | null
  account_name: string
  grant_expires_at: string | null
  branch: string | null
  project: { id: string; alias: string }
  pasted: Pasted | null
  timeline: { action: string; details: Record<string, unknown> }[]
}
type Refused = { code: string; detail: string; next: string }

let app: TestApp
let owner: Jar
let provider: string
let tenantId: string
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  provider = await app.demoProvider(owner, 'acme')
  tenantId = (await app.tenantId('acme')) ?? ''
})
afterAll(() => app.stop())

const me = { account: 'owner@acme.test' as const, project: '10231' }
type Make = Parameters<Demo['makeStorageToken']>[0]
const make = (more: Partial<Make> = {}) => app.demo.makeStorageToken({ ...me, kind: 'master', ...more })
const allow = async (allow_pasted_tokens: boolean) =>
  expect(
    (await app.call(owner, 'PATCH', `/tenants/acme/providers/${provider}`, { settings: { allow_pasted_tokens } }))
      .status,
  ).toBe(200)
const paste = <T = Connection>(token: string, more: Record<string, unknown> = {}, jar = owner) =>
  app.call<T>(jar, 'POST', '/tenants/acme/connections', { provider, token, ...more })
const read = async (id: string, jar = owner) =>
  (await app.call<Connection>(jar, 'GET', `/tenants/acme/connections/${id}`)).body
const rotate = <T = Connection>(id: string, jar = owner) =>
  app.call<T>(jar, 'POST', `/tenants/acme/connections/${id}/pasted-token/rotation`)
const change = (id: string, body: object, jar = owner) =>
  app.call<Refused>(jar, 'PATCH', `/tenants/acme/connections/${id}/pasted-token`, body)
const rowsOf = (id: string) => app.rows('acme', 'SELECT * FROM connection WHERE id = $1', [id])
const tokensOut = () =>
  app.demo.ledger.tokens.filter(({ kind, live }) => kind === 'storage' && live).map(({ value }) => value)
const posts = () =>
  app.demo.ledger.requests.filter(({ method, path }) => method === 'POST' && path.endsWith('/refresh')).length
const renewals = () => renewDue(app.ctx, { tenantId, providerId: provider })
const disconnect = async (id: string) => app.call(owner, 'POST', '/tenants/acme/revocations', { connections: [id] })

// Time passes in some of these, and a sign-in ends with it.
beforeEach(async () => {
  owner = await app.signIn('owner@acme.test')
  await allow(true)
})
afterEach(async () => {
  owner = await app.signIn('owner@acme.test')
  app.demo.faults.clear()
  app.demo.modes.set({ role: null, master: true })
  await app.settled()
  for (const { id } of await app.rows('acme', "SELECT id FROM connection WHERE status <> 'revoked'"))
    await disconnect(String(id))
  await app.settled()
  await app.rows('acme', 'DELETE FROM upstream_pace')
  await app.forgetLimits()
})

const choices = ({ project }: Connection) => app.call(owner, 'POST', `/tenants/acme/projects/${project.id}/scopes`)

describe('a token that is pasted', () => {
  it('K-33: is asked about at once, and shown with whose it is, what it may and when it ends', async () => {
    const { status, body: made, headers } = await paste(make())
    expect([status, headers.get('cache-control')]).toEqual([201, 'no-store'])
    expect(made).toMatchObject({
      status: 'linked',
      account_name: 'Acme Owner',
      grant_expires_at: null,
      pasted: {
        title: 'Storage token',
        token_id: '300110231',
        owner: 'Acme Owner',
        is_master: true,
        lacks: null,
        rotate_days: null,
      },
    })
    expect(made.pasted?.rights).toEqual([{ text: 'everything that a person with the role admin may do', risk: 'high' }])
    const { body: project } = await app.call<{ connection: { pasted: Pasted } }>(
      owner,
      'GET',
      `/tenants/acme/projects/${made.project.id}`,
    )
    expect(project.connection.pasted.token_id).toBe('300110231')
  })

  it('K-33: that is no master token says what it lacks, until its owner wants to read it no more', async () => {
    const { body: made } = await paste(make({ kind: 'limited', expiresInSeconds: 7200 }))
    expect(made.pasted).toMatchObject({
      is_master: false,
      warning_off: false,
      rights: [{ text: 'read in.c-crm', risk: 'low' }],
    })
    expect(made.pasted?.lacks).toContain('cannot authorize components')
    expect(Date.parse(made.grant_expires_at ?? '') - app.ctx.now().getTime()).toBeGreaterThan(7_000_000)
    expect((await change(made.id, { warning: false })).status).toBe(204)
    expect((await read(made.id)).pasted).toMatchObject({ warning_off: true })
  })

  it('K-31: that is no master token mints nothing, by whatever it may beside that; said before the form, and nothing is sent', async () => {
    for (const kind of ['limited', 'manager'] as const) {
      const { body: made } = await paste(make({ kind }))
      const { id } = made.project
      const { body: choices } = await app.call<{ refused: string }>(
        owner,
        'POST',
        `/tenants/acme/projects/${id}/scopes`,
      )
      expect(choices.refused).toContain('not a master token')
      const mints = app.requests('POST /v2/storage/tokens').length
      const issued = await app.issue(owner, 'acme', id)
      expect([issued.status, (issued.body as unknown as Refused).code]).toEqual([403, 'upstream_forbidden'])
      const url = await app.call<Refused>(owner, 'POST', `/tenants/acme/projects/${id}/component-urls`, {
        component: 'keboola.ex-salesforce',
        configuration: '901',
      })
      expect([url.status, url.body.code]).toEqual([403, 'missing_master_token'])
      expect(url.body.detail).toContain(made.pasted?.token_id)
      expect(app.requests('POST /v2/storage/tokens').length).toBe(mints)
      await disconnect(made.id)
    }
  })

  it('K-30 K-35: a master token mints and authorizes by its own header, and what it made ends with the connection', async () => {
    const value = make()
    const { body: made } = await paste(value)
    const { body: issued, status } = await app.issue(owner, 'acme', made.project.id)
    expect(status).toBe(201)
    const url = await app.call<{ url: string }>(
      owner,
      'POST',
      `/tenants/acme/projects/${made.project.id}/component-urls`,
      {
        component: 'keboola.ex-salesforce',
        configuration: '901',
      },
    )
    expect(url.status).toBe(201)
    const child = new URL(url.body.url).searchParams.get('token') ?? ''
    expect([await app.useToken(issued.value), await app.useToken(child)]).toEqual([200, 200])
    await disconnect(made.id)
    await app.settled()
    expect([await app.useToken(issued.value), await app.useToken(child)]).toEqual([401, 401])
    // Made elsewhere: our copy is destroyed, and it is said that this is all.
    expect(await app.useToken(value)).toBe(200)
    const work = await app.rows(
      'acme',
      "SELECT state, handle FROM upstream_revocation WHERE connection_id = $1 AND kind = 'grant' ORDER BY id DESC LIMIT 1",
      [made.id],
    )
    expect(work).toEqual([{ state: 'impossible', handle: null }])
    expect(await rowsOf(made.id)).toMatchObject([{ refresh_token: null, access_token: null, pasted_mark: null }])
  })

  it('passes by the proxy in its own header, also when it is no master token, and a rotated one after it', async () => {
    const { body: made } = await paste(make({ kind: 'limited' }))
    const asked = { strategy: 'proxy', scopes: { access: 'read_only' }, expires_in: 600, purpose: 'reading' }
    const { body: token } = await app.call<{ value: string; base_url: string }>(
      owner,
      'POST',
      `/tenants/acme/projects/${made.project.id}/tokens`,
      asked,
    )
    const passing = await startPassing(app.ctx)
    const ask = async () => {
      const { status, text } = await passing.ask(token.base_url, '/v2/storage/buckets', { token: token.value })
      return [status, (JSON.parse(text) as { id: string }[]).map(({ id }) => id)]
    }
    expect(await ask()).toEqual([200, ['in.c-crm']])
    await rotate(made.id)
    expect(await ask()).toEqual([200, ['in.c-crm']])
    await passing.proxy.tell()
    await passing.stop()
  })

  it('works in one place: pasted again it replaces what was there, and two at once make one connection', async () => {
    const [first, second] = await Promise.all([paste(make()), paste(make({ kind: 'limited' }))])
    expect([first.status, second.status, first.body.id]).toEqual([201, 201, second.body.id])
    expect(await app.rows('acme', "SELECT count(*)::int AS count FROM connection WHERE status <> 'revoked'")).toEqual([
      { count: 1 },
    ])
  })

  it('is found at the leak desk by its value, and only by whom it belongs to', async () => {
    const value = make()
    const { body: made } = await paste(value)
    const look = (jar: Jar, tenant: string) =>
      app.call<{ found: object[] }>(jar, 'POST', `/tenants/${tenant}/leaks`, { text: `KBC_TOKEN=${value}` })
    expect((await look(owner, 'acme')).body.found).toMatchObject([
      { kind: 'connection', id: made.id, stands: true, shown: ['upstream_token'] },
    ])
    const stranger = await app.signIn('owner@globex.test')
    expect((await look(stranger, 'globex')).body.found).toEqual([])
    await rotate(made.id)
    expect((await look(owner, 'acme')).body.found).toEqual([])
  })
})

describe('what is refused', () => {
  async function refused(token: string, expected: object, more: object = {}, jar = owner) {
    const before = await app.rows('acme', 'SELECT count(*)::int AS count FROM connection')
    const { status, body, text } = await paste<Refused>(token, { ...more }, jar)
    expect({ status, ...body }).toMatchObject(expected)
    expect(text).not.toContain(token)
    expect(await app.rows('acme', 'SELECT count(*)::int AS count FROM connection')).toEqual(before)
  }

  it('unless an admin has switched it on for the provider', async () => {
    await allow(false)
    const before = app.requests('GET /v2/storage/tokens/verify').length
    await refused(make(), { status: 409, code: 'paste_not_allowed' })
    expect(app.requests('GET /v2/storage/tokens/verify').length).toBe(before)
  })

  it('also where it is switched off while the stack is asked', async () => {
    const barrier = app.demo.faults.barrier('verify')
    app.demo.faults.push('GET /v2/storage/tokens/verify', { hold: { barrier: 'verify', at: 'after' } })
    const pasting = refused(make(), { status: 409, code: 'paste_not_allowed' })
    await barrier.arrived(1)
    await allow(false)
    barrier.release()
    await pasting
  })

  it('while the provider is frozen, or policy lets their role link nothing: the stack is not asked', async () => {
    const asked = () => app.requests('GET /v2/storage/tokens/verify').length
    const before = asked()
    await app.call(owner, 'POST', '/tenants/acme/freezes', { kind: 'provider', id: provider })
    await refused(make(), { status: 409, code: 'frozen' })
    await app.call(owner, 'DELETE', `/tenants/acme/freezes/provider/${provider}`)
    await app.rows(
      'acme',
      `INSERT INTO policy (tenant_id, level, target_id, link_roles) VALUES ($1, 'provider', $2, '{admin}')
       ON CONFLICT (tenant_id, level, target_id) DO UPDATE SET link_roles = '{admin}'`,
      [tenantId, provider],
    )
    await refused(make(), { status: 422, code: 'over_policy' })
    await app.rows('acme', `UPDATE policy SET link_roles = NULL WHERE target_id = $1`, [provider])
    expect(asked()).toBe(before)
  })

  it('E-04: for a connection of somebody else, of nobody, or of another provider: the same, and the stack is not asked', async () => {
    const { body: mine } = await paste(make())
    const member = await app.signIn('member@acme.test')
    const other = await app.demoProvider(owner, 'acme', 'Demo tickets')
    const before = app.requests('GET /v2/storage/tokens/verify').length
    const missing = { status: 404, code: 'not_found' }
    await refused(make(), missing, { connection: mine.id }, member)
    await refused(make(), missing, { connection: `con_${'0'.repeat(32)}` })
    await refused(make(), missing, { connection: mine.id, provider: other })
    expect(app.requests('GET /v2/storage/tokens/verify').length).toBe(before)
  })

  it('a dead token, one of another stack, and one that was cut: with what to do', async () => {
    await refused('10231-1-neverexisted', {
      status: 422,
      code: 'token_not_taken',
      detail: expect.stringContaining('another stack'),
      next: expect.stringContaining('copy the token again'),
    })
  })

  it('an expired one that the stack still answers for, and a disabled one', async () => {
    const answer = (value: object) => ({
      status: 200,
      effect: 'skipped' as const,
      body: { kind: 'json' as const, value: { id: 1, owner: { id: 10231, name: 'x' }, ...value } },
    })
    app.demo.faults.push('GET /v2/storage/tokens/verify', answer({ expires: '2026-01-01T10:00:00+0100' }))
    await refused(make(), { code: 'token_not_taken', detail: 'This token has expired.' })
    app.demo.faults.push('GET /v2/storage/tokens/verify', answer({ isDisabled: true }))
    await refused(make(), { code: 'token_not_taken', detail: 'The stack has disabled this token.' })
  })

  it('a token of another project, where it is for one connection', async () => {
    const { body: made } = await paste(make())
    await refused(make({ project: '10232' }), { status: 409, code: 'another_project' }, { connection: made.id })
    expect((await read(made.id)).pasted?.token_id).toBe('300110231')
  })

  it('where the project is linked with an account already, and that works', async () => {
    const project = await app.linkProject(owner, 'acme', me)
    await refused(make(), { status: 409, code: 'already_linked' })
    const { body } = await app.call<{ connection: Connection }>(owner, 'GET', `/tenants/acme/projects/${project}`)
    expect(body.connection).toMatchObject({ status: 'linked', pasted: null })
  })

  it('while the stack does not answer: nothing is kept', async () => {
    app.demo.faults.push(
      'GET /v2/storage/tokens/verify',
      ...Array.from({ length: 3 }, () => ({
        status: 500,
        effect: 'skipped' as const,
        body: { kind: 'empty' as const },
      })),
    )
    await refused(make(), { status: 503, code: 'upstream_unavailable' })
  })

  it('S-15: without a recent sign-in, and from a program', async () => {
    const old = await app.signIn('owner@acme.test')
    await app.rows('acme', "UPDATE session SET auth_time = auth_time - interval '1 hour'")
    await refused(make(), { status: 403, code: 'fresh_signin_required' }, {}, old)
    owner = await app.signIn('owner@acme.test')
  })
})

describe('a rotation', () => {
  it('K-36: gives the token another value, and the old one is dead at once', async () => {
    const value = make({ kind: 'limited' })
    const { body: made } = await paste(value)
    const { status, body: rotated } = await rotate(made.id)
    expect(status).toBe(200)
    expect(rotated).toMatchObject({
      status: 'linked',
      pasted: { token_id: made.pasted?.token_id, next_rotation_at: null },
    })
    expect(rotated.pasted?.last_rotation_at).not.toBeNull()
    expect(await app.useToken(value)).toBe(401)
    expect(rotated.timeline.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['connection.rotation_asked', 'connection.rotated']),
    )
    // What is kept works: the stack is asked with it.
    await app.call(owner, 'POST', `/tenants/acme/projects/${made.project.id}/scopes`)
    expect((await read(made.id)).status).toBe('linked')
  })

  it('K-36: comes by itself as often as its owner says, in the background', async () => {
    const value = make()
    const { body: made } = await paste(value)
    expect((await change(made.id, { rotate_days: 30 })).status).toBe(204)
    const { pasted } = await read(made.id)
    expect(pasted).toMatchObject({ rotate_days: 30, last_rotation_at: null })
    const before = posts()
    await renewals()
    expect(posts()).toBe(before)
    await app.advance(30 * 86_400 + 60)
    await renewals()
    expect(await app.useToken(value)).toBe(401)
    owner = await app.signIn('owner@acme.test')
    const after = (await read(made.id)).pasted
    expect(Date.parse(after?.next_rotation_at ?? '') - app.ctx.now().getTime()).toBeGreaterThan(29 * 86_400_000)
    expect((await change(made.id, { rotate_days: null })).status).toBe(204)
    expect((await read(made.id)).pasted).toMatchObject({ rotate_days: null, next_rotation_at: null })
  })

  it('is one however many ask at the same time', async () => {
    const { body: made } = await paste(make())
    const before = posts()
    const answers = await Promise.all(Array.from({ length: 5 }, () => rotate<Refused>(made.id)))
    expect(answers.every(({ status }) => status === 200 || status === 503)).toBe(true)
    await app.settled()
    await renewals()
    const rotated = posts() - before
    expect(rotated).toBeGreaterThan(0)
    expect((await read(made.id)).status).toBe('linked')
    expect(await app.issue(owner, 'acme', made.project.id)).toMatchObject({ status: 201 })
  })

  it('that the stack turns down leaves the token as it is, and says so', async () => {
    const value = make()
    const { body: made } = await paste(value)
    app.demo.faults.push('POST /v2/storage/tokens/300110231/refresh', {
      status: 403,
      effect: 'skipped',
      body: { kind: 'empty' },
    })
    const { status, body } = await rotate<Refused>(made.id)
    expect([status, body.code, body.detail]).toEqual([
      403,
      'upstream_forbidden',
      'The upstream did not replace the value. The token goes on as it is.',
    ])
    expect(await read(made.id)).toMatchObject({
      status: 'linked',
      pasted: { next_rotation_at: null, last_rotation_at: null },
    })
    expect(await app.useToken(value)).toBe(200)
  })

  it('of a connection that came of a consent, or is somebody else’s, is refused', async () => {
    const project = await app.linkProject(owner, 'acme', me)
    const { body } = await app.call<{ connection: Connection }>(owner, 'GET', `/tenants/acme/projects/${project}`)
    expect((await rotate<Refused>(body.connection.id)).body.code).toBe('not_pasted')
    expect((await change(body.connection.id, { rotate_days: 5 })).body.code).toBe('not_pasted')
    const member = await app.signIn('member@acme.test')
    expect((await rotate<Refused>(body.connection.id, member)).body.code).toBe('not_found')
  })

  it('of a connection that is frozen, or needs its person, is refused and not put off', async () => {
    const { body: made } = await paste(make())
    const due = async () => (await rowsOf(made.id))[0]?.rotate_at
    await app.call(owner, 'POST', '/tenants/acme/freezes', { kind: 'connection', id: made.id })
    expect((await rotate<Refused>(made.id)).body.code).toBe('frozen')
    await app.call(owner, 'DELETE', `/tenants/acme/freezes/connection/${made.id}`)
    expect(await due()).toBeNull()
    await app.rows('acme', `UPDATE connection SET status = 'needs_relink', cause = 'refused' WHERE id = $1`, [made.id])
    expect((await rotate<Refused>(made.id)).body.code).toBe('needs_relink')
    expect((await change(made.id, { rotate_days: 5 })).body.code).toBe('needs_relink')
    expect(await due()).toBeNull()
  })

  it('RR-05: whose answer was lost is told as what it is: not known, then lost with the value that nobody has', async () => {
    const { body: made } = await paste(make())
    app.demo.faults.push('POST /v2/storage/tokens/300110231/refresh', {
      effect: 'applied',
      status: 502,
      body: { kind: 'empty' },
    })
    const { status, body } = await rotate<Refused>(made.id)
    expect([status, body.code]).toEqual([503, 'upstream_unavailable'])
    expect((await read(made.id)).status).toBe('degraded')
    await app.advance(60)
    await app.call(owner, 'POST', `/tenants/acme/connections/${made.id}/renewal`)
    expect(await read(made.id)).toMatchObject({ status: 'needs_relink', cause: 'lost_in_rotation' })
  })

  it('RR-05: that failed before the stack acted is found out by asking, and done after all', async () => {
    const value = make()
    const { body: made } = await paste(value)
    const fault = { effect: 'skipped' as const, status: 502, body: { kind: 'empty' as const } }
    app.demo.faults.push('POST /v2/storage/tokens/300110231/refresh', fault)
    expect((await rotate(made.id)).status).toBe(503)
    await app.advance(120)
    const before = posts()
    const next = () => renew(app.ctx, { tenantId, connectionId: made.id }, 'due')
    await next()
    expect([posts(), await app.useToken(value)]).toEqual([before, 200])
    await next()
    expect([posts(), await app.useToken(value)]).toEqual([before + 1, 401])
    expect(await read(made.id)).toMatchObject({ status: 'linked' })
    expect((await read(made.id)).pasted?.last_rotation_at).not.toBeNull()
  })

  it('RR-05: killed before any of its steps, it ends linked with a value that works, or says that it was lost', async () => {
    const seen = new Set<string>()
    for (let lives = 1, isWhole = false; !isWhole; lives += 1) {
      const { body: made } = await paste(make())
      await app.rows('acme', 'UPDATE connection SET rotate_at = vk_now() WHERE id = $1', [made.id])
      const dying = await dyingInstance(app, lives)
      const done = renew(dying.ctx, { tenantId, connectionId: made.id }, 'due').then(() => 'done')
      isWhole = (await Promise.race([dying.dead, done])) === 'done'
      dying.buried()
      // The lease of whoever died is over.
      await app.advance(16)
      for (let turn = 0; turn < 3; turn += 1)
        await renew(app.ctx, { tenantId, connectionId: made.id }, 'due').catch(() => undefined)
      const [row] = await rowsOf(made.id)
      const works = (await choices(made)).status === 200
      expect([row?.status, row?.cause, row?.claim_until, works]).toEqual(
        works ? ['linked', null, null, true] : ['needs_relink', 'lost_in_rotation', null, false],
      )
      // Whatever happened, it is replaced in the end, or lost: never thought to be what it was.
      if (works) expect([row?.rotate_at, row?.rotated_at !== null]).toEqual([null, true])
      seen.add(String(row?.status))
      await disconnect(made.id)
      await app.forgetLimits()
    }
    expect([...seen].sort()).toEqual(['linked', 'needs_relink'])
  }, 60_000)
})

describe('its end', () => {
  it('K-38: is never told as healthy past its end, and nothing is served from then on', async () => {
    const { body: made } = await paste(make({ kind: 'limited', expiresInSeconds: 3600 }))
    expect((await choices(made)).status).toBe(200)
    await app.advance(3_660)
    owner = await app.signIn('owner@acme.test')
    expect((await choices(made)).status).toBe(409)
    expect(await read(made.id)).toMatchObject({ status: 'needs_relink', cause: 'refused' })
  })

  it('K-38: is found by the background when it comes, with nobody asking', async () => {
    const { body: made } = await paste(make({ kind: 'limited', expiresInSeconds: 3600 }))
    await app.advance(3_590)
    await renewals()
    expect((await read(made.id)).status).toBe('linked')
    await app.advance(20)
    await renewals()
    owner = await app.signIn('owner@acme.test')
    expect((await read(made.id)).status).toBe('needs_relink')
  })

  it('K-38: counts where the stack is silent as well: no longer linked at its end, and expired as soon as that is swept', async () => {
    const { body: made } = await paste(make({ kind: 'limited', expiresInSeconds: 3600 }))
    const silent = { status: 503, effect: 'skipped' as const, body: { kind: 'empty' as const } }
    app.demo.faults.push('GET /v2/storage/tokens/verify', ...Array.from({ length: 20 }, () => silent))
    await app.advance(3_610)
    await renewals()
    owner = await app.signIn('owner@acme.test')
    expect((await read(made.id)).status).toBe('degraded')
    await sweep(app.ctx)
    expect(await read(made.id)).toMatchObject({ status: 'needs_relink', cause: 'expired' })
  })

  it('K-38: a token that was deleted at the stack is found out, and called refused', async () => {
    const value = make({ kind: 'limited' })
    const { body: made } = await paste(value)
    await fetch(`${app.demo.url}/v2/storage/tokens/${made.pasted?.token_id}`, {
      method: 'DELETE',
      headers: { 'x-storageapi-token': value },
    })
    await app.advance(3_660)
    await renewals()
    owner = await app.signIn('owner@acme.test')
    expect(await read(made.id)).toMatchObject({ status: 'needs_relink', cause: 'refused' })
    await sweep(app.ctx)
  })

  it('a stack that does not answer costs nothing: the token is only asked about', async () => {
    const { body: made } = await paste(make())
    await app.advance(3_700)
    app.demo.faults.push(
      'GET /v2/storage/tokens/verify',
      ...Array.from({ length: 4 }, () => ({
        status: 500,
        effect: 'skipped' as const,
        body: { kind: 'empty' as const },
      })),
    )
    await renewals()
    owner = await app.signIn('owner@acme.test')
    expect((await read(made.id)).status).toBe('degraded')
    expect(await rowsOf(made.id)).toMatchObject([{ doubt: false }])
    app.demo.faults.clear()
    await app.advance(301)
    await renewals()
    expect((await read(made.id)).status).toBe('linked')
  })
})

describe('the upgrade to an account', () => {
  it('keeps the connection with alias, history and branch, wipes the token, and what it made can still be ended', async () => {
    const value = make({ project: '10232' })
    const { body: made } = await paste(value, { alias: 'sales' })
    await change(made.id, { rotate_days: 7 })
    await app.call(owner, 'PATCH', `/tenants/acme/connections/${made.id}`, { branch: '7001' })
    const scopes = { buckets: { 'in.c-features': 'read' } }
    const { body: issued, status } = await app.issue(owner, 'acme', made.project.id, { scopes })
    expect(status).toBe(201)
    await app.link(owner, 'acme', { ...me, project: '10232', connection: made.id })
    const now = await read(made.id)
    expect(now).toMatchObject({
      id: made.id,
      status: 'linked',
      branch: '7001',
      pasted: null,
      project: { alias: 'sales' },
    })
    expect(now.timeline[0]).toMatchObject({ action: 'link.completed', details: { by: 'consent', before: 'pasted' } })
    expect(now.timeline.length).toBeGreaterThan(2)
    expect(await rowsOf(made.id)).toMatchObject([
      { granted_by: 'consent', held: null, pasted_mark: null, rotate_days: null, rotate_at: null },
    ])
    // Nothing of ours ends a token that was made elsewhere, and no copy of it waits anywhere.
    expect(await app.rows('acme', 'SELECT id FROM upstream_revocation WHERE connection_id = $1', [made.id])).toEqual([])
    expect(await app.useToken(value)).toBe(200)
    expect(await app.useToken(issued.value)).toBe(200)
    await app.call(owner, 'POST', '/tenants/acme/revocations', { tokens: [(issued.token as TokenOnWire).id] })
    await app.settled()
    expect(await app.useToken(issued.value)).toBe(401)
    expect((await app.issue(owner, 'acme', made.project.id, { scopes })).status).toBe(201)
  })

  it('beats a rotation that is under way: what comes of it is not written over the account', async () => {
    const { body: made } = await paste(make())
    const { url } = await app.startLink(owner, 'acme', { connection: made.id })
    const barrier = app.demo.faults.barrier('rotation')
    app.demo.faults.push('POST /v2/storage/tokens/300110231/refresh', { hold: { barrier: 'rotation', at: 'after' } })
    const asked = rotate<Refused>(made.id)
    await barrier.arrived(1)
    const { approve } = await import('../../demo/browser.ts')
    await app.follow(owner, await approve(url, me))
    barrier.release()
    await asked
    await app.settled()
    expect(await read(made.id)).toMatchObject({ status: 'linked', pasted: null })
    expect((await app.issue(owner, 'acme', made.project.id)).status).toBe(201)
  })
})

it('V-01 V-08 K-14: is in no answer, event, log line or row, neither as it was pasted nor rotated', async () => {
  const value = make({ kind: 'limited' })
  const { body: made } = await paste(value)
  await rotate(made.id)
  const values = [value, ...tokensOut()]
  const tables = await app.rows('acme', "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")
  for (const { name } of tables) {
    const rows = await app.rows('acme', `SELECT t::text AS row FROM "${name}" t`)
    for (const { row } of rows) for (const one of values) expect(String(row)).not.toContain(one)
  }
  const said = [
    ...app.logged.map((line) => JSON.stringify(line)),
    ...app.answered.map(({ path, text }) => path + text),
  ].join('\n')
  expect(said).not.toContain(value)
})
