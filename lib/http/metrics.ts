import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { sameSecret } from '../security/secrets.ts'
import { type GaugeRow, readGauges } from '../store/gauges.ts'
import { within } from '../within.ts'
import { Answer } from './answer.ts'
import { securityHeaders } from './headers.ts'
import { dataHeaders, problemAnswer } from './problem.ts'
import { type Edge, edge } from './request.ts'

/** However many scrape: the database is asked once in this time, and for no longer than that. */
const scrapeMilliseconds = 5_000
const patienceMilliseconds = 2_000

/**
 * The metrics as text (Prometheus exposition format). Always answers, within `patience` milliseconds: without the database
 * its gauges are absent and `valetkey_database_up` is 0.
 */
export async function renderMetrics(ctx: Context, patience = patienceMilliseconds): Promise<string> {
  const { metrics } = ctx
  const now = ctx.now().getTime()
  const age = metrics.scraped && Math.abs(now - metrics.scraped.at)
  if (age === undefined || age >= scrapeMilliseconds) metrics.scraped = { at: now, done: collect(ctx, patience) }
  await metrics.scraped?.done
  const { totalCount, idleCount, waitingCount } = ctx.pool
  metrics.poolConnections.set({ state: 'in_use' }, totalCount - idleCount)
  metrics.poolConnections.set({ state: 'idle' }, idleCount)
  metrics.poolWaiting.set(waitingCount)
  return metrics.registry.metrics()
}

async function collect(ctx: Context, patience: number): Promise<void> {
  const now = ctx.now()
  const late = () => {
    throw new BrokerError('unavailable')
  }
  // A pool without a free connection must not hold up a scrape.
  const rows = await within(readGauges(ctx, now, patience), patience, late).catch((error: unknown) => {
    ctx.log.warn({ err: error }, 'the database gauges cannot be read')
    return undefined
  })
  show(ctx, rows, now)
}

/** Sets every gauge of the database anew, so that what is gone is not shown any more. */
function show({ metrics }: Context, rows: GaugeRow[] | undefined, now: Date): void {
  const { up, ...gauges } = metrics.database
  for (const gauge of Object.values(gauges)) gauge.reset()
  up.set(rows ? 1 : 0)
  const unlabelled = [gauges.oldestDue, gauges.oldestRevocation, gauges.issuesUnfinished, gauges.auditUnsealed]
  // A reset gauge without labels is 0, which would be a lie.
  if (!rows) for (const gauge of [...unlabelled, gauges.oldestUnsealed, gauges.auditOutbox]) gauge.remove()
  let longestDue = 0
  for (const { gauge, kind, label, amount, oldest } of rows ?? []) {
    const seconds = oldest ? Math.max(0, (now.getTime() - oldest.getTime()) / 1000) : 0
    const kinds = { kind: kind ?? 'unknown' }
    switch (gauge) {
      case 'connections':
        gauges.connections.set({ ...kinds, status: label ?? 'unknown' }, amount)
        break
      case 'cooldowns':
        gauges.cooldowns.set(kinds, amount)
        break
      case 'refreshes_due':
        gauges.refreshesDue.set(kinds, amount)
        longestDue = Math.max(longestDue, seconds)
        gauges.oldestDue.set(longestDue)
        break
      case 'revocations':
        gauges.revocations.set({ state: label ?? 'unknown' }, amount)
        if (label === 'pending') gauges.oldestRevocation.set(seconds)
        break
      case 'issues_unfinished':
        gauges.issuesUnfinished.set(amount)
        break
      case 'audit_unsealed':
        gauges.auditUnsealed.set(amount)
        gauges.oldestUnsealed.set(seconds)
        break
      case 'audit_outbox':
        gauges.auditOutbox.set(amount)
        break
    }
  }
}

const path = '/metrics'

/**
 * Metrics on the main port, behind VALETKEY_METRICS_TOKEN as a bearer (RFC 6750 2.1). Without that setting there is no
 * such path.
 */
export const metricsRoute = (): Edge =>
  edge(
    { kind: 'metrics', name: 'metrics', method: 'GET', path },
    async ({ ctx, request }) => {
      const { token } = ctx.config.metrics
      if (!token) throw new BrokerError('not_found')
      if (request.method !== 'GET' && request.method !== 'HEAD') throw new BrokerError('method_not_allowed')
      const [, given = ''] = /^Bearer ([\w~+/.-]+=*)$/i.exec(request.headers.get('authorization') ?? '') ?? []
      if (!sameSecret(given, token)) throw new BrokerError('unauthenticated')
      const headers = { ...dataHeaders, 'content-type': ctx.metrics.registry.contentType }
      return { response: new Answer(200, headers, await renderMetrics(ctx)) }
    },
    (error, requestId) =>
      problemAnswer(error, requestId, {
        more: {
          ...(error.code === 'unauthenticated' && { 'www-authenticate': 'Bearer realm="valetkey metrics"' }),
          ...(error.code === 'method_not_allowed' && { allow: 'GET, HEAD' }),
        },
      }),
  )

const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/

/**
 * Metrics on a port of their own, for a network that only scrapers reach: `GET /metrics` and nothing else, without a
 * bearer. Undefined where VALETKEY_METRICS_PORT is not set; otherwise listening when it resolves.
 */
export async function listenForMetrics(ctx: Context): Promise<{ port: number; stop: () => Promise<void> } | undefined> {
  const { host, port } = ctx.config.metrics
  if (port === undefined) return undefined
  const server = metricsServer(ctx, { isLoopback: loopback.test(host) || host === '::1' })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    stop: () => new Promise((resolve) => server.close(() => resolve()).closeAllConnections()),
  }
}

function metricsServer(ctx: Context, { isLoopback }: { isLoopback: boolean }): Server {
  const server = createServer({ maxHeaderSize: 8 * 1024, requestTimeout: 10_000 }, async (request, response) => {
    const answer = (status: number, text = '', headers = {}) =>
      response.writeHead(status, { ...securityHeaders, ...dataHeaders, connection: 'close', ...headers }).end(text)
    // Another name that leads to this machine is somebody else's page (DNS rebinding).
    if (isLoopback && !loopback.test(request.headers.host ?? '')) return answer(421)
    if (request.url?.split('?')[0] !== path) return answer(404)
    if (request.method !== 'GET') return answer(405, '', { allow: 'GET' })
    try {
      answer(200, await renderMetrics(ctx), { 'content-type': ctx.metrics.registry.contentType })
    } catch (error) {
      ctx.log.error({ err: error }, 'the metrics cannot be served')
      answer(500)
    }
  })
  server.maxConnections = 20
  return server
}
