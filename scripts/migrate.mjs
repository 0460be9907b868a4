// npm run db:migrate            apply what is not applied yet
// npm run db:new -- some_name   author a migration from schema.prisma (never applied by this command)
// npm run db:diff               fail when the migrations and schema.prisma disagree
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MIGRATIONS_DIR, NO_FILTER, readMigrations, readSchema, withEngine } from './engine.mjs'
import { startThrowAway } from './lib/database.mjs'
import { Failure, isMain, report } from './lib/fail.mjs'

/** The engine's errors carry the wire code and the sentence; callers see the sentence. */
function asFailure(error) {
  if (error instanceof Failure) return error
  const text = typeof error === 'string' ? error : error?.message
  return new Failure(`The migrations could not be applied: ${text}`, { cause: error })
}

/**
 * Applies every migration on disk that the database does not have. Any number of callers at once is safe: one applies,
 * the others wait and find nothing to do.
 * @param {string} url direct connection string of valetkey_owner
 * @param {string} [migrationsDir]
 * @returns {Promise<string[]>} names of the migrations applied by this call
 * @throws {Failure} naming the migration when one fails, was edited after it was applied, or is missing on disk
 */
export async function applyMigrations(url, migrationsDir) {
  const migrationsList = await readMigrations(migrationsDir)
  try {
    return await withEngine(url, async (engine) => {
      const { appliedMigrationNames } = await engine.applyMigrations({ migrationsList, filters: NO_FILTER })
      return appliedMigrationNames
    })
  } catch (error) {
    throw asFailure(error)
  }
}

/** Writes the migration that leads from those on disk to schema.prisma, for a person to read and complete. */
async function authorMigration(url, name) {
  if (!/^[a-z][a-z0-9_]*$/.test(name ?? ''))
    throw new Failure('Give it a name: npm run db:new -- short_snake_case_name')
  const schema = await readSchema()
  const migrationsList = await readMigrations()
  const datamodels = schema.files.map((file) => [file.path, file.content])
  return withEngine(
    url,
    async (engine) => {
      // devDiagnostic comes first: it replays the migrations in a shadow database, which createMigration then relies on.
      const { action } = await engine.devDiagnostic({ migrationsList, filters: NO_FILTER })
      if (action.tag === 'reset') throw new Failure(`The database and the migrations differ: ${action.reason}`)
      const made = await engine.createMigration({
        migrationsList,
        schema,
        migrationName: name,
        draft: true,
        filters: NO_FILTER,
      })
      const dir = join(MIGRATIONS_DIR, made.generatedMigrationName)
      await mkdir(dir, { recursive: true })
      await writeFile(join(dir, `migration.${made.extension}`), made.migrationScript ?? '')
      const lock = join(MIGRATIONS_DIR, 'migration_lock.toml')
      await writeFile(lock, 'provider = "postgresql"\n', { flag: 'wx' }).catch(() => {})
      return dir
    },
    datamodels,
  )
}

/**
 * Compares what the migrations build with schema.prisma. Needs CREATEDB (a shadow database).
 * @returns {Promise<{ same: boolean, summary: string }>}
 */
export async function diffMigrations(url) {
  const from = { tag: 'migrations', ...(await readMigrations()) }
  const to = { tag: 'schemaDatamodel', ...(await readSchema()) }
  const result = await withEngine(url, (engine) =>
    engine.diff({ from, to, script: false, exitCode: true, filters: NO_FILTER }),
  )
  return { same: result.exitCode === 0, summary: result.stdout ?? '' }
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
    if (!same) throw new Failure(`The migrations and schema.prisma differ:\n${summary}`)
    console.log('The migrations and schema.prisma agree.')
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
