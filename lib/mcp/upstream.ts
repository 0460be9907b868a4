import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { GatewayFacts } from '../providers/kind.ts'
import { assertOutboundUrl } from '../security/outbound.ts'
import { untraced } from '../trace.ts'
import { type Message, type Read, RpcRefusal, readMessage, textIn, writeMessage } from './messages.ts'
import { isModern, type Revision } from './revisions.ts'

/** An MCP server, and how it is told who calls. */
export type Server = {
  dispatcher: Dispatcher
  /** The MCP endpoint. */
  url: URL
  /** Name and value of the header that says who calls; undefined: none does. */
  authority: [name: string, value: string] | undefined
}

export type Sending = {
  method: 'POST' | 'GET' | 'DELETE'
  /** What is sent, with POST. */
  read?: Read
  revision: Revision
  /** Of the server behind, in revisions that have sessions. */
  session?: string | undefined
  /** Where a stream is taken up again, in revisions that have it. */
  lastEventId?: string | undefined
  /** `Mcp-Param-*` that were compared with the body, as names and values. */
  parameters?: readonly string[]
  signal: AbortSignal
}

/** One event of a stream; `read`: undefined for one that carries no message (it primes a reconnect). */
export type Event = { read: Read | undefined; id: string | undefined; retry: number | undefined; bytes: number }

export type Reply = {
  status: number
  headers: IncomingHttpHeaders
  /** What kind of answer it is, by its type alone. */
  form: 'json' | 'stream' | 'other'
  /** The messages of it, as they come. @throws BrokerError upstream_protocol, upstream_unavailable */
  events: () => AsyncGenerator<Event>
  /** Lets go of what was not read. */
  drop: () => void
}

export const answerLimits = {
  /** Of one message. */
  messageBytes: 8 * 1024 * 1024,
  /** Of all messages that answer one request. */
  streamBytes: 64 * 1024 * 1024,
  streamMessages: 10_000,
}

/** Sends one message, in our own words: body and headers are written anew. @throws BrokerError upstream_unavailable, upstream_protocol */
export async function send({ dispatcher, url, authority }: Server, sending: Sending): Promise<Reply> {
  const { method, read, signal } = sending
  const body = read ? writeMessage(read) : null
  const headers = [...headersFor(sending), ...(authority ?? [])]
  const asked = { origin: url.origin, path: url.pathname + url.search, method, headers, body, signal }
  let answer: Dispatcher.ResponseData
  try {
    answer = await untraced(() => dispatcher.request(asked))
  } catch (error) {
    throw asProblem(error, signal)
  }
  const { statusCode: status, headers: given } = answer
  // What is not read to its end fails when it is let go: nobody waits for it.
  answer.body.on('error', () => {})
  const type = [given['content-type']].flat()[0]?.split(';', 1)[0]?.trim().toLowerCase()
  const form = type === 'application/json' ? 'json' : type === 'text/event-stream' ? 'stream' : 'other'
  return {
    status,
    headers: given,
    form: given['content-encoding'] === undefined ? form : 'other',
    events: () => (form === 'json' ? whole(answer.body, signal) : streamed(answer.body, signal)),
    drop: () => void answer.body.destroy(),
  }
}

function headersFor({ method, read, revision, session, lastEventId, parameters = [] }: Sending): string[] {
  const headers = ['accept', method === 'POST' ? 'application/json, text/event-stream' : 'text/event-stream']
  const message = read?.message
  if (read) headers.push('content-type', 'application/json')
  const isInitialize = message?.kind === 'request' && message.method === 'initialize'
  if (!isInitialize) headers.push('mcp-protocol-version', revision)
  if (session !== undefined) headers.push('mcp-session-id', session)
  if (lastEventId !== undefined) headers.push('last-event-id', lastEventId)
  if (isModern(revision) && (message?.kind === 'request' || message?.kind === 'notification')) {
    headers.push('mcp-method', message.method)
    const name = nameOf(message)
    if (name !== undefined) headers.push('mcp-name', headerValue(name))
    headers.push(...parameters)
  }
  return headers
}

/** What `Mcp-Name` mirrors (streamable-http.mdx, "Standard Request Headers"). */
export function nameOf(message: Message): string | undefined {
  if (message.kind !== 'request') return undefined
  if (message.method === 'tools/call' || message.method === 'prompts/get') return textIn(message.params, 'name')
  return message.method === 'resources/read' ? textIn(message.params, 'uri') : undefined
}

/** streamable-http.mdx, "Value Encoding". */
export const headerValue = (text: string): string =>
  /^[!-~](?:[ -~]*[!-~])?$/.test(text) && !/^=\?base64\?.*\?=$/.test(text)
    ? text
    : `=?base64?${Buffer.from(text).toString('base64')}?=`

/** What such a value says; undefined: it is none. */
export function headerText(value: string): string | undefined {
  const [, encoded] = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/.exec(value) ?? []
  if (encoded === undefined) return /^[\t -~]*$/.test(value) ? value.trim() : undefined
  const bytes = Buffer.from(encoded, 'base64')
  return bytes.toString('base64') === encoded ? bytes.toString('utf8') : undefined
}

/** What went wrong there: nothing of its text, and no difference between closed, silent and refused (F-10). */
export function asProblem(error: unknown, signal: AbortSignal): BrokerError {
  if (signal.aborted && signal.reason instanceof BrokerError) return signal.reason
  if (error instanceof BrokerError) return error
  const { code } = error as { code?: string }
  if (code === 'UND_ERR_HEADERS_OVERFLOW' || /^HPE_/.test(code ?? ''))
    return new BrokerError('upstream_protocol', { cause: error })
  return new BrokerError('upstream_unavailable', { cause: error, retryAfterSeconds: 5 })
}

const invalid = (cause?: unknown) => new BrokerError('upstream_protocol', { cause })

function readFrom(bytes: Uint8Array): Read {
  try {
    return readMessage(bytes)
  } catch (error) {
    if (error instanceof RpcRefusal) throw invalid(error)
    throw error
  }
}

type Body = AsyncIterable<Buffer> & { destroy: () => unknown }

/** The pieces of a body, which is let go when whoever reads it stops. */
async function* pieces(body: Body, signal: AbortSignal): AsyncGenerator<Buffer> {
  try {
    for await (const piece of body) yield piece
  } catch (error) {
    throw asProblem(error, signal)
  } finally {
    body.destroy()
  }
}

async function* whole(body: Body, signal: AbortSignal): AsyncGenerator<Event> {
  const found: Buffer[] = []
  let bytes = 0
  for await (const piece of pieces(body, signal)) {
    bytes += piece.length
    if (bytes > answerLimits.messageBytes) throw invalid()
    found.push(piece)
  }
  yield { read: readFrom(Buffer.concat(found)), id: undefined, retry: undefined, bytes }
}

/**
 * The events of a stream (HTML, "Interpreting an event stream"), whatever pieces they come in. A line is held back until its end
 * is here, and never more than a message may be.
 */
async function* streamed(body: Body, signal: AbortSignal): AsyncGenerator<Event> {
  /** Of a line whose end has not come. */
  let held: Buffer[] = []
  let heldBytes = 0
  let event = new Building()
  let isFirst = true
  let endsInReturn = false
  for await (const piece of pieces(body, signal)) {
    // The other half of a line's end.
    let start = endsInReturn && piece[0] === 0x0a ? 1 : 0
    endsInReturn = false
    for (let at = start; at < piece.length; at += 1) {
      const char = piece[at]
      if (char !== 0x0a && char !== 0x0d) continue
      const part = piece.subarray(start, at)
      const line = held.length > 0 ? Buffer.concat([...held, part]) : part
      held = []
      heldBytes = 0
      if (char === 0x0d && piece[at + 1] === 0x0a) at += 1
      else if (char === 0x0d && at + 1 === piece.length) endsInReturn = true
      start = at + 1
      if (line.length > 0) event.take(isFirst && line.subarray(0, 3).equals(mark) ? line.subarray(3) : line)
      else if (event.isAny) {
        yield event.made()
        event = new Building()
      }
      isFirst = false
    }
    if (start === piece.length) continue
    held.push(piece.subarray(start))
    heldBytes += piece.length - start
    if (heldBytes + event.bytes > answerLimits.messageBytes) throw invalid()
  }
}
const mark = Buffer.from('\ufeff')

class Building {
  bytes = 0
  isAny = false
  #data: Buffer[] = []
  #name = ''
  #id: string | undefined
  #retry: number | undefined

  take(line: Buffer): void {
    this.bytes += line.length
    if (this.bytes > answerLimits.messageBytes) throw invalid()
    const colon = line.indexOf(0x3a)
    if (colon === 0) return
    this.isAny = true
    const name = (colon < 0 ? line : line.subarray(0, colon)).toString('latin1')
    const value = colon < 0 ? line.subarray(line.length) : line.subarray(colon + (line[colon + 1] === 0x20 ? 2 : 1))
    if (name === 'data') this.#data.push(value)
    else if (name === 'event') this.#name = value.toString('utf8')
    else if (name === 'id' && value.length <= 1_000) this.#id = value.toString('utf8')
    else if (name === 'retry' && /^\d{1,7}$/.test(value.toString('latin1'))) this.#retry = Number(value)
  }

  made(): Event {
    const data = Buffer.concat(this.#data.flatMap((one, index) => (index === 0 ? [one] : [Buffer.from('\n'), one])))
    const isMessage = data.length > 0 && (this.#name === '' || this.#name === 'message')
    return { read: isMessage ? readFrom(data) : undefined, id: this.#id, retry: this.#retry, bytes: this.bytes }
  }
}

/** How a server is reached with a token of somebody's connection, or the value that everybody shares. @throws OutboundError for an address that may not be asked */
export function serverAt(
  ctx: Pick<Context, 'config' | 'streams'>,
  address: string,
  { header, shared, certificates }: Pick<GatewayFacts, 'header' | 'shared' | 'certificates'>,
  token: string | undefined,
): Server {
  const url = assertOutboundUrl(address, ctx.config)
  const value = header === 'authorization' && !shared ? `Bearer ${token}` : token
  return {
    dispatcher: ctx.streams(certificates),
    url,
    authority: header !== undefined && value !== undefined ? [header, value] : undefined,
  }
}

/**
 * One request and its answer, for what we ask ourselves; notifications and requests of the server on the way are left out.
 * undefined: there is none, or it is of another kind than MCP has.
 */
export async function ask(
  server: Server,
  request: Extract<Message, { kind: 'request' }>,
  sending: Pick<Sending, 'revision' | 'session' | 'signal'>,
): Promise<Asked> {
  const reply = await send(server, { ...sending, method: 'POST', read: { message: request, hasNumerals: false } })
  const { status, headers } = reply
  const none = { status, headers, answer: undefined, bytes: 0 }
  if (reply.form === 'other' || (status >= 300 && reply.form === 'stream')) {
    reply.drop()
    return none
  }
  let bytes = 0
  let count = 0
  for await (const { read, bytes: more } of reply.events()) {
    bytes += more
    count += 1
    const message = read?.message
    const isAnswer = message?.kind === 'result' || message?.kind === 'error'
    if (isAnswer && (message.id === request.id || (message.kind === 'error' && message.id === undefined)))
      return { status, headers, answer: message, bytes }
    if (count > answerLimits.streamMessages || bytes > answerLimits.streamBytes) throw invalid()
  }
  return none
}

export type Asked = {
  status: number
  headers: IncomingHttpHeaders
  answer: Extract<Message, { kind: 'result' | 'error' }> | undefined
  bytes: number
}
