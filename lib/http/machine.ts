import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Config } from '../config.ts'
import { Answer } from './answer.ts'
import { hostPattern, isClaim, isDroppedTrace } from './claims.ts'
import { requestOf } from './incoming-request.ts'
import type { Method } from './operation.ts'
import { answeringOf, clientAddress, type RouteHandler } from './request.ts'

/** A path that is answered before Next: the very export of its route file. `:name` stands for one plain segment. */
export type MachineRoute = { method: Method; path: string; handle: RouteHandler }

type Answering = ReturnType<typeof answeringOf>
type Found = { answering: Answering; params: Record<string, string> }

/** As it is written, without escapes that somebody would have to undo. */
const plainSegment = /^(?!\.\.?$)[\w.~-]+$/

/**
 * Finds the route of a method and a path: what has no parameters by the path itself, the rest by their number of segments. What
 * is spelled in any other way is Next's to judge.
 */
function createTable(routes: readonly MachineRoute[]): (method: string, path: string) => Found | undefined {
  const exact = new Map<string, Found>()
  const patterns = new Map<number, { method: string; segments: string[]; answering: Answering }[]>()
  for (const { method, path, handle } of routes) {
    const answering = answeringOf(handle)
    for (const one of method === 'GET' ? ['GET', 'HEAD'] : [method]) {
      const segments = path.split('/')
      if (!path.includes(':')) exact.set(`${one} ${path}`, { answering, params: {} })
      else
        patterns.set(segments.length, [...(patterns.get(segments.length) ?? []), { method: one, segments, answering }])
    }
  }
  return (method, path) => {
    const found = exact.get(`${method} ${path}`)
    if (found) return found
    const segments = path.split('/')
    for (const pattern of patterns.get(segments.length) ?? []) {
      const params = pattern.method === method ? match(pattern.segments, segments, plainSegment) : undefined
      if (params) return { answering: pattern.answering, params }
    }
    return undefined
  }
}

/** Exactly as many segments, each equal or a parameter. */
export function match(
  pattern: string[],
  segments: string[],
  parameter: { test: (segment: string) => boolean },
): Record<string, string> | undefined {
  if (pattern.length !== segments.length) return undefined
  const params: Record<string, string> = {}
  for (let index = 0; index < pattern.length; index += 1) {
    const [part = '', segment = ''] = [pattern[index], segments[index]]
    if (part.startsWith(':')) {
      if (!parameter.test(segment)) return undefined
      params[part.slice(1)] = segment
    } else if (part !== segment) return undefined
  }
  return params
}

type Options = {
  config: Pick<Config, 'origin' | 'loopback' | 'trustedProxies'>
  routes: readonly MachineRoute[]
  isServing: () => boolean
}

const probes = new Set(['/api/health', '/api/ready'])

/**
 * The edge of machine paths, on Node's own request and answer. It takes what is beyond reproach; whatever any guard of the
 * listener could have something against is left to the listener, whose refusals are these. So undefined means: go on there.
 */
export function createMachineEdge({ config, routes, isServing }: Options) {
  const find = createTable(routes)
  const { host, protocol, origin } = new URL(config.origin)
  return (request: IncomingMessage, response: ServerResponse, target: string): Promise<void> | undefined => {
    const at = target.indexOf('?')
    const path = at < 0 ? target : target.slice(0, at)
    const found = find(request.method ?? '', path)
    if (!found || (at >= 0 && !isPlainQuery.test(target))) return undefined
    const isProbe = probes.has(path)
    if (!isProbe && path !== '/metrics' && !isServing()) return undefined
    const headers = headersOf(request.rawHeaders, config.trustedProxies)
    const given = headers?.get('host') ?? ''
    if (!headers || headers.has('next-action') || !hostPattern.test(given)) return undefined
    if (config.loopback && given !== host && !isProbe) return undefined
    const forwarded = headers.get('x-forwarded-for')
    headers.set('host', host)
    headers.set('x-forwarded-host', host)
    headers.set('x-forwarded-proto', protocol.slice(0, -1))
    headers.set('x-forwarded-for', clientAddress(request.socket.remoteAddress ?? '', forwarded, config.trustedProxies))
    return answer(request, response, found, requestOf(request, `${origin}${target}`, headers))
  }
}

/** Nothing in a query that would have to be decoded before it can be judged, and an address of a length that anybody takes. */
const isPlainQuery = /^[\w\-./~?=&:@,+]{1,2048}$/

/**
 * What arrived by its names in small letters, claims about the client and traces that nobody may choose left out. undefined: more
 * than one host.
 */
function headersOf(raw: string[], trustedProxies: number): Map<string, string> | undefined {
  const headers = new Map<string, string>()
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] ?? '').toLowerCase()
    const value = raw[index + 1] ?? ''
    const before = headers.get(name)
    if (before !== undefined) {
      if (name === 'host') return undefined
      headers.set(name, `${before}${name === 'cookie' ? '; ' : ', '}${value}`)
    } else if (name === 'x-forwarded-for' || !(isClaim(name) || isDroppedTrace(name, trustedProxies)))
      headers.set(name, value)
  }
  return headers
}

async function answer(request: IncomingMessage, response: ServerResponse, found: Found, asked: Request): Promise<void> {
  const given = await found.answering(asked, { params: Promise.resolve(found.params) })
  if (response.headersSent || response.destroyed) return
  const isBare = request.method === 'HEAD' || given.status === 204
  // What is left of a body is not read to its end.
  const last = request.complete ? {} : { connection: 'close' }
  if (!request.complete) drain(request, response)
  if (!(given instanceof Answer)) return writeResponse(response, given, last, isBare)
  const { status, headers, body } = given
  const length = status === 204 ? {} : { 'content-length': String(body === null ? 0 : Buffer.byteLength(body)) }
  response.writeHead(status, { ...headers, ...length, ...last })
  response.end(isBare ? undefined : (body ?? undefined))
}

async function writeResponse(response: ServerResponse, given: Response, last: object, isBare: boolean): Promise<void> {
  const cookies = given.headers.getSetCookie()
  const headers = {
    ...Object.fromEntries(given.headers),
    ...(cookies.length > 0 && { 'set-cookie': cookies }),
    ...last,
  }
  response.writeHead(given.status, headers)
  if (!isBare && given.body)
    for await (const piece of given.body) {
      if (response.destroyed) return
      if (!response.write(piece)) await new Promise((resolve) => response.once('drain', resolve).once('close', resolve))
    }
  response.end()
}

const drainMilliseconds = 500

/** Gives a caller that is still sending the time to read the answer: a connection that is reset at once may lose it. */
function drain(request: IncomingMessage, response: ServerResponse): void {
  response.once('finish', () => {
    const late = setTimeout(() => request.socket.destroySoon(), drainMilliseconds)
    request.once('close', () => clearTimeout(late)).resume()
  })
}
