// A database of the version before, in which a freeze was a connection's status, becomes one of this version.
import type pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { applyMigrations } from '../../scripts/migrate.mjs'
import { createDatabaseBefore, type DatabaseBefore } from '../support/before.ts'

const turn = '20261124010000_refresh_and_freezes'
let database: DatabaseBefore
let owner: pg.Client
beforeAll(async () => {
  database = await createDatabaseBefore(turn)
  owner = database.owner
})
afterAll(() => database?.drop())

it('H-06: what was frozen stays frozen, by whom and why as its event says, over the status that it had beneath; nobody is told', async () => {
  await owner.query(`SELECT set_config('app.tenant_id', 'tnt_1', false)`)
  await owner.query(`
    INSERT INTO tenant (id, slug, name, created_at) VALUES ('tnt_1', 'one', 'One', now());
    INSERT INTO "user" (id, issuer, subject, name, created_at) VALUES ('usr_1', 'https://idp.example', 's', 'S', now());
    INSERT INTO member (tenant_id, user_id, role, created_at) VALUES ('tnt_1', 'usr_1', 'member', now());
    INSERT INTO provider (tenant_id, id, kind, name, issuer, callback_key, client_id, created_at)
      VALUES ('tnt_1', 'prv_1', 'keboola', 'P', 'https://p.example', 'p', 'c', now());
    INSERT INTO connection (tenant_id, id, user_id, provider_id, account_id, account_name, status, frozen_from, status_since,
        scopes_granted, linked_at) VALUES
      ('tnt_1', 'con_1', 'usr_1', 'prv_1', 'a', 'A', 'frozen', 'needs_relink', '2026-11-01T10:00:00Z', '{}', now()),
      ('tnt_1', 'con_2', 'usr_1', 'prv_1', 'a', 'A', 'frozen', 'degraded', '2026-11-02T10:00:00Z', '{}', now()),
      ('tnt_1', 'con_3', 'usr_1', 'prv_1', 'a', 'A', 'linked', NULL, now(), '{}', now());
    INSERT INTO audit_event (tenant_id, id, at, body) VALUES
      ('tnt_1', 'evt_1', now(), '{"action":"connection.frozen","actor":"usr_9","target":{"kind":"connection","id":"con_1"},"details":{"reason":"older"}}'),
      ('tnt_1', 'evt_2', now(), '{"action":"connection.frozen","actor":"usr_1","target":{"kind":"connection","id":"con_1"},"details":{"reason":"laptop lost"}}');`)
  const applied = await applyMigrations(database.ownerUrl)
  expect(applied).toContain(turn)
  const rows = async (sql: string) => (await owner.query(sql)).rows
  expect(await rows('SELECT id, status, frozen_from FROM connection ORDER BY id')).toEqual([
    { id: 'con_1', status: 'needs_relink', frozen_from: null },
    { id: 'con_2', status: 'degraded', frozen_from: null },
    { id: 'con_3', status: 'linked', frozen_from: null },
  ])
  const at = (day: number) => new Date(`2026-11-0${day}T10:00:00Z`)
  expect(
    await rows('SELECT kind, target_id, frozen_by, frozen_at, reason, until FROM freeze_fact ORDER BY target_id'),
  ).toEqual([
    {
      kind: 'connection',
      target_id: 'con_1',
      frozen_by: 'usr_1',
      frozen_at: at(1),
      reason: 'laptop lost',
      until: null,
    },
    { kind: 'connection', target_id: 'con_2', frozen_by: null, frozen_at: at(2), reason: null, until: null },
  ])
  expect(await rows('SELECT * FROM notification')).toEqual([])
  expect(
    await rows(`SELECT id FROM connection c WHERE vk.frozen(tenant_id, user_id, provider_id, id) ORDER BY id`),
  ).toEqual([{ id: 'con_1' }, { id: 'con_2' }])
})
