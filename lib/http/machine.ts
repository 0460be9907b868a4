import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Config } from '../config.ts'
import { Answer, headersOf } from './answer.ts'
import { hostPattern, isClaim, isDroppedTrace } from './claims.ts'
import { requestOf } from './incoming-request.ts'
import { clientAddress } from './request.ts'
import { createTable, type Found, type MachineRoute } from './table.ts'

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
    const headers = readHead(request.rawHeaders, config.trustedProxies)
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
function readHead(raw: string[], trustedProxies: number): Map<string, string> | undefined {
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
  response.writeHead(given.status, { ...headersOf(given.headers), ...last })
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
