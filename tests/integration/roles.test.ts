import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

let database: TestDatabase
let owner: pg.Client
let app: pg.Client

beforeAll(async () => {
  database = await createTestDatabase()
  owner = new pg.Client({ connectionString: database.ownerUrl })
  app = new pg.Client({ connectionString: database.appUrl })
  await Promise.all([owner.connect(), app.connect()])
})

afterAll(async () => {
  await Promise.all([owner.end(), app.end()])
  await database.drop()
})

test('no role of ours is a superuser or walks past row-level security', async () => {
  const { rows } = await owner.query(
    "SELECT rolname FROM pg_roles WHERE (rolname LIKE 'valetkey%' OR rolname LIKE 'vk_%') AND (rolsuper OR rolbypassrls)",
  )
  expect(rows).toEqual([])
})

test('Z-03: every table with a tenant_id forces row-level security and has a policy', async () => {
  const { rows } = await owner.query(`
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind IN ('r', 'p') AND a.attname = 'tenant_id' AND NOT a.attisdropped
      AND NOT (c.relrowsecurity AND c.relforcerowsecurity
               AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid))`)
  expect(rows).toEqual([])
})

test('the app role can neither create nor truncate', async () => {
  const { rows } = await app.query(`
    SELECT has_schema_privilege('public', 'CREATE') OR has_database_privilege(current_database(), 'CREATE') AS creates,
           bool_or(has_table_privilege(c.oid, 'TRUNCATE')) AS truncates
    FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace`)
  expect(rows).toEqual([{ creates: false, truncates: false }])
})

test('the app role reads times as UTC and gives up on what takes too long', async () => {
  const { rows } = await app.query(
    "SELECT current_setting('TimeZone') AS zone, current_setting('statement_timeout') AS statement, current_setting('idle_in_transaction_session_timeout') AS idle",
  )
  expect(rows).toEqual([{ zone: 'UTC', statement: '15s', idle: '10s' }])
})
