import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context } from '../context.ts'
import { type BrokerError, errorCodes, isBrokerError } from '../errors.ts'
import type { Served } from '../mcp/call.ts'
import { createGateway, serve } from '../mcp/gateway.ts'
import { type RpcError, RpcRefusal } from '../mcp/messages.ts'
import { type Target, targetOf } from '../mcp/target.ts'
import { answerHeaders } from '../proxy/headers.ts'
import { securityHeaders } from './headers.ts'
import { asBrokerError, problemOf } from './problem.ts'
import { reasonOf } from './proxy.ts'
import { clientAddress } from './request.ts'
import { createStreamEdge, type StreamEdge, type StreamEdgeOptions } from './stream-edge.ts'

export type GatewayEdge = StreamEdge<Target>

/** Makes the edge of the gateway to MCP servers. */
export function createGatewayEdge(ctx: Context, options: StreamEdgeOptions = {}): GatewayEdge {
  const gateway = createGateway(ctx, options.limits)
  const { running, tally, tools } = gateway
  return createStreamEdge(ctx, options, {
    targetOf,
    running,
    tallies: [tally, tools],
    open: ctx.metrics.gatewayOpen,
    async serve({ request, response, target, headers, requestId, started, brake }) {
      const { remoteAddress = '' } = request.socket
      const forwarded = request.headers['x-forwarded-for']?.toString()
      const address = clientAddress(remoteAddress, forwarded, ctx.config.trustedProxies)
      let served: Served | undefined
      let problem: BrokerError | RpcRefusal | undefined
      try {
        served = await serve(gateway, { request, response, target, address, headers })
      } catch (error) {
        problem = error instanceof RpcRefusal ? error : asBrokerError(error)
        if (isBrokerError(problem, 'rate_limited')) await brake()
        refuse(request, response, problem, requestId)
      }
      return () =>
        report(ctx, { requestId, method: request.method, started, served, problem, status: response.statusCode })
    },
  })
}

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
