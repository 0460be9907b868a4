import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context } from '../context.ts'
import { BrokerError, errorCodes, isBrokerError } from '../errors.ts'
import { ExchangeError } from '../proxy/exchange.ts'
import { answerHeaders } from '../proxy/headers.ts'
import { createProxy, type Passed, pass } from '../proxy/pass.ts'
import type { ProxyLimits } from '../proxy/quotas.ts'
import { type Target, targetOf } from '../proxy/target.ts'
import { newId } from '../security/ids.ts'
import { outboundLimits } from '../security/outbound.ts'
import { closeUnread, createBrake, type Pause, realPause } from './brake.ts'
import { withAlgorithms } from './challenge.ts'
import { securityHeaders } from './headers.ts'
import { asBrokerError, problemOf } from './problem.ts'

/** The edge of the proxy, on Node's own streams: nothing reads a request anew before it is judged. */
export type ProxyEdge = {
  /** What a raw request target asks of it; undefined: it is another edge's. */
  targetOf: (url: string) => Target | undefined
  /** Passes a request on, or answers why not. Never throws. */
  handle: (request: IncomingMessage, response: ServerResponse, target: Target) => Promise<void>
  /** Looks for what may not go on, and tells what was used; for tests, which have no timers. */
  look: () => Promise<void>
  tell: () => Promise<void>
  stop: () => Promise<void>
}

/** Between two looks at the tokens of what is running: an end elsewhere cuts it within a second. */
const lookMilliseconds = 400
const tellMilliseconds = 5_000

/** Makes the edge; `timers`: whether it looks and tells by itself. */
export function createProxyEdge(
  ctx: Context,
  {
    limits,
    timers = true,
    pause = timers ? realPause : async () => {},
  }: { limits?: ProxyLimits; timers?: boolean; pause?: Pause } = {},
): ProxyEdge {
  const proxy = createProxy(ctx, limits)
  const { running, tally } = proxy
  let isLooking = false
  const brake = createBrake(pause)
  const look = async () => {
    if (isLooking) return
    isLooking = true
    await running.look(ctx).finally(() => {
      isLooking = false
    })
  }
  const tell = () =>
    tally.tell().catch((error: unknown) => ctx.log.warn({ err: error }, 'uses of tokens are told later'))
  const every = timers
    ? [setInterval(() => void look(), lookMilliseconds), setInterval(() => void tell(), tellMilliseconds)]
    : []
  return {
    targetOf,
    async handle(request, response, target) {
      // Behind another on its connection it waits its turn (RFC 9112 9.3.2): Node tells nobody that a caller left whose
      // answer has no socket yet, so what had begun would be held for ever.
      if (!response.socket) await new Promise<void>((resolve) => response.once('socket', () => resolve()))
      const requestId = newId('request')
      const started = performance.now()
      const headers = [...fixedHeaders, 'x-request-id', requestId]
      // Neither side says anything for so long: the connection is given up.
      request.socket.setTimeout(outboundLimits.streamSilenceMs)
      ctx.metrics.proxyOpen.inc()
      let passed: Passed | undefined
      let problem: BrokerError | undefined
      try {
        passed = await pass(proxy, { request, response, target, headers })
      } catch (error) {
        problem = asBrokerError(error instanceof ExchangeError ? error.cause : error)
        if (problem.code === 'rate_limited') await brake(response)
        answerProblem(request, response, problem, requestId)
      }
      closeUnread(request, response)
      ctx.metrics.proxyOpen.dec()
      const status = problem && !response.headersSent ? errorCodes[problem.code].status : response.statusCode
      report(ctx, { requestId, method: request.method, started, passed, problem, status })
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
