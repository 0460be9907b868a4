// What a token stands on: one function counts it, one says whether it still holds.
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openDatabase } from '../../lib/store/database.ts'
import { completeIssue } from '../../lib/store/issuing.ts'
import { applyMigrations } from '../../scripts/migrate.mjs'
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../support/database.ts'

const tenant = `
  INSERT INTO tenant (id, slug, name, created_at) VALUES ('tnt_1', 'one', 'One', now());
  INSERT INTO "user" (id, issuer, subject, name, created_at) VALUES ('usr_1', 'https://idp.example', 's', 'S', now());
  INSERT INTO member (tenant_id, user_id, role, created_at) VALUES ('tnt_1', 'usr_1', 'member', now());
  INSERT INTO provider (tenant_id, id, kind, name, issuer, callback_key, client_id, created_at)
    VALUES ('tnt_1', 'prv_1', 'keboola', 'P', 'https://p.example', 'p', 'c', now());
  INSERT INTO project (tenant_id, id, provider_id, external_id, name, alias, created_at)
    VALUES ('tnt_1', 'prj_1', 'prv_1', '1', 'J', 'j', now());
  INSERT INTO connection (tenant_id, id, user_id, provider_id, account_id, account_name, status, status_since, scopes_granted, linked_at)
    VALUES ('tnt_1', 'con_1', 'usr_1', 'prv_1', 'a', 'A', 'linked', now(), '{}', now());
  INSERT INTO connection_project (tenant_id, connection_id, project_id, user_id) VALUES ('tnt_1', 'con_1', 'prj_1', 'usr_1');`
const columns =
  'tenant_id, id, user_id, project_id, connection_id, provider_id, strategy, status, nonce, purpose, scopes_asked, generations, expires_at, created_at'
const values = (id: string, status: string, generations: string) =>
  `('tnt_1', '${id}', 'usr_1', 'prj_1', 'con_1', 'prv_1', 'mint', '${status}', 'n', 'p', '{}', '${generations}', now() + interval '1 hour', now())`

/** A grant whose generation is raised has ended. */
const raised = (table: string) =>
  `UPDATE ${table} SET generation = generation + 1${table === 'oauth_grant' ? `, ended_at = now(), end_cause = 'revoked'` : ''}`

let database: TestDatabase
let owner: pg.Client
let app: pg.Client
beforeAll(async () => {
  database = await createTestDatabase()
  owner = new pg.Client({ connectionString: database.ownerUrl })
  app = new pg.Client({ connectionString: database.appUrl })
  await Promise.all([owner.connect(), app.connect()])
  for (const client of [owner, app]) await client.query(`SELECT set_config('app.tenant_id', 'tnt_1', false)`)
  await owner.query(tenant)
  await owner.query(`SELECT set_config('app.tenant_id', 'tnt_2', false)`)
  await owner.query(`INSERT INTO api_client (id, tenant_id, created_at) VALUES ('cli_foreign', 'tnt_2', now())`)
  await owner.query(`SELECT set_config('app.tenant_id', 'tnt_1', false)`)
  // The owner is bound by the policies; what is the instance's is written without them.
  await owner.query('ALTER TABLE api_client NO FORCE ROW LEVEL SECURITY')
  await owner.query(`INSERT INTO api_client (id, tenant_id, created_at) VALUES ('cli_instance', NULL, now())`)
  await owner.query('ALTER TABLE api_client FORCE ROW LEVEL SECURITY')
  await owner.query(`INSERT INTO oauth_grant (tenant_id, id, user_id, client_id, created_at)
    VALUES ('tnt_1', 'grt_1', 'usr_1', 'cli_instance', now())`)
})
afterAll(async () => {
  await Promise.all([owner.end(), app.end()])
  await database.drop()
})

const one = async <T>(sql: string, client = app): Promise<T> =>
  Object.values((await client.query(sql)).rows[0] ?? {})[0] as T
const stands = (id: string) => one<boolean>(`SELECT vk.token_stands('tnt_1', '${id}')`)
const generations = (connection: string, client: string, grant: string) =>
  one<number[] | null>(`SELECT vk.generations('tnt_1', 'usr_1', 'prj_1', 'prv_1', ${connection}, ${client}, ${grant})`)

describe('a token stands on', () => {
  beforeEach(async () => {
    await owner.query('DELETE FROM issued_token; DELETE FROM freeze_fact')
    await owner.query(`INSERT INTO issued_token (${columns}, client_id, grant_id)
      VALUES ('tnt_1', 'tok_1', 'usr_1', 'prj_1', 'con_1', 'prv_1', 'mint', 'live', 'n', 'p', '{}',
        vk.generations('tnt_1', 'usr_1', 'prj_1', 'prv_1', 'con_1', 'cli_instance', 'grt_1'), now() + interval '1 hour', now(),
        'cli_instance', 'grt_1')`)
  })

  it.each([
    'issued_token',
    'connection',
    'project',
    'provider',
    'member',
    'tenant',
    'instance',
    'api_client',
    'oauth_grant',
  ])('%s: raising its generation ends it', async (table) => {
    expect(await stands('tok_1')).toBe(true)
    await owner.query('ALTER TABLE api_client NO FORCE ROW LEVEL SECURITY')
    const where = table === 'api_client' ? ` WHERE id = 'cli_instance'` : ''
    await owner.query(`${raised(table)}${where}`)
    await owner.query('ALTER TABLE api_client FORCE ROW LEVEL SECURITY')
    expect(await stands('tok_1')).toBe(false)
  })

  it.each(['member', 'provider', 'project', 'connection'])('%s: freezing it stops it', async (kind) => {
    const target = { member: 'usr_1', provider: 'prv_1', project: 'prj_1', connection: 'con_1' }[kind]
    await owner.query(
      `INSERT INTO freeze_fact (tenant_id, kind, target_id, frozen_at) VALUES ('tnt_1', '${kind}', '${target}', now())`,
    )
    expect(await stands('tok_1')).toBe(false)
  })

  it('its member: while they are active', async () => {
    await owner.query(`UPDATE member SET status = 'suspended'`)
    expect(await stands('tok_1')).toBe(false)
    await owner.query(`UPDATE member SET status = 'active'`)
    expect(await stands('tok_1')).toBe(true)
  })

  it('nothing that is not there: neither has it generations, nor does it stand', async () => {
    expect(await generations(`'con_9'`, 'NULL', 'NULL')).toBeNull()
    expect(await generations(`'con_1'`, `'cli_9'`, 'NULL')).toBeNull()
    // A grant is one client's, and one person's.
    expect(await generations(`'con_1'`, `'cli_foreign'`, `'grt_1'`)).toBeNull()
    expect(await stands('tok_9')).toBe(false)
  })

  it('Z-03: no client of another tenant', async () => {
    expect(await generations(`'con_1'`, `'cli_foreign'`, 'NULL')).toBeNull()
    await expect(
      app.query(`INSERT INTO oauth_grant (tenant_id, id, user_id, client_id, created_at)
        VALUES ('tnt_1', 'grt_2', 'usr_1', 'cli_foreign', now())`),
    ).rejects.toMatchObject({ code: '42501' })
  })

  it('A-03: what it stands on is locked until the transaction ends', async () => {
    await app.query('BEGIN')
    await stands('tok_1')
    const waiting = async (sql: string) => {
      await owner.query('BEGIN')
      await owner.query(`SET LOCAL lock_timeout = '50ms'`)
      const code = await owner.query(sql).then(
        () => 'went on',
        (error: { code: string }) => error.code,
      )
      await owner.query('ROLLBACK')
      return code
    }
    for (const table of ['connection', 'project', 'provider', 'member', 'tenant', 'instance', 'oauth_grant'])
      expect(await waiting(raised(table)), table).toBe('55P03')
    await app.query('ROLLBACK')
  })

  describe('A-03: under lock', () => {
    const order = ['connection', 'project', 'provider', 'member', 'tenant', 'oauth_grant', 'instance']
    let other: pg.Client
    beforeAll(async () => {
      other = new pg.Client({ connectionString: database.ownerUrl })
      await other.connect()
      await other.query(`SELECT set_config('app.tenant_id', 'tnt_1', false)`)
    })
    afterAll(() => other.end())

    /** Asks whether the token stands while somebody holds a row of `table`, and does `work` once that is waited for. */
    async function whileHeld(table: string, work: () => Promise<unknown>): Promise<boolean> {
      await owner.query('BEGIN')
      await owner.query(`SELECT 1 FROM ${table} FOR UPDATE`)
      await app.query('BEGIN')
      const asked = stands('tok_1')
      const waiting =
        'SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted'
      while ((await other.query(waiting)).rowCount === 0) await new Promise((resolve) => setImmediate(resolve))
      await work()
      await owner.query('COMMIT')
      const answer = await asked
      await app.query('COMMIT')
      return answer
    }

    it.each(order)(
      '%s: what a revocation locks before it is held by then, and nothing that it locks after it',
      async (table) => {
        const held: string[] = []
        await whileHeld(table, async () => {
          for (const one of order.filter((name) => name !== table))
            await other.query(`SELECT 1 FROM ${one} FOR UPDATE NOWAIT`).catch(() => held.push(one))
        })
        expect(held).toEqual(order.slice(0, order.indexOf(table)))
      },
    )

    it.each(order)('%s: a generation that is raised while it is waited for is seen', async (table) => {
      expect(await whileHeld(table, () => owner.query(raised(table)))).toBe(false)
    })

    it('so is a member who is suspended, or a freeze that is written', async () => {
      expect(await whileHeld('member', () => owner.query(`UPDATE member SET status = 'suspended'`))).toBe(false)
      await owner.query(`UPDATE member SET status = 'active'`)
      const freeze = `INSERT INTO freeze_fact (tenant_id, kind, target_id, frozen_at) VALUES ('tnt_1', 'member', 'usr_1', now())`
      expect(await whileHeld('member', () => owner.query(freeze))).toBe(false)
      await owner.query('DELETE FROM freeze_fact')
    })
  })
})

it('a client of the instance is seen in every tenant, and changed in none', async () => {
  const known = [{ id: 'cli_instance' }, { id: 'valetkey' }]
  expect((await app.query('SELECT id FROM api_client ORDER BY id')).rows).toEqual(known)
  expect((await app.query(`SELECT 1 FROM api_client WHERE id = 'cli_instance' FOR SHARE`)).rowCount).toBe(1)
  const change = app.query(`UPDATE api_client SET generation = 9 WHERE id = 'cli_instance'`)
  await expect(change).rejects.toMatchObject({ code: '42501' })
  const take = app.query(`UPDATE api_client SET tenant_id = 'tnt_1' WHERE id = 'cli_instance'`)
  await expect(take).rejects.toMatchObject({ code: '42501' })
  const make = app.query(`INSERT INTO api_client (id, created_at) VALUES ('cli_2', now())`)
  await expect(make).rejects.toMatchObject({ code: '42501' })
  expect((await app.query(`DELETE FROM api_client WHERE id = 'cli_instance'`)).rowCount).toBe(0)
})

it('a token without connection is for `sign`, which has none, and has a project all the same', async () => {
  const insert = (id: string, strategy: string, connection: string, project = `'prj_1'`) =>
    owner.query(`INSERT INTO issued_token (${columns}) VALUES ('tnt_1', '${id}', 'usr_1', ${project}, ${connection}, 'prv_1',
      '${strategy}', 'live', 'n', 'p', '{}', vk.generations('tnt_1', 'usr_1', 'prj_1', 'prv_1', ${connection}, NULL, NULL),
      now() + interval '1 hour', now())`)
  const refused = { code: '23514', constraint: 'issued_token_connection' }
  await expect(insert('tok_2', 'mint', 'NULL')).rejects.toMatchObject(refused)
  await expect(insert('tok_2', 'sign', `'con_1'`)).rejects.toMatchObject(refused)
  await expect(insert('tok_2', 'sign', 'NULL', 'NULL')).rejects.toMatchObject({ code: '23502' })
  await insert('tok_2', 'sign', 'NULL')
  expect(await stands('tok_2')).toBe(true)
  await owner.query('UPDATE project SET generation = generation + 1')
  expect(await stands('tok_2')).toBe(false)
})

it('A-03: a token that is revoked while it is completed is not completed', async () => {
  await owner.query(`INSERT INTO issued_token (${columns}) VALUES ('tnt_1', 'tok_3', 'usr_1', 'prj_1', 'con_1', 'prv_1', 'mint',
    'issuing', 'n', 'p', '{}', vk.generations('tnt_1', 'usr_1', 'prj_1', 'prv_1', 'con_1', NULL, NULL), now() + interval '1 hour', now())`)
  await owner.query(`INSERT INTO session (id, token_hash, user_id, auth_time, created_at, last_active_at, expires_at)
    VALUES ('ses_1', 'h', 'usr_1', now(), now(), now(), now() + interval '1 hour')`)
  const { db, pool } = openDatabase({ databaseUrl: database.appUrl, poolSize: 2 })
  const made = {
    upstreamId: '1',
    handle: 'h',
    fingerprint: 'f',
    scopesGranted: {},
    expiresAt: new Date(),
    revokeAt: null,
  }
  await owner.query('BEGIN')
  await owner.query(`UPDATE issued_token SET generation = generation + 1 WHERE id = 'tok_3'`)
  const completed = completeIssue(
    { pool, config: { namedStatements: true } as never },
    JSON.stringify({ session: 'ses_1', idle: 60 }),
    { tenantId: 'tnt_1', userId: 'usr_1', id: 'tok_3' },
    { roles: ['member'], made, keeping: undefined, body: {}, now: new Date() },
  )
  const waits = `SELECT count(*)::int FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.datname = current_database() AND NOT l.granted`
  await expect.poll(() => one<number>(waits), { timeout: 10_000 }).toBe(1)
  await owner.query('COMMIT')
  expect(await completed).toBe('revoked_meanwhile')
  expect(await one(`SELECT status FROM issued_token WHERE id = 'tok_3'`, owner)).toBe('issuing')
  await db.$disconnect()
  await pool.end()
})

it('H-06: what lives and what is being made go on through the upgrade, and so do processes of the version before', async () => {
  const migrations = resolve(import.meta.dirname, '../../prisma/migrations')
  const turn = '20261128030000_generations'
  const before = await mkdtemp(join(tmpdir(), 'valetkey-before-'))
  for (const name of await readdir(migrations))
    if (name < turn || name.endsWith('.toml')) await cp(join(migrations, name), join(before, name), { recursive: true })
  const old = await createEmptyDatabase()
  const client = new pg.Client({ connectionString: old.ownerUrl })
  try {
    await applyMigrations(old.ownerUrl, before)
    await client.connect()
    await client.query(`SELECT set_config('app.tenant_id', 'tnt_1', false)`)
    await client.query(tenant)
    await client.query(`UPDATE connection SET generation = 3; UPDATE project SET generation = 2; UPDATE provider SET max_lifetime_seconds = 600;
      INSERT INTO issued_token (${columns}) VALUES ${values('tok_live', 'live', '{0,3,2,0,0,0,0}')},
        ${values('tok_stale', 'live', '{0,2,2,0,0,0,0}')}, ${values('tok_made', 'issuing', '{0,3,2,0,0,0,0}')}`)
    expect(await applyMigrations(old.ownerUrl)).toContain(turn)
    const live = (id: string) => one<boolean>(`SELECT vk.token_stands('tnt_1', '${id}')`, client)
    expect([await live('tok_live'), await live('tok_stale'), await live('tok_made')]).toEqual([true, false, true])
    // What a process of the version before inserts, compares and raises.
    await client.query(
      `INSERT INTO issued_token (${columns}) VALUES ${values('tok_old', 'issuing', '{0,3,2,0,0,0,0}')}`,
    )
    const completed =
      await client.query(`SELECT t.id FROM issued_token t JOIN connection c ON c.id = t.connection_id JOIN project p ON p.id = t.project_id
      JOIN provider r ON r.id = t.provider_id JOIN member m ON m.user_id = t.user_id JOIN tenant n ON n.id = t.tenant_id CROSS JOIN instance i
      WHERE t.status = 'issuing' AND t.generations = ARRAY[t.generation, c.generation, p.generation, r.generation, m.generation, n.generation, i.generation]
      ORDER BY t.id`)
    expect(completed.rows).toEqual([{ id: 'tok_made' }, { id: 'tok_old' }])
    expect(await one(`SELECT vk.generations('tnt_1', 'usr_1', 'prj_1', 'prv_1', 'con_1', NULL, NULL)`, client)).toEqual(
      [0, 3, 2, 0, 0, 0, 0],
    )
    await client.query(`UPDATE issued_token SET generation = generation + 1 WHERE id = 'tok_live'`)
    expect(await live('tok_live')).toBe(false)
    // The longest life of a token: read from the table now, and written to both by either.
    const policy = () => client.query(`SELECT level, target_id, max_lifetime_seconds FROM policy ORDER BY level`)
    expect((await policy()).rows).toEqual([{ level: 'provider', target_id: 'prv_1', max_lifetime_seconds: 600 }])
    await client.query('UPDATE provider SET max_lifetime_seconds = 700')
    expect((await policy()).rows).toMatchObject([{ max_lifetime_seconds: 700 }])
    await client.query('UPDATE provider SET max_lifetime_seconds = NULL')
    expect((await policy()).rows).toMatchObject([{ max_lifetime_seconds: null }])
    await client.query('UPDATE policy SET max_lifetime_seconds = 800')
    expect(await one('SELECT max_lifetime_seconds FROM provider', client)).toBe(800)
    await client.query(`INSERT INTO policy (tenant_id, level, target_id, max_lifetime_seconds)
      VALUES ('tnt_1', 'tenant', 'tnt_1', 900), ('tnt_1', 'project', 'prj_1', 60)`)
    expect(await one('SELECT max_lifetime_seconds FROM tenant', client)).toBe(900)
    expect(await one('SELECT max_lifetime_seconds FROM project', client)).toBe(60)
  } finally {
    await client.end()
    await old.drop()
    await rm(before, { recursive: true, force: true })
  }
})
