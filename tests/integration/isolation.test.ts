import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Role } from '../../lib/actor.ts'
import { paramNames } from '../../lib/http/operation.ts'
import { operations } from '../../lib/http/wire.ts'
import { byAddress, type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { bodiesFor, makeThings, pathOf, type Things } from '../support/things.ts'

let app: TestApp
let owner: Jar
let member: Jar
let globex: Jar
let receiver: Receiver
/** Ids of things in acme that belong to its owner, by the parameter that names them. */
let things: Things
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  member = await app.signIn('member@acme.test')
  globex = await app.signIn('owner@globex.test')
  await app.linkProject(globex, 'globex', { account: 'owner@globex.test', project: '20880' })
  receiver = await startReceiver()
  things = await makeThings(app, owner, { account: 'owner@acme.test', project: '10231', receiver })
})
afterAll(async () => {
  await app.stop()
  await receiver.stop()
})
afterEach(() => app.forgetLimits())

const inTenant = operations.filter(({ path }) => path.startsWith('/api/v1/tenants/{tenant}/'))
const send = (
  jar: Jar,
  operation: (typeof inTenant)[number],
  tenant: string,
  given: Record<string, string | undefined>,
) => app.call(jar, operation.method, pathOf(operation.path, tenant, given), bodiesFor(things, receiver)[operation.id])
const withoutId = (text: string) => text.replace(/"request_id":"[^"]*"/, '')
/** Everything that acme has, as its rows. */
const acmeRows = async () => {
  const tables = [
    'provider',
    'project',
    'project_alias',
    'connection',
    'issued_token',
    'attempt',
    'member',
    'invitation',
    'upstream_revocation',
    'notification',
    'webhook',
    'webhook_delivery',
    'api_client',
    'client_secret',
  ]
  const found: Record<string, unknown>[][] = []
  for (const name of tables) found.push(await app.rows('acme', `SELECT t::text AS row FROM ${name} t ORDER BY 1`))
  return found
}

describe('nothing crosses from one tenant to another', () => {
  it.each(byAddress(inTenant))(
    'Z-02 %s: a foreign tenant and one that is not there answer alike, and nothing happens',
    async (_, operation) => {
      const before = await acmeRows()
      const requests = app.demo.ledger.requests.length
      const foreign = await send(globex, operation, 'acme', things)
      const absent = await send(globex, operation, 'no-such-tenant', things)
      expect([foreign.status, absent.status]).toEqual([404, 404])
      expect(withoutId(foreign.text)).toBe(withoutId(absent.text))
      expect(await acmeRows()).toEqual(before)
      expect(app.demo.ledger.requests.length).toBe(requests)
    },
  )

  const named = inTenant.filter(({ path }) => paramNames(path).length > 1)
  it.each(byAddress(named))(
    'Z-02 %s: another tenant’s id in one’s own tenant is as unknown as a made-up one',
    async (_, operation) => {
      const before = await acmeRows()
      const foreign = await send(globex, operation, 'globex', things)
      const absent = await send(globex, operation, 'globex', {})
      expect([foreign.status, absent.status]).toEqual([404, 404])
      expect(withoutId(foreign.text)).toBe(withoutId(absent.text))
      expect(await acmeRows()).toEqual(before)
    },
  )

  it('Z-02: ids of another tenant in bodies and queries are unknown as well', async () => {
    const before = await acmeRows()
    for (const [method, path, body] of [
      ['POST', '/tenants/globex/revocations', { tokens: [things.token] }],
      ['POST', '/tenants/globex/revocations', { connections: [things.connection] }],
      ['POST', '/tenants/globex/attempts', { provider: things.provider }],
      [
        'POST',
        '/tenants/globex/attempts',
        { provider: await app.demoProvider(globex, 'globex'), connection: things.connection },
      ],
    ] as const)
      expect((await app.call(globex, method, path, body)).status).toBe(404)
    const listed = await app.call(
      globex,
      'GET',
      `/tenants/globex/tokens?everybody=1&owner=${things.user}&project=${things.project}`,
    )
    expect(listed.body).toMatchObject({ items: [], total: 0 })
    expect(await acmeRows()).toEqual(before)
  })

  it('Z-02: another member’s things are unknown to a member of the same tenant', async () => {
    const paths = ['/tokens/{token}', '/attempts/{attempt}', '/projects/{project}'].map((path) =>
      pathOf(path, 'acme', things),
    )
    for (const path of paths) expect((await app.call(member, 'GET', `/tenants/acme${path}`)).status).toBe(404)
    for (const [method, path, body] of [
      ['PATCH', `/connections/${things.connection}`, { branch: 'x' }],
      ['POST', '/revocations', { tokens: [things.token] }],
      ['POST', '/revocations', { connections: [things.connection] }],
      ['POST', '/revocations', { grants: [things.grant] }],
      ['POST', '/attempts', { provider: things.provider, connection: things.connection }],
      ['POST', `/attempts/${things.attempt}/resume`, {}],
      ['DELETE', `/attempts/${things.attempt}`, {}],
      ['PATCH', `/projects/${things.project}`, { alias: 'mine-now' }],
    ] as const)
      expect((await app.call(member, method, `/tenants/acme${path}`, body)).status).toBe(404)
    expect((await app.call(member, 'GET', '/tenants/acme/tokens?everybody=1')).status).toBe(403)
    expect((await app.call(member, 'GET', `/tenants/acme/tokens?owner=${things.user}`)).status).toBe(403)
  })
})

describe('roles', () => {
  const setRole = (role: Role) =>
    app.rows(
      'acme',
      `UPDATE member SET role = $1 WHERE user_id = (SELECT id FROM "user" WHERE email = 'member@acme.test')`,
      [role],
    )

  it('K-18: an auditor reads everything, changes nothing, and sends nothing upstream; each denial leaves an event', async () => {
    await setRole('auditor')
    const requests = app.demo.ledger.requests.length
    // An export is a reading that leaves an event, which is all that it changes.
    // They read, and are no GET because they are recorded one by one or their question is a secret.
    const reading = [
      'exportEvents',
      'downloadEventsAsCsv',
      'downloadEventsAsNdjson',
      'inspectLeak',
      'signRevocationReceipt',
    ]
    const mutations = inTenant.filter(({ method, id }) => method !== 'GET' && !reading.includes(id))
    for (const operation of mutations)
      expect((await send(member, operation, 'acme', things)).status, operation.id).toBe(403)
    expect(app.demo.ledger.requests.length).toBe(requests)
    expect((await app.call(member, 'GET', '/tenants/acme/tokens?everybody=1')).status).toBe(200)
    const denied = await app.rows(
      'acme',
      `SELECT body->'target'->>'id' AS id FROM audit_event WHERE body->>'action' = 'access.denied'`,
    )
    expect(denied.map(({ id }) => id)).toEqual(expect.arrayContaining(mutations.map(({ id }) => id)))
    await setRole('member')
  })
})

describe('in the database itself', () => {
  it('Z-03: every table with a tenant, and the tenant table, forces row-level security with a policy', async () => {
    const { rows } = await app.owner.query(`
      SELECT c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
             EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid) AS policy
      FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND (c.relname = 'tenant'
        OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped))`)
    expect(rows.length).toBeGreaterThan(12)
    expect(rows.map(({ name, ...guards }) => [name, guards])).toEqual(
      rows.map(({ name }) => [name, { enabled: true, forced: true, policy: true }]),
    )
  })

  it('Z-03: the app role owns nothing, and may neither bypass policies, create nor truncate', async () => {
    const { rows } = await app.owner.query(`
      SELECT r.rolname, r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolcreatedb,
             has_schema_privilege('valetkey_app', 'public', 'CREATE') AS creates,
             (SELECT coalesce(bool_or(has_table_privilege('valetkey_app', c.oid, 'TRUNCATE') OR c.relowner = r.oid), false)
                FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace) AS owns
      FROM pg_roles r WHERE r.rolname IN ('valetkey_app', 'vk_lookup', 'vk_sealer')`)
    expect(rows).toHaveLength(3)
    for (const { rolname: _, ...rights } of rows)
      expect(Object.values(rights)).toEqual(Object.values(rights).map(() => false))
  })

  it('Z-03: without a tenant, and in another tenant, the app role sees and changes nothing', async () => {
    const client = new pg.Client({ connectionString: app.database.appUrl })
    await client.connect()
    const { rows: tables } = await client.query<{ name: string }>(`
      SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
      WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND has_table_privilege(c.oid, 'SELECT')`)
    const acme = await app.tenantId('acme')
    for (const setting of [undefined, '', 'ten_nowhere', await app.tenantId('globex')]) {
      await client.query('BEGIN')
      if (setting !== undefined) await client.query(`SELECT set_config('app.tenant_id', $1, true)`, [setting])
      for (const { name } of tables) {
        const { rows } = await client.query(`SELECT count(*)::int AS count FROM "${name}" WHERE tenant_id = $1`, [acme])
        expect([name, rows[0]]).toEqual([name, { count: 0 }])
      }
      expect((await client.query('SELECT FROM tenant WHERE id = $1', [acme])).rowCount).toBe(0)
      expect((await client.query(`UPDATE project SET name = 'taken' WHERE tenant_id = $1`, [acme])).rowCount).toBe(0)
      await expect(
        client.query(
          `INSERT INTO project_alias (tenant_id, alias, project_id, created_at) VALUES ($1, 'intruder', $2, now())`,
          [acme, things.project],
        ),
      ).rejects.toThrow(/row-level security/)
      await client.query('ROLLBACK')
    }
    await client.end()
  })

  it('Z-03: the look-up role cannot log in, and its functions show these columns and no more', async () => {
    const { rows } = await app.owner.query(`SELECT rolcanlogin FROM pg_roles WHERE rolname = 'vk_lookup'`)
    expect(rows).toEqual([{ rolcanlogin: false }])
    const client = new pg.Client({ connectionString: app.database.appUrl })
    await client.connect()
    await expect(client.query('SET ROLE vk_lookup')).rejects.toThrow(/permission denied/)
    await client.end()
  })
})

describe('fields that nobody may set', () => {
  const mutations = inTenant.filter(({ method, body }) => method !== 'GET' && body)
  const smuggled = {
    role_id: 1,
    tenantId: 'x',
    tenant_id: 'x',
    userId: 'x',
    user_id: 'x',
    expiresAt: 1,
    expires_at: 1,
    generation: 1,
    id: 'x',
  }
  it.each(byAddress(mutations))(
    'Z-08 %s: a field that is not declared is refused, and nothing changes',
    async (_, operation) => {
      const before = await acmeRows()
      const body = (bodiesFor(things, receiver)[operation.id] ?? {}) as Record<string, unknown>
      for (const [name, value] of Object.entries(smuggled)) {
        if (name in body) continue
        await app.forgetLimits()
        const answer = await app.call<{ code: string; fields: Record<string, string> }>(
          owner,
          operation.method,
          pathOf(operation.path, 'acme', things),
          { ...body, [name]: value },
        )
        expect([answer.status, Object.keys(answer.body.fields ?? {})]).toEqual([400, [name]])
      }
      expect(await acmeRows()).toEqual(before)
    },
  )
})
