import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { Prisma, PrismaClient } from '../../prisma/generated/client.ts'
import type { Config } from '../config.ts'
import { BrokerError, isBrokerError } from '../errors.ts'

export { Prisma, PrismaClient }
/** A transaction that sees one tenant. */
export type Tx = Prisma.TransactionClient
type Store = { db: PrismaClient; pool: pg.Pool; config: Pick<Config, 'namedStatements'> }

/** One pool for prepared statements and for Prisma. Both time-outs are needed: a hanging database must not hold a request. */
export function openDatabase(config: Pick<Config, 'databaseUrl' | 'poolSize'>): { db: PrismaClient; pool: pg.Pool } {
  const pool = new pg.Pool({
    connectionString: config.databaseUrl,
    max: config.poolSize,
    connectionTimeoutMillis: 8_000,
    query_timeout: 20_000,
    idleTimeoutMillis: 30_000,
    application_name: 'valetkey',
  })
  return { pool, db: new PrismaClient({ adapter: new PrismaPg(pool) }) }
}

/**
 * Runs `work` in one transaction in which only the rows of `tenantId` exist (forced row-level security).
 * Decide inside, throw after: what a rollback undoes did not happen.
 * @throws BrokerError unavailable when the database is away
 */
export async function withTenant<T>(
  { db }: Pick<Store, 'db'>,
  tenantId: string,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  const once = () =>
    db.$transaction(
      async (tx) => {
        await tx.$executeRaw`SELECT set_config('app.tenant_id', ${tenantId}, true)`
        return work(tx)
      },
      { maxWait: 8_000, timeout: 15_000 },
    )
  return guard(() => once().catch((error: unknown) => (isDeadlock(error) ? once() : Promise.reject(error))))
}

/** Postgres ended one of two transactions that waited for each other; nothing of it happened, so it runs again. */
const isDeadlock = (error: unknown) =>
  error instanceof Error &&
  /40P01|P2034|deadlock detected/.test(`${'code' in error ? error.code : ''} ${error.message}`)

/**
 * Runs `work` under a savepoint of its own. Answers what it failed with: its changes are undone then, and the transaction
 * goes on. @throws what ends the transaction itself
 */
export async function underSavepoint(tx: Tx, work: () => Promise<void>): Promise<unknown> {
  let failure: unknown
  await tx.$executeRaw`SAVEPOINT attempt`
  try {
    await work()
  } catch (error) {
    failure = error
    await tx.$executeRaw`ROLLBACK TO SAVEPOINT attempt`
  }
  await tx.$executeRaw`RELEASE SAVEPOINT attempt`
  return failure
}

/** Tables without a tenant (user, session, instance), in one transaction. */
export const withInstance = async <T>({ db }: Pick<Store, 'db'>, work: (tx: Tx) => Promise<T>): Promise<T> =>
  guard(() => db.$transaction(work, { maxWait: 8_000, timeout: 15_000 }))

/**
 * One prepared statement over the pool. `name` is unique to the text; it is left out where poolers cannot keep it.
 * @throws BrokerError unavailable when the database is away
 */
export async function query<Row extends pg.QueryResultRow>(
  { pool, config }: Pick<Store, 'pool' | 'config'>,
  name: string,
  text: string,
  values: unknown[],
): Promise<Row[]> {
  const statement = config.namedStatements ? { name, text, values } : { text, values }
  return guard(async () => (await pool.query<Row>(statement)).rows)
}

/** Turns the ways in which Postgres, pg and Prisma say "not there" into one error that edges answer with 503 (H-02). */
async function guard<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isBrokerError(error) && isOutage(error))
      throw new BrokerError('unavailable', { cause: error, retryAfterSeconds: 5 })
    throw error
  }
}

/**
 * SQLSTATE classes 08 (connection), 57 (operator intervention, our own time-outs), 53 (resources), 58 (system), a node that
 * was demoted (25006), ended waits (25P03, 40P01, 55P03); sockets; Prisma's own codes.
 */
const outageCodes =
  /^(08...|57P..|57014|53...|58...|25006|25P03|40P01|55P03|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|P1001|P1002|P1008|P1017|P2024|P2028|P2037)$/
const outageMessages =
  /Code: `(?:08\w{3}|57P\w\w|57014|53\w{3}|58\w{3}|25006)`|connection terminated|timeout exceeded when trying to connect|query read timeout|connection timeout|server closed the connection|DatabaseNotReachable|Cannot use a pool after calling end/i

/** Whether an error means that the database is away, as opposed to having refused something. */
export function isOutage(error: unknown): boolean {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && typeof cause.code === 'string' && outageCodes.test(cause.code)) return true
    if (outageMessages.test(cause.message)) return true
    if (cause instanceof AggregateError && cause.errors.some(isOutage)) return true
  }
  return false
}

/** Whether an error is a broken unique constraint. */
export const isDuplicate = (error: unknown) =>
  error instanceof Error && 'code' in error && (error.code === 'P2002' || error.code === '23505')
