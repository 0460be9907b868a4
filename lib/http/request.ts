import { isIP } from 'node:net'
import { SpanStatusCode } from '@opentelemetry/api'
import ipaddr from 'ipaddr.js'
import { type Context, context } from '../context.ts'
import { BrokerError, errorCodes } from '../errors.ts'
import { logRequest } from '../log.ts'
import { newId } from '../security/ids.ts'
import { isStorable } from '../security/json.ts'
import { serverSpan } from '../trace.ts'
import { Answer, responseOf } from './answer.ts'
import { securityHeaders } from './headers.ts'
import { bytesOf } from './incoming-request.ts'
import { asBrokerError, problemAnswer } from './problem.ts'

/** Largest body of the JSON API, in bytes. */
export const bodyCap = 64 * 1024

/** What every edge knows about one request. */
export type Call = {
  ctx: Context
  request: Request
  requestId: string
  /** The client's address, from trusted hops only. */
  address: string | undefined
  agent: string | undefined
}

export type RouteContext = { params: Promise<Record<string, string | string[] | undefined>> }
export type RouteHandler = (request: Request, route: RouteContext) => Promise<Response>

/** So much of what a client says that it is counts, in characters. */
export const agentMax = 300

const mark = Symbol.for('valetkey.edge')
/** A route handler that went through a wrapper; `edge` names the kind. A test refuses exported handlers without it. */
export type Edge<H = RouteHandler> = H & { [mark]: { kind: string; name: string; method?: string; path?: string } }

export const markEdge = <H extends (...args: never[]) => unknown>(handler: H, label: Edge<H>[typeof mark]): Edge<H> =>
  Object.assign(handler, { [mark]: label })

export const edgeOf = (handler: unknown): Edge[typeof mark] | undefined =>
  typeof handler === 'function' ? (handler as Partial<Edge>)[mark] : undefined

/** What an edge's own code answers with, or facts for the access log beside it. An {@link Answer} costs less than a response. */
type Handled = { response: Response | Answer; log?: Record<string, unknown> }
type Answering = (request: Request, route: RouteContext) => Promise<Response | Answer>

const inner = Symbol.for('valetkey.answering')
/** What is behind a route handler that {@link edge} made: the same, before its answer becomes a response. */
export const answeringOf = (handler: RouteHandler): Answering => (handler as { [inner]?: Answering })[inner] ?? handler

/**
 * The part that all wrappers share: request id, access log without query values, security headers, and errors as
 * problems (`shape` for edges with a format of their own). Nothing that fails leaves without one of these shapes.
 */
export function edge(
  label: Edge[typeof mark],
  handle: (call: Call, route: RouteContext) => Promise<Handled>,
  shape: (error: BrokerError, requestId: string, call: Call | undefined) => Response | Answer = (error, requestId) =>
    problemAnswer(error, requestId),
): Edge {
  const path = label.path ?? label.name
  const answering: Answering = (request, route) => {
    const requestId = newId('request')
    const { method } = request
    const attributes = { 'http.request.method': method, 'http.route': path, 'valetkey.request': requestId }
    return serverSpan(label.name, attributes, request.headers, async (active) => {
      const started = performance.now()
      let call: Call | undefined
      let handled: Handled
      let failure: BrokerError | undefined
      try {
        const ctx = await context()
        const agent = request.headers.get('user-agent')?.slice(0, agentMax)
        call = { ctx, request, requestId, address: addressOf(request.headers), agent }
        handled = await handle(call, route)
      } catch (cause) {
        failure = asBrokerError(cause)
        // That a process is starting or stopping is no failure of the probe that asks.
        if (errorCodes[failure.code].status >= 500 && failure.code !== 'not_serving')
          call?.ctx.log.error(
            { request: requestId, err: failure.cause ?? failure, problem: failure.code },
            'request failed',
          )
        active.setAttribute('error.type', failure.code)
        handled = { response: shape(failure, requestId, call) }
      }
      const answer = withHeaders(handled.response, requestId)
      const { status } = answer
      const milliseconds = performance.now() - started
      active.setAttribute('http.response.status_code', status)
      if (status >= 500) active.setStatus({ code: SpanStatusCode.ERROR })
      // Counted apart: whoever hung up was refused nothing, and nothing failed here.
      const outcome = failure?.code === 'aborted' ? 'aborted' : `${Math.floor(status / 100)}xx`
      call?.ctx.metrics.requests.observe({ operation: label.name, status: outcome }, milliseconds / 1000)
      // The route's pattern, not its address: neither query values nor path secrets belong in a log (L-15, V-08).
      const line = { request: requestId, method, path, status, ms: Math.round(milliseconds), problem: failure?.code }
      if (call) logRequest(call.ctx.log, line, handled.log)
      return answer
    })
  }
  const handler: RouteHandler = async (request, route) => {
    const answer = await answering(request, route)
    const response = answer instanceof Answer ? responseOf(answer) : answer
    return request.method === 'HEAD' ? new Response(null, response) : response
  }
  return Object.assign(markEdge(handler, label), { [inner]: answering })
}

/** Adds what every answer has, where the edge did not say otherwise. */
function withHeaders(response: Response | Answer, requestId: string): Response | Answer {
  const missing = { ...securityHeaders, 'x-request-id': requestId }
  if (response instanceof Answer) return new Answer(response.status, { ...missing, ...response.headers }, response.body)
  const all = new Headers(response.headers)
  for (const [name, value] of Object.entries(missing)) if (!all.has(name)) all.set(name, value)
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers: all })
}

/** The client's address as server.ts established it; it overwrites this header on every request (B-02, Z-07). */
export function addressOf(headers: Headers): string | undefined {
  const address = headers.get('x-forwarded-for')?.trim()
  return address && isIP(address) ? address : undefined
}

/**
 * The address in front of `trustedProxies` proxies, each of which appends the peer it saw. Entries further left are the
 * client's own words. Answers the peer when there is nothing else to believe.
 */
export function clientAddress(peer: string, forwardedFor: string | undefined, trustedProxies: number): string {
  const hops = [...(forwardedFor?.split(',') ?? []).map((hop) => hop.trim()), peer]
  const claimed = plainAddress(hops[Math.max(0, hops.length - 1 - trustedProxies)] ?? peer)
  return isIP(claimed) ? claimed : plainAddress(peer)
}

/** One spelling per address: no zone, no port, no brackets, no IPv4 inside IPv6. */
function plainAddress(text: string): string {
  const bare = text.replace(/^\[(.*)\](:\d+)?$/, '$1').replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1')
  const unzoned = bare.replace(/%.*$/, '')
  return isIP(unzoned) ? ipaddr.process(unzoned).toString() : unzoned
}

/** What an address is counted under: an IPv4 address, or the /64 of an IPv6 one, whose owner has all of it (B-02). */
export function addressKey(address: string): string {
  const plain = plainAddress(address)
  if (isIP(plain) !== 6) return plain
  const network = ipaddr.IPv6.parse(plain).parts.slice(0, 4)
  return `${network.map((part) => part.toString(16)).join(':')}::/64`
}

/**
 * Reads a body without ever holding more than the cap.
 * @throws BrokerError too_large; bad_request when it is not UTF-8; aborted when it stops before its end
 */
export async function readBody(request: Request, cap = bodyCap): Promise<string> {
  if (Number(request.headers.get('content-length') ?? 0) > cap) throw new BrokerError('too_large')
  const bytes = (await bytesOf(request, cap)) ?? (await streamed(request, cap))
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new BrokerError('bad_request', { detail: 'The body is not UTF-8.', cause })
  }
}
const utf8 = new TextDecoder('utf-8', { fatal: true })

async function streamed(request: Request, cap: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = request.body?.getReader()
  while (reader) {
    const { done, value } = await reader.read().catch(cutShort)
    if (done) break
    size += value.byteLength
    if (size > cap) {
      await reader.cancel().catch(() => {})
      throw new BrokerError('too_large')
    }
    chunks.push(value)
  }
  return Buffer.concat(chunks)
}

/** The one way in which a body fails to arrive: its sender went, or was too slow and was cut off. No outage of ours. */
function cutShort(cause: unknown): never {
  throw new BrokerError('aborted', { cause })
}

/**
 * A query as an object.
 * @throws BrokerError bad_request on a repeated parameter, on text that cannot be kept, and on a token, which never travels in a URL (V-09)
 */
export function readQuery(url: string): Record<string, string> {
  if (!url.includes('?')) return {}
  const given = [...new URL(url).searchParams]
  const names = new Set(given.map(([name]) => name))
  if (names.size !== given.length) throw new BrokerError('bad_request', { detail: 'A parameter appears twice.' })
  const odd = given.find((pair) => !pair.every(isStorable))
  if (odd) throw new BrokerError('bad_request', { fields: { [odd[0].slice(0, 80)]: 'contains an invalid character' } })
  for (const name of ['access_token', 'token', 'refresh_token', 'id_token'])
    if (names.has(name))
      throw new BrokerError('bad_request', { detail: 'Tokens in a URL are not accepted. Treat this token as leaked.' })
  return Object.fromEntries(given)
}
