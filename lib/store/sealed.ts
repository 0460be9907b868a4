import { Prisma, type ReadTx, type Tx } from './database.ts'

/**
 * Every column that holds values sealed with a tenant's data key: what counting, re-sealing and shredding walk. A vault
 * takes no place that is not listed here, so a new one cannot be forgotten. `required` columns take no NULL.
 */
export const sealedColumns = [
  { table: 'connection', column: 'refresh_token' },
  { table: 'connection', column: 'access_token' },
  { table: 'provider', column: 'client_secret' },
  { table: 'provider', column: 'client_secret_before' },
  { table: 'client_registration', column: 'handle' },
  { table: 'issued_token', column: 'handle' },
  { table: 'upstream_revocation', column: 'handle' },
  { table: 'attempt', column: 'secrets' },
  { table: 'webhook', column: 'secret', required: true },
  { table: 'webhook', column: 'previous_secret' },
  { table: 'trusted_issuer', column: 'client_secret' },
  { table: 'signing_key', column: 'sealed_private', required: true },
] as const satisfies readonly { table: string; column: string; required?: true }[]

export type SealedColumn = (typeof sealedColumns)[number]

type In<Column> = Column extends { table: infer Table; column: infer Name }
  ? { table: Table; column: Name; row: string; user: string; version: number }
  : never
/** Where a tenant's sealed value belongs; see Location in security/seal.ts. */
export type SealedPlace = In<SealedColumn>

/** Names of tables and columns, from the list above alone. */
const sql = ({ table, column }: SealedColumn) => ({
  table: Prisma.raw(`"${table}"`),
  column: Prisma.raw(`"${column}"`),
})

/** How many values of a column name which key; `keyId` is null for what is no sealed value at all. */
export function countByKey(
  tx: ReadTx,
  tenantId: string,
  place: SealedColumn,
): Promise<{ keyId: string | null; values: number }[]> {
  const { table, column } = sql(place)
  return tx.$queryRaw`
    SELECT vk.key_id(${column}) AS "keyId", count(*)::int AS values FROM ${table}
    WHERE tenant_id = ${tenantId} AND ${column} IS NOT NULL AND ${column} <> '' GROUP BY 1`
}

/** The next values of a column that name another key than `keyId`, by row id after `after`. */
export function listSealedOtherwise(
  tx: ReadTx,
  tenantId: string,
  place: SealedColumn,
  { keyId, after, take }: { keyId: string; after: string; take: number },
): Promise<{ row: string; sealed: string }[]> {
  const { table, column } = sql(place)
  return tx.$queryRaw`
    SELECT id AS row, ${column} AS sealed FROM ${table}
    WHERE tenant_id = ${tenantId} AND id > ${after} AND ${column} IS NOT NULL AND ${column} <> ''
      AND vk.key_id(${column}) IS DISTINCT FROM ${keyId}
    ORDER BY id LIMIT ${take}`
}

/**
 * Puts a value that was sealed anew in the place of the very one it was opened from. False when the row holds another
 * value by now: whoever wrote it (a refresh, a revocation) wins.
 */
export async function replaceSealed(
  tx: Tx,
  tenantId: string,
  place: SealedColumn,
  { row, sealed, resealed }: { row: string; sealed: string; resealed: string },
): Promise<boolean> {
  const { table, column } = sql(place)
  const count = await tx.$executeRaw`
    UPDATE ${table} SET ${column} = ${resealed} WHERE tenant_id = ${tenantId} AND id = ${row} AND ${column} = ${sealed}`
  return count > 0
}

/** Empties a column for a whole tenant. */
export function wipeSealed(tx: Tx, tenantId: string, place: SealedColumn): Promise<number> {
  const { table, column } = sql(place)
  const nothing = 'required' in place ? '' : null
  return tx.$executeRaw`
    UPDATE ${table} SET ${column} = ${nothing} WHERE tenant_id = ${tenantId} AND ${column} <> ''`
}

/** A column as it is told to people. */
export const nameOf = ({ table, column }: SealedColumn) => `${table}.${column}`

/** How many values each of a tenant's keys seals, by place; the id is null for what is no sealed value. */
export async function countSealed(
  tx: ReadTx,
  tenantId: string,
): Promise<{ keyId: string | null; place: string; values: number }[]> {
  const counts = []
  for (const place of sealedColumns)
    for (const row of await countByKey(tx, tenantId, place)) counts.push({ ...row, place: nameOf(place) })
  return counts
}
