import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import './cluster.ts'

export interface TestDatabase {
  /** Connection string of valetkey_app: what the product is, bound by row-level security. */
  appUrl: string
  /** Connection string of valetkey_owner: migrations and catalogue questions; bound by the forced policies as well. */
  ownerUrl: string
  /** Removes the database, open connections included. */
  drop(): Promise<void>
}

/**
 * A migrated, empty database of its own for one test file, cloned from the run's template.
 * Needs a project whose globalSetup starts Postgres (vitest.config.ts).
 */
export const createTestDatabase = (): Promise<TestDatabase> => cloneOf('valetkey')

/** The same without any migration applied. */
export const createEmptyDatabase = (): Promise<TestDatabase> => cloneOf('template0')

async function cloneOf(source: 'valetkey' | 'template0'): Promise<TestDatabase> {
  const template = inject('database')
  const name = `test_${randomBytes(8).toString('hex')}`
  // As files, with a third of the work: without fsync a checkpoint costs nothing.
  await asOwner(template.ownerUrl, `CREATE DATABASE ${name} TEMPLATE ${source} STRATEGY file_copy`)
  return {
    appUrl: withDatabase(template.appUrl, name),
    ownerUrl: withDatabase(template.ownerUrl, name),
    // A process of Postgres's own may be at work in it, which its owner cannot end; the cluster goes away after the run anyway.
    drop: () => asOwner(template.ownerUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`).catch(ignoreForbidden),
  }
}

const ignoreForbidden = (error: unknown) => {
  if (!(error instanceof pg.DatabaseError && error.code === '42501')) throw error
}

/** Runs one statement from outside the template, which must have no connections while it is cloned. */
async function asOwner(ownerUrl: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: withDatabase(ownerUrl, 'postgres') })
  await client.connect()
  await client.query(sql).finally(() => client.end())
}

function withDatabase(url: string, name: string): string {
  const moved = new URL(url)
  moved.pathname = `/${name}`
  return moved.href
}
