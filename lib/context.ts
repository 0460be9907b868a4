import type { DPoPHandle } from 'oauth4webapi'
import type pg from 'pg'
import type { Dispatcher } from 'undici'
import type { Authenticator } from './actor.ts'
import { type Config, parseConfig } from './config.ts'
import { createLog, type Log, standardOutput } from './log.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import type { Output } from './output.ts'
import type { Discoveries } from './security/discovery.ts'
import { createIntrospections, type Introspections } from './security/introspection.ts'
import type { IssuerClocks } from './security/issuer-clocks.ts'
import type { KeySets } from './security/issuer-keys.ts'
import { environmentKeys, type KeySource } from './security/key-source.ts'
import { createOutbound, type OutboundFetch, type OutboundLimits } from './security/outbound.ts'
import type { SealKey } from './security/seal.ts'
import { deriveKey } from './security/secrets.ts'
import { createTrusting, type Trusting } from './security/trusting.ts'
import { openDatabase, type PrismaClient } from './store/database.ts'
import { untraced } from './trace.ts'

/** A tenant's data keys as one process holds them. */
export type OpenedKeys = {
  /** Newest first. `key` is missing where none of our instance keys opens its wrapping. */
  keys: { id: string; usedFrom: Date; key: SealKey | undefined }[]
  /** Seals by key id that the database has not been told of yet. */
  seals: Map<string, number>
}
/** One reading of them, begun at `readAt` (ms). */
export type ReadKeys = { readAt: number; seals: Map<string, number>; opened: Promise<OpenedKeys> }

/** What use cases run on. One per process; every singleton lives in it, because module code exists twice. */
export type Context = {
  config: Config
  db: PrismaClient
  pool: pg.Pool
  /** Instance keys. Only vault/keys.ts and vault/rotate.ts wrap and open tenant keys with them. */
  keys: KeySource
  /** Opened tenant keys, kept for at most a minute. */
  tenantKeys: Map<string, ReadKeys>
  /** Private halves of the keys that our issuers sign with, opened, by key id. Whether one signs is asked each time. */
  signingKeys: Map<string, CryptoKey>
  /** Keys derived from the root secret, one a purpose. */
  secrets: Record<'signin' | 'fingerprint' | 'lookup' | 'grants' | 'nonces' | 'gateway', Uint8Array>
  /**
   * How long a caller waits, in milliseconds: for somebody else's refresh, and for one of its own, which takes 14 s at most
   * with its repeats. What it waited for goes on.
   */
  patience: { others: number; own: number }
  /** Work that callers of this process share: refreshes by `connection:version`, notes of use by `used:connection`. */
  refreshes: Map<string, Promise<unknown>>
  /** Metadata of issuers, for ten minutes. */
  discoveries: Discoveries
  /** Keys that issuers sign with, for five minutes. */
  keySets: KeySets
  /** What check of an upstream says of its clock where its answers name no time. */
  issuerClocks: IssuerClocks
  /** What issuers said of tokens that were brought here, for a minute. */
  introspections: Introspections
  /** When a refusal of such a token was last noted, in ms, by issuer and reason. */
  incomingRefusals: Map<string, number>
  /** When the use of a client was last noted, in ms, by client and secret. */
  clientUses: Map<string, number>
  /** Keys that tokens of connections are bound to, with what their servers said of nonces. */
  proofs: Map<string, DPoPHandle>
  fetch: OutboundFetch
  /** When the certificate ends that a host last showed to this process, by host. */
  certificateEnds: ReadonlyMap<string, Date>
  /** The same way out for upstreams whose certificates a CA of their own vouches for. */
  trusting: Trusting['trusting']
  /** The same for addresses that tenants choose freely: never inside, whatever the operator lets upstreams reach. */
  fetchOutside: OutboundFetch
  /** The way out for what passes through; `certificates` in PEM, of an upstream with a CA of its own. */
  streams: (certificates?: string | undefined) => Dispatcher
  /** Who is asked whose a presented token is. Nobody makes any yet; the authorization server will. */
  authenticators: readonly Authenticator[]
  now: () => Date
  sleep: (milliseconds: number) => Promise<void>
  log: Log
  /** Where the log's lines go; what it had to drop is told by readiness and metrics. */
  output: Pick<Output, 'dropped'>
  metrics: Metrics
  /** Only `serving` processes are ready. Before, the database or its checks are waited for; after, requests run out. */
  life: { phase: 'starting' | 'serving' | 'stopping' }
  /** Runs work after the answer has gone; awaited at a graceful stop. */
  background: (name: string, work: () => Promise<unknown>) => void
  /** Ends background work and connections. */
  close: () => Promise<void>
}

export type ContextOptions = Partial<
  Pick<Context, 'fetch' | 'authenticators' | 'now' | 'sleep' | 'log' | 'output'> & { limits: Partial<OutboundLimits> }
>

/** Makes a context. Tests give their own clock, network and log; nothing is read from the environment here. */
export async function createContext(config: Config, options: ContextOptions = {}): Promise<Context> {
  const output = options.output ?? standardOutput()
  const log = options.log ?? createLog(config)
  const metrics = createMetrics(output)
  const { db, pool } = openDatabase(config, (error) =>
    log.warn({ err: error }, 'named statements are off: the pooler in front of the database does not support them'),
  )
  const outbound = createOutbound({
    ...config,
    ...(options.limits && { limits: options.limits }),
    onFailure: (failure) => log.warn(failure, 'an outbound call got no answer'),
  })
  const trust = createTrusting({
    ...config,
    ...(options.limits && { limits: options.limits }),
    onFailure: (failure) => log.warn(failure, 'an outbound call got no answer'),
  })
  const outside = createOutbound({
    ...config,
    internalHosts: [],
    onFailure: (failure) => log.warn(failure, 'a webhook call got no answer'),
  })
  const running = new Set<Promise<unknown>>()
  pool.on('error', (error) => log.warn({ err: error }, 'database connection lost'))
  return {
    config,
    db,
    pool,
    keys: environmentKeys(config.keys),
    tenantKeys: new Map(),
    signingKeys: new Map(),
    secrets: {
      signin: deriveKey(config.secret, 'signin'),
      fingerprint: deriveKey(config.secret, 'fingerprint'),
      lookup: deriveKey(config.secret, 'lookup'),
      grants: deriveKey(config.secret, 'grants'),
      nonces: deriveKey(config.secret, 'nonces'),
      gateway: deriveKey(config.secret, 'gateway'),
    },
    patience: { others: 12_000, own: 20_000 },
    refreshes: new Map(),
    discoveries: new Map(),
    keySets: new Map(),
    issuerClocks: new Map(),
    introspections: createIntrospections(),
    incomingRefusals: new Map(),
    clientUses: new Map(),
    proofs: new Map(),
    trusting(certificates) {
      const { fetch, ...published } = trust.trusting(certificates)
      return { ...published, fetch: (input, init) => untraced(() => (options.fetch ?? fetch)(input, init)) }
    },
    streams: (certificates) => (certificates === undefined ? outbound : trust.trusting(certificates)).streams,
    certificateEnds: outbound.certificateEnds,
    // No trace header of ours reaches another server, and no instrumentation sees what is sent there.
    fetch: (input, init) => untraced(() => (options.fetch ?? outbound.fetch)(input, init)),
    fetchOutside: (input, init) => untraced(() => (options.fetch ?? outside.fetch)(input, init)),
    authenticators: options.authenticators ?? [],
    now: options.now ?? (() => new Date()),
    sleep: options.sleep ?? ((milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))),
    log,
    output,
    metrics,
    life: { phase: 'serving' },
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
      await outbound.close()
      await outside.close()
      await trust.close()
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
