// npm run db:migrate            apply what is not applied yet
// npm run db:new -- some_name   author a migration from schema.prisma and prisma/functions (never applied by this command)
// npm run db:diff               fail when the migrations, schema.prisma and prisma/functions disagree
import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import pg from 'pg'
import { startThrowAway } from './lib/database.mjs'
import { Failure, isMain, report } from './lib/fail.mjs'
import { changedFunctions } from './lib/functions.mjs'

const root = resolve(import.meta.dirname, '..')
const MIGRATIONS_DIR = join(root, 'prisma/migrations')
/** The key of Prisma's own advisory lock, so that `prisma migrate deploy` and this wait for each other. */
const LOCK = 72_707_369
/** As Prisma makes it. */
const TABLE = `CREATE TABLE IF NOT EXISTS public._prisma_migrations (
  id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ,
  migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ,
  started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0)`

/**
 * Applies every migration on disk that the database does not have, in the order of their names. Keeps Prisma's table. Any
 * number of callers at once is safe: one applies, the others wait and find nothing to do.
 * @param {string} url direct connection string of valetkey_owner: the lock belongs to a session, so no transaction pooler
 * @param {string} [migrationsDir]
 * @returns {Promise<string[]>} names of the migrations applied by this call
 * @throws {Failure} naming the migration when one fails, did not finish, was edited after it was applied, is missing on
 *   disk, or would go beneath those of a newer version
 */
export async function applyMigrations(url, migrationsDir = MIGRATIONS_DIR) {
  const migrations = await readMigrations(migrationsDir)
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  // A connection that breaks says so twice: by the statement that fails, which is enough.
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query(`SET lock_timeout = '10min'`)
    await client.query('SELECT pg_advisory_lock($1)', [LOCK])
    await client.query('RESET lock_timeout')
    await client.query(TABLE)
    const { rows } = await client.query(
      'SELECT * FROM public._prisma_migrations WHERE rolled_back_at IS NULL ORDER BY migration_name',
    )
    const pending = pendingOf(migrations, rows)
    for (const migration of pending) await applyOne(client, migration)
    return pending.map(({ name }) => name)
  } catch (error) {
    if (error instanceof Failure) throw error
    const why = error.code === '55P03' ? 'another migration has held the lock for ten minutes' : error.message
    throw new Failure(`The migrations could not be applied: ${why}`, { cause: error })
  } finally {
    await client.end()
  }
}

/** The migrations on disk, oldest first. */
async function readMigrations(dir) {
  const entries = await readdir(dir, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  return Promise.all(
    names.sort().map(async (name) => {
      const path = join(dir, name, 'migration.sql')
      const sql = await readFile(path, 'utf8').catch(() => {
        throw new Failure(`${relative(root, path)} is missing. Restore it from version control, or remove its folder.`)
      })
      return { name, path: relative(root, path), sql, checksum: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

/** What is still to be applied. @throws {Failure} when disk and database tell different stories */
function pendingOf(migrations, applied) {
  const onDisk = new Map(migrations.map((migration) => [migration.name, migration]))
  const last = migrations.at(-1)?.name ?? ''
  for (const { migration_name: name, checksum, finished_at, started_at, logs } of applied) {
    const known = onDisk.get(name)
    if (!finished_at)
      throw new Failure(
        `Migration ${name} began at ${started_at.toISOString()} and did not finish${logs ? `: ${logs.trim()}` : '.'}\n` +
          'Check whether its changes are in the database. If not, run this SQL as valetkey_owner and start again:\n' +
          `  DELETE FROM _prisma_migrations WHERE migration_name = '${name}' AND finished_at IS NULL;\n` +
          'If they are:\n' +
          `  UPDATE _prisma_migrations SET finished_at = now(), applied_steps_count = 1 WHERE migration_name = '${name}';`,
      )
    if (!known && name < last)
      throw new Failure(
        `Migration ${name} is applied to the database but missing on disk. Restore its folder from version control.`,
      )
    if (known && known.checksum !== checksum)
      throw new Failure(
        `Migration ${name} was edited after it was applied. Restore ${known.path} from version control, and put the ` +
          'change into a new migration: npm run db:new -- some_name',
      )
  }
  const done = new Set(applied.map((row) => row.migration_name))
  const pending = migrations.filter(({ name }) => !done.has(name))
  // With nothing to apply a newer database is fine: a newer version runs beside this one (H-06).
  const newer = [...done].find((name) => !onDisk.has(name))
  if (newer && pending.length > 0)
    throw new Failure(
      `The database has migration ${newer} of a newer version, but lacks ${pending[0].name}. ` +
        'Start the newer version, or restore a backup from before it.',
    )
  return pending
}

/** One simple query is one transaction: the migration and its record come together, or nothing of it does. */
async function applyOne(client, { name, path, sql, checksum }) {
  const record = [randomUUID(), checksum, name].map((value) => client.escapeLiteral(value)).join(', ')
  try {
    await client.query(`${sql}
;INSERT INTO public._prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count)
  VALUES (${record}, clock_timestamp(), 1)`)
  } catch (error) {
    const line = error.position ? `:${sql.slice(0, Number(error.position)).split('\n').length}` : ''
    throw new Failure(
      `Migration ${name} failed, and nothing of it was applied. ${path}${line}: ${error.message}\n` +
        'Correct the data or the file, then start again.',
      { cause: error },
    )
  }
}

/** Writes the migration that leads from those on disk to schema.prisma and prisma/functions, for a person to complete. */
async function authorMigration(url, name) {
  if (!/^[a-z][a-z0-9_]*$/.test(name ?? '')) throw new Failure('Name it: npm run db:new -- short_snake_case_name')
  const { createMigration } = await import('./engine.mjs')
  const { folder, script } = await createMigration(url, name)
  const functions = await changedFunctions(url, { script })
  const dir = join(MIGRATIONS_DIR, folder)
  await mkdir(dir, { recursive: true })
  await writeFile(join(dir, 'migration.sql'), [script, ...functions.map(({ sql }) => sql)].join('\n').trimStart())
  return relative(root, dir)
}

/**
 * Compares what the migrations build with schema.prisma and prisma/functions. Needs CREATEDB (a shadow database).
 * @returns {Promise<{ same: boolean, summary: string }>}
 */
async function diffMigrations(url) {
  const { diffSchema } = await import('./engine.mjs')
  const schema = await diffSchema(url)
  const functions = (await changedFunctions(url)).map(({ name }) => `[~] prisma/functions/${name}.sql\n`)
  return { same: schema.same && functions.length === 0, summary: [schema.summary, ...functions].join('') }
}

/** Authoring and comparing need a database to replay migrations in, not yours: one is made and thrown away. */
async function withScratchDatabase(work) {
  const scratch = await startThrowAway()
  try {
    await applyMigrations(scratch.ownerUrl)
    return await work(scratch.ownerUrl)
  } finally {
    await scratch.stop()
  }
}

async function main([command, name]) {
  if (command === 'apply') {
    const url = process.env.DATABASE_MIGRATE_URL
    if (!url)
      throw new Failure('Set DATABASE_MIGRATE_URL (valetkey_owner). The embedded database is migrated by npm start.')
    const applied = await applyMigrations(url)
    console.log(applied.length === 0 ? 'Nothing to apply.' : `Applied: ${applied.join(', ')}`)
  } else if (command === 'new') {
    const dir = await withScratchDatabase((url) => authorMigration(url, name))
    console.log(`Written: ${dir}\nRead it, add policies and grants, then start again to apply it.`)
  } else if (command === 'diff') {
    const { same, summary } = await withScratchDatabase(diffMigrations)
    if (!same) throw new Failure(`The migrations differ from schema.prisma or prisma/functions:\n${summary}`)
    console.log('The migrations agree with schema.prisma and prisma/functions.')
  } else {
    throw new Failure(`Unknown command "${command ?? ''}". Use apply, new or diff.`)
  }
}

if (isMain(import.meta)) {
  main(process.argv.slice(2)).catch((error) => {
    report(error)
    process.exitCode = 1
  })
}
