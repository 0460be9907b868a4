import type pg from 'pg'
import { type Config, parseConfig } from './config.ts'
import { createLog, type Log } from './log.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import type { Discoveries } from './security/discovery.ts'
import { createOutbound, type OutboundFetch } from './security/outbound.ts'
import { type SealKey, sealKey } from './security/seal.ts'
import { deriveKey } from './security/secrets.ts'
import { openDatabase, type PrismaClient } from './store/database.ts'
import { untraced } from './trace.ts'

/** What use cases run on. One per process; every singleton lives in it, because module code exists twice. */
export type Context = {
  config: Config
  db: PrismaClient
  pool: pg.Pool
  /** Instance keys, the first is current. Only broker/keys.ts opens tenant keys with them. */
  instanceKeys: SealKey[]
  /** Opened tenant keys, kept for at most a minute. */
  tenantKeys: Map<string, { keys: SealKey[]; until: number }>
  /** Keys derived from the root secret, one a purpose. */
  secrets: { signin: Uint8Array; fingerprint: Uint8Array; lookup: Uint8Array }
  /** Refreshes under way in this process, by `connection:version`. */
  refreshes: Map<string, Promise<unknown>>
  /** Metadata of the sign-in issuer, for ten minutes. */
  discoveries: Discoveries
  fetch: OutboundFetch
  now: () => Date
  sleep: (milliseconds: number) => Promise<void>
  log: Log
  metrics: Metrics
  /** Runs work after the answer has gone; awaited at a graceful stop. */
  background: (name: string, work: () => Promise<unknown>) => void
  /** Ends background work and connections. */
  close: () => Promise<void>
}

export type ContextOptions = Partial<Pick<Context, 'fetch' | 'now' | 'sleep' | 'log'>>

/** Makes a context. Tests give their own clock, network and log; nothing is read from the environment here. */
export async function createContext(config: Config, options: ContextOptions = {}): Promise<Context> {
  const { db, pool } = openDatabase(config)
  const log = options.log ?? createLog(config)
  const metrics = createMetrics()
  const outbound = options.fetch ?? createOutbound({ allowLoopback: config.loopback })
  const running = new Set<Promise<unknown>>()
  pool.on('error', (error) => log.warn({ err: error }, 'database connection lost'))
  return {
    config,
    db,
    pool,
    instanceKeys: await Promise.all(config.keys.map((key) => sealKey(key.id, key.bytes))),
    tenantKeys: new Map(),
    secrets: {
      signin: deriveKey(config.secret, 'signin'),
      fingerprint: deriveKey(config.secret, 'fingerprint'),
      lookup: deriveKey(config.secret, 'lookup'),
    },
    refreshes: new Map(),
    discoveries: new Map(),
    // No trace header of ours reaches another server, and no instrumentation sees what is sent there.
    fetch: (input, init) => untraced(() => outbound(input, init)),
    now: options.now ?? (() => new Date()),
    sleep: options.sleep ?? ((milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))),
    log,
    metrics,
    background(name, work) {
      const run = work()
        .catch((error: unknown) => {
          metrics.jobFailures.inc({ work: name })
          log.warn({ err: error, work: name }, 'job failed')
        })
        .finally(() => running.delete(run))
      running.add(run)
    },
    async close() {
      await Promise.allSettled(running)
      await db.$disconnect()
      await pool.end()
    },
  }
}

const slot = Symbol.for('valetkey')
type Slotted = { [slot]?: Promise<Context> }

/** The process's context, made on first use from the environment. Call it inside functions, never at module level. */
export function context(): Promise<Context> {
  const holder = globalThis as Slotted
  holder[slot] ??= createContext(parseConfig(process.env))
  return holder[slot]
}

/** Puts a ready-made context in place of the environment's; for tests. */
export function putContext(made: Context): void {
  ;(globalThis as Slotted)[slot] = Promise.resolve(made)
}
