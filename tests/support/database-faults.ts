import pg from 'pg'
import type { TestApp } from './app.ts'

type Database = Pick<TestApp, 'rows'>

/** Makes statements fail where a row meets a condition: what dies there leaves as much. Answers how it ends. */
export async function failAt(
  app: Database,
  { on, table, when }: { on: 'INSERT' | 'UPDATE'; table: string; when: string },
): Promise<() => Promise<unknown>> {
  await app.rows(
    'acme',
    `CREATE FUNCTION fail_here() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'here'; END $$;
     CREATE TRIGGER fail_here BEFORE ${on} ON ${table} FOR EACH ROW WHEN (${when}) EXECUTE FUNCTION fail_here();`,
  )
  return () => app.rows('acme', `DROP TRIGGER fail_here ON ${table}; DROP FUNCTION fail_here()`)
}

/** Does what meets rows that a statement of somebody else has taken. `waits`: it was seen to wait for them before they let go. */
export async function besideHeld<T>(
  app: Database & Pick<TestApp, 'database' | 'tenantId'>,
  [text, values]: [text: string, values: unknown[]],
  work: () => Promise<T>,
): Promise<{ waits: boolean; result: T }> {
  const holder = new pg.Client({ connectionString: app.database.appUrl })
  await holder.connect()
  try {
    await holder.query('BEGIN')
    await holder.query(`SELECT set_config('app.tenant_id', $1, true)`, [await app.tenantId('acme')])
    await holder.query(text, values)
    let isOver = false
    const working = work().finally(() => {
      isOver = true
    })
    const waiting =
      'SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE datname = current_database() AND NOT granted'
    let waits = false
    while (!waits && !isOver) waits = ((await holder.query(waiting)).rowCount ?? 0) > 0
    await holder.query('COMMIT')
    return { waits, result: await working }
  } finally {
    await holder.end()
  }
}
