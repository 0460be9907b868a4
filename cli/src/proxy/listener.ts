import { randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import type { Dispatcher } from 'undici'
import { Failure } from '../failure.ts'
import { reasonOf } from '../http.ts'
import type { Renewing } from './renewing.ts'

type Options = {
  /** 0: any that is free. */
  port: number
  /** Where requests go; what follows the secret in their path follows it. */
  target: string
  tokens: Pick<Renewing, 'use'>
  dispatcher: Dispatcher
}

/** A listener of this machine, of which only who knows its address gets something. */
export type Listener = { url: string; close(): Promise<void> }

/** @throws Failure where the port is taken */
export async function listen({ port: wanted, target, tokens, dispatcher }: Options): Promise<Listener> {
  const secret = randomBytes(32).toString('base64url')
  // An upload, or a stream, takes as long as it takes.
  const server = createServer({ requestTimeout: 0 })
  const port = await bind(server, wanted)
  const url = `http://127.0.0.1:${port}/${secret}`
  const rest = restBehind({ secret, hosts: new Set([`127.0.0.1:${port}`, `localhost:${port}`]) })
  server.on('request', (request, response) => {
    const path = rest(request)
    if (path === undefined) return refuse(response, 404, 'Nothing is here.')
    pass(request, response, { path, target, url, tokens, dispatcher }).catch((error: unknown) =>
      refuse(response, 502, error instanceof Failure ? error.message : `No answer (${reasonOf(error)}).`),
    )
  })
  for (const event of ['upgrade', 'connect'] as const)
    server.on(event, (request, socket) => {
      socket.on('error', () => {})
      const status = rest(request) === undefined ? '404 Not Found' : '501 Not Implemented'
      socket.end(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`)
    })
  return {
    url,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await Promise.all([closed, dispatcher.destroy()])
    },
  }
}

const bind = (server: Server, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new Failure('failed', `Port ${port} of this machine cannot be used (${reasonOf(cause)}).`, {
          cause,
          next: 'Leave --port out, and any that is free is taken.',
        }),
      ),
    )
    server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })

/**
 * What follows the secret in a request's path; undefined: it is not for us. Whoever resolves a name of theirs to this machine
 * (DNS rebinding) comes with that name as its Host.
 */
function restBehind({ secret, hosts }: { secret: string; hosts: ReadonlySet<string> }) {
  const expected = Buffer.from(secret)
  return ({ url = '', headers }: IncomingMessage): string | undefined => {
    const [, given = '', rest = ''] = /^\/([\w-]{43})((?:[/?].*)?)$/s.exec(url) ?? []
    const isKnown = timingSafeEqual(Buffer.from(given.padEnd(expected.length).slice(0, expected.length)), expected)
    return isKnown && hosts.has(headers.host ?? '') ? rest : undefined
  }
}

type Passing = Pick<Options, 'target' | 'tokens' | 'dispatcher'> & { path: string; url: string }

/** Passes a request on, and the answer back, as they come. @throws where there is no answer */
async function pass(
  request: IncomingMessage,
  response: ServerResponse,
  { path, target, url, tokens, dispatcher }: Passing,
): Promise<void> {
  const use = await tokens.use()
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  try {
    const { request: send } = await import('../undici.ts')
    const answer = await send(target + path, {
      dispatcher,
      method: request.method as Dispatcher.HttpMethod,
      headers: [...sentOn(request), 'authorization', `Bearer ${use.value}`],
      body: request.headers['content-length'] || request.headers['transfer-encoding'] ? request : null,
      signal: gone.signal,
      // The server gives up what is silent for too long.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    response.writeHead(answer.statusCode, sentBack(answer.headers, { target, url }))
    response.flushHeaders()
    await pipeline(answer.body, response)
  } catch (error) {
    if (!response.headersSent && !gone.signal.aborted) throw error
    response.destroy()
  } finally {
    use.end()
  }
}

/** Of one connection each (RFC 9110 7.6.1), and who somebody says that they are: that is ours to say. */
const kept =
  /^(?:connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|expect|host|authorization|cookie|x-forwarded-.*|forwarded)$/

function sentOn({ rawHeaders, headers }: IncomingMessage): string[] {
  const named = new Set((headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase()))
  return rawHeaders.flatMap((name, index) => {
    const isName = index % 2 === 0 && !kept.test(name.toLowerCase()) && !named.has(name.toLowerCase())
    return isName ? [name, rawHeaders[index + 1] ?? ''] : []
  })
}

/** Nothing that a page of another origin could read this by, and no header of the connection behind us. */
const withheld =
  /^(?:connection|keep-alive|transfer-encoding|upgrade|trailer|set-cookie|strict-transport-security|access-control-.*|timing-allow-origin)$/
const addresses = new Set(['location', 'content-location', 'link'])

function sentBack(
  headers: Record<string, string | string[] | undefined>,
  { target, url }: { target: string; url: string },
): Record<string, string | string[]> {
  const here = (text: string) =>
    text.startsWith(`${new URL(target).pathname}/`)
      ? new URL(url).pathname + text.slice(new URL(target).pathname.length)
      : text.replaceAll(target, url)
  const passed = Object.entries(headers).flatMap(([name, value]): [string, string | string[]][] => {
    if (value === undefined || withheld.test(name)) return []
    return [[name, addresses.has(name) && typeof value === 'string' ? here(value) : value]]
  })
  // Our address is a secret: no other server is told it.
  return { ...Object.fromEntries(passed), 'referrer-policy': 'no-referrer' }
}

function refuse(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent || response.destroyed) return void response.destroy()
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    connection: 'close',
  })
  response.end(`${text}\n`)
}
