// The address where a component is authorized: made with the connection's own Bearer, holding a token for that component alone.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Jar, startTestApp, type TestApp, type TokenOnWire } from '../support/app.ts'
import { deviceLogin } from '../support/programs.ts'

type Made = { url: string; token: TokenOnWire & { purpose: string; expires_at: string }; expires_in: number }
type Refused = { code: string; detail: string; next: string; errors?: { pointer: string }[] }

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
  app.demo.modes.set({ mintExcess: null, master: true, role: null })
  await app.forgetLimits()
})

const body = { component: 'keboola.ex-salesforce', configuration: '901' }
const make = <T = Made>(more: Record<string, unknown> = {}, jar = owner, of = project, headers = {}) =>
  app.call<T>(jar, 'POST', `/tenants/acme/projects/${of}/component-urls`, { ...body, ...more }, headers)
const mints = () => app.requests('POST /v2/storage/tokens')
const tokenIn = (url: string) => new URL(url).searchParams.get('token') ?? ''
const storage = (path: string, token: string) =>
  fetch(`${app.demo.url}/v2/storage/${path}`, { headers: { 'x-storageapi-token': token } })

describe('the address of a component', () => {
  it('K-30 K-32 ASK-04: is made without a master token, and its token may use that component alone', async () => {
    const { status, body: made, headers } = await make()
    expect(status).toBe(201)
    expect(headers.get('cache-control')).toBe('no-store')
    const url = new URL(made.url)
    expect([url.origin + url.pathname, url.searchParams.get('sapiUrl'), url.hash]).toEqual([
      `${app.demo.url}/external/oauth/index.html`,
      app.demo.url,
      '#/keboola.ex-salesforce/901',
    ])
    const { description, ...asked } = mints().at(-1)?.body ?? {}
    expect(asked).toEqual({ expiresIn: 3600, componentAccess: ['keboola.ex-salesforce'], bucketPermissions: {} })
    expect(description).toContain('Authorize keboola.ex-salesforce/901')
    const token = tokenIn(made.url)
    expect((await storage('components/keboola.ex-salesforce/configs/901', token)).status).toBe(200)
    expect((await storage('components/keboola.ex-db-pgsql/configs/902', token)).status).toBe(403)
    expect(await (await storage('buckets', token)).json()).toEqual([])
  })

  it('K-34: is one line without a blank, whatever its parts are', async () => {
    const { body: made } = await make()
    expect(made.url).toMatch(/^\S+$/)
    for (const wrong of [
      { component: 'a b' },
      { configuration: '9\n01' },
      { configuration: '../1' },
      { component: '' },
    ])
      expect((await make(wrong)).status).toBe(400)
  })

  it('K-30: holds a token that is listed, audited and revoked like any other, and no other answer holds it', async () => {
    const { body: made } = await make()
    const { id } = made.token
    const value = tokenIn(made.url)
    expect(made.token).toMatchObject({
      state: 'live',
      purpose: 'Authorize keboola.ex-salesforce/901',
      granted: { components: ['keboola.ex-salesforce'], buckets: {}, manage_buckets: false },
      not_granted: [],
    })
    const listed = await app.call<{ items: TokenOnWire[] }>(owner, 'GET', '/tenants/acme/tokens')
    expect(listed.body.items[0]?.id).toBe(id)
    const events = await app.rows('acme', `SELECT body FROM audit_event WHERE body->'target'->>'id' = $1 ORDER BY id`, [
      id,
    ])
    expect(events.map(({ body }) => body)).toMatchObject([
      { action: 'token.requested', details: { authorizes: 'keboola.ex-salesforce/901', seconds: 3600 } },
      { action: 'token.issued' },
    ])
    for (const path of ['/tokens', `/tokens/${id}`, `/projects/${project}`, '/audit-events'])
      expect((await app.call(owner, 'GET', `/tenants/acme${path}`)).text).not.toContain(value)
    expect(await app.useToken(value)).toBe(200)
    await app.call(owner, 'POST', '/tenants/acme/revocations', { tokens: [id] })
    expect(await app.useToken(value)).toBe(401)
  })

  it('works for as long as asked, and no longer than policy or an hour', async () => {
    expect((await make({ expires_in: 300 })).body.expires_in).toBeGreaterThan(290)
    expect((await make({ expires_in: 3_601 })).status).toBe(400)
    await app.rows(
      'acme',
      `INSERT INTO policy (tenant_id, level, target_id, max_lifetime_seconds) SELECT tenant_id, 'project', id, 600 FROM project WHERE id = $1`,
      [project],
    )
    const { body: made } = await make()
    await app.rows('acme', 'DELETE FROM policy WHERE target_id = $1', [project])
    expect([made.expires_in <= 600, made.expires_in > 590]).toEqual([true, true])
  })

  it('is made once for a key, and a repeat answers the same address', async () => {
    const key = { 'idempotency-key': 'component-url-0001' }
    const first = await make({}, owner, project, key)
    const before = mints().length
    expect((await make({}, owner, project, key)).body).toEqual(first.body)
    expect(mints().length).toBe(before)
  })
})

it('K-30: an address that was found is found out at the leak desk, and ended there', async () => {
  const { body: made } = await make()
  const { body: found } = await app.call<{ found: { kind: string; id: string }[] }>(
    owner,
    'POST',
    '/tenants/acme/leaks',
    { text: `somebody pasted this: ${made.url} into a chat` },
  )
  expect(found.found).toMatchObject([{ kind: 'token', id: made.token.id }])
})

describe('before anything is made', () => {
  /** Refused by what it answers, and no token was asked for. */
  async function refused(more: object, expected: object, jar = owner, of = project) {
    const before = mints().length
    const rows = () => app.rows('acme', 'SELECT count(*)::int AS count FROM issued_token')
    const [already] = await rows()
    const { status, body } = await make<Refused>({ ...more }, jar, of)
    expect({ status, ...body }).toMatchObject(expected)
    expect(mints().length).toBe(before)
    expect(await rows()).toEqual([already])
  }

  it('K-31: a connection that the upstream takes for another token than a master token is refused, by that token’s id', async () => {
    app.demo.modes.set({ master: false })
    await refused({}, { status: 403, code: 'missing_master_token', detail: expect.stringMatching(/token \d+,/) })
    expect((await make<Refused>()).body.next).toContain('Reconnect')
  })

  it.each(['guest', 'readOnly'] as const)(
    'K-31: who has the role %s upstream is told that it may not pass the right on',
    async (role) => {
      app.demo.modes.set({ role })
      await refused({}, { status: 422, code: 'component_refused', detail: expect.stringContaining(role) })
    },
  )

  it('K-31: a component that is not there is refused by its name', () =>
    refused(
      { component: 'keboola.ex-nothing' },
      { status: 422, code: 'component_refused', detail: expect.stringContaining('keboola.ex-nothing') },
    ))

  it('K-31: a configuration that is not there is refused by its id', () =>
    refused(
      { configuration: '999' },
      { status: 422, code: 'component_refused', detail: expect.stringContaining('999') },
    ))

  it('K-31: a component that is not authorized by anybody is refused, unless the caller knows better', async () => {
    const other = { component: 'keboola.ex-db-pgsql', configuration: '902' }
    await refused(other, { status: 422, code: 'component_refused' })
    expect((await make({ ...other, anyway: true })).status).toBe(201)
  })

  it('a project of another kind has no such page', async () => {
    const tickets = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', provider: 'Demo tickets' })
    await refused({}, { status: 409, code: 'no_component_page' }, owner, tickets)
  })

  it('ASK-21: a program that was allowed less makes none', async () => {
    const user = (await app.call<{ id: string }>(owner, 'GET', '/me')).body.id
    const { access_token } = await deviceLogin(app, 'acme', { user, scopes: ['projects:read', 'tokens:issue'] })
    const asProgram = (ceilings: object) =>
      app
        .rows('acme', 'UPDATE oauth_grant SET ceilings = $1 WHERE user_id = $2', [JSON.stringify(ceilings), user])
        .then(() => make<Refused>({}, new Map(), project, { authorization: `Bearer ${access_token}` }))
    const before = mints().length
    const rights = { components: ['keboola.ex-db-pgsql'] }
    expect(await asProgram({ [project]: { rights, proxy: null } })).toMatchObject({
      status: 403,
      body: { code: 'beyond_grant' },
    })
    expect(mints().length).toBe(before)
    expect((await asProgram({ [project]: { rights: { components: [body.component] }, proxy: null } })).status).toBe(201)
  })

  it('of a project that is frozen makes none, and asks no upstream', async () => {
    await app.call(owner, 'POST', '/tenants/acme/freezes', { kind: 'project', id: project })
    const before = app.requests('GET /v2/storage/tokens/verify').length
    expect(await make<Refused>()).toMatchObject({ status: 409, body: { code: 'frozen' } })
    expect(app.requests('GET /v2/storage/tokens/verify').length).toBe(before)
    await app.call(owner, 'DELETE', `/tenants/acme/freezes/project/${project}`)
    expect((await make()).status).toBe(201)
  })

  it('what is not the caller’s does not exist', async () => {
    const globex = await app.signIn('owner@globex.test')
    const path = `/tenants/globex/projects/${project}/component-urls`
    expect((await app.call(globex, 'POST', path, body)).status).toBe(404)
    expect((await app.call(globex, 'POST', `/tenants/acme/projects/${project}/component-urls`, body)).status).toBe(404)
  })
})

it('K-22 K-30: a token that lacks the component is ended at once, and no address is answered', async () => {
  // Their role was another one when it was asked about.
  app.demo.faults.push('GET /v2/storage/tokens/verify', {
    body: {
      kind: 'json',
      value: {
        id: '1',
        isMasterToken: true,
        admin: { id: 1, name: 'Somebody', role: 'admin' },
        owner: { id: '10231', name: 'Acme Sales Reporting' },
      },
    },
  })
  const { status, body: told } = await make<Refused>({}, member, guestProject)
  expect([status, told.code]).toEqual([502, 'unsound_token'])
  expect(told.detail).toContain('not granted: component keboola.ex-salesforce')
  const [made] = app.demo.ledger.tokens.filter(({ kind }) => kind === 'storage').slice(-1)
  expect(made?.live).toBe(false)
})

it('K-30: what can be chosen names the components that are authorized, with their configurations', async () => {
  const { body: choices } = await app.call<{ components: { id: string }[] }>(
    owner,
    'POST',
    `/tenants/acme/projects/${project}/scopes`,
  )
  expect(choices.components.find(({ id }) => id === 'keboola.ex-salesforce')).toEqual({
    id: 'keboola.ex-salesforce',
    name: 'Salesforce',
    authorizes: true,
    configurations: [{ id: '901', name: 'Accounts, nightly' }],
  })
  expect(choices.components.find(({ id }) => id === 'keboola.ex-db-pgsql')).toMatchObject({ authorizes: false })
})

it('a connection that is over makes none', async () => {
  const { body: own } = await app.call<{ connection: { id: string } }>(
    member,
    'GET',
    `/tenants/acme/projects/${guestProject}`,
  )
  await app.call(member, 'POST', '/tenants/acme/revocations', { connections: [own.connection.id] })
  expect((await make<Refused>({}, member, guestProject)).status).toBe(409)
})
