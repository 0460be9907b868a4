import type { Context } from '../context.ts'
import { query, sqlState } from './database.ts'

/**
 * Names of the migrations that the database has, undefined where it shows none: an empty one, or one of a version that did
 * not show them yet.
 * @throws BrokerError unavailable when the database is away
 */
export async function appliedMigrations({ pool }: Pick<Context, 'pool'>): Promise<Set<string> | undefined> {
  const text = `SELECT migration_name AS name FROM public._prisma_migrations
    WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL`
  try {
    // Without a name: whether names are kept is found out later.
    const rows = await query<{ name: string }>({ pool, config: { namedStatements: false } }, '', text, [])
    return new Set(rows.map(({ name }) => name))
  } catch (error) {
    // No such table, no right to read it.
    if (['42P01', '42501'].includes(sqlState(error) ?? '')) return undefined
    throw error
  }
}
