import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ParsedFault } from './faults.ts'
import type { Part, World } from './part.ts'
import { type Answer, type Incoming, json, parseForm } from './wire.ts'

const BODY_BYTES_MAX = 1024 * 1024

/** Listens on 127.0.0.1; `handle` may be set later, until then requests get 503. */
export async function listen(port: number) {
  let handle = async (_request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.writeHead(503).end()
  }
  const server = createServer((request, response) => {
    handle(request, response).catch(() => {
      if (response.headersSent) response.destroy()
      else response.writeHead(500, { 'content-type': 'application/json' }).end('{"error":"server_error"}')
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    onRequest(next: typeof handle) {
      handle = next
    },
    async close() {
      server.close()
      server.closeAllConnections()
      if (server.listening) await once(server, 'close')
    },
  }
}

/** Reads a request, lets the parts answer, applies what the fault script says, and keeps the books. */
export function makeHandler(world: World, parts: Part[], port: number) {
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`]

  async function answer(incoming: Incoming): Promise<Answer> {
    for (const part of parts) {
      const answered = await part(incoming)
      if (answered) return answered
    }
    return json(404, { error: 'not_found' })
  }

  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    // A page on a foreign name that resolves to this machine must not reach the demo (DNS rebinding).
    if (!hosts.includes(request.headers.host ?? '')) {
      response
        .writeHead(421, { 'content-type': 'text/plain' })
        .end('This server answers to its loopback address only.\n')
      return
    }
    const incoming = await read(request, world)
    if (!incoming) {
      response.writeHead(413, { connection: 'close' }).end()
      return
    }
    const { entry } = incoming
    const controlled = incoming.url.pathname.startsWith('/control/')
    const fault = controlled
      ? undefined
      : world.faults.take(entry.method, entry.path, { ...entry.query, ...entry.body })
    if (fault) entry.fault = JSON.stringify(fault)
    if (fault?.hold?.at === 'before') await world.faults.pass(fault.hold.barrier)
    if (fault?.reset === 'before') return reset(request, entry)
    let real = json(200, {})
    if (!fault || takesEffect(fault)) {
      real = await answer(incoming)
      if (fault?.duplicate) real = await answer(incoming)
      await world.store.flush()
    }
    if (fault?.hold?.at === 'after') await world.faults.pass(fault.hold.barrier)
    if (fault?.reset === 'after') return reset(request, entry)
    const sent = fault ? changed(real, fault) : real
    entry.status = sent.status
    entry.outcome = outcomeOf(sent)
    await send(response, sent, fault, request.method === 'HEAD')
  }
}

function takesEffect(fault: ParsedFault): boolean {
  if (fault.effect) return fault.effect === 'applied'
  const replaced = fault.body && !['truncated', 'drip', 'wrong-types'].includes(fault.body.kind)
  return !replaced && (fault.status === undefined || fault.status < 300)
}

async function read(request: IncomingMessage, world: World): Promise<Incoming | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > BODY_BYTES_MAX) return undefined
    chunks.push(chunk)
  }
  const body = Buffer.concat(chunks).toString()
  const method = request.method ?? 'GET'
  const url = new URL(request.url ?? '/', `http://${request.headers.host}`)
  const fields = parseBody(request.headers['content-type'] ?? '', body)
  const entry = { method, path: url.pathname, query: Object.fromEntries(url.searchParams), body: fields }
  const control = url.pathname.startsWith('/control/')
  return {
    method,
    url,
    headers: request.headers,
    body,
    fields,
    // Control requests are not part of the demo's ledger.
    entry: control ? { ...entry, number: 0, at: world.clock.now() } : world.ledger.open(entry),
  }
}

function parseBody(type: string, body: string): Record<string, unknown> {
  if (type.startsWith('application/x-www-form-urlencoded')) return parseForm(body)
  if (!type.startsWith('application/json')) return {}
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
  } catch {
    return {}
  }
}

function reset(request: IncomingMessage, entry: Incoming['entry']): void {
  entry.outcome = 'reset'
  request.socket.resetAndDestroy()
}

/** The answer as the fault wants it; `truncated`, `drip` and `huge` are a matter of sending. */
function changed(real: Answer, fault: ParsedFault): Answer {
  const status = fault.status ?? real.status
  const headers = { ...real.headers, ...fault.headers }
  switch (fault.body?.kind) {
    case 'json':
      return {
        status,
        headers: { ...json(status, null).headers, ...fault.headers },
        body: JSON.stringify(fault.body.value),
      }
    case 'html': {
      const page = fault.body.text ?? '<!doctype html><title>Gateway</title><h1>Something is being maintained</h1>'
      return { status, headers: { 'content-type': 'text/html', ...fault.headers }, body: page }
    }
    case 'empty':
      return { status, headers, body: '' }
    case 'wrong-types':
      return { status, headers, body: JSON.stringify(wrongTypes(JSON.parse(real.body || '{}'))) }
    case 'huge':
      return { status, headers, body: `{"padding":"${'x'.repeat(fault.body.bytes)}"}` }
    default: {
      const scripted = status >= 400 && fault.body === undefined && !takesEffect(fault)
      return { status, headers, body: scripted ? JSON.stringify({ error: 'scripted' }) : real.body }
    }
  }
}

/** Strings become numbers, everything else a string, all the way down. */
function wrongTypes(value: unknown): unknown {
  if (Array.isArray(value)) return 'list'
  if (typeof value === 'string') return 7
  if (typeof value !== 'object' || value === null) return [String(value)]
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, wrongTypes(inner)]))
}

async function send(
  response: ServerResponse,
  answer: Answer,
  fault: ParsedFault | undefined,
  head: boolean,
): Promise<void> {
  const { status, headers, body, stream } = answer
  if (stream && !fault) return flow(response, status, headers, stream)
  const bodiless = status === 204 || status === 304
  response.writeHead(status, { ...headers, ...(!bodiless && { 'content-length': Buffer.byteLength(body) }) })
  const kind = fault?.body?.kind
  if (kind === 'truncated') {
    response.write(body.slice(0, Math.ceil(body.length / 2)), () => response.destroy())
    return
  }
  if (fault?.body?.kind === 'drip') {
    await drip(response, body, fault.body.everyMilliseconds)
    return
  }
  response.end(bodiless || head ? undefined : body)
}

/** Sends what comes, as it comes, until either side ends. */
async function flow(
  response: ServerResponse,
  status: number,
  headers: Answer['headers'],
  stream: ReadableStream<Uint8Array>,
): Promise<void> {
  response.writeHead(status, headers)
  response.flushHeaders()
  const reader = stream.getReader()
  response.once('close', () => void reader.cancel().catch(() => {}))
  for (let piece = await reader.read(); !piece.done && !response.destroyed; piece = await reader.read())
    response.write(piece.value)
  response.end()
}

/** Sends byte by byte until done or until the client disconnects. */
function drip(response: ServerResponse, body: string, everyMilliseconds: number): Promise<void> {
  const bytes = Buffer.from(body)
  let sent = 0
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (sent < bytes.length) response.write(bytes.subarray(sent, ++sent))
      else response.end()
    }, everyMilliseconds)
    response.on('close', () => {
      clearInterval(timer)
      resolve()
    })
  })
}

/** `ok`, or the code an error answer carries, in its body or in its redirect. */
function outcomeOf({ status, headers, body }: Answer): string {
  const location = String(headers.location ?? '')
  const redirected = URL.canParse(location) && new URL(location).searchParams.get('error')
  if (redirected) return redirected
  if (status < 400) return 'ok'
  try {
    const { code, error } = JSON.parse(body)
    return String(code ?? error)
  } catch {
    return String(status)
  }
}
