// Prisma's schema engine as WebAssembly, over an adapter of our own: nothing is downloaded, nothing leaves the machine. It
// authors and compares migrations (db:new, db:diff); nothing that runs in production loads it.
import { readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils'
import * as engineModule from '@prisma/schema-engine-wasm/schema_engine_bg'
import pg from 'pg'
import { Failure } from './lib/fail.mjs'

const root = resolve(import.meta.dirname, '..')
/** Catalogue columns of type "char", which the adapter has no mapping for. */
const CHAR_OID = 18
const TEXT_OID = 25

export const NO_FILTER = { externalTables: [], externalEnums: [] }
const SCHEMA_PATH = join(root, 'prisma/schema.prisma')
const MIGRATIONS_DIR = join(root, 'prisma/migrations')

let loaded

/** Instantiates the engine once per process. Node 20 cannot import .wasm itself, hence by hand. */
function loadEngine() {
  loaded ??= (async () => {
    // Without a registry a panic of the engine surfaces as a TypeError that says nothing.
    globalThis.PRISMA_WASM_PANIC_REGISTRY = {
      set_message(message) {
        throw new Error(`The schema engine panicked: ${message}`)
      },
    }
    const wasmPath = createRequire(import.meta.url)
      .resolve('@prisma/schema-engine-wasm/schema_engine_bg')
      .replace(/\.js$/, '.wasm')
    // The engine forgets the timer that guards its advisory lock; it must not keep the process alive for ten seconds.
    const imports = Object.entries(engineModule).map(([name, value]) =>
      name.startsWith('__wbg_setTimeout_') ? [name, (...args) => value(...args).unref()] : [name, value],
    )
    const { instance } = await WebAssembly.instantiate(await readFile(wasmPath), {
      './schema_engine_bg.js': Object.fromEntries(imports),
    })
    engineModule.__wbg_set_wasm(instance.exports)
    instance.exports.__wbindgen_start()
    return engineModule.SchemaEngine
  })()
  return loaded
}

/**
 * One adapter over one connection. A single connection, because the engine's advisory lock belongs to a session: this is
 * what makes concurrent appliers wait for each other, and why a transaction pooler must not be in between.
 */
async function connectAdapter(connection, onDispose) {
  const pool = new pg.Pool({ ...connection, max: 1, connectionTimeoutMillis: 10_000 })
  const adapter = await new PrismaPg(pool).connect()
  const { queryRaw } = adapter
  return Object.assign(adapter, {
    // The whole script as one simple query is one implicit transaction; splitting at `;` breaks every $$ body.
    executeScript: (sql) =>
      pool.query(sql).then(
        () => undefined,
        (error) => adapter.onError(error),
      ),
    async queryRaw(query) {
      const charColumns = []
      const reader = Object.create(adapter, {
        performIO: {
          async value(input) {
            const result = await adapter.performIO(input)
            result.fields.forEach((field, index) => {
              if (field.dataTypeID !== CHAR_OID) return
              field.dataTypeID = TEXT_OID
              charColumns.push(index)
            })
            return result
          },
        },
      })
      const result = await queryRaw.call(reader, query)
      for (const index of charColumns) result.columnTypes[index] = ColumnTypeEnum.Character
      return result
    },
    async dispose() {
      await pool.end()
      await onDispose?.()
    },
  })
}

/** Runs one statement on a connection of its own, for what cannot run inside the engine's session. */
async function runOnce(connection, sql) {
  const client = new pg.Client(connection)
  await client.connect()
  await client.query(sql).finally(() => client.end())
}

function adapterFactory(url) {
  const connection = { connectionString: url }
  return {
    provider: 'postgres',
    adapterName: 'valetkey-migrations',
    connect: () => connectAdapter(connection),
    async connectToShadowDb() {
      const name = `valetkey_shadow_${globalThis.crypto.randomUUID().replaceAll('-', '')}`
      await runOnce(connection, `CREATE DATABASE ${name} TEMPLATE template0`)
      const shadow = new URL(url)
      shadow.pathname = `/${name}`
      return connectAdapter({ connectionString: shadow.href }, () =>
        runOnce(connection, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
      )
    },
  }
}

/**
 * Runs `work` with an engine bound to the database at `url` (direct, never through a transaction pooler).
 * @param {string} url connection string of the role that owns the schema
 * @param {(engine: import('@prisma/schema-engine-wasm').SchemaEngine) => Promise<T>} work
 * @param {[string, string][]} [datamodels] pairs of path and content
 * @returns {Promise<T>}
 * @template T
 */
export async function withEngine(url, work, datamodels) {
  const SchemaEngine = await loadEngine()
  const opened = []
  const factory = adapterFactory(url)
  const tracked = {
    ...factory,
    connect: async () => track(await factory.connect()),
    connectToShadowDb: async () => track(await factory.connectToShadowDb()),
  }
  // The engine disposes the shadow itself; what it leaves open is closed here, so that the process can end.
  function track(adapter) {
    let disposed
    const { dispose } = adapter
    adapter.dispose = () => {
      disposed ??= dispose()
      return disposed
    }
    opened.push(adapter)
    return adapter
  }
  const engine = await SchemaEngine.new({ datamodels }, () => {}, bindMigrationAwareSqlAdapterFactory(tracked))
  try {
    return await work(engine)
  } finally {
    engine.free()
    await Promise.all(opened.map((adapter) => adapter.dispose()))
  }
}

/** The migrations on disk, oldest first, in the shape the engine wants. */
export async function readMigrations() {
  const entries = await readdir(MIGRATIONS_DIR, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  const lockfile = 'migration_lock.toml'
  return {
    baseDir: MIGRATIONS_DIR,
    lockfile: { path: lockfile, content: await readFile(join(MIGRATIONS_DIR, lockfile), 'utf8') },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(
      names.sort().map(async (path) => {
        const value = await readFile(join(MIGRATIONS_DIR, path, 'migration.sql'), 'utf8')
        return { path, migrationFile: { path: 'migration.sql', content: { tag: 'ok', value } } }
      }),
    ),
  }
}

/** schema.prisma in the shape the engine wants. */
const readSchema = async () => ({ files: [{ path: SCHEMA_PATH, content: await readFile(SCHEMA_PATH, 'utf8') }] })

/**
 * The SQL that leads from the migrations to schema.prisma, and the name of a folder for it.
 * @param {string} url a database with every migration, of a role with CREATEDB
 * @returns {Promise<{ folder: string, script: string }>}
 */
export async function createMigration(url, migrationName) {
  const [schema, migrationsList] = [await readSchema(), await readMigrations()]
  const datamodels = schema.files.map((file) => [file.path, file.content])
  const author = async (engine) => {
    // devDiagnostic comes first: it replays the migrations in a shadow database, which createMigration then relies on.
    const { action } = await engine.devDiagnostic({ migrationsList, filters: NO_FILTER })
    if (action.tag === 'reset') throw new Failure(`The database and the migrations differ: ${action.reason}`)
    return engine.createMigration({ migrationsList, schema, migrationName, draft: true, filters: NO_FILTER })
  }
  const made = await withEngine(url, author, datamodels)
  return { folder: made.generatedMigrationName, script: made.migrationScript ?? '' }
}

/**
 * Compares what the migrations build with schema.prisma.
 * @param {string} url of a role with CREATEDB
 * @returns {Promise<{ same: boolean, summary: string }>}
 */
export async function diffSchema(url) {
  const from = { tag: 'migrations', ...(await readMigrations()) }
  const to = { tag: 'schemaDatamodel', ...(await readSchema()) }
  const result = await withEngine(url, (engine) =>
    engine.diff({ from, to, script: false, exitCode: true, filters: NO_FILTER }),
  )
  return { same: result.exitCode === 0, summary: result.exitCode === 0 ? '' : (result.stdout ?? '') }
}
