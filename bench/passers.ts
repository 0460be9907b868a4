// What bench/proxy.ts measures, each in a process of its own: an API, a bare reverse proxy of undici, the proxy of the
// product, and the answer to nginx's auth_request. The first argument says which; the parent asks for the CPU used.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Agent } from 'undici'
import type { Config } from '../lib/config.ts'
import { createContext } from '../lib/context.ts'
import { createEdge } from '../lib/http/listener.ts'
import { createProxyEdge } from '../lib/http/proxy.ts'

export type Asked =
  | { kind: 'cpu' }
  | { kind: 'config'; config: Config; limits?: 'as shipped' }
  | { kind: 'upstream'; url: string }
export type Told = { kind: 'port'; port: number } | { kind: 'cpu'; user: number; system: number; rss: number }

const tell = (message: Told) => void process.send?.(message)

const json = Buffer.from(
  JSON.stringify({ items: Array.from({ length: 16 }, (_, id) => ({ id, text: 'a ticket of the bench' })) }),
)

/** A small JSON answer; `/bytes/N` sends so many, and takes whatever is sent. */
function api(request: IncomingMessage, response: ServerResponse): void {
  const bytes = Number(/\/bytes\/(\d+)$/.exec(request.url ?? '')?.[1] ?? 0)
  if (bytes === 0) {
    request.resume().once('end', () => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': json.length, etag: '"a"' })
      response.end(json)
    })
    return
  }
  request.resume()
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes })
  const piece = Buffer.alloc(256 * 1024)
  let left = bytes
  const more = () => {
    while (left > 0) {
      const next = left < piece.length ? piece.subarray(0, left) : piece
      left -= next.length
      if (!response.write(next)) return void response.once('drain', more)
    }
    response.end()
  }
  more()
}

/** As one is written in an afternoon: every header there and back, bodies piped. */
function bare(upstream: string) {
  const agent = new Agent()
  return async (request: IncomingMessage, response: ServerResponse) => {
    const { host: _, connection: __, ...headers } = request.headers
    const hasBody =
      request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined
    const answer = await agent.request({
      origin: upstream,
      path: request.url ?? '/',
      method: request.method as 'GET',
      headers,
      body: hasBody ? request : null,
    })
    const { connection: ___, 'keep-alive': ____, ...back } = answer.headers
    response.writeHead(answer.statusCode, back)
    answer.body.pipe(response)
  }
}

const listen = (server: ReturnType<typeof createServer>) =>
  server.listen(0, '127.0.0.1', () => tell({ kind: 'port', port: (server.address() as AddressInfo).port }))

async function product(config: Config, isLimited: boolean): Promise<void> {
  const ctx = await createContext(config)
  const most = { perMinute: 100_000_000, open: 10_000 }
  const proxy = createProxyEdge(ctx, isLimited ? {} : { limits: { token: most, person: most, tenant: most } })
  listen(
    createEdge({ config, machineRoutes: [], declared: [], proxy, next: async (_, response) => void response.end() }),
  )
}

const role = process.argv[2]
if (role === 'api') listen(createServer(api))
if (role === 'auth') listen(createServer((_request, response) => void response.writeHead(204).end()))

process.on('message', (asked: Asked) => {
  if (asked.kind === 'upstream') listen(createServer(bare(asked.url)))
  if (asked.kind === 'config') void product(asked.config, asked.limits !== undefined)
  if (asked.kind === 'cpu') {
    const { user, system } = process.cpuUsage()
    tell({ kind: 'cpu', user, system, rss: process.memoryUsage().rss })
  }
})
process.once('disconnect', () => process.exit(0))
