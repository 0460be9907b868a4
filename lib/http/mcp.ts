import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context } from '../context.ts'
import { BrokerError, errorCodes, isBrokerError } from '../errors.ts'
import { createGateway, type Served, serve } from '../mcp/gateway.ts'
import { type RpcError, RpcRefusal } from '../mcp/messages.ts'
import { type Target, targetOf } from '../mcp/target.ts'
import { answerHeaders } from '../proxy/headers.ts'
import type { ProxyLimits } from '../proxy/quotas.ts'
import { newId } from '../security/ids.ts'
import { outboundLimits } from '../security/outbound.ts'
import { closeUnread, createBrake, type Pause, realPause } from './brake.ts'
import { securityHeaders } from './headers.ts'
import { asBrokerError, problemOf } from './problem.ts'
import { reasonOf } from './proxy.ts'
import { clientAddress } from './request.ts'

/** The edge of the gateway to MCP servers, on Node's own streams, as that of the proxy. */
export type GatewayEdge = {
  /** What a raw request target asks of it; undefined: it is another edge's. */
  targetOf: (url: string) => Target | undefined
  /** Takes a message, or answers why not. Never throws. */
  handle: (request: IncomingMessage, response: ServerResponse, target: Target) => Promise<void>
  /** Looks for what may not go on, and tells what was used; for tests, which have no timers. */
  look: () => Promise<void>
  tell: () => Promise<void>
  stop: () => Promise<void>
}

/** As the proxy's (lib/http/proxy.ts). */
const lookMilliseconds = 400
const tellMilliseconds = 5_000

/** Makes the edge; `timers`: whether it looks and tells by itself. */
export function createGatewayEdge(
  ctx: Context,
  {
    limits,
    timers = true,
    pause = timers ? realPause : async () => {},
  }: { limits?: ProxyLimits; timers?: boolean; pause?: Pause } = {},
): GatewayEdge {
  const gateway = createGateway(ctx, limits)
  const { running, tally, tools } = gateway
  const brake = createBrake(pause)
  let isLooking = false
  const look = async () => {
    if (isLooking) return
    isLooking = true
    await running.look(ctx).finally(() => {
      isLooking = false
    })
  }
  const tell = () =>
    Promise.all([tally.tell(), tools.tell()]).then(
      () => {},
      (error: unknown) => ctx.log.warn({ err: error }, 'uses of tokens are told later'),
    )
  const every = timers
    ? [setInterval(() => void look(), lookMilliseconds), setInterval(() => void tell(), tellMilliseconds)]
    : []
  return {
    targetOf,
    async handle(request, response, target) {
      // Behind another on its connection it waits its turn (lib/http/proxy.ts).
      if (!response.socket) await new Promise<void>((resolve) => response.once('socket', () => resolve()))
      const requestId = newId('request')
      const started = performance.now()
      const headers = [...fixedHeaders, 'x-request-id', requestId]
      request.socket.setTimeout(outboundLimits.streamSilenceMs)
      ctx.metrics.gatewayOpen.inc()
      const { remoteAddress = '' } = request.socket
      const address = clientAddress(
        remoteAddress,
        request.headers['x-forwarded-for']?.toString(),
        ctx.config.trustedProxies,
      )
      let served: Served | undefined
      let problem: BrokerError | RpcRefusal | undefined
      try {
        served = await serve(gateway, { request, response, target, address, headers })
      } catch (error) {
        problem = error instanceof RpcRefusal ? error : asBrokerError(error)
        if (isBrokerError(problem, 'rate_limited')) await brake(response)
        refuse(request, response, problem, requestId)
      }
      closeUnread(request, response)
      ctx.metrics.gatewayOpen.dec()
      report(ctx, { requestId, method: request.method, started, served, problem, status: response.statusCode })
    },
    look,
    tell,
    async stop() {
      for (const timer of every) clearInterval(timer)
      running.cutAll(new BrokerError('not_serving'))
      await tell()
    },
  }
}

const fixedHeaders = Object.entries({
  ...answerHeaders,
  'strict-transport-security': securityHeaders['strict-transport-security'],
}).flat()

/** A refusal before there is a request to answer: a JSON-RPC error without an id, which clients show; `data` says the rest. */
function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  problem: BrokerError | RpcRefusal,
  requestId: string,
): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const told =
    problem instanceof RpcRefusal ? { status: problem.status, error: problem.error } : asError(problem, requestId)
  const status = told.status === 200 ? 400 : told.status
  const body = JSON.stringify({ jsonrpc: '2.0', error: told.error })
  const broker = problem instanceof RpcRefusal ? undefined : problem
  const retryAfter = broker?.retryAfterSeconds ?? (status === 503 ? 5 : undefined)
  response.writeHead(status, {
    ...securityHeaders,
    ...answerHeaders,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'x-request-id': requestId,
    ...(retryAfter !== undefined && { 'retry-after': String(Math.max(1, Math.ceil(retryAfter))) }),
    ...(broker?.challenge && { 'www-authenticate': broker.challenge }),
    ...(broker?.code === 'method_not_allowed' && { allow: 'POST' }),
    // What is left of a body is not read to its end.
    ...(!request.complete && { connection: 'close' }),
  })
  response.end(body)
}

/** Own codes are positive: what the specification does not define stays out of its range. */
function asError(error: BrokerError, requestId: string): { status: number; error: RpcError } {
  const { status, title, detail, code, next, request_id } = problemOf(error, requestId)
  return { status, error: { code: status, message: detail ?? `${title}. ${next}`, data: { code, next, request_id } } }
}

type Report = {
  requestId: string
  method: string | undefined
  started: number
  served: Served | undefined
  problem: BrokerError | RpcRefusal | undefined
  status: number
}

/** One line and one measure. Neither holds a name, an argument or a value of anybody (V-08). */
function report(ctx: Context, { requestId, method, started, served, problem, status }: Report): void {
  const milliseconds = performance.now() - started
  const broker = problem instanceof RpcRefusal ? undefined : problem
  const code = broker?.code ?? (problem ? 'rpc' : undefined)
  const shown = broker && broker.code !== 'aborted' ? errorCodes[broker.code].status : status
  ctx.metrics.requests.observe(
    { operation: 'mcp', status: broker?.code === 'aborted' ? 'aborted' : `${Math.floor(shown / 100)}xx` },
    milliseconds / 1000,
  )
  const line = { request: requestId, method, path: 'mcp', status: shown, ms: Math.round(milliseconds) }
  ctx.log.info({ ...line, ...(code ? { problem: code } : { token: served?.holderId, rpc: served?.method }) }, 'request')
  if (!broker) return
  if (broker.code === 'internal' || broker.code === 'unavailable')
    ctx.log.error({ request: requestId, err: broker.cause ?? broker, problem: broker.code }, 'request failed')
  else if (isBrokerError(broker, 'upstream_unavailable', 'upstream_protocol'))
    ctx.log.warn(
      { request: requestId, problem: broker.code, reason: reasonOf(broker) },
      'a request got no answer from its upstream',
    )
}
