// Prisma's schema engine as WebAssembly, over an adapter of our own: nothing is downloaded, nothing leaves the machine.
import { readdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils'
import * as engineModule from '@prisma/schema-engine-wasm/schema_engine_bg'
import pg from 'pg'

const root = resolve(import.meta.dirname, '..')
/** Catalogue columns of type "char", which the adapter has no mapping for. */
const CHAR_OID = 18
const TEXT_OID = 25

export const NO_FILTER = { externalTables: [], externalEnums: [] }
export const SCHEMA_PATH = join(root, 'prisma/schema.prisma')
export const MIGRATIONS_DIR = join(root, 'prisma/migrations')

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
export async function readMigrations(baseDir = MIGRATIONS_DIR) {
  const entries = await readdir(baseDir, { withFileTypes: true }).catch((error) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  const names = entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()
  const lockfile = 'migration_lock.toml'
  return {
    baseDir,
    lockfile: { path: lockfile, content: await readFile(join(baseDir, lockfile), 'utf8').catch(() => null) },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(
      names.map(async (path) => ({
        path,
        migrationFile: {
          path: 'migration.sql',
          content: await readFile(join(baseDir, path, 'migration.sql'), 'utf8').then(
            (value) => ({ tag: 'ok', value }),
            (error) => ({ tag: 'error', value: error.message }),
          ),
        },
      })),
    ),
  }
}

/** schema.prisma in the shape the engine wants. */
export async function readSchema(path = SCHEMA_PATH) {
  return { files: [{ path, content: await readFile(path, 'utf8') }] }
}
