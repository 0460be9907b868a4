// The runner of scripts/migrate.mjs, against empty databases and folders of its own, and against Prisma's engine.
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NO_FILTER, readMigrations, withEngine } from '../../scripts/engine.mjs'
import { applyMigrations } from '../../scripts/migrate.mjs'
import { createEmptyDatabase, type TestDatabase } from '../support/database.ts'

const ours = resolve(import.meta.dirname, '../../prisma/migrations')
let database: TestDatabase
let owner: pg.Client
let folder: string
beforeEach(async () => {
  database = await createEmptyDatabase()
  owner = new pg.Client({ connectionString: database.ownerUrl })
  await owner.connect()
  folder = await mkdtemp(join(tmpdir(), 'valetkey-migrations-'))
  await write('20260101000000_one', 'CREATE TABLE public.one (id int); -- made by the first')
  await write('20260102000000_two', 'CREATE TABLE public.two (id int)')
})
afterEach(async () => {
  await owner.end()
  await database.drop()
  await rm(folder, { recursive: true })
})

async function write(name: string, sql: string): Promise<void> {
  await mkdir(join(folder, name), { recursive: true })
  await writeFile(join(folder, name, 'migration.sql'), sql)
}
const apply = () => applyMigrations(database.ownerUrl, folder)
const failure = () =>
  apply().then(
    () => 'it applied',
    (error: Error) => error.message,
  )
const records = async () =>
  (await owner.query('SELECT migration_name AS name, finished_at, logs FROM _prisma_migrations ORDER BY 1')).rows
const has = async (table: string) =>
  (await owner.query('SELECT to_regclass($1) IS NOT NULL AS found', [`public.${table}`])).rows[0].found

it('three appliers at once: one applies, two wait and find nothing to do', async () => {
  const applied = await Promise.all([apply(), apply(), apply()])
  expect(applied.filter((names) => names.length > 0)).toEqual([['20260101000000_one', '20260102000000_two']])
  expect(await records()).toHaveLength(2)
  expect(await apply()).toEqual([])
})

it('two that begin with different ones of them still apply each once', async () => {
  await rm(join(folder, '20260102000000_two'), { recursive: true })
  await apply()
  await write('20260102000000_two', 'CREATE TABLE public.two (id int)')
  await write('20251231000000_late', 'CREATE TABLE public.late (id int)')
  expect(await apply()).toEqual(['20251231000000_late', '20260102000000_two'])
})

describe('tells what is wrong and what to do', () => {
  it('a failing one leaves nothing, is named with its line, stops those after it, and applies once it is corrected', async () => {
    const broken = `CREATE TABLE public.half (id int);
      DO $$ BEGIN PERFORM 1; END $$;
      ALTER TABLE public.absent ADD COLUMN x int;`
    await write('20260101500000_broken', broken)
    expect(await failure()).toMatch(/^Migration 20260101500000_broken failed, and nothing of it was applied\. .*absent/)
    expect([await has('one'), await has('half'), await has('two')]).toEqual([true, false, false])
    await write('20260101500000_broken', 'CREATE TABLE public.half (id int);\nSELEC 1')
    expect(await failure()).toMatch(/migration\.sql:2: syntax error/)
    expect((await records()).map(({ name }) => name)).toEqual(['20260101000000_one'])
    await write('20260101500000_broken', 'CREATE TABLE public.half (id int)')
    expect(await apply()).toEqual(['20260101500000_broken', '20260102000000_two'])
  })

  it('an edited one', async () => {
    await apply()
    await write('20260101000000_one', 'CREATE TABLE public.one (id bigint)')
    expect(await failure()).toMatch(
      /^Migration 20260101000000_one was edited after it was applied\. Restore .*migration\.sql from version control/,
    )
  })

  it('one that is missing on disk', async () => {
    await apply()
    await rm(join(folder, '20260101000000_one'), { recursive: true })
    expect(await failure()).toMatch(/^Migration 20260101000000_one is applied .* but missing on disk\. Restore/)
    await mkdir(join(folder, '20260101000000_one'))
    expect(await failure()).toMatch(/migration\.sql is missing\. Restore it/)
  })

  it('one that another runner began and did not finish, with the SQL for either case', async () => {
    await apply()
    await owner.query(
      `UPDATE _prisma_migrations SET finished_at = NULL, logs = 'why it failed' WHERE migration_name ~ 'two'`,
    )
    const told = await failure()
    expect(told).toMatch(/^Migration 20260102000000_two began at 20\S+Z and did not finish: why it failed\n/)
    const [undo = '', accept = ''] = told.match(/^ {2}(DELETE|UPDATE) .*;$/gm) ?? []
    await owner.query('BEGIN')
    await owner.query(accept)
    expect((await records()).every((row) => row.finished_at !== null)).toBe(true)
    await owner.query('ROLLBACK')
    await owner.query(`DROP TABLE public.two; ${undo}`)
    expect(await apply()).toEqual(['20260102000000_two'])
  })

  it('H-06: one of a newer version is none while there is nothing to apply, and refused where something would go beneath it', async () => {
    await write('20260109000000_newer', 'SELECT 1')
    await apply()
    await rm(join(folder, '20260109000000_newer'), { recursive: true })
    expect(await apply()).toEqual([])
    await write('20260103000000_three', 'CREATE TABLE public.three (id int)')
    expect(await failure()).toMatch(
      /^The database has migration 20260109000000_newer of a newer version, but lacks 20260103000000_three\. Start the newer/,
    )
    expect(await has('three')).toBe(false)
  })
})

describe('Prisma', () => {
  const deploy = async () =>
    withEngine(database.ownerUrl, async (engine) =>
      engine.applyMigrations({ migrationsList: await readMigrations(), filters: NO_FILTER }),
    )
  const columns = async () =>
    (
      await owner.query(`SELECT column_name, data_type, character_maximum_length, is_nullable, column_default
        FROM information_schema.columns WHERE table_name = '_prisma_migrations' ORDER BY ordinal_position`)
    ).rows

  it('finds its own table and checksums after this runner, and has nothing to deploy', async () => {
    await applyMigrations(database.ownerUrl)
    const told = await withEngine(database.ownerUrl, async (engine) =>
      engine.diagnoseMigrationHistory({
        migrationsList: await readMigrations(),
        optInToShadowDatabase: false,
        filters: NO_FILTER,
      }),
    )
    expect(told).toMatchObject({ editedMigrationNames: [], failedMigrationNames: [], hasMigrationsTable: true })
    expect(told.history ?? null).toBeNull()
    expect((await deploy()).appliedMigrationNames).toEqual([])
  })

  it('deploys what this runner then finds applied, into a table of the same make', async () => {
    expect((await deploy()).appliedMigrationNames.length).toBeGreaterThan(0)
    const made = await columns()
    expect(await applyMigrations(database.ownerUrl)).toEqual([])
    await owner.query('DROP TABLE _prisma_migrations')
    await apply()
    expect(await columns()).toEqual(made)
  })

  it('and this runner wait for each other', async () => {
    await cp(ours, folder, { recursive: true, filter: (path) => !/2026010[12]/.test(path) })
    for (const name of ['20260101000000_one', '20260102000000_two']) await rm(join(folder, name), { recursive: true })
    const [theirs, mine] = await Promise.all([deploy(), apply()])
    expect([...theirs.appliedMigrationNames, ...mine].sort()).toEqual(
      (await readdir(ours)).filter((name) => !name.endsWith('.toml')).sort(),
    )
  })
})
