import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Config } from '../config.ts'
import { BrokerError, type ErrorCode } from '../errors.ts'
import { hasBody } from '../proxy/exchange.ts'
import { newId } from '../security/ids.ts'
import { untraced } from '../trace.ts'
import { hostPattern, isClaim, isDroppedTrace } from './claims.ts'
import { contentSecurityPolicy, newNonce, openerPolicyOf, securityHeaders } from './headers.ts'
import { createMachineEdge } from './machine.ts'
import type { GatewayEdge } from './mcp.ts'
import type { Method } from './operation.ts'
import { type PageScope, pageScopes } from './page-scope.ts'
import { dataHeaders, problemOf } from './problem.ts'
import type { ProxyEdge } from './proxy.ts'
import { agentMax, clientAddress } from './request.ts'
import { type MachineRoute, match } from './table.ts'

export type { MachineRoute, PageScope }

type Options = {
  config: Pick<Config, 'origin' | 'loopback' | 'production' | 'trustedProxies'>
  machineRoutes: readonly MachineRoute[]
  /** Which methods there are for a path in `{name}` form: the rest is 405 before anything runs. */
  declared: readonly { method: Method; path: string }[]
  /** Everything that no exact path takes. In development that is all. */
  next: (request: IncomingMessage, response: ServerResponse) => Promise<void>
  /** What passes through to upstreams; left out: nothing does. */
  proxy?: Pick<ProxyEdge, 'targetOf' | 'handle'>
  /** What passes through to MCP servers, alike. */
  gateway?: Pick<GatewayEdge, 'targetOf' | 'handle'>
  /** False while the process is starting: only probes and metrics are answered. Left out: it serves. */
  isServing?: () => boolean
}

/** How long a request may take to arrive whole, in milliseconds; what passes through has limits of its own. */
const arrivalMilliseconds = 60_000
const maxHeaderBytes = 16 * 1024
const maxTargetBytes = 8 * 1024
/** More than any page or operation reads. What Next does with parameters grows with the square of their number. */
const maxParameters = 100

/** The HTTP server of the product: refuses what no handler should see, then dispatches. Not listening yet. */
export function createEdge(options: Options): Server {
  const listener = createListener(options)
  const server = createServer({
    maxHeaderSize: maxHeaderBytes,
    // Judged below: an upload that passes through takes as long as it takes.
    requestTimeout: 0,
    headersTimeout: 15_000,
    // Judged below: Node's own refusal has neither a body nor our headers.
    requireHostHeader: false,
  })
  // Node would leave out what comes after the 2000th: lengths, second hosts and second tokens. Its size limits a head.
  server.maxHeadersCount = 0
  server.on('request', (request, response) => {
    listener(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy(error instanceof Error ? error : undefined)
      else refuse(response, 'internal')
    })
  })
  // Answered once the body is wanted: refused before it is sent, an upload costs nobody anything (RFC 9110 10.1.1).
  server.on('checkContinue', (request, response) => {
    if (!options.proxy?.targetOf(request.url ?? '')) response.writeContinue()
    server.emit('request', request, response)
  })
  server.on('checkExpectation', (_request, response) => refuse(response, 'expectation_failed'))
  server.on('connect', (_request, socket) => refuseRaw(socket, 'method_not_allowed', { allow: 'GET, HEAD' }))
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (!socket.writable || error.code === 'ECONNRESET') return socket.destroy()
    refuseRaw(socket, unreadable[error.code ?? ''] ?? 'bad_request')
  })
  if (options.config.production) refuseUpgrades(server, options)
  return server
}

/** What Node's parser says of a request that never became one (Node.js Errors). */
const unreadable: Record<string, ErrorCode> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'timeout',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'too_large',
}

/** Next handles upgrades itself and would forward them; we need none outside development (P-05). */
function refuseUpgrades(server: Server, { proxy }: Pick<Options, 'proxy'>): void {
  const onUpgrade = ({ url = '' }: IncomingMessage, socket: Duplex) =>
    refuseRaw(socket, proxy?.targetOf(url) ? 'upgrade_refused' : 'bad_request')
  server.on('upgrade', onUpgrade)
  server.on('newListener', (event, listener) => {
    if (event !== 'upgrade' || listener === onUpgrade) return
    process.nextTick(() => server.removeListener('upgrade', listener as () => void))
  })
}

function createListener({ config, machineRoutes, declared, next, proxy, gateway, isServing = () => true }: Options) {
  const development = !config.production
  const { host, protocol } = new URL(config.origin)
  const machine = createMachineEdge({ config, routes: development ? [] : machineRoutes, isServing })
  const known = byLength(declared)
  const pages = pageScopes()

  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const target = request.url ?? ''
    const answered = machine(request, response, target)
    if (answered) {
      endLate(request, response)
      return answered
    }
    // Judged by the edge itself: here an address is what it decodes to, there it is what is sent.
    const passing = proxy?.targetOf(target)
    if (proxy && passing) {
      const code = refusalOf(request, { config, host, isServing })
      if (code) return refuse(response, code, code === 'not_serving' ? { 'retry-after': '5' } : {})
      return proxy.handle(request, response, passing)
    }
    const calling = gateway?.targetOf(target)
    if (gateway && calling) {
      const code = refusalOf(request, { config, host, isServing })
      if (code) return refuse(response, code, code === 'not_serving' ? { 'retry-after': '5' } : {})
      endLate(request, response)
      return gateway.handle(request, response, calling)
    }
    // Where a guard leads back to; a navigation inside the page has an address of its own that is no page.
    const scope: PageScope = request.headers.rsc ? {} : { path: request.url }
    const csp = contentSecurityPolicy(newNonce(), { development })
    completeHead(response, csp, scope)
    endLate(request, response)

    const method = request.method ?? ''
    const [path = '', search] = splitOnce(target, '?')
    if (target.length > maxTargetBytes) return refuse(response, 'uri_too_long')
    // Absolute-form and `*` name other servers or none (P-05); what cannot be decoded names nothing (IV-08).
    const name = decoded(path)
    if (!path.startsWith('/') || name === undefined || /[\p{Cc}\\]/u.test(name)) return refuse(response, 'bad_request')
    if (decoded(search ?? '')?.includes('\0') !== false) return refuse(response, 'bad_request')
    if (search && search.split('&', maxParameters + 1).length > maxParameters) return refuse(response, 'bad_request')
    if (!hasOneHost(request)) return refuse(response, 'bad_request')
    const isProbe = path === '/api/health' || path === '/api/ready'
    // On a loopback origin another name is somebody else's page resolved to this machine (DNS rebinding).
    if (config.loopback && request.headers.host !== host && !isProbe) return refuse(response, 'wrong_host')
    if (!methods.has(method)) return refuse(response, 'method_not_allowed', { allow: 'GET, HEAD, POST' })
    if (!isProbe && path !== '/metrics' && !isServing()) return refuse(response, 'not_serving', { 'retry-after': '5' })

    const { remoteAddress = '' } = request.socket
    const forwardedFor = request.headers['x-forwarded-for']
    dropClaims(request, config.trustedProxies)
    setHeader(request, 'host', host)
    // Next looks for robots in it by patterns that go back: sixteen thousand letters would hold the process for seconds.
    const agent = request.headers['user-agent']
    if (agent !== undefined) setHeader(request, 'user-agent', agent.slice(0, agentMax))
    setHeader(request, 'x-forwarded-host', host)
    setHeader(request, 'x-forwarded-proto', protocol.slice(0, -1))
    setHeader(request, 'x-forwarded-for', clientAddress(remoteAddress, forwardedFor?.toString(), config.trustedProxies))

    const segments = path.split('/')
    const fitting = (known.get(segments.length) ?? []).filter((one) => match(one.segments, segments, oneSegment))
    // As Next has it: a path without parameters comes before those with some, and has its own methods alone.
    const exact = fitting.filter((one) => !one.segments.some((part) => part.startsWith(':')))
    const here = exact.length > 0 ? exact : fitting
    const isDevTool = development && path.startsWith('/__next')
    if (here.length > 0) {
      const allowed = here.flatMap(({ method: one }) => (one === 'GET' ? ['GET', 'HEAD'] : [one]))
      // No answer to a preflight: nothing here is for other origins (C-07).
      if (!allowed.includes(method))
        return refuse(response, 'method_not_allowed', { allow: [...new Set(allowed)].join(', ') })
    } else if (path.startsWith('/api/v1/')) {
      return refuse(response, 'not_found')
    } else if (method !== 'GET' && method !== 'HEAD' && !isDevTool) {
      // What nobody declared takes no change: Next would look for a server action in it (C-05), or redirect it to a
      // nicer spelling of its path (C-12).
      if (/^\/(api|oauth|mcp|\.well-known)(\/|$)/.test(path)) return refuse(response, 'not_found')
      return refuse(response, 'method_not_allowed', { allow: 'GET, HEAD' })
    }
    // There are none (C-05), so nothing that names one, or is formed as one, comes near Next's decoder of them.
    if (request.headers['next-action'] !== undefined) return refuse(response, 'not_found')
    if (here.length === 0 && /^multipart\//i.test(request.headers['content-type'] ?? ''))
      return refuse(response, 'unsupported_media_type')

    // Next puts the nonce of this header on its own scripts.
    setHeader(request, 'content-security-policy', csp)
    // Its own spans would hold whole URLs, codes and states of callbacks included (V-08, L-15).
    return pages.run(scope, () => untraced(() => next(request, response)))
  }
}

/** What is declared, by its number of segments. */
function byLength(declared: Options['declared']) {
  const known = new Map<number, { method: Method; segments: string[] }[]>()
  for (const { method, path } of declared) {
    const segments = path.replaceAll(/\{(\w+)\}/g, ':$1').split('/')
    known.set(segments.length, [...(known.get(segments.length) ?? []), { method, segments }])
  }
  return known
}

/** Exactly one Host header, with a name in it (RFC 9112 3.2). */
function hasOneHost({ rawHeaders, headers }: IncomingMessage): boolean {
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host')
  return hosts.length === 1 && hostPattern.test(headers.host ?? '')
}

type Serving = Pick<Options, 'config'> & { host: string; isServing: () => boolean }

/** What the server itself has against a request that would pass through; undefined: nothing. */
function refusalOf(request: IncomingMessage, { config, host, isServing }: Serving): ErrorCode | undefined {
  if ((request.url?.length ?? 0) > maxTargetBytes) return 'uri_too_long'
  if (!hasOneHost(request)) return 'bad_request'
  if (config.loopback && request.headers.host !== host) return 'wrong_host'
  return isServing() ? undefined : 'not_serving'
}

/** Ends a request whose body takes too long to arrive (IV-03). */
function endLate(request: IncomingMessage, response: ServerResponse): void {
  if (!hasBody(request)) return
  const late = setTimeout(() => {
    if (request.complete) return
    if (response.headersSent) request.destroy()
    else refuse(response, 'timeout')
  }, arrivalMilliseconds)
  const clear = () => clearTimeout(late)
  request.once('end', clear)
  response.once('close', clear)
}

const openerPolicy = 'cross-origin-opener-policy'
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

const splitOnce = (text: string, by: string): [string, string?] => {
  const at = text.indexOf(by)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

/** The decoded text; undefined if it is not valid UTF-8 or percent-encoding. */
function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** One segment also after decoding: a dot segment or a slash in it would name another path, which nobody declared. */
const oneSegment = { test: (segment: string) => /^(?!\.\.?$)[^/]+$/.test(decoded(segment) ?? '') }

/** Takes out what nobody may claim. Both forms of the headers: Next reads one, what is beneath it the other. */
function dropClaims(request: IncomingMessage, trustedProxies: number): void {
  const isKept = (name: string) => !isClaim(name) && !isDroppedTrace(name, trustedProxies)
  const names = request.rawHeaders.map((name) => name.toLowerCase())
  for (const [index, name] of names.entries()) if (index % 2 === 0 && !isKept(name)) delete request.headers[name]
  request.rawHeaders = request.rawHeaders.filter((_, index) => isKept(names[index - (index % 2)] ?? ''))
}

function setHeader(request: IncomingMessage, name: string, value: string): void {
  removeHeader(request, name)
  request.headers[name] = value
  request.rawHeaders.push(name, value)
}

function removeHeader(request: IncomingMessage, name: string): void {
  delete request.headers[name]
  const raw = request.rawHeaders
  for (let index = raw.length - 2; index >= 0; index -= 2) if (raw[index]?.toLowerCase() === name) raw.splice(index, 2)
}

/**
 * Adds what is missing when the head leaves: security headers on everything (C-09), no-store on what no one declared
 * cacheable (C-10), and a guard's status in place of the 500 that its throw became.
 */
function completeHead(response: ServerResponse, csp: string, scope: PageScope): void {
  const writeHead = response.writeHead
  response.writeHead = (status: number, ...rest: unknown[]) => {
    const given = rest.find((part) => typeof part === 'object' && part !== null) ?? {}
    const names = new Set(Object.keys(given).map((name) => name.toLowerCase()))
    const has = (name: string) => names.has(name) || response.hasHeader(name)
    const isGuarded = status === 500 && scope.status !== undefined
    if (isGuarded) response.setHeader('retry-after', String(scope.retryAfterSeconds ?? 5))
    const defaults = { ...securityHeaders, 'content-security-policy': csp, 'cache-control': 'no-store' }
    if (!has(openerPolicy)) response.setHeader(openerPolicy, openerPolicyOf(scope.path))
    for (const [name, value] of Object.entries(defaults)) if (!has(name)) response.setHeader(name, value)
    const isPublic = /public|immutable/.test(String(response.getHeader('cache-control') ?? ''))
    const vary = String(response.getHeader('vary') ?? '')
    if (!isPublic && !names.has('vary') && !/\bcookie\b/i.test(vary))
      response.setHeader('vary', vary ? `${vary}, Cookie` : 'Cookie')
    return Reflect.apply(writeHead, response, [isGuarded ? scope.status : status, ...rest])
  }
}

/** A refusal of the server itself, which is a problem like any other: whoever reads the code need not know who said it. */
function refusal(code: ErrorCode) {
  const problem = problemOf(new BrokerError(code), newId('request'))
  const body = JSON.stringify(problem)
  const headers = {
    ...securityHeaders,
    ...dataHeaders,
    'content-type': 'application/problem+json',
    'content-length': String(Buffer.byteLength(body)),
    'x-request-id': problem.request_id,
    connection: 'close',
  }
  return { status: problem.status, body, headers }
}

function refuse(response: ServerResponse, code: ErrorCode, more: Record<string, string> = {}): void {
  const { status, body, headers } = refusal(code)
  response.writeHead(status, { ...headers, ...more })
  response.end(body)
}

/** The same where there is no response object: the request could not be read, or asked to leave HTTP. */
function refuseRaw(socket: Duplex, code: ErrorCode, more: Record<string, string> = {}): void {
  const { status, body, headers } = refusal(code)
  const lines = Object.entries({ ...headers, ...more }).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`)
}
