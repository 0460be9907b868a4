import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import pg from 'pg'
import { applyMigrations } from '../../scripts/migrate.mjs'
import { createEmptyDatabase, type TestDatabase } from './database.ts'

const migrations = resolve(import.meta.dirname, '../../prisma/migrations')

export type DatabaseBefore = TestDatabase & { owner: pg.Client }

/** A database as it was before the migration `turn`, and a connection of its owner. */
export async function createDatabaseBefore(turn: string): Promise<DatabaseBefore> {
  const before = await mkdtemp(join(tmpdir(), 'valetkey-before-'))
  try {
    for (const name of await readdir(migrations))
      if (name < turn || name.endsWith('.toml'))
        await cp(join(migrations, name), join(before, name), { recursive: true })
    const database = await createEmptyDatabase()
    await applyMigrations(database.ownerUrl, before)
    const owner = new pg.Client({ connectionString: database.ownerUrl })
    await owner.connect()
    return { ...database, owner, drop: () => owner.end().then(database.drop) }
  } finally {
    await rm(before, { recursive: true, force: true })
  }
}
