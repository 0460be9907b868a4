import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context } from '../context.ts'
import { type BrokerError, errorCodes, isBrokerError } from '../errors.ts'
import { ExchangeError } from '../proxy/exchange.ts'
import { answerHeaders } from '../proxy/headers.ts'
import { createProxy, type Passed, pass } from '../proxy/pass.ts'
import { type Target, targetOf } from '../proxy/target.ts'
import { withAlgorithms } from './challenge.ts'
import { securityHeaders } from './headers.ts'
import { asBrokerError, problemOf } from './problem.ts'
import { createStreamEdge, type StreamEdge, type StreamEdgeOptions } from './stream-edge.ts'

export type ProxyEdge = StreamEdge<Target>

/** Makes the edge of the proxy. */
export function createProxyEdge(ctx: Context, options: StreamEdgeOptions = {}): ProxyEdge {
  const proxy = createProxy(ctx, options.limits)
  const { running, tally } = proxy
  return createStreamEdge(ctx, options, {
    targetOf,
    running,
    tallies: [tally],
    open: ctx.metrics.proxyOpen,
    async serve({ request, response, target, headers, requestId, started, brake }) {
      let passed: Passed | undefined
      let problem: BrokerError | undefined
      try {
        passed = await pass(proxy, { request, response, target, headers })
      } catch (error) {
        problem = asBrokerError(error instanceof ExchangeError ? error.cause : error)
        if (problem.code === 'rate_limited') await brake()
        answerProblem(request, response, problem, requestId)
      }
      return () => {
        const status = problem && !response.headersSent ? errorCodes[problem.code].status : response.statusCode
        report(ctx, { requestId, method: request.method, started, passed, problem, status })
      }
    },
  })
}

/** A refusal as a problem, for programs; nothing where the answer has begun. */
function answerProblem(
  request: IncomingMessage,
  response: ServerResponse,
  error: BrokerError,
  requestId: string,
): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const problem = problemOf(error, requestId)
  const body = JSON.stringify(problem)
  const retryAfter = error.retryAfterSeconds ?? (problem.status === 503 ? 5 : undefined)
  response.writeHead(problem.status, {
    ...securityHeaders,
    ...answerHeaders,
    'content-type': 'application/problem+json',
    'content-length': String(Buffer.byteLength(body)),
    'x-request-id': requestId,
    // Ours, and no upstream's (RFC 9209 2.3).
    'proxy-status': `valetkey; error=${problem.status < 500 ? 'http_request_denied' : 'proxy_internal_response'}`,
    ...(retryAfter !== undefined && { 'retry-after': String(Math.max(1, Math.ceil(retryAfter))) }),
    ...(error.challenge && { 'www-authenticate': withAlgorithms(error.challenge) }),
    ...(error.nonce && { 'dpop-nonce': error.nonce }),
    // What is left of a body is not read to its end.
    ...(!request.complete && { connection: 'close' }),
  })
  response.end(body)
}

type Report = {
  requestId: string
  method: string | undefined
  started: number
  passed: Passed | undefined
  problem: BrokerError | undefined
  status: number
}

/** One line and one measure. Neither holds a path, a query or a value of anybody (V-08). */
function report(ctx: Context, { requestId, method, started, passed, problem, status }: Report): void {
  const milliseconds = performance.now() - started
  const isAborted = problem?.code === 'aborted'
  ctx.metrics.requests.observe(
    {
      operation: 'proxy',
      status: isAborted ? 'aborted' : `${Math.floor(status / 100)}xx`,
    },
    milliseconds / 1000,
  )
  const line = { request: requestId, method, path: 'proxy', status, ms: Math.round(milliseconds) }
  ctx.log.info({ ...line, ...(problem ? { problem: problem.code } : { token: passed?.tokenId }) }, 'request')
  if (!problem) return
  if (problem.code === 'internal' || problem.code === 'unavailable')
    ctx.log.error({ request: requestId, err: problem.cause ?? problem, problem: problem.code }, 'request failed')
  else if (isBrokerError(problem, 'upstream_unavailable', 'upstream_protocol'))
    ctx.log.warn(
      { request: requestId, problem: problem.code, reason: reasonOf(problem) },
      'a request got no answer from its upstream',
    )
}

/** A code of Node or undici; never text, which may quote what an upstream sent. */
export const reasonOf = ({ cause }: BrokerError): string | undefined =>
  cause instanceof Error && 'code' in cause ? String(cause.code) : cause instanceof Error ? cause.name : undefined
