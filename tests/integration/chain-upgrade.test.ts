// A database of the version before, in which an event held its own place in the chain, becomes one of this version.
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { eventHash } from '../../lib/audit/verify.ts'
import { applyMigrations } from '../../scripts/migrate.mjs'
import { createDatabaseBefore, type DatabaseBefore } from '../support/before.ts'

const turn = '20261203400000_audit_chain'
let database: DatabaseBefore
beforeAll(async () => {
  database = await createDatabaseBefore(turn)
})
afterAll(() => database?.drop())

type Link = { seq: number; id: string; at: string; body: string; hash: string }

it('G-03: what was sealed keeps its place and its hash, what was not is chained behind it, and nothing is left out', async () => {
  const { owner } = database
  const app = new pg.Client({ connectionString: database.appUrl })
  await app.connect()
  const as = (client: pg.Client, tenant: string) =>
    client.query(`SELECT set_config('app.tenant_id', $1, false)`, [tenant])
  const write = async (tenant: string, from: number, to: number) => {
    await as(app, tenant)
    await app.query(
      `INSERT INTO audit_event (tenant_id, id, at, body)
       SELECT $1, 'evt_' || n, now(), jsonb_build_object('action', 'refresh.succeeded', 'n', n) FROM generate_series($2::int, $3::int) n`,
      [tenant, from, to],
    )
  }
  const sealed = async () => (await app.query('SELECT sealing.audit_seal(1000) AS n')).rows[0].n
  const unsealed = async () => Number((await app.query('SELECT unsealed FROM sealing.audit_tail()')).rows[0].unsealed)
  try {
    await write('tnt_1', 1, 3)
    await write('instance', 1, 2)
    expect(await sealed()).toBe(5)
    await write('tnt_1', 4, 5)
    await as(owner, 'tnt_1')
    const kept = (
      await owner.query(`SELECT id, encode(hash, 'hex') AS hash FROM audit_event WHERE seq IS NOT NULL ORDER BY seq`)
    ).rows

    expect(await applyMigrations(database.ownerUrl)).toContain(turn)

    expect(await unsealed()).toBe(2)
    await write('tnt_1', 6, 6)
    expect(await sealed()).toBe(3)
    expect(await unsealed()).toBe(0)
    for (const [tenant, count] of [
      ['tnt_1', 6],
      ['instance', 2],
    ] as const) {
      await as(app, tenant)
      const { rows } = await app.query<Link>(
        `SELECT c.seq::int AS seq, e.id, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, e.body::text AS body,
           encode(c.hash, 'hex') AS hash FROM audit_chain c JOIN audit_event e ON e.id = c.event_id ORDER BY c.seq`,
      )
      expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: count }, (_, n) => `evt_${n + 1}`))
      let hash = '0'.repeat(64)
      for (const link of rows) {
        hash = eventHash(hash, tenant, link)
        expect(link.hash).toBe(hash)
      }
      if (tenant === 'tnt_1') expect(rows.slice(0, 3).map(({ id, hash }) => ({ id, hash }))).toEqual(kept)
    }
  } finally {
    await app.end()
  }
})
