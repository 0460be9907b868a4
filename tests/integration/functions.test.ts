// prisma/functions holds the current text of every database function; see the README there.
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type CatalogueRow, changedFunctions, readCatalogue, readFunctions } from '../../scripts/lib/functions.mjs'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

let database: TestDatabase
let catalogue: CatalogueRow[]
/** Signatures that the README lists as kept for the version before. */
let kept: string[]
beforeAll(async () => {
  database = await createTestDatabase()
  const owner = new pg.Client({ connectionString: database.ownerUrl })
  await owner.connect()
  catalogue = await readCatalogue(owner)
  const readme = await readFile(resolve(import.meta.dirname, '../../prisma/functions/README.md'), 'utf8')
  const list = readme.slice(readme.indexOf('## Kept')).matchAll(/^- `?([a-z_]+\.[a-z_]+\(.*?\))/gm)
  kept = []
  for (const [, signature] of list) {
    const { rows } = await owner.query('SELECT to_regprocedure($1)::text AS signature', [signature])
    kept.push(rows[0].signature ?? `${signature} is not in the database`)
  }
  await owner.end()
})
afterAll(() => database?.drop())

const current = () => catalogue.filter(({ signature }) => !kept.includes(signature))

it('each file says what the migrations have built: text, owner and rights', async () => {
  const changed = await changedFunctions(database.ownerUrl)
  expect(changed.map(({ name }) => name)).toEqual([])
})

it('each function has a file, each file one function, and none is overloaded but for the version before', async () => {
  const files = await readFunctions()
  const names = current().map(({ name }) => name)
  expect(names.sort()).toEqual(files.map(({ name }) => name))
  for (const { name, sql } of files)
    expect([...sql.matchAll(/\bFUNCTION ([\w.]+)\s*\([^;]*?\bRETURNS\b/g)].map(([, made]) => made)).toEqual([name])
})

it('H-06: what the README lists as kept is there, and has no file', () => {
  const signatures = catalogue.map(({ signature }) => signature)
  expect(kept.filter((signature) => !signatures.includes(signature))).toEqual([])
  expect(kept.length).toBeGreaterThan(0)
})

it('G-03: nobody but the app and their owners may call them', () => {
  const open = catalogue.filter(
    ({ name, owner, acl }) =>
      name !== 'public.vk_now' &&
      (acl.length === 0 || acl.some((entry) => !entry.startsWith('valetkey_app=X/') && !entry.startsWith(`${owner}=`))),
  )
  expect(open.map(({ signature }) => signature)).toEqual([])
})

it('H-06: what a process of the version before calls has the arguments that it gives', async () => {
  const called = [
    'lookup.attempt_by_state(bytea)',
    'lookup.due_deliveries(timestamptz, int)',
    'lookup.due_revocations(timestamptz, int)',
    'lookup.due_upstreams()',
    'lookup.gauges(timestamptz)',
    'lookup.interrupted(interval, int)',
    'lookup.invitation_by_hash(bytea)',
    'lookup.invitation_preview(bytea)',
    'lookup.membership(text, text)',
    'lookup.memberships(text, text)',
    'lookup.outbox_tenants()',
    'lookup.stale_issuing(timestamptz, timestamptz, int)',
    'lookup.tally_tenants(timestamptz)',
    'lookup.tenant_by_slug(text)',
    'lookup.tenant_ids()',
    'lookup.tenants_of(text)',
    'sealing.audit_seal(int)',
    'sealing.audit_tail()',
    'sealing.heads_due(timestamptz, int, int)',
    'vk.act_begin(text, text, text, float8, text[], text[], boolean)',
    'vk.connection_used(text, text)',
    'vk.forget_attempts(text)',
    'vk.frozen_by(text, text, text, text, text[])',
    'vk.key_id(text)',
    'vk.note_access(text, text, timestamptz, jsonb, text, text)',
    'vk.people_names(text, text[])',
    'vk.refresh_begin(text, text, int, int, interval)',
    'vk.refresh_claim(text, text, int, interval, interval, text)',
    'vk.refresh_due(timestamptz, timestamptz, interval, interval)',
    'vk.refresh_fail(text, text, int, int, text, text, boolean, interval, boolean, interval, jsonb)',
    'vk.refresh_fail(text, text, int, int, text, text, boolean, interval, boolean, interval, jsonb, boolean)',
    'vk.refresh_release(text, text, int, int, boolean)',
    'vk.refresh_store(text, text, int, int, text, text, interval, text[], interval, interval, boolean, text)',
    'vk.refresh_take(text, text, float8, int)',
    'vk.unread_count(text, text, boolean, int)',
  ]
  const app = new pg.Client({ connectionString: database.appUrl })
  await app.connect()
  const { rows } = await app.query(
    `SELECT s FROM unnest($1::text[]) s WHERE NOT coalesce(has_function_privilege(to_regprocedure(s), 'EXECUTE'), false)`,
    [called],
  )
  await app.end()
  expect(rows).toEqual([])
})
