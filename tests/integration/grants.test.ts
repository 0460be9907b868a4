// What a person gave a program: seen, ended, frozen, and what ends with it.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { endGrant } from '../../lib/broker/end-grants.ts'
import { newId } from '../../lib/security/ids.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { type Programs, startPrograms } from '../support/grants-of-programs.ts'
import { selectionsOf } from '../support/selections.ts'

let app: TestApp
let programs: Programs
let owner: Jar
let member: Jar
let stranger: Jar
let ownerId: string
let memberId: string
let strangerId: string
let project: string
let theirs: string
beforeAll(async () => {
  app = await startTestApp()
  programs = startPrograms(app)
  const idOf = async (jar: Jar) => String((await app.call(jar, 'GET', '/me')).body.id)
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  stranger = await app.signIn('owner@globex.test')
  ownerId = await idOf(owner)
  memberId = await idOf(member)
  strangerId = await idOf(stranger)
  project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
  theirs = await app.linkProject(member, 'acme', { account: 'member@acme.test', project: '10231' })
})
afterAll(() => app.stop())
afterEach(async () => {
  await app.forgetLimits()
  await app.rows('acme', 'DELETE FROM freeze_fact')
})

type Grant = {
  id: string
  owner_id: string
  state: string
  cause: string | null
  kind: string
  tokens: number
  frozen: { kind: string } | null
  frozen_itself: boolean
}
type Listed = { items: Grant[]; total: number; next: string | null; code?: string }
type Revoked = { kind: string; id: string; already: boolean; upstream: string | null; latest_moment: string | null }

const list = async (jar: Jar, query = '') => (await app.call<Listed>(jar, 'GET', `/tenants/acme/grants${query}`)).body
const read = async (id: string, jar = owner) => (await app.call<Grant>(jar, 'GET', `/tenants/acme/grants/${id}`)).body
const revoke = (jar: Jar, body: object) =>
  app.call<{ items: Revoked[]; code?: string }>(jar, 'POST', '/tenants/acme/revocations', body)
const freeze = (kind: string, id: string, jar = owner) =>
  app.call(jar, 'POST', '/tenants/acme/freezes', { kind, id, reason: 'incident 7' })
const eventsOf = async (id: string) =>
  (await app.rows('acme', `SELECT body FROM audit_event WHERE body -> 'target' ->> 'id' = $1 ORDER BY id`, [id])).map(
    ({ body }) => body as { action: string; details: Record<string, unknown> },
  )
/** Everything of a project, whatever policy allows. */
const all = (id = project) => ({ [id]: { rights: null, proxy: null } })
const issueBody = { scopes: { buckets: { 'in.c-crm': 'read' } }, expires_in: 900, purpose: 'nightly export' }
type Issued = { token: { id: string; program: { client_id: string; grant_id: string } | null }; value: string }
const issue = (grant: string, id = project, body: object = {}) =>
  programs.call<Issued & { code?: string }>(grant, 'POST', `/tenants/acme/projects/${id}/tokens`, {
    ...issueBody,
    ...body,
  })

describe('the list', () => {
  it('ASK-21: a person sees their own devices and apps: what, through whom, from where, for what, how far, until when', async () => {
    const app1 = await programs.client('acme')
    const device = await programs.grant({
      userId: memberId,
      scopes: ['projects:read', 'tokens:issue'],
      ceilings: {
        [theirs]: { rights: { buckets: { 'in.c-crm': 'read' } }, proxy: { access: 'read_only' } },
        [newId('project')]: { rights: null, proxy: null },
      },
    })
    const other = await programs.grant({
      userId: memberId,
      client: app1,
      via: 'code',
      ceilings: { [theirs]: { rights: null } },
    })
    const someones = await programs.grant({ userId: ownerId })
    const { items, total } = await list(member)
    expect(items.map(({ id }) => id)).toEqual([other, device])
    expect(total).toBe(2)
    expect(items[1]).toMatchObject({
      owner_id: memberId,
      client: { id: 'valetkey', name: 'Valetkey command line', frozen: false },
      kind: 'device',
      via: 'device',
      scopes: ['projects:read', 'tokens:issue'],
      ceilings: [
        {
          project: { id: theirs },
          rights: [{ text: 'read in.c-crm', risk: 'low' }],
          proxy: [{ text: expect.stringMatching(/read/), risk: expect.any(String) }],
        },
      ],
      address: '203.0.113.7',
      agent: 'valetkey-cli/1.0 (linux)',
      last_used_at: null,
      state: 'live',
      cause: null,
      frozen: null,
      tokens: 0,
    })
    // Nothing said of the proxy is nothing; null is whatever policy allows.
    expect(items[0]).toMatchObject({ kind: 'app', via: 'code', ceilings: [{ rights: null, proxy: [] }] })
    expect(await read(someones, member)).toMatchObject({ code: 'not_found' })
    expect(await list(member, '?everybody=1')).toMatchObject({ code: 'forbidden' })
    expect(await list(member, `?owner=${ownerId}`)).toMatchObject({ code: 'forbidden' })
  })

  it('who oversees the tenant sees everybody’s, filtered and page by page, and is recorded to', async () => {
    const { items, total } = await list(owner, '?everybody=1')
    expect(total).toBe(items.length)
    expect(new Set(items.map(({ owner_id }) => owner_id))).toEqual(new Set([ownerId, memberId]))
    expect((await list(owner, `?owner=${memberId}`)).items.every(({ owner_id }) => owner_id === memberId)).toBe(true)
    const apps = await list(owner, '?everybody=1&client=valetkey')
    expect(apps.items.every(({ kind }) => kind === 'device')).toBe(true)
    expect((await list(owner, `?everybody=1&project=${theirs}`)).items).toHaveLength(2)
    expect((await list(owner, `?everybody=1&provider=${newId('provider')}`)).items).toEqual([])
    expect((await list(owner, `?everybody=1&before=${items[0]?.id}`)).items.map(({ id }) => id)).toEqual(
      items.slice(1).map(({ id }) => id),
    )
    const told = await app.rows('acme', `SELECT 1 FROM audit_event WHERE body -> 'target' ->> 'id' = 'listGrants'`)
    expect(told.length).toBeGreaterThan(0)
  })

  it('Z-03: what another tenant’s people gave is not there, for its own person either', async () => {
    const elsewhere = await programs.grant({ tenant: 'globex', userId: strangerId })
    expect(await read(elsewhere)).toMatchObject({ code: 'not_found' })
    expect((await list(owner, '?everybody=1')).items.map(({ id }) => id)).not.toContain(elsewhere)
    expect((await revoke(owner, { grants: [elsewhere] })).body).toMatchObject({ code: 'not_found' })
    expect((await freeze('grant', elsewhere)).status).toBe(404)
    expect(await programs.stateOf(elsewhere, 'globex')).toMatchObject({ state: 'live' })
  })

  it('says how each stands, and why it ended', async () => {
    const id = await programs.grant({ userId: ownerId, expiresAt: new Date(app.ctx.now().getTime() + 60_000) })
    expect((await freeze('grant', id)).status).toBe(200)
    expect(await read(id)).toMatchObject({
      state: 'frozen',
      frozen: { kind: 'grant', reason: 'incident 7' },
      frozen_itself: true,
    })
    expect((await list(owner, '?state=frozen')).items.map((one) => one.id)).toEqual([id])
    await app.advance(61)
    expect(await read(id)).toMatchObject({ state: 'ended', cause: 'expired', frozen: null })
    const client = await programs.client('acme')
    const withdrawn = await programs.grant({ userId: ownerId, client })
    await app.rows('acme', 'UPDATE api_client SET generation = generation + 1 WHERE id = $1', [client])
    expect(await read(withdrawn)).toMatchObject({ state: 'ended', cause: 'withdrawn', ended_at: null })
    const ended = await list(owner, '?state=ended')
    expect(ended.items.map((one) => one.id)).toEqual([withdrawn, id])
    expect((await list(owner, '?state=live')).items.map((one) => one.id)).not.toContain(id)
  })
})

describe('ending a grant', () => {
  it('D-12: its access tokens end and what was issued through it, also upstream; once', async () => {
    const id = await programs.grant({ userId: ownerId, ceilings: all() })
    const { token, value } = (await issue(id)).body
    expect(token.program).toEqual({ client_id: 'valetkey', grant_id: id, name: 'Valetkey command line' })
    expect((await read(id)).tokens).toBe(1)
    const tenantId = String(await app.tenantId('acme'))
    const end = () =>
      endGrant(app.ctx, { tenantId, grantId: id, cause: 'reuse', origin: { userId: null, address: '203.0.113.9' } })
    expect(await end()).toEqual({ already: false })
    expect(await programs.stateOf(id)).toEqual({ state: 'revoked', generation: 1, by: null, cause: 'reuse', tokens: 0 })
    expect(await app.useToken(value)).toBe(401)
    expect(await end()).toEqual({ already: true })
    expect((await programs.stateOf(id)).generation).toBe(1)
    expect((await eventsOf(id)).map(({ action, details }) => [action, details])).toEqual([
      ['grant.ended', { owner: ownerId, client: 'valetkey', cause: 'reuse', tokens: 1, reason: null }],
    ])
    expect((await eventsOf(token.id)).map(({ action }) => action)).toContain('token.revoked')
    expect(await read(id)).toMatchObject({ state: 'ended', cause: 'reuse', ended_by: null, tokens: 0 })
  })

  it('revoking says the truths of it and of each token that ends with it; twice says already', async () => {
    const id = await programs.grant({ userId: ownerId, ceilings: all() })
    const other = await programs.grant({ userId: ownerId, ceilings: all() })
    const { token, value } = (await issue(id)).body
    const kept = (await issue(other)).body
    const { body } = await revoke(owner, { grants: [id], reason: 'laptop lost' })
    expect(body.items).toEqual([
      expect.objectContaining({ kind: 'grant', id, already: false, upstream: 'none', latest_moment: null }),
      expect.objectContaining({ kind: 'token', id: token.id, already: false, upstream: 'confirmed' }),
    ])
    expect([await app.useToken(value), await app.useToken(kept.value)]).toEqual([401, 200])
    expect((await issue(id)).body).toMatchObject({ code: 'unauthenticated' })
    expect((await issue(other)).status).toBe(201)
    expect((await revoke(owner, { grants: [id, id] })).body.items).toEqual([
      expect.objectContaining({ kind: 'grant', id, already: true }),
    ])
    expect((await eventsOf(id)).map(({ details }) => details)).toEqual([
      { owner: ownerId, client: 'valetkey', cause: 'revoked', tokens: 1, reason: 'laptop lost' },
    ])
  })

  it('E-04: members revoke their own, and nothing at all where one is another’s; admins everybody’s; auditors none', async () => {
    const mine = await programs.grant({ userId: memberId })
    const others = await programs.grant({ userId: ownerId })
    expect((await revoke(member, { grants: [mine, others] })).body).toMatchObject({ code: 'not_found' })
    expect(await programs.stateOf(mine)).toMatchObject({ state: 'live', generation: 0 })
    const setRole = (role: string) =>
      app.rows('acme', 'UPDATE member SET role = $1 WHERE user_id = $2', [role, memberId])
    await setRole('auditor')
    expect((await revoke(member, { grants: [mine] })).status).toBe(403)
    await setRole('member')
    expect((await revoke(member, { grants: [mine] })).status).toBe(200)
    const again = await programs.grant({ userId: memberId })
    expect((await revoke(owner, { grants: [again] })).status).toBe(200)
    expect(await read(again)).toMatchObject({ state: 'ended', cause: 'revoked', ended_by: ownerId })
  })

  it('a program ends its own grant and others of its person, with the scope for it', async () => {
    const weak = await programs.grant({ userId: memberId, scopes: ['projects:read'] })
    const able = await programs.grant({ userId: memberId, scopes: ['tokens:revoke'] })
    const ownersOwn = await programs.grant({ userId: ownerId })
    const end = (by: string, grants: string[]) =>
      programs.call<{ code?: string }>(by, 'POST', '/tenants/acme/revocations', { grants })
    expect((await end(weak, [weak])).body.code).toBe('insufficient_scope')
    expect((await end(able, [ownersOwn])).body.code).toBe('not_found')
    expect((await end(able, [weak, able])).status).toBe(200)
    expect(await programs.stateOf(able)).toMatchObject({ state: 'revoked', by: memberId })
  })

  it('disconnecting ends the tokens that were issued, and leaves the grant', async () => {
    const id = await programs.grant({ userId: memberId, ceilings: all(theirs) })
    const { value } = (await issue(id, theirs)).body
    const connection = (await app.rows('acme', 'SELECT id FROM connection WHERE user_id = $1', [memberId]))[0]?.id
    await revoke(member, { connections: [connection] })
    expect(await app.useToken(value)).toBe(401)
    expect(await programs.stateOf(id)).toMatchObject({ state: 'live', tokens: 1 })
    theirs = await app.linkProject(member, 'acme', { account: 'member@acme.test', project: '10231' })
    expect((await issue(id, theirs)).status).toBe(201)
  })
})

describe('a selection of grants', () => {
  const { act } = selectionsOf(
    () => app,
    () => owner,
  )
  const preview = (query: string, jar = owner) =>
    app.call<{ as_of: string; count: number; tokens: number; owners: { owner_id: string; count: number }[] }>(
      jar,
      'GET',
      `/tenants/acme/revocations/preview?kind=grants${query}`,
    )
  const endAll = (jar = owner) => revoke(jar, { grants: [] })

  it('ends all that match as of the preview, with their tokens, and nothing that was made since', async () => {
    const client = await programs.client('acme')
    const many = []
    for (let index = 0; index < 12; index += 1)
      many.push(await programs.grant({ userId: index % 2 ? ownerId : memberId, client, ceilings: all() }))
    await issue(many[1] ?? '')
    const seen = (await preview(`&client=${client}`)).body
    expect(seen).toMatchObject({ count: 12, tokens: 1 })
    expect(seen.owners.map(({ count }) => count)).toEqual([6, 6])
    await app.advance(1)
    const newer = await programs.grant({ userId: ownerId, client })
    const selection = { kind: 'grants', client, as_of: seen.as_of, count: 11 }
    expect((await act(selection)).body).toMatchObject({ code: 'count_changed', fields: { count: '12' } })
    const { body } = await act({ ...selection, count: 12, reason: 'rolled out again' })
    expect(body).toMatchObject({ total: 12, ended: 12 })
    for (const id of many) expect(await programs.stateOf(id)).toMatchObject({ state: 'revoked', tokens: 0 })
    expect(await programs.stateOf(newer)).toMatchObject({ state: 'live' })
  })

  it('a member’s is their own, and a filter that grants do not have is refused, not ignored', async () => {
    const mine = await programs.grant({ userId: memberId })
    await programs.grant({ userId: ownerId })
    const seen = (await preview('', member)).body
    expect(seen.owners.map(({ owner_id }) => owner_id)).toEqual([memberId])
    expect((await preview('&status=linked')).status).toBe(400)
    expect(
      (await app.call(owner, 'GET', '/tenants/acme/revocations/preview?kind=connections&client=valetkey')).status,
    ).toBe(400)
    const selection = { kind: 'grants', as_of: seen.as_of, count: seen.count }
    expect((await act(selection, member)).body.ended).toBe(seen.count)
    expect(await programs.stateOf(mine)).toMatchObject({ state: 'revoked' })
    expect((await list(owner, '?everybody=1&state=live')).items.every(({ owner_id }) => owner_id === ownerId)).toBe(
      true,
    )
    expect((await endAll()).status).toBe(400)
  })
})

describe('a freeze', () => {
  it('ASK-21: of a grant stops what it issues and what it issued, until it is lifted; revoking does not lift it', async () => {
    const id = await programs.grant({ userId: ownerId, ceilings: all() })
    const scopes = { access: 'read_only' }
    const { token } = (await issue(id, project, { strategy: 'proxy', scopes })).body
    const byHand = (await app.issue(owner, 'acme', project, { strategy: 'proxy', scopes })).body.token
    expect((await freeze('grant', id)).body).toMatchObject({
      already: false,
      freeze: { kind: 'grant', id, by: ownerId },
    })
    expect((await freeze('grant', id)).body).toMatchObject({ already: true })
    expect((await issue(id)).status).toBe(401)
    const tokenOf = async (one: string) =>
      (await app.call<{ frozen: { kind: string } | null }>(owner, 'GET', `/tenants/acme/tokens/${one}`)).body
    expect((await tokenOf(token.id)).frozen).toMatchObject({ kind: 'grant' })
    expect((await tokenOf(byHand.id)).frozen).toBeNull()
    const states = await app.rows(
      'acme',
      'SELECT id, vk.token_state(t) AS state FROM issued_token t WHERE id = ANY($1)',
      [[token.id, byHand.id]],
    )
    expect(Object.fromEntries(states.map(({ id, state }) => [id, state]))).toEqual({
      [token.id]: 'frozen',
      [byHand.id]: 'live',
    })
    const told = await app.rows(
      'acme',
      `SELECT user_id FROM notification WHERE kind = 'grant.frozen' AND details ->> 'target' = $1`,
      [id],
    )
    expect(told).toEqual([{ user_id: ownerId }])
    expect((await app.call(owner, 'DELETE', `/tenants/acme/freezes/grant/${id}`)).body).toEqual({ already: false })
    expect((await issue(id)).status).toBe(201)
    expect((await eventsOf(id)).map(({ action, details }) => [action, details.owner])).toEqual([
      ['freeze.set', ownerId],
      ['freeze.lifted', ownerId],
    ])
  })

  it('Z-06: of a program stops what was issued through it, and a suspension whatever its member holds, until it is over', async () => {
    const id = await programs.grant({ userId: ownerId, ceilings: all() })
    const body = { strategy: 'proxy', scopes: { access: 'read_only' } }
    const through = (await issue(id, project, body)).body.token.id
    const byHand = (await app.issue(owner, 'acme', project, body)).body.token.id
    const states = async () => {
      const text = 'SELECT vk.token_state(t) AS state FROM issued_token t WHERE id = $1'
      return [(await app.rows('acme', text, [through]))[0]?.state, (await app.rows('acme', text, [byHand]))[0]?.state]
    }
    expect((await freeze('client', 'valetkey')).status).toBe(200)
    expect(await states()).toEqual(['frozen', 'live'])
    expect((await app.call(owner, 'DELETE', '/tenants/acme/freezes/client/valetkey')).status).toBe(200)
    expect(await states()).toEqual(['live', 'live'])
    await app.rows('acme', `UPDATE member SET status = 'suspended' WHERE user_id = $1`, [ownerId])
    expect(await states()).toEqual(['frozen', 'frozen'])
    await app.rows('acme', `UPDATE member SET status = 'active' WHERE user_id = $1`, [ownerId])
    expect(await states()).toEqual(['live', 'live'])
  })

  it('whose time is over stops nothing that a grant gives', async () => {
    const id = await programs.grant({ userId: ownerId, ceilings: all() })
    for (const [kind, target] of [
      ['member', ownerId],
      ['client', 'valetkey'],
      ['grant', id],
    ])
      await app.rows(
        'acme',
        `INSERT INTO freeze_fact (tenant_id, kind, target_id, frozen_at, until)
        VALUES (current_setting('app.tenant_id'), $1, $2, vk_now() - interval '2 hours', vk_now() - interval '1 hour')`,
        [kind, target],
      )
    expect(await programs.stateOf(id)).toMatchObject({ state: 'live' })
    expect((await issue(id)).status).toBe(201)
  })

  it('of a program reaches everybody’s grants of it in this tenant, of the instance’s own program too, and no other tenant', async () => {
    const id = await programs.grant({ userId: memberId })
    const elsewhere = await programs.grant({ tenant: 'globex', userId: strangerId })
    expect((await freeze('client', 'valetkey')).status).toBe(200)
    expect(await read(id)).toMatchObject({
      state: 'frozen',
      client: { frozen: true },
      frozen: { kind: 'client' },
      frozen_itself: false,
    })
    expect(await programs.stateOf(elsewhere, 'globex')).toMatchObject({ state: 'live' })
    const foreign = await programs.client('globex')
    expect((await freeze('client', foreign)).status).toBe(404)
    expect((await freeze('client', 'valetkey', member)).status).toBe(403)
    expect((await freeze('grant', id, member)).status).toBe(403)
    const told = await app.rows('acme', `SELECT DISTINCT user_id FROM notification WHERE kind = 'client.frozen'`)
    expect(told.map(({ user_id }) => user_id).sort()).toEqual([memberId, ownerId].sort())
  })
})

const ofToken = (column: string) => `(SELECT ${column} FROM issued_token WHERE id = $1)`
it.each([
  ['connection', `id = ${ofToken('connection_id')}`],
  ['project', `id = ${ofToken('project_id')}`],
  ['provider', `id = ${ofToken('provider_id')}`],
  ['member', `user_id = ${ofToken('user_id')}`],
  ['tenant', `id = ${ofToken('tenant_id')}`],
  ['instance', `$1 <> ''`],
  ['api_client', `id = ${ofToken('client_id')}`],
])('A-02: a token is revoked once the generation of its %s was raised', async (table, where) => {
  const id = await programs.grant({ userId: ownerId, client: await programs.client('acme'), ceilings: all() })
  const body = { strategy: 'proxy', scopes: { access: 'read_only' } }
  const token = (await issue(id, project, body)).body.token.id
  const raise = (by: number) =>
    app.rows('acme', `UPDATE ${table} SET generation = generation + ${by} WHERE ${where} RETURNING 1`, [token])
  const state = async () =>
    (await app.rows('acme', 'SELECT vk.token_state(t) AS state FROM issued_token t WHERE id = $1', [token]))[0]?.state
  expect(await state()).toBe('live')
  expect(await raise(1)).toHaveLength(1)
  expect(await state()).toBe('revoked')
  await raise(-1)
  expect(await state()).toBe('live')
})

describe('losing a membership', () => {
  const path = () => `/tenants/acme/members/${memberId}`

  it.each([
    ['suspended', () => app.call(owner, 'PATCH', path(), { status: 'suspended', reason: 'left' })],
    ['removed', () => app.call(owner, 'DELETE', path(), { reason: 'left' })],
  ])(
    'A-02: whoever is %s loses every device and app in this tenant, and what they issued, and none elsewhere',
    async (_, end) => {
      await app.rows('acme', `UPDATE member SET status = 'active' WHERE user_id = $1`, [memberId])
      await app.rows(
        'globex',
        `INSERT INTO member (tenant_id, user_id, role, status, created_at) VALUES ($1, $2, 'member', 'active', now()) ON CONFLICT DO NOTHING`,
        [await app.tenantId('globex'), memberId],
      )
      const id = await programs.grant({ userId: memberId, ceilings: all(theirs) })
      const elsewhere = await programs.grant({ tenant: 'globex', userId: memberId })
      const { value } = (await issue(id, theirs)).body
      const before = (await app.call<{ grants: number }>(owner, 'GET', `${path()}/ending`)).body
      expect(before.grants).toBe((await list(owner, `?owner=${memberId}&state=live`)).total)
      expect((await end()).status).toBe(204)
      expect(await programs.stateOf(id)).toMatchObject({
        state: 'revoked',
        generation: 1,
        by: ownerId,
        cause: 'revoked',
        tokens: 0,
      })
      expect(await app.useToken(value)).toBe(401)
      expect(await programs.stateOf(elsewhere, 'globex')).toMatchObject({ state: 'live', tokens: 1 })
      const changed = (await eventsOf(memberId)).at(-1)
      expect(changed?.details).toMatchObject({ grants: before.grants, reason: 'left' })
      // Back again, nothing of it comes back.
      await app.rows('acme', `UPDATE member SET status = 'active' WHERE user_id = $1`, [memberId])
      expect(await programs.stateOf(id)).toMatchObject({ state: 'revoked' })
    },
  )
})
