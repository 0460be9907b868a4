import pg from 'pg'

/**
 * Tells of every statement that is sent to the database, with the name that it is prepared under, until the answer is called. `except`: a
 * connection of the test's own.
 */
export function watchStatements(told: (text: string, name?: string) => void, except?: pg.Client): () => void {
  const { query } = pg.Client.prototype
  const watched = function (this: pg.Client, ...args: unknown[]) {
    const [statement] = args
    const { text, name } = Object(statement) as { text?: unknown; name?: string }
    if (this !== except) told(typeof statement === 'string' ? statement : String(text), name)
    return Reflect.apply(query, this, args)
  }
  pg.Client.prototype.query = watched as typeof query
  return () => {
    pg.Client.prototype.query = query
  }
}
