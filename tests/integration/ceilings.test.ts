// How far a program may go with what a person gave it: never beyond, and never once it is ended.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { type Programs, startPrograms } from '../support/grants-of-programs.ts'

let app: TestApp
let programs: Programs
let owner: Jar
let ownerId: string
let project: string
let second: string
beforeAll(async () => {
  app = await startTestApp()
  programs = startPrograms(app)
  owner = await app.signIn('owner@acme.test')
  ownerId = String((await app.call(owner, 'GET', '/me')).body.id)
  project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
  second = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10232' })
})
afterAll(() => app.stop())
afterEach(async () => {
  app.demo.faults.clear()
  await app.forgetLimits()
})

const buckets = (given: Record<string, string>) => ({ buckets: given })
type Answer = { token: { id: string }; value: string; code?: string; detail?: string; next?: string }
const issue = (grant: string, { id = project, ...body }: { id?: string; scopes: object; strategy?: string }) =>
  programs.call<Answer>(grant, 'POST', `/tenants/acme/projects/${id}/tokens`, {
    expires_in: 900,
    purpose: 'nightly export',
    ...body,
  })
const read = { scopes: buckets({ 'in.c-crm': 'read' }) }
const proxied = (scopes: object) => ({ strategy: 'proxy', scopes })
const rows = (grant: string) =>
  app.rows('acme', 'SELECT id, status, generation, client_id, grant_id FROM issued_token WHERE grant_id = $1', [grant])

describe('a ceiling', () => {
  it('ASK-21: lets issue what is within it, and names what is beyond; nothing is begun then', async () => {
    const grant = await programs.grant({
      userId: ownerId,
      ceilings: {
        [project]: {
          rights: buckets({ 'in.c-crm': 'read' }),
          proxy: { access: 'paths', paths: ['GET /v2/storage/**'] },
        },
      },
    })
    expect((await issue(grant, read)).status).toBe(201)
    const wide = await issue(grant, { scopes: { ...buckets({ 'in.c-crm': 'write', 'in.c-web': 'read' }) } })
    expect([wide.status, wide.body.code]).toEqual([403, 'beyond_grant'])
    expect(wide.body.detail).toMatch(/in\.c-crm/)
    expect(wide.body.detail).toMatch(/in\.c-web/)
    expect(wide.body.next).toMatch(/Sign in again/)
    expect((await issue(grant, proxied({ access: 'paths', paths: ['GET /v2/storage/buckets'] }))).status).toBe(201)
    const everything = await issue(grant, proxied({ access: 'everything' }))
    expect([everything.status, everything.body.code]).toEqual([403, 'beyond_grant'])
    // Each way has a ceiling of its own.
    expect(await rows(grant)).toEqual([
      expect.objectContaining({ status: 'live', client_id: 'valetkey', grant_id: grant }),
      expect.objectContaining({ status: 'live', client_id: 'valetkey', grant_id: grant }),
    ])
  })

  it.each([
    ['no project', {}],
    ['another project', () => ({ [second]: { rights: null, proxy: null } })],
    ['a project of which nothing is said', () => ({ [project]: {} })],
    ['only the other way', (way: string) => ({ [project]: way === 'rights' ? { proxy: null } : { rights: null } })],
    ['no right', { rights: buckets({}), proxy: { access: 'paths', paths: ['GET /elsewhere'] } }],
    ['what no kind can read', { rights: { everything: true }, proxy: { everything: true } }],
  ])('ASK-21: that says %s allows nothing', async (_, said) => {
    for (const [way, asked] of [
      ['rights', read],
      ['proxy', proxied({ access: 'paths', paths: ['GET /v2/storage/buckets'] })],
    ] as const) {
      const given = typeof said === 'function' ? said(way) : said
      const ceilings = 'rights' in given ? { [project]: given } : given
      const grant = await programs.grant({ userId: ownerId, ceilings })
      const { status, body } = await issue(grant, asked)
      expect([way, status, body.code]).toEqual([way, 403, 'beyond_grant'])
      expect(await rows(grant)).toEqual([])
    }
  })

  it('null is whatever policy allows, and policy still holds', async () => {
    const grant = await programs.grant({ userId: ownerId, ceilings: { [project]: { rights: null, proxy: null } } })
    expect((await issue(grant, read)).status).toBe(201)
    await app.rows(
      'acme',
      `INSERT INTO policy (tenant_id, level, target_id, strategies) SELECT $1, 'tenant', $1, ARRAY['proxy']
      ON CONFLICT (tenant_id, level, target_id) DO UPDATE SET strategies = excluded.strategies`,
      [await app.tenantId('acme')],
    )
    expect((await issue(grant, read)).body.code).toBe('over_policy')
    await app.rows('acme', 'UPDATE policy SET strategies = NULL')
  })

  it('is no concern of the person, nor of what a program reads', async () => {
    const grant = await programs.grant({ userId: ownerId })
    expect((await app.issue(owner, 'acme', project)).body.token).toMatchObject({ program: null })
    expect((await programs.call(grant, 'GET', `/tenants/acme/projects/${project}`)).status).toBe(200)
    expect((await issue(grant, read)).body.code).toBe('beyond_grant')
  })

  it('another person’s grant, and one of another program, is none', async () => {
    const member = await app.signIn('member@acme.test')
    const memberId = String((await app.call(member, 'GET', '/me')).body.id)
    const grant = await programs.grant({ userId: ownerId, ceilings: { [project]: { rights: null } } })
    for (const [column, value] of [
      ['user_id', memberId],
      ['client_id', await programs.client('acme')],
    ]) {
      const headers = await programs.headersOf(grant)
      const before = (await app.rows('acme', `SELECT ${column} AS was FROM oauth_grant WHERE id = $1`, [grant]))[0]?.was
      await app.rows('acme', `UPDATE oauth_grant SET ${column} = $1 WHERE id = $2`, [value, grant])
      const { status } = await programs.send(headers, 'POST', `/tenants/acme/projects/${project}/tokens`, {
        ...read,
        expires_in: 900,
        purpose: 'x',
      })
      expect([column, status]).toEqual([column, 401])
      await app.rows('acme', `UPDATE oauth_grant SET ${column} = $1 WHERE id = $2`, [before, grant])
    }
  })
})

describe('ending a grant while it issues', () => {
  const all = () => ({ [project]: { rights: null, proxy: null } })
  const revoke = (grant: string) => app.call(owner, 'POST', '/tenants/acme/revocations', { grants: [grant] })

  it('A-03: at the upstream: what comes back is ended there and not handed out', async () => {
    const grant = await programs.grant({ userId: ownerId, ceilings: all() })
    app.demo.faults.push('POST /v2/storage/tokens', { hold: { barrier: 'made', at: 'after' } })
    const late = issue(grant, read)
    await app.demo.faults.barrier('made').arrived()
    expect((await revoke(grant)).status).toBe(200)
    app.demo.faults.barrier('made').release()
    const { status, body } = await late
    expect([status, body.code]).toEqual([409, 'revoked_meanwhile'])
    expect(await rows(grant)).toEqual([expect.objectContaining({ status: 'revoked' })])
    const [{ state } = {}] = await app.rows(
      'acme',
      'SELECT r.state FROM upstream_revocation r JOIN issued_token t ON t.id = r.token_id WHERE t.grant_id = $1',
      [grant],
    )
    expect(state).toBe('confirmed')
  })

  it('A-03: frozen meanwhile, by whom it was let in or all of its program: the same, and says so', async () => {
    for (const kind of ['grant', 'client']) {
      const client = await programs.client('acme')
      const grant = await programs.grant({ userId: ownerId, client, ceilings: all() })
      app.demo.faults.push('POST /v2/storage/tokens', { hold: { barrier: kind, at: 'after' } })
      const late = issue(grant, read)
      await app.demo.faults.barrier(kind).arrived()
      await app.call(owner, 'POST', '/tenants/acme/freezes', { kind, id: kind === 'grant' ? grant : client })
      app.demo.faults.barrier(kind).release()
      const { status, body } = await late
      expect([kind, status, body.code]).toEqual([kind, 409, 'frozen'])
      expect(await rows(grant)).toEqual([expect.objectContaining({ status: 'revoked' })])
    }
  })

  it('A-03: here: an end that has not committed yet is waited for, and wins', async () => {
    const grant = await programs.grant({ userId: ownerId, ceilings: all() })
    const client = await app.ctx.pool.connect()
    try {
      await client.query('BEGIN')
      await client.query(`SELECT set_config('app.tenant_id', $1, true)`, [await app.tenantId('acme')])
      await client.query(
        `UPDATE oauth_grant SET generation = 1, ended_at = vk_now(), end_cause = 'revoked' WHERE id = $1`,
        [grant],
      )
      const late = issue(grant, proxied({ access: 'read_only' }))
      const waiting = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`
      await expect.poll(async () => (await app.ctx.pool.query(waiting)).rowCount).toBeGreaterThan(0)
      await client.query('COMMIT')
      expect((await late).status).toBe(401)
    } finally {
      client.release()
    }
    expect(await rows(grant)).toEqual([])
  })

  it('A-03: whichever comes first, no token of an ended grant is left alive', async () => {
    for (let round = 0; round < 8; round += 1) {
      const grant = await programs.grant({ userId: ownerId, ceilings: all() })
      const asked = Array.from({ length: 3 }, () => issue(grant, proxied({ access: 'read_only' })))
      const [ended, ...answers] = await Promise.all([revoke(grant), ...asked])
      expect(ended.status).toBe(200)
      expect(answers.filter(({ status }) => ![201, 401, 409].includes(status))).toEqual([])
      expect((await rows(grant)).filter(({ generation }) => generation === 0)).toEqual([])
      await app.forgetLimits()
    }
  })
})
