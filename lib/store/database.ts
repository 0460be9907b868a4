import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { Prisma, PrismaClient } from '../../prisma/generated/client.ts'
import type { Config } from '../config.ts'
import { BrokerError, isBrokerError } from '../errors.ts'

export { Prisma, PrismaClient }

declare const mayWrite: unique symbol
/**
 * A transaction that may change one tenant. There are two ways to one: {@link import('./authority.ts').act}, which reads
 * under lock who acts and what they may, and {@link import('./system.ts').asSystem} for what no person does.
 */
export type Tx = Prisma.TransactionClient & { readonly [mayWrite]: true }

type Reading =
  | 'findUnique'
  | 'findUniqueOrThrow'
  | 'findFirst'
  | 'findFirstOrThrow'
  | 'findMany'
  | 'count'
  | 'aggregate'
  | 'groupBy'
type Models = Omit<Prisma.TransactionClient, `$${string}` | symbol>
/** A transaction that reads one tenant. The database itself refuses a write in it. */
export type ReadTx = { [Model in keyof Models]: Pick<Models[Model], Reading & keyof Models[Model]> } & Pick<
  Prisma.TransactionClient,
  '$queryRaw'
>
type Store = { db: PrismaClient; pool: pg.Pool; config: Pick<Config, 'namedStatements'> }

/**
 * One pool for prepared statements and for Prisma. Both time-outs are needed: a hanging database must not hold a request.
 * `onUnnamed` is told once when a pooler turns out to keep no named statements.
 */
export function openDatabase(
  config: Pick<Config, 'databaseUrl' | 'poolSize'>,
  onUnnamed: (error: unknown) => void = () => {},
): { db: PrismaClient; pool: pg.Pool } {
  const pool = new pg.Pool({
    connectionString: config.databaseUrl,
    max: config.poolSize,
    connectionTimeoutMillis: 8_000,
    query_timeout: 20_000,
    idleTimeoutMillis: 30_000,
    application_name: 'valetkey',
  })
  // A connection that breaks between two statements tells so by an event, and the pool listens only while it is idle: without
  // this a killed database is an uncaught exception. Its next statement fails, and the pool gives it up.
  pool.on('connect', (client) => client.on('error', () => {}))
  const state: Naming = { isTried: false, isOff: false, onUnnamed }
  const db = new PrismaClient({ adapter: new PrismaPg(pool, { statementNameGenerator: statementNames(state) }) })
  return { pool: Object.assign(pool, { [naming]: state }), db: Object.assign(db, { [naming]: state }) }
}

/** How often a statement of Prisma's is sent before it gets a name, and how many get one: each session keeps what has one. */
const [fewest, mostNames] = [3, 400]

/**
 * What Prisma itself writes, and what opens each transaction. Our own raw statements ask much by `NULL` or not, which a plan for all values
 * cannot leave out.
 */
const ofPrisma = /^(?:(?:SELECT|INSERT INTO|UPDATE|DELETE FROM) "public"\.|BEGIN|COMMIT|SELECT set_config\()/

/**
 * Names for the statements that Prisma writes, so that Postgres reads and plans one that comes again and again once a session
 * (docs/decisions/0125). Empty, and so none, for a rare one: lists of another length are another text each.
 */
export function statementNames(state: Naming): (statement: { sql: string }) => string {
  const names = new Map<string, string>()
  const seen = new Map<string, number>()
  return ({ sql }) => {
    if (!state.isTried || state.isOff || !ofPrisma.test(sql)) return ''
    const known = names.get(sql)
    if (known || names.size >= mostNames) return known ?? ''
    const times = (seen.get(sql) ?? 0) + 1
    if (seen.size >= 2_000) seen.clear()
    if (times < fewest) {
      seen.set(sql, times)
      return ''
    }
    seen.delete(sql)
    const name = `prisma_${names.size}`
    names.set(sql, name)
    return name
  }
}

/** Whether statements may have names: tried, and not refused. On pool and client themselves: two bundles share them. */
type Naming = { isTried: boolean; isOff: boolean; onUnnamed: (error: unknown) => void }
const naming = Symbol.for('valetkey.naming')
const namingOf = (way: pg.Pool | PrismaClient) => (way as { [naming]?: Naming })[naming]

function stopNaming(way: pg.Pool | PrismaClient, error: unknown): void {
  const state = namingOf(way)
  if (!state || state.isOff) return
  state.isOff = true
  state.onUnnamed(error)
}

/**
 * Reads one tenant in one READ ONLY transaction, in which only its rows exist (forced row-level security).
 * @throws BrokerError unavailable when the database is away
 */
export const readTenant = <T>(ctx: Pick<Store, 'db'>, tenantId: string, work: (tx: ReadTx) => Promise<T>): Promise<T> =>
  transaction(ctx, async (tx) => {
    await tx.$executeRaw`SELECT set_config('app.tenant_id', ${tenantId}, true), set_config('transaction_read_only', 'on', true)`
    return work(tx)
  })

/**
 * One transaction that may write: for authority.ts and system.ts alone (tests/unit/imports.test.ts), which open each with
 * their first statement. Decide inside, throw after: what a rollback undoes did not happen.
 * @throws BrokerError unavailable when the database is away
 */
export const transaction = <T>({ db }: Pick<Store, 'db'>, work: (tx: Tx) => Promise<T>): Promise<T> => {
  const once = () => db.$transaction((tx) => work(tx as Tx), { maxWait: 8_000, timeout: 15_000 })
  // Of what was refused for its name nothing has been done, as after a deadlock.
  const named = () =>
    once().catch((error: unknown) => {
      if (!isForgotten(error)) throw error
      stopNaming(db, error)
      return once()
    })
  return guard(() => againAfterDeadlock(named))
}

/** Postgres ended one of two transactions that waited for each other (40P01); nothing of it happened, so it runs again. */
const againAfterDeadlock = <T>(once: () => Promise<T>): Promise<T> =>
  once().catch((error: unknown) => (sqlState(error) === '40P01' ? once() : Promise.reject(error)))

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

/**
 * One statement over the pool, prepared under `name`, which is unique to the text. Where a pooler cannot keep it the
 * statement runs again without a name, and so do all from then on: such a refusal comes before anything is executed.
 * @throws BrokerError unavailable when the database is away
 */
export async function query<Row extends pg.QueryResultRow>(
  { pool, config }: Pick<Store, 'pool' | 'config'>,
  name: string,
  text: string,
  values: unknown[],
): Promise<Row[]> {
  const unnamed = async () => (await pool.query<Row>({ text, values })).rows
  const once = async () => {
    if (!config.namedStatements || namingOf(pool)?.isOff) return unnamed()
    try {
      return (await pool.query<Row>({ name, text, values })).rows
    } catch (error) {
      if (!isForgotten(error)) throw error
      stopNaming(pool, error)
      return unnamed()
    }
  }
  return guard(() => againAfterDeadlock(once))
}

/** A pooler gave the name to another connection: it is not known there (26000), or known from somebody else (42P05). */
const isForgotten = (error: unknown) => ['26000', '42P05'].includes(sqlState(error) ?? '')

/**
 * Finds out by trying whether named statements outlive a transaction on the way to the database; switches them off where
 * they do not (pgbouncer before 1.21 in transaction mode, and others). Connections take turns in no fixed order, so that a
 * pooler which deals its own connections out in turn is found out as well.
 * @throws BrokerError unavailable when the database is away
 */
export async function tryNamedStatements({ pool, config }: Pick<Store, 'pool' | 'config'>): Promise<void> {
  if (!config.namedStatements) return
  await guard(async () => {
    const clients: pg.PoolClient[] = []
    try {
      for (let count = 0; count < Math.min(3, pool.options.max); count += 1) clients.push(await pool.connect())
      for (const turn of [0, 1, 2, 1, 0, 0, 2, 1, 2]) await clients[turn % clients.length]?.query(probe)
      const state = namingOf(pool)
      if (state) state.isTried = true
    } catch (error) {
      if (!isForgotten(error)) throw error
      stopNaming(pool, error)
    } finally {
      for (const client of clients) client.release()
    }
  })
}
const probe = { name: 'named_statements', text: 'SELECT $1::text', values: ['kept'] }

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
 * SQLSTATEs of a database that is away, as opposed to one that refuses: connection (08), resources (53), operator
 * intervention and our own time-outs (57), system (58), a login or database that is not there (yet, or any more: 28, 3D),
 * a node that was demoted (25006), ended waits and transactions (25P03, 25P04, 40, 55P03).
 */
const awayStates = /^(08...|28...|3D000|40...|53...|57...|58...|25006|25P03|25P04|55P03)$/
/** The same in Prisma's words, where it keeps no SQLSTATE: reaching, TLS, closing, its own waits, a lost deadlock. */
const awayPrismaCodes = /^P(1000|1001|1002|1003|1008|1010|1011|1017|2024|2028|2034|2037)$/
const awayKinds =
  /^(AuthenticationFailed|DatabaseNotReachable|DatabaseDoesNotExist|DatabaseAccessDenied|ConnectionClosed|SocketTimeout|TlsConnectionError|TooManyConnections|TransactionWriteConflict)$/
const awaySockets =
  /^(ECONNREFUSED|ECONNRESET|ECONNABORTED|EPIPE|ETIMEDOUT|EHOSTUNREACH|EHOSTDOWN|ENETUNREACH|ENETDOWN|ENOTFOUND|EAGAIN|EAI_AGAIN|EAI_FAIL)$/
/** pg's own errors have neither class nor code: these are all of its texts about a connection (a test compares them). */
const awayTexts =
  /^(Connection terminated|Client (has encountered a connection error|was closed) and is not queryable|timeout (exceeded when trying to connect|expired)|Query read timeout|Cannot use a pool after calling end|The server does not support SSL|There was an error establishing an SSL|Received unexpected \w+ message)/

/** The SQLSTATE that the server gave, from pg or from within Prisma's errors; undefined where there is none. */
export function sqlState(error: unknown): string | undefined {
  for (const { code, originalCode } of layersOf(error)) {
    if (typeof originalCode === 'string') return originalCode
    // Node's EPIPE and Prisma's P2002 have five characters too, but none of Postgres' classes.
    if (typeof code === 'string' && /^(\d[\dA-Z]|F0|HV|P0|XX)[\dA-Z]{3}$/.test(code)) return code
  }
  return undefined
}

type Layer = {
  code?: unknown
  syscall?: unknown
  originalCode?: unknown
  kind?: unknown
  message?: unknown
  errors?: unknown
}

/** An error, what it wraps and what that wraps: causes, what Prisma keeps in `meta`, what the driver adapter keeps. */
function* layersOf(error: unknown): Generator<Layer> {
  let layer = error
  for (let depth = 0; depth < 8 && typeof layer === 'object' && layer !== null; depth += 1) {
    yield layer
    const { cause, meta } = layer as { cause?: unknown; meta?: { driverAdapterError?: unknown } }
    layer = meta?.driverAdapterError ?? cause
  }
}

/**
 * Whether an error means that the database is away, as opposed to having refused something. The server's word counts
 * first; texts only where there is no code at all.
 */
export function isOutage(error: unknown): boolean {
  const state = sqlState(error)
  if (state) return awayStates.test(state)
  for (const { code, syscall, kind, message, errors } of layersOf(error)) {
    if (Array.isArray(errors) && errors.some(isOutage)) return true
    if (typeof code === 'string' && (awayPrismaCodes.test(code) || awaySockets.test(code))) return true
    // A socket of the file system is gone with its server; a file that is missing is something else.
    if (code === 'ENOENT' && syscall === 'connect') return true
    if (typeof kind === 'string' && awayKinds.test(kind)) return true
    if (code === undefined && typeof message === 'string' && awayTexts.test(message)) return true
  }
  return false
}

/** Whether an error is a broken unique constraint. */
export const isDuplicate = (error: unknown) =>
  error instanceof Error && 'code' in error && (error.code === 'P2002' || error.code === '23505')
