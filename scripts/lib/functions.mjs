// One current text per database function: prisma/functions/<schema>.<name>.sql. See the README there.
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import pg from 'pg'
import { Failure } from './fail.mjs'

const FUNCTIONS_DIR = resolve(import.meta.dirname, '../../prisma/functions')

/**
 * Every function file, by name.
 * @returns {Promise<{ name: string, sql: string }[]>}
 */
export async function readFunctions(dir = FUNCTIONS_DIR) {
  const files = (await readdir(dir)).filter((file) => file.endsWith('.sql')).sort()
  return Promise.all(
    files.map(async (file) => ({ name: file.slice(0, -'.sql'.length), sql: await readFile(join(dir, file), 'utf8') })),
  )
}

const CATALOGUE = `SELECT p.oid::regprocedure::text AS signature, n.nspname || '.' || p.proname AS name,
    pg_get_functiondef(p.oid) AS definition, p.proowner::regrole::text AS owner,
    ARRAY(SELECT a::text FROM unnest(p.proacl) a ORDER BY 1) AS acl
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_%' ORDER BY 1`

/**
 * Every function of ours that a database has: text, owner, rights.
 * @param {pg.ClientBase} client
 */
export const readCatalogue = async (client) => (await client.query(CATALOGUE)).rows

/**
 * The function files that would change something, in an order in which they apply: what the next migration has to contain.
 * Nothing is changed.
 * @param {string} url of valetkey_owner
 * @param {{ dir?: string, script?: string }} [options] `script`: SQL that comes first
 * @returns {Promise<{ name: string, sql: string }[]>}
 * @throws {Failure} naming the file that does not apply
 */
export async function changedFunctions(url, { dir, script = '' } = {}) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const changed = []
  try {
    await client.query('BEGIN')
    await client.query(script)
    let before = JSON.stringify(await readCatalogue(client))
    let waiting = await readFunctions(dir)
    // One that needs another waits for it.
    for (let failure, count = Number.POSITIVE_INFINITY; waiting.length > 0; ) {
      if (waiting.length === count)
        throw new Failure(`prisma/functions/${waiting[0].name}.sql does not apply: ${failure.message}`)
      count = waiting.length
      const again = []
      for (const file of waiting) {
        await client.query('SAVEPOINT file')
        try {
          await client.query(file.sql)
        } catch (error) {
          failure ??= error
          again.push(file)
          await client.query('ROLLBACK TO SAVEPOINT file')
          continue
        }
        const after = JSON.stringify(await readCatalogue(client))
        if (after !== before) changed.push(file)
        before = after
      }
      waiting = again
    }
    return changed
  } finally {
    await client.query('ROLLBACK')
    await client.end()
  }
}
