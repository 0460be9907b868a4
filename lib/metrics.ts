import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry, Summary } from 'prom-client'
import manifest from '../package.json' with { type: 'json' }
import type { Output } from './output.ts'

const upstreamBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20]
const waitBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 12]
const workBuckets = [0.005, 0.025, 0.1, 0.5, 1, 5, 10, 30, 60]
const ageBuckets = [60, 300, 900, 1800, 3600, 7200, 6 * 3600, 24 * 3600, 7 * 24 * 3600, 30 * 24 * 3600]

export type Metrics = ReturnType<typeof createMetrics>

/**
 * The instruments of one process, on a registry of their own; names and units follow Prometheus' conventions. A label's
 * values are a closed list: a kind of upstream, a verb, a state, a code of ours. No tenant, person, id or host is ever
 * one: whoever reads metrics need not be allowed to know who uses this instance, and cardinality stays bounded.
 */
export function createMetrics(output: Pick<Output, 'dropped'> = { dropped: 0 }) {
  const registry = new Registry()
  const registers = [registry]
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name: `valetkey_${name}`, help, labelNames, registers })
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge({ name: `valetkey_${name}`, help, labelNames, registers })
  const histogram = <L extends string>(name: string, help: string, buckets: number[], labelNames: readonly L[] = []) =>
    new Histogram({ name: `valetkey_${name}`, help, buckets, labelNames, registers })

  gauge('build_info', 'The version that runs; always 1', ['version', 'node']).set(
    { version: manifest.version, node: process.version },
    1,
  )
  new Counter({
    name: 'valetkey_log_lines_dropped_total',
    help: 'Log lines that standard output did not accept: a full disk, a closed pipe, or a pipe that nobody reads',
    registers,
    collect() {
      this.reset()
      this.inc(output.dropped)
    },
  })
  let isProcessObserved = false
  const refreshClaims = counter('refresh_claims_total', 'Answers to requests for an access token', ['outcome'])
  const refreshWaits = histogram('refresh_wait_seconds', 'How long callers waited for another refresh', waitBuckets)

  return {
    registry,

    /** How refreshes ended, once each; `lost`: refused after an earlier rotation whose end is unknown. */
    refreshes: counter('refreshes_total', 'Finished refreshes', ['kind', 'outcome']),
    refreshClaims,
    /** Age of the token pair that a refresh replaced. */
    refreshAge: histogram('refresh_age_seconds', 'Age of the token pair that a refresh replaced', ageBuckets, ['kind']),
    /** A verb of a provider as a whole, its repeats and pauses included. */
    upstream: histogram('upstream_request_seconds', 'Upstream calls, including retries', upstreamBuckets, [
      'kind',
      'call',
      'outcome',
    ]),
    cooldowns: counter('upstream_cooldowns_total', 'Pauses of an upstream that a failed refresh started or extended', [
      'kind',
    ]),
    /** Re-link ratio: `purpose="relink"` by all. */
    links: counter('links_total', 'Link attempts that came back', ['kind', 'purpose', 'outcome']),
    /** Requests to link that programs made (N-15): `asked`, then how each was answered and ended. */
    linkRequests: counter('link_requests_total', 'Requests of programs for a link', ['cause', 'outcome']),
    issues: counter('issues_total', 'Requested tokens', ['strategy', 'outcome']),
    /** Tries of upstream revocations by how they ended; `postponed`: will be tried again. */
    revocations: counter('revocations_total', 'Tries of upstream revocations', ['state']),
    /** Of a canary token, at this process, in the last hour. */
    refusals: new Summary({
      name: 'valetkey_revocation_refusal_seconds',
      help: 'How long this process let in a token after its revocation was begun',
      percentiles: [0.5, 0.99],
      maxAgeSeconds: 3_600,
      ageBuckets: 6,
      registers,
    }),
    jobs: histogram('job_seconds', 'Entries of background work', workBuckets, ['work']),
    jobFailures: counter('job_failures_total', 'Entries of background work that failed', ['work']),
    /** AES-GCM nonces are random: one key stays far below 2^32 values (V-02). */
    seals: counter('seals_total', 'Values sealed by this process'),
    /** Bodies that passed through the proxy; `sent` to upstreams. */
    proxyBytes: counter('proxy_bytes_total', 'Bytes of bodies that passed through the proxy', ['direction']),
    proxyOpen: gauge('proxy_open_requests', 'Requests that pass through the proxy now'),
    gatewayOpen: gauge('gateway_open_requests', 'Requests at the gateway of MCP servers now'),
    /** Messages at the gateway; `passed`, or `refused` with nothing sent. */
    gatewayMessages: counter('gateway_messages_total', 'Messages at the gateway of MCP servers', ['call', 'outcome']),
    /** What a program says became of the address that it was given for its person (N-15). */
    gatewayLinks: counter('gateway_links_total', 'Addresses for people, as programs say', ['purpose', 'outcome']),
    /** Access tokens of trusted issuers; `accepted`, or the reason of the refusal. */
    incomingTokens: counter('incoming_tokens_total', 'Access tokens of trusted issuers', ['outcome']),
    /** Typed device codes; `alarm`: that more of them were wrong over the whole instance than people mistype. */
    userCodes: counter('user_codes_total', 'Typed device codes', ['outcome']),
    requests: histogram('http_request_seconds', 'Requests by operation', workBuckets, ['operation', 'status']),

    /** From the database, at a scrape; absent while it is away. */
    database: {
      up: gauge('database_up', '1 while the database answers'),
      connections: gauge('connections', 'Connections by status', ['kind', 'status']),
      cooldowns: gauge('upstream_cooldowns_open', 'Upstreams that are paused after failures in a row', ['kind']),
      refreshesDue: gauge('refreshes_due', 'Connections whose renewal in the background is due', ['kind']),
      oldestDue: gauge('refresh_oldest_due_seconds', 'How long the oldest due renewal has been waiting'),
      revocations: gauge('revocations_unconfirmed', 'Upstream revocations that are not done', ['state']),
      oldestRevocation: gauge('revocation_oldest_pending_seconds', 'Age of the oldest pending upstream revocation'),
      issuesUnfinished: gauge('issues_unfinished', 'Issues in progress or interrupted'),
      auditUnsealed: gauge('audit_unsealed_events', 'Audit events that are not chained yet'),
      oldestUnsealed: gauge('audit_unsealed_oldest_seconds', 'Age of the oldest audit event that is not chained yet'),
      auditOutbox: gauge('audit_outbox_events', 'Audit events that wait to be recorded'),
    },
    poolConnections: gauge('database_pool_connections', 'Database connections of this process', ['state']),
    poolWaiting: gauge('database_pool_waiting', 'Callers waiting for a database connection'),
    /** The database's rows of the last scrape, kept for seconds so that many scrapers ask once. */
    scraped: undefined as { at: number; done: Promise<void> } | undefined,

    /**
     * Follows one caller's claims: counts each answer, and measures from the first `busy` to the first other answer.
     * `gaveUp` ends the measure of one whose patience ran out.
     */
    watchClaims() {
      let busySince: number | undefined
      const gaveUp = () => {
        if (busySince !== undefined) refreshWaits.observe((performance.now() - busySince) / 1000)
        busySince = undefined
      }
      return {
        answered(outcome: string) {
          refreshClaims.inc({ outcome })
          if (outcome !== 'busy') gaveUp()
          else busySince ??= performance.now()
        },
        gaveUp,
      }
    },

    /** Adds the process's own metrics (memory, CPU, GC, event loop delay p50 and p99). Once a process, at boot. */
    observeProcess(): void {
      if (isProcessObserved) return
      isProcessObserved = true
      collectDefaultMetrics({ register: registry })
    },
  }
}
