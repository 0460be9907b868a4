import { promises as dns } from 'node:dns'
import { isIP, type LookupFunction, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { brotliDecompress, gunzip } from 'node:zlib'
import { Agent, buildConnector, type Dispatcher } from 'undici'
import type { Config } from '../config.ts'
import { isInBlock, isLoopback, reachOf } from './addresses.ts'
import { isJson, isModestJson, isStorableJson } from './json.ts'
import { localTopLabels, servicePorts } from './special-purpose.ts'

/**
 * Why an outbound request brought no answer. `reached` is false only where not one byte can have been acted upon: a
 * refresh may then be repeated. What was not reached always reads the same, whether it was refused here, is closed,
 * silent or fails at TLS (F-10); `cause` tells them apart, for the log alone.
 */
export class OutboundError extends Error {
  override readonly name = 'OutboundError'
  readonly reached: boolean
  /** Of a redirect that was refused: somebody did answer. */
  declare readonly status?: number
  constructor(message: string, { reached, cause, status }: { reached: boolean; cause?: unknown; status?: number }) {
    super(message, { cause })
    this.reached = reached
    // Absent if nothing was reached, so all those cases look the same (F-10).
    if (status !== undefined) this.status = status
  }
}

/** Told apart by name: two bundles load this file, and one makes the context's fetch for both. */
export const isOutboundError = (error: unknown): error is OutboundError =>
  error instanceof Error && error.name === 'OutboundError' && 'reached' in error

/** `anyText`: JSON whose text Postgres would not keep is let through; whoever asks for it keeps none of it as it is. */
export type OutboundInit = Pick<RequestInit, 'method' | 'headers' | 'signal'> & {
  body?: string | URLSearchParams | Uint8Array | null | undefined
  anyText?: boolean
}
export type OutboundFetch = (url: string | URL, init?: OutboundInit) => Promise<Response>

/** Whether this instance is on loopback itself, and what the operator lets in from the inside of their network. */
export type OutboundPolicy = Pick<Config, 'loopback' | 'internalHosts'>

export type Resolve = (hostname: string) => Promise<{ address: string; family: number }[]>

/** Times in milliseconds. Connecting is part of the time to the headers; both times together are under the lease (RR-02). */
export const outboundLimits = {
  connectMs: 3_000,
  headersMs: 5_000,
  bodyMs: 5_000,
  headerBytes: 16_384,
  /** After decompression. */
  bodyBytes: 1_048_576,
  /** Of what passes through: until the head of an answer, and between two pieces of a body. A living stream has no end. */
  streamHeadMs: 60_000,
  streamSilenceMs: 300_000,
}
export type OutboundLimits = typeof outboundLimits

const notReached = (cause: unknown) => new OutboundError('No connection', { reached: false, cause })
const reached = (message: string, cause?: unknown) => new OutboundError(message, { reached: true, cause })
const refusal = (reason: string) => notReached(Object.assign(new Error(reason), { code: 'REFUSED' }))

/** A host as URLs spell it, without the brackets of an IPv6 literal. */
const bare = (hostname: string) => hostname.replace(/^\[|\]$/g, '')

const isLoopbackHost = (host: string) => host === 'localhost' || isLoopback(host)

/** Whether `host`, a name or an address, may be reached at `address`. */
function mayReach({ loopback, internalHosts }: OutboundPolicy, host: string, address: string): boolean {
  const reach = reachOf(address)
  if (reach !== 'inside') return reach === 'global'
  if (loopback && isLoopbackHost(host) && isLoopback(address)) return true
  return internalHosts.some((entry) => (entry.includes('/') ? isInBlock(address, entry) : entry === host))
}

/** A name of the public DNS: two labels at least, letters, digits and hyphens, and no local top label. */
function isPublicName(host: string): boolean {
  const labels = host.split('.')
  const isWellFormed = labels.every((label) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(label))
  return labels.length > 1 && host.length <= 253 && isWellFormed && !localTopLabels.has(labels.at(-1) ?? '')
}

/**
 * Checks a URL that comes from configuration or from a fetched document, before anything is sent or shown (F-01, F-07):
 * https on port 443 or on one over 1023 where no other well-known service listens; no userinfo, no fragment; a public
 * name or a global address. On a loopback instance also http and any port, to loopback alone.
 * Names are resolved and judged when connecting, not here.
 * @throws OutboundError not reached
 */
export function assertOutboundUrl(input: string | URL, policy: OutboundPolicy): URL {
  const url = URL.parse(String(input))
  if (!url) throw refusal('not a URL')
  const host = bare(url.hostname)
  if (url.username || url.password) throw refusal('credentials in a URL')
  if (url.href.includes('#')) throw refusal('a fragment in a URL')
  const isLocal = policy.loopback && isLoopbackHost(host)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLocal)) throw refusal('not https')
  if (isLocal) return url
  const port = Number(url.port || 443)
  if (port !== 443 && (port < 1024 || servicePorts.has(port))) throw refusal('not a port of web servers')
  const isAllowed = isIP(host)
    ? mayReach(policy, host, host)
    : isPublicName(host) || policy.internalHosts.includes(host)
  if (!isAllowed) throw refusal('not a public host')
  return url
}

/** Resolves once and hands on what was judged, so the connection goes to no other address (F-04). */
function checkedLookup(policy: OutboundPolicy, resolve: Resolve): LookupFunction {
  return (hostname, { all }, done) => {
    resolve(hostname).then(
      (answers) => {
        const [first] = answers
        const isAllowed = answers.every(({ address }) => mayReach(policy, hostname, address))
        if (!first || !isAllowed) done(refusal('an address that is not public'), '')
        else if (all) done(null, answers)
        else done(null, first.address, first.family)
      },
      (error) => done(error, ''),
    )
  }
}

const resolveByDns: Resolve = (hostname) => dns.lookup(hostname, { all: true, verbatim: true })

/** Every failure before the first byte of a request has this one place to pass: nothing was acted upon. */
function checkedConnector(
  policy: OutboundPolicy,
  options: { resolve: Resolve; timeout: number; ca?: string | string[] },
  certificateEnds: Map<string, Date>,
) {
  const { resolve, ...rest } = options
  const connect = buildConnector({ ...rest, lookup: checkedLookup(policy, resolve) })
  return (target: buildConnector.Options, done: buildConnector.Callback) =>
    connect(target, (...[error, socket]) => {
      if (error) return done(notReached(error), null)
      noteEnd(certificateEnds, target, socket)
      done(null, socket)
    })
}

/** More hosts than are remembered at the same time. */
const hostsMax = 1_000

/** Notes when the certificate of a connection that was verified ends. */
function noteEnd(ends: Map<string, Date>, { hostname, port }: buildConnector.Options, socket: Socket): void {
  if (!(socket instanceof TLSSocket)) return
  const end = new Date(socket.getPeerCertificate().valid_to)
  if (Number.isNaN(end.getTime())) return
  if (ends.size >= hostsMax) ends.clear()
  ends.set(port && port !== '443' ? `${hostname}:${port}` : hostname, end)
}

async function readCapped(body: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.byteLength
    if (size > bytesMax) throw reached('The answer is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

const decoders: Record<string, (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>> = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  br: promisify(brotliDecompress),
}

/** What was packed on its way (RFC 9110 8.4); what is packed in a way that was not asked for stays so, and is not read. */
async function unpacked(bytes: Buffer, coding: string | null, maxOutputLength: number): Promise<Buffer> {
  const decode = coding === null ? undefined : decoders[coding.trim().toLowerCase()]
  if (!decode || bytes.length === 0) return bytes
  return decode(bytes, { maxOutputLength }).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ERR_BUFFER_TOO_LARGE' ? reached('The answer is too large', error) : error
  })
}

/** What is sent, and what is said where its caller says nothing. */
function headersOf(given: OutboundInit['headers'], body: OutboundInit['body']): Record<string, string> {
  const form = body instanceof URLSearchParams && { 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8' }
  const usual = { accept: '*/*', 'accept-encoding': 'gzip, br', 'user-agent': 'Valetkey', ...form }
  return { ...usual, ...Object.fromEntries(new Headers(given)) }
}

/** Ends what takes longer, counted from now. */
async function within<T>(milliseconds: number, end: AbortController, work: Promise<T>): Promise<T> {
  const timer = setTimeout(() => end.abort(Object.assign(new Error('too late'), { code: 'TOO_LATE' })), milliseconds)
  return work.finally(() => clearTimeout(timer))
}

/** Our own error that undici wrapped, if any. */
function ownError(error: unknown): OutboundError | undefined {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) if (isOutboundError(cause)) return cause
  return undefined
}

/** What went wrong, for the log: our, Node's or undici's code; never a body or a URL. */
export function outboundReason(error: OutboundError): string {
  let reason = error.message
  for (let cause: unknown = error.cause; cause instanceof Error; cause = cause.cause)
    reason = 'code' in cause && cause.code !== 'REFUSED' ? String(cause.code) : cause.message
  return reason
}

export type OutboundOptions = OutboundPolicy & {
  /** Told of every failure; for the log. */
  onFailure?: (failure: { host: string; reason: string; reached: boolean }) => void
  /** The next three are the tests': their names, their patience, their certificates. */
  resolve?: Resolve
  limits?: Partial<OutboundLimits>
  ca?: string | string[]
}

/**
 * The one way out to other servers. URLs as {@link assertOutboundUrl} says; every address of a name must be global, and
 * the connection goes to what was judged (F-02 to F-04); redirects are refused (F-05); connecting, headers and body are
 * limited in time, headers and body in bytes, JSON in depth and keys (F-06); proxies of the environment and of the process
 * play no part (F-09). Answers a Response whose body is already here.
 * @throws OutboundError
 */
export function createOutbound({ onFailure, resolve = resolveByDns, ca, ...options }: OutboundOptions): {
  fetch: OutboundFetch
  /** When the certificate ends that a host last showed, by host. */
  certificateEnds: ReadonlyMap<string, Date>
  /** The same way for what passes through: its bodies stream, and it reads none. The address is judged by its caller. */
  streams: Dispatcher
  close: () => Promise<void>
} {
  const limit = { ...outboundLimits, ...options.limits }
  const certificateEnds = new Map<string, Date>()
  const tls = { resolve, timeout: limit.connectMs, ...(ca ? { ca } : {}) }
  const connect = checkedConnector(options, tls, certificateEnds)
  const dispatcher = new Agent({ connect, maxHeaderSize: limit.headerBytes })
  const streams = new Agent({
    connect,
    maxHeaderSize: limit.headerBytes,
    headersTimeout: limit.streamHeadMs,
    bodyTimeout: limit.streamSilenceMs,
  })

  async function send(url: URL, { method = 'GET', body, signal, ...init }: OutboundInit): Promise<Response> {
    const end = new AbortController()
    const sent = dispatcher.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: method as Dispatcher.HttpMethod,
      headers: headersOf(init.headers, body),
      body: body instanceof URLSearchParams ? String(body) : (body ?? null),
      signal: signal ? AbortSignal.any([signal, end.signal]) : end.signal,
    })
    const answer = await within(limit.headersMs, end, sent)
    const status = answer.statusCode
    if (status >= 300 && status < 400) {
      end.abort()
      throw new OutboundError('A redirect was refused', { reached: true, status })
    }
    const headers = new Headers(
      Object.entries(answer.headers).flatMap(([name, values = []]) =>
        [values].flat().map((value): [string, string] => [name, value]),
      ),
    )
    const whole = readCapped(answer.body, limit.bodyBytes).then((bytes) =>
      unpacked(bytes, headers.get('content-encoding'), limit.bodyBytes),
    )
    const bytes = await within(limit.bodyMs, end, whole)
    if (isJson(headers) && !isModestJson(bytes)) throw reached('The answer is too deep')
    if (!init.anyText && isJson(headers) && !isStorableJson(bytes)) throw reached('The answer contains invalid text')
    const isBodiless = status === 204 || status === 205 || method === 'HEAD'
    return new Response(isBodiless ? null : new Uint8Array(bytes), { status, headers })
  }

  return {
    async fetch(address, init = {}) {
      try {
        return await send(assertOutboundUrl(address, options), init)
      } catch (error) {
        const failure = ownError(error) ?? reached('The answer did not arrive', error)
        const host = URL.parse(String(address))?.host ?? ''
        onFailure?.({ host, reason: outboundReason(failure), reached: failure.reached })
        throw failure
      }
    },
    certificateEnds,
    streams,
    close: async () => {
      await Promise.all([dispatcher.close(), streams.destroy()])
    },
  }
}
