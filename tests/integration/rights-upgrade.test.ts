// A database of the version before, in which rights were stored in camel case, becomes one of this version; processes of both
// versions write and read it for a while.
import type pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { applyMigrations } from '../../scripts/migrate.mjs'
import { createDatabaseBefore, type DatabaseBefore } from '../support/before.ts'

const turn = '20261128010000_rights_per_kind'
let database: DatabaseBefore
let owner: pg.Client
beforeAll(async () => {
  database = await createDatabaseBefore(turn)
  owner = database.owner
})
afterAll(() => database?.drop())

const old = { components: ['a'], buckets: { b: 'read' }, manageBuckets: true, readAllFiles: false }
const { manageBuckets: manage_buckets, readAllFiles: read_all_files, ...same } = old
const current = { ...same, manage_buckets, read_all_files }
const both = { ...old, ...current }

const insert = (id: string, asked: object, granted: object | null) =>
  owner.query(
    `INSERT INTO issued_token (tenant_id, id, user_id, project_id, connection_id, provider_id, strategy, status, nonce, purpose,
       scopes_asked, scopes_granted, generations, expires_at, created_at)
     VALUES ('tnt_1', $1, 'usr_1', 'prj_1', 'con_1', 'prv_1', 'mint', 'live', $1, 'p', $2, $3, '{0}', now(), now())`,
    [id, asked, granted],
  )
const rights = async (id: string) =>
  (await owner.query('SELECT scopes_asked AS asked, scopes_granted AS granted FROM issued_token WHERE id = $1', [id]))
    .rows[0]

it('rows of before, and what either version writes, hold what both read', async () => {
  await owner.query(`SELECT set_config('app.tenant_id', 'tnt_1', false)`)
  await owner.query(`
    INSERT INTO tenant (id, slug, name, created_at) VALUES ('tnt_1', 'one', 'One', now());
    INSERT INTO "user" (id, issuer, subject, name, created_at) VALUES ('usr_1', 'https://idp.example', 's', 'S', now());
    INSERT INTO member (tenant_id, user_id, role, created_at) VALUES ('tnt_1', 'usr_1', 'member', now());
    INSERT INTO provider (tenant_id, id, kind, name, issuer, callback_key, client_id, created_at)
      VALUES ('tnt_1', 'prv_1', 'keboola', 'P', 'https://p.example', 'p', 'c', now());
    INSERT INTO project (tenant_id, id, provider_id, external_id, name, alias, created_at)
      VALUES ('tnt_1', 'prj_1', 'prv_1', '1', 'P', 'p', now());
    INSERT INTO connection (tenant_id, id, user_id, provider_id, account_id, account_name, status, status_since,
      scopes_granted, linked_at) VALUES ('tnt_1', 'con_1', 'usr_1', 'prv_1', 'a', 'A', 'linked', now(), '{}', now());`)
  await insert('tok_before', old, { ...old, manageBuckets: false })
  expect(await applyMigrations(database.ownerUrl)).toContain(turn)
  expect(await rights('tok_before')).toEqual({
    asked: both,
    granted: { ...both, manageBuckets: false, manage_buckets: false },
  })
  await insert('tok_of_old', old, null)
  expect(await rights('tok_of_old')).toEqual({ asked: both, granted: null })
  await insert('tok_of_new', current, null)
  await owner.query(`UPDATE issued_token SET scopes_granted = $1 WHERE id = 'tok_of_new'`, [current])
  expect(await rights('tok_of_new')).toEqual({ asked: both, granted: both })
  await insert('tok_of_another_kind', { slots: [1] }, { slots: [] })
  expect(await rights('tok_of_another_kind')).toEqual({ asked: { slots: [1] }, granted: { slots: [] } })
})
