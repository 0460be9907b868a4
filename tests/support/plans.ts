import pg from 'pg'

type Statement = { text: string; values: unknown[] }
type Node = {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  'Rows Removed by Index Recheck'?: number
  Plans?: Node[]
}

/** What one statement read, table by table, and how long the database was at it. */
export type Reading = {
  text: string
  milliseconds: number
  scans: { table: string; how: string; rows: number }[]
}

type Queryable = (this: pg.Client, ...args: unknown[]) => unknown

/**
 * Runs `work` and answers the very statements, with their values, that it sent to the database over whichever pool and
 * library: what is asked of a plan is asked of these.
 */
export async function statementsOf(work: () => Promise<unknown>): Promise<Statement[]> {
  const seen: Statement[] = []
  const { query } = pg.Client.prototype as unknown as { query: Queryable }
  const listen: Queryable = function (...args) {
    const [first, second] = args
    const text = typeof first === 'string' ? first : (first as { text?: string } | null)?.text
    const values = (first as { values?: unknown[] } | null)?.values ?? (Array.isArray(second) ? second : [])
    if (text) seen.push({ text, values })
    return Reflect.apply(query, this, args)
  }
  Object.assign(pg.Client.prototype, { query: listen })
  try {
    await work()
  } finally {
    Object.assign(pg.Client.prototype, { query })
  }
  return seen.filter(({ text }) => /^\s*(SELECT|WITH)\b/i.test(text) && !/set_config\(|\bvk\.note_access\(/.test(text))
}

/** Runs a statement once more, as whoever `client` is, and answers what its plan really read. */
export async function readingOf(client: pg.Client, { text, values }: Statement): Promise<Reading> {
  const { rows } = await client.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values)
  const [{ Plan: plan, 'Execution Time': run, 'Planning Time': planning }] = rows[0]['QUERY PLAN'] as [
    { Plan: Node; 'Execution Time': number; 'Planning Time': number },
  ]
  return { text, milliseconds: run + planning, scans: scansIn(plan) }
}

function scansIn(node: Node, table = node['Relation Name']): Reading['scans'] {
  const read =
    node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)
  const own =
    table && node['Relation Name'] ? [{ table, how: node['Node Type'], rows: read * node['Actual Loops'] }] : []
  return [...own, ...(node.Plans ?? []).flatMap((child) => scansIn(child))]
}
