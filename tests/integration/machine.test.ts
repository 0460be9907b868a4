// The edge of machine paths over real sockets: what a handler sees there, and what never reaches one. That the answers are Next's
// too, tests/e2e/both-ways.spec.ts asks of every route.
import type { Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { jsonAnswer } from '../../lib/http/answer.ts'
import { securityHeaders } from '../../lib/http/headers.ts'
import { createEdge } from '../../lib/http/listener.ts'
import { dataHeaders } from '../../lib/http/problem.ts'
import { edge, readBody } from '../../lib/http/request.ts'
import { startEdges } from '../support/edges.ts'

const host = 'localhost:3000'
const label = (method: string) => ({ kind: 'api', name: 'glass', method, path: '/oauth/glass/{one}' })
/** Tells what it was given. */
const glass = (method: 'GET' | 'POST') =>
  edge(label(method), async ({ request, address }, route) => {
    calls += 1
    const { url, headers } = request
    const body = request.method === 'POST' ? await readBody(request, 1_000) : ''
    const seen = {
      method: request.method,
      url,
      headers: Object.fromEntries(headers),
      address,
      body,
      params: await route.params,
    }
    return { response: jsonAnswer(seen, 200, dataHeaders), log: { user: 'usr_1' } }
  })
/** As an edge of another format answers. */
const cookies = edge(label('GET'), async () => {
  const response = Response.json({ status: 'ok' }, { status: 202, headers: { 'cache-control': 'private' } })
  for (const name of ['a', 'b']) response.headers.append('set-cookie', `${name}=1`)
  return { response }
})

let edges: Awaited<ReturnType<typeof startEdges>>
let port: number
let isServing = true
let calls = 0

async function listen(config: object = {}): Promise<{ server: Server; port: number }> {
  const paths = { '/oauth/glass/:one': glass, '/oauth/cookies': () => cookies }
  const routes = (['GET', 'POST'] as const).flatMap((method) =>
    Object.entries(paths).map(([path, handle]) => ({ method, path, handle: handle(method) })),
  )
  const server = createEdge({
    config: { ...edges.config, production: true, ...config },
    machineRoutes: routes,
    declared: routes.map(({ method, path }) => ({ method, path: path.replace(':one', '{one}') })),
    next: async (_, response) => void response.end('next'),
    isServing: () => isServing,
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, port: (server.address() as AddressInfo).port }
}

beforeAll(async () => {
  edges = await startEdges()
  const { server, port: own } = await listen()
  port = own
  stop = () => new Promise((resolve) => server.close(resolve))
})
let stop: () => Promise<unknown>
afterAll(async () => {
  await stop()
  await edges.stop()
})
beforeEach(() => {
  isServing = true
  calls = 0
})

type Seen = { status: number; head: string; body: string }

/** Sends lines as they are on a connection of its own, and reads until its end. */
function send(lines: string[], body = '', to = port): Promise<Seen> {
  const text = `${[...lines, 'connection: close', '', ''].join('\r\n')}${body}`
  return new Promise((resolve, reject) => {
    let seen = ''
    const socket = connect(to, '127.0.0.1', () => socket.write(text))
    socket.setEncoding('utf8').on('data', (piece) => {
      seen += piece
    })
    socket.on('error', reject).on('close', () => {
      const [head = '', ...rest] = seen.split('\r\n\r\n')
      resolve({ status: Number(head.split(' ')[1]), head, body: rest.join('\r\n\r\n') })
    })
  })
}
const get = (...headers: string[]) => send(['GET /oauth/glass/x HTTP/1.1', `host: ${host}`, ...headers])

test('Z-07 L-14: a handler of a machine path sees no claim, no trace of a stranger, and the configured origin', async () => {
  const forged = [
    'x-forwarded-host: evil.test',
    'X-Forwarded-For: 6.6.6.6',
    'x-forwarded-user: root',
    'X_User: root',
    'x-real-ip: 6.6.6.6',
    'forwarded: host=evil.test',
    'Remote-User: root',
    'x-middleware-subrequest: middleware',
    'x-original-url: /admin',
    'x-http-method-override: DELETE',
    "content-security-policy: script-src 'nonce-evil'",
    'traceparent: 00-evil-evil-01',
    'tracestate: evil',
    'baggage: evil=1',
  ]
  const { status, body } = await get('accept: a', 'Accept: b', 'cookie: x=1', 'cookie: y=2', ...forged)
  expect(status).toBe(200)
  expect(body).not.toMatch(/evil|root|6\.6\.6\.6|admin|DELETE|subrequest/)
  expect(JSON.parse(body)).toEqual({
    method: 'GET',
    url: `http://${host}/oauth/glass/x`,
    address: '127.0.0.1',
    body: '',
    params: { one: 'x' },
    headers: {
      accept: 'a, b',
      connection: 'close',
      cookie: 'x=1; y=2',
      host,
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': host,
      'x-forwarded-proto': 'http',
    },
  })
})

test('B-02: behind a trusted proxy it sees the address and the trace that this one wrote, and the public origin', async () => {
  const told = await listen({ trustedProxies: 1, loopback: false, origin: 'https://valetkey.test' })
  onTestFinished(() => new Promise((resolve) => told.server.close(() => resolve(undefined))))
  const lines = [
    'GET /oauth/glass/x HTTP/1.1',
    'host: any.test',
    'x-forwarded-for: 6.6.6.6, 192.0.2.7',
    'traceparent: 00-a',
  ]
  const { body } = await send([...lines, 'baggage: a=1'], '', told.port)
  const { url, address, headers } = JSON.parse(body)
  expect([url, address, headers.host, headers.traceparent, headers.baggage]).toEqual([
    'https://valetkey.test/oauth/glass/x',
    '192.0.2.7',
    'valetkey.test',
    '00-a',
    undefined,
  ])
})

test.each([
  ['L-14: another host', 'GET', '/oauth/glass/x', ['host: evil.test'], 421],
  ['no host', 'GET', '/oauth/glass/x', [], 400],
  ['two hosts', 'GET', '/oauth/glass/x', [`host: ${host}`, `host: ${host}`], 400],
  ['a host that is no name', 'GET', '/oauth/glass/x', ['host: a b'], 400],
  ['C-05: a server action', 'GET', '/oauth/glass/x', [`host: ${host}`, 'next-action: x'], 404],
  ['P-05: an absolute address', 'GET', `http://${host}/oauth/glass/x`, [`host: ${host}`], 400],
  ['a query that cannot be decoded', 'GET', '/oauth/glass/x?a=%zz', [`host: ${host}`], 400],
  ['a query with a NUL', 'GET', '/oauth/glass/x?a=%00', [`host: ${host}`], 400],
  ['a long address', 'GET', `/oauth/glass/x?${'a'.repeat(9_000)}`, [`host: ${host}`], 414],
  ['a method nobody declared', 'PUT', '/oauth/glass/x', [`host: ${host}`], 405],
] as const)('%s reaches no handler of a machine path', async (_, method, path, headers, status) => {
  const refused = await send([`${method} ${path} HTTP/1.1`, ...headers])
  expect([refused.status, calls]).toEqual([status, 0])
  for (const [name, value] of Object.entries(securityHeaders)) expect(refused.head).toContain(`${name}: ${value}`)
  if (status === 405) expect(refused.head).toContain('allow: GET, HEAD, POST')
})

test('parameters are plain segments; whatever is spelled otherwise is Next’s to judge', async () => {
  for (const path of ['/oauth/glass/..', '/oauth/glass/%78', '/oauth/glass/x/', '/oauth//glass/x', '/oauth/glass/'])
    await send([`GET ${path} HTTP/1.1`, `host: ${host}`])
  expect(calls).toBe(0)
})

test('a process that starts answers no machine path, and says when to come back', async () => {
  isServing = false
  const refused = await get()
  expect([refused.status, calls]).toEqual([503, 0])
  expect(refused.head).toContain('retry-after: 5')
})

test('C-09 C-10: every answer of a machine path has the fixed headers: nothing keeps it, nothing runs in it', async () => {
  const { head, body } = await get()
  for (const [name, value] of Object.entries({ ...securityHeaders, ...dataHeaders }))
    expect(head).toContain(`${name}: ${value}`)
  expect(head).toMatch(/x-request-id: req_[0-9a-f]{32}/)
  expect(head).toContain(`content-length: ${Buffer.byteLength(body)}`)
  expect(head).not.toContain('nonce')
})

test('a HEAD is the GET without its body', async () => {
  const [whole, bare] = [await get(), await send(['HEAD /oauth/glass/x HTTP/1.1', `host: ${host}`])]
  const lines = ({ head }: Seen) =>
    head.split('\r\n').filter((line) => !/^(x-request-id|date|content-length)/i.test(line))
  expect(lines(bare)).toEqual(lines(whole))
  expect([bare.body, whole.body.length > 0]).toEqual(['', true])
})

test('what an edge answers as a response leaves with all of its headers, cookies one by one', async () => {
  const { status, head, body } = await send(['GET /oauth/cookies HTTP/1.1', `host: ${host}`])
  expect([status, head.match(/set-cookie: (.*)/gi)]).toEqual([202, ['set-cookie: a=1', 'set-cookie: b=1']])
  expect(head).toContain('cache-control: private')
  expect(head).toContain('x-content-type-options: nosniff')
  expect(body).toContain('{"status":"ok"}')
})

const post = (headers: string[], body: string) =>
  send(['POST /oauth/glass/x HTTP/1.1', `host: ${host}`, ...headers], body)

test('a body arrives whole, in whatever pieces', async () => {
  const { body } = await post(['content-length: 6'], 'grüß')
  expect(JSON.parse(body).body).toBe('grüß')
  const chunked = await post(['transfer-encoding: chunked'], '2\r\nab\r\n1\r\nc\r\n0\r\n\r\n')
  expect(JSON.parse(chunked.body).body).toBe('abc')
})

test('IV-03: of a body over the cap no more is kept, told or not, and its connection ends', async () => {
  const told = await post(['content-length: 1001'], 'x'.repeat(1_001))
  const piece = `400\r\n${'x'.repeat(1_024)}\r\n`
  const untold = await post(['transfer-encoding: chunked'], `${piece}0\r\n\r\n`)
  for (const refused of [told, untold]) {
    expect(refused.status).toBe(413)
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'too_large' })
  }
})

test('H-02: who hangs up in a body is counted as that, and nothing fails', async () => {
  const before = edges.logged.length
  await new Promise<void>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(`POST /oauth/glass/x HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 9\r\n\r\nab`, () => socket.end())
    })
    socket.on('close', () => resolve()).resume()
  })
  await expect
    .poll(() => edges.logged.slice(before).filter((line) => line.includes('"problem":"aborted"')).length)
    .toBe(1)
  expect(edges.logged.slice(before).filter((line) => /"level":[45]0/.test(line))).toEqual([])
})

test('requests on one connection are answered in turn', async () => {
  const one = `GET /oauth/glass/a HTTP/1.1\r\nhost: ${host}\r\n\r\nGET /oauth/glass/b HTTP/1.1`
  const { head, body } = await send([one, `host: ${host}`])
  expect(`${head}${body}`.match(/"one":"\w"/g)).toEqual(['"one":"a"', '"one":"b"'])
})
