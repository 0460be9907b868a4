import type { AsyncLocalStorage } from 'node:async_hooks'
import { request as httpRequest, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { PassThrough } from 'node:stream'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { declared, machineRoutes } from '../../app/api/machine.ts'
import { securityHeaders } from '../../lib/http/headers.ts'
import { createEdge, type PageScope } from '../../lib/http/listener.ts'
import { startEdges } from '../support/edges.ts'

let edges: Awaited<ReturnType<typeof startEdges>>
let server: Server
let port: number
/** What reached Next, which a plain handler stands for: it tells what it was given. */
const reached: string[] = []
let answer: (response: import('node:http').ServerResponse) => void = () => {}

beforeAll(async () => {
  edges = await startEdges()
  server = createEdge({
    config: { ...edges.config, production: true },
    machineRoutes,
    declared,
    next: async (request, response) => {
      reached.push(`${request.method} ${request.url}`)
      answer(response)
      if (response.writableEnded) return
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ headers: request.headers, raw: request.rawHeaders }))
    },
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve))
  await edges.stop()
})
beforeEach(() => {
  reached.length = 0
  answer = () => {}
})

type Answer = { status: number; headers: Record<string, string | string[] | undefined>; body: string }
const host = 'localhost:3000'

function send(
  path: string,
  { method = 'GET', headers = {} as Record<string, string>, body = '', to = port } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body && { 'content-length': String(Buffer.byteLength(body)) }
    const options = {
      host: '127.0.0.1',
      port: to,
      path,
      method,
      agent: false,
      headers: { host, ...length, ...headers },
    }
    const asked = httpRequest(options, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }))
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

/** Bytes as they are, for what no client would send. */
function sendRaw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let seen = ''
    socket.setEncoding('utf8').on('data', (chunk) => {
      seen += chunk
    })
    socket.on('close', () => resolve(seen))
    socket.on('error', reject)
  })
}

test('IV-03: more parameters than anything reads reach nothing, whatever they are called', async () => {
  const query = (count: number, name: (index: number) => string) =>
    Array.from({ length: count }, (_, index) => `${name(index)}=`).join('&')
  for (const name of [() => 'a', (index: number) => `a${index}`, () => '']) {
    expect((await send(`/signin?${query(101, name)}`)).status).toBe(400)
    expect(reached).toEqual([])
    expect((await send(`/signin?${query(100, name)}`)).status).toBe(200)
    expect(reached.splice(0)).toHaveLength(1)
  }
})

test('IV-03: Next sees no more of a user agent than counts, in whichever form it reads a header', async () => {
  const long = 'a-'.repeat(7_000)
  const { headers, raw } = JSON.parse((await send('/signin', { headers: { 'user-agent': long } })).body)
  expect(headers['user-agent']).toBe(long.slice(0, 300))
  expect(raw.filter((text: string) => text.length > 300)).toEqual([])
  const { headers: plain } = JSON.parse((await send('/signin', { headers: { 'user-agent': 'curl/8' } })).body)
  expect(plain['user-agent']).toBe('curl/8')
})

test('machine paths are answered by their own routes, everything else reaches Next', async () => {
  expect(JSON.parse((await send('/api/health')).body)).toEqual({ status: 'ok' })
  expect(JSON.parse((await send('/api/ready')).body)).toEqual({ status: 'ready' })
  const { cookie, userId } = await edges.person()
  expect(JSON.parse((await send('/api/v1/me', { headers: { cookie } })).body).id).toBe(userId)
  expect(reached).toEqual([])
  await send('/t/acme/projects')
  await send('/api//health')
  await send('/API/health')
  await send('/api/%68ealth')
  expect(reached).toEqual(['GET /t/acme/projects', 'GET /api//health', 'GET /API/health', 'GET /api/%68ealth'])
})

test('Z-04: an address of the API in any other spelling is not there, encoded parameters reach their route', async () => {
  const spellings = ['/api/v1/me/', '/api/v1/%6de', '/api/v1//me', '/api/v1/ME', '/api/v1/me;x', '/api/v1/me.rsc']
  for (const path of [...spellings, '/api/v1/nothing', '/api/v1/x/../me', '/api/v1/me/segment.rsc'])
    expect((await send(path)).status, path).toBe(404)
  expect(reached).toEqual([])
  await send('/api/v1/tenants/acme/projects/caf%C3%A9')
  expect(reached).toEqual(['GET /api/v1/tenants/acme/projects/caf%C3%A9'])
})

test('C-09: every answer carries the security headers, refusals and errors of the server included', async () => {
  answer = (response) => response.writeHead(404).end()
  const answers = [
    await send('/api/health'),
    await send('/nowhere'),
    await send('/_next/static/x.js'),
    await send('/api/health', { method: 'DELETE' }),
    await send('/%zz'),
    await send('/', { headers: { host: 'evil.test' } }),
  ]
  expect(answers.map((one) => one.status)).toEqual([200, 404, 404, 405, 400, 421])
  for (const one of answers) expect(one.headers).toMatchObject(securityHeaders)
  const raw = await sendRaw('GET / HTTP/1.1\r\nHost: a\r\nbroken\r\n\r\n')
  expect(raw).toMatch(/^HTTP\/1.1 400 /)
  for (const [name, value] of Object.entries(securityHeaders)) expect(raw).toContain(`${name}: ${value}\r\n`)
})

test('C-09: a page of the console may open a pop-up that leaves for an upstream; every other page, the pop-up’s own too, is cut off', async () => {
  const policyOf = async (path: string) => (await send(path)).headers['cross-origin-opener-policy']
  for (const path of ['/t/acme/projects', '/t/acme/projects?x=1'])
    expect(await policyOf(path), path).toBe('same-origin-allow-popups')
  const others = [
    '/',
    '/signin',
    `/connect/att_${'0'.repeat(32)}?popup=1`,
    '/connect/failed',
    '/tx',
    '/api/v1/me',
    '/oauth/callback/x',
  ]
  for (const path of others) expect(await policyOf(path), path).toBe('same-origin')
})

test('C-08: each page has a nonce of its own, and Next is told the same one', async () => {
  const seen = new Set<string>()
  for (let index = 0; index < 100; index += 1) {
    const page = await send('/signin', { headers: { 'content-security-policy': "script-src 'nonce-mine'" } })
    const policy = String(page.headers['content-security-policy'])
    expect(JSON.parse(page.body).headers['content-security-policy']).toBe(policy)
    expect(page.body).not.toContain('nonce-mine')
    seen.add(policy)
  }
  expect(seen.size).toBe(100)
})

test('C-11: nothing may be framed', async () => {
  for (const path of ['/t/acme/projects', '/api/health'])
    expect(String((await send(path)).headers['content-security-policy'])).toContain("frame-ancestors 'none'")
})

test('C-10: what did not declare itself public is not kept; what did stays as it is', async () => {
  expect((await send('/')).headers).toMatchObject({ 'cache-control': 'no-store', vary: 'Cookie' })
  answer = (response) => response.setHeader('vary', 'rsc').setHeader('cache-control', 'private, no-store')
  expect((await send('/')).headers.vary).toBe('rsc, Cookie')
  answer = (response) => response.setHeader('cache-control', 'public, max-age=31536000, immutable')
  const asset = await send('/_next/static/x.js')
  expect([asset.headers['cache-control'], asset.headers.vary]).toEqual([
    'public, max-age=31536000, immutable',
    undefined,
  ])
})

test('C-07: no answer allows another origin, whatever asks', async () => {
  for (const origin of ['https://evil.test', 'null', 'http://localhost:3000.evil.test', 'http://localhost:3000'])
    for (const path of ['/api/v1/me', '/api/health', '/api/v1/openapi.json', '/signin', '/api/v1/tenants/acme/tokens'])
      for (const method of ['OPTIONS', 'GET']) {
        const headers = {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'x-valetkey',
        }
        const names = Object.keys((await send(path, { method, headers })).headers)
        expect(names.filter((name) => name.startsWith('access-control'))).toEqual([])
      }
})

test('C-05: a page takes no POST, with or without the header of a server action', async () => {
  for (const headers of [{}, { 'next-action': 'a'.repeat(40) }, { 'next-action': 'x', rsc: '1' }]) {
    const posted = await send('/t/acme/projects', { method: 'POST', headers: headers as Record<string, string> })
    expect([posted.status, posted.headers.allow]).toEqual([405, 'GET, HEAD'])
  }
  expect(reached).toEqual([])
})

const actions: Record<string, string>[] = [
  {},
  { 'next-action': 'a'.repeat(42) },
  { 'next-action': '' },
  { 'content-type': 'multipart/form-data; boundary=x' },
  { 'content-type': 'application/x-www-form-urlencoded' },
]

test.each([
  '/api',
  '/api/',
  '/api/nothing',
  '/api/auth',
  '/api/auth/signin/',
  '/api/auth/a/b/c',
  '/api/auth/a%2fb',
  '/api/auth/%2e%2e',
  '/api/v1',
  '/api/v1/nothing',
  '/api/v1/tenants/acme/webhooks/%2e%2e/secret',
  '/api/v1/tenants/%2E%2E/%2e%2e/projects/./tokens',
  '/oauth',
  '/oauth/nowhere',
  '/oauth/callback',
  '/oauth/callback/a/b',
  '/mcp',
  '/mcp/acme/demo',
  '/.well-known/oauth-authorization-server',
  '/API/v1/tenants',
  '/%61pi/v1/tenants',
  '/t/acme/projects',
  '/signin',
  '/_next/static/x.js',
  '/_not-found',
])(
  'C-05: a change at %s, which nobody declared, is refused before Next could look for a server action',
  async (path) => {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
      for (const headers of actions) {
        const refused = await send(path, { method, headers, body: '--x--' })
        expect([404, 405]).toContain(refused.status)
        expect(JSON.parse(refused.body)).toMatchObject({
          code: refused.status === 404 ? 'not_found' : 'method_not_allowed',
          next: expect.any(String),
        })
      }
    expect(reached).toEqual([])
  },
)

test('C-05: whatever names a server action is refused, declared or not and by any method; nor is a page sent parts', async () => {
  const { cookie } = await edges.person()
  for (const [method, path] of [
    ['GET', '/'],
    ['HEAD', '/t/acme/projects'],
    ['GET', '/api/v1/me'],
    ['GET', '/api/health'],
    ['POST', '/api/auth/signin/signin'],
    ['POST', '/api/v1/tenants'],
    ['GET', '/oauth/callback/key'],
  ] as const)
    expect((await send(path, { method, headers: { cookie, 'next-action': 'x' } })).status, path).toBe(404)
  for (const method of ['GET', 'HEAD'])
    expect((await send('/signin', { method, headers: { 'content-type': 'Multipart/mixed' } })).status).toBe(415)
  expect(reached).toEqual([])
  // What is declared is its handler's to refuse, with the words of the API.
  await send('/api/v1/tenants', { method: 'POST', headers: { 'content-type': 'multipart/form-data' } })
  expect(reached).toEqual(['POST /api/v1/tenants'])
})

/** Status and problem of an answer as it came over the wire. */
function problemIn(raw: string) {
  const [head = '', body = ''] = raw.split('\r\n\r\n')
  expect(head).toMatch(/content-type: application\/problem\+json/i)
  expect(head).toMatch(/x-request-id: req_/i)
  return { status: Number(head.split(' ')[1]), ...(JSON.parse(body) as { code: string; next: string }) }
}

test.each([
  ['no method there is', `BREW / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 400, 'bad_request'],
  ['a method nobody takes', `TRACE / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 405, 'method_not_allowed'],
  ['a method not declared', `PUT /api/v1/me HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 405, 'method_not_allowed'],
  ['no operation', `GET /api/v1/none HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 404, 'not_found'],
  ['no host', 'GET / HTTP/1.1\r\n\r\n', 400, 'bad_request'],
  ['two hosts', `GET / HTTP/1.1\r\nHost: ${host}\r\nHost: evil.test\r\n\r\n`, 400, 'bad_request'],
  ['another host', 'GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n', 421, 'wrong_host'],
  ['no path', `GET * HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 400, 'bad_request'],
  ['a path that cannot be decoded', `GET /%ff HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 400, 'bad_request'],
  ['a query that cannot', `GET /?q=%ed%a0%80 HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 400, 'bad_request'],
  ['a long address', `GET /${'a'.repeat(9000)} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 414, 'uri_too_long'],
  ['large headers', `GET / HTTP/1.1\r\nHost: ${host}\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
  ['broken headers', `GET / HTTP/1.1\r\nHost: ${host}\r\nbroken\r\n\r\n`, 400, 'bad_request'],
  ['an expectation', `GET / HTTP/1.1\r\nHost: ${host}\r\nExpect: tea\r\n\r\n`, 417, 'expectation_failed'],
  ['an upgrade', `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n`, 400, 'bad_request'],
  ['a tunnel', `CONNECT evil.test:443 HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 405, 'method_not_allowed'],
])(
  'E-02: %s: the refusal of the server itself is a problem with a code and what to do next',
  async (_, raw, status, code) => {
    expect(problemIn(await sendRaw(raw))).toMatchObject({ status, code, next: expect.any(String) })
    expect(reached).toEqual([])
  },
)

test.each([
  ['ERR_HTTP_REQUEST_TIMEOUT', 408, 'timeout'],
  ['HPE_HEADER_OVERFLOW', 431, 'headers_too_large'],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', 413, 'too_large'],
  ['HPE_INVALID_CHUNK_SIZE', 400, 'bad_request'],
])('E-02: what the parser calls %s is answered %i as a problem', async (reason, status, code) => {
  const socket = new PassThrough()
  server.emit('clientError', Object.assign(new Error(), { code: reason }), socket)
  const said = Buffer.concat(await socket.toArray()).toString()
  expect(problemIn(said)).toMatchObject({ status, code, next: expect.any(String) })
})

test('C-12: a change is never redirected to a nicer spelling of its path', async () => {
  for (const path of ['/api/v1/tenants/', '/api//v1/tenants', '/oauth/token/'])
    expect((await send(path, { method: 'POST' })).status).toBe(404)
  expect(reached).toEqual([])
})

test('a path without parameters has its own methods alone, whatever one with parameters would take', async () => {
  const { status, headers } = await send('/api/v1/authorizations/claim', { method: 'GET' })
  expect([status, headers.allow]).toEqual([405, 'POST'])
  expect(reached).toEqual([])
})

test('methods that nobody declared are 405 with Allow', async () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    const refused = await send('/api/v1/me', { method })
    expect([refused.status, refused.headers.allow], method).toEqual([405, 'GET, HEAD'])
  }
  expect((await send('/api/auth/signin', { method: 'PUT' })).headers.allow).toBe('GET, HEAD, POST')
  expect((await send('/oauth/callback/key', { method: 'POST' })).headers.allow).toBe('GET, HEAD')
  expect((await send('/', { method: 'TRACE' })).status).toBe(405)
  expect((await send('/', { method: 'PROPFIND' })).status).toBe(405)
  expect(reached).toEqual([])
})

test('P-05: absolute-form and asterisk targets, upgrades and tunnels go nowhere', async () => {
  const targets = ['http://169.254.169.254/latest', 'https://localhost:3000/', '*', 'localhost:3000']
  for (const target of targets)
    expect(await sendRaw(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 400/,
    )
  // Next adds a listener of its own at the first request; it must never hear of an upgrade.
  let heard = 0
  server.on('upgrade', () => {
    heard += 1
  })
  await new Promise((resolve) => process.nextTick(resolve))
  const upgrade = `GET /x HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`
  expect(await sendRaw(upgrade)).toMatch(/^HTTP\/1.1 400/)
  expect(heard).toBe(0)
  expect(await sendRaw(`CONNECT evil.test:443 HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).not.toMatch(/ 200 /)
  expect(reached).toEqual([])
})

test('sizes and spellings that no handler should see are refused early', async () => {
  expect((await send(`/${'a'.repeat(9000)}`)).status).toBe(414)
  expect(await sendRaw(`GET / HTTP/1.1\r\nHost: ${host}\r\nX-Big: ${'a'.repeat(20_000)}\r\n\r\n`)).toMatch(
    /^HTTP\/1.1 431/,
  )
  for (const path of ['/%', '/%zz', '/%c0%ae', '/a%00b', '/a%0d%0ab', '/a%5cb', '/x?%zz', '/x?a=%00', '/%ed%a0%80'])
    expect((await send(path)).status, path).toBe(400)
  expect(reached).toEqual([])
})

test('another host, two hosts and no host are refused; a probe may use any name', async () => {
  for (const name of ['evil.test', 'localhost', '127.0.0.1:3000', 'localhost:3001'])
    expect((await send('/', { headers: { host: name } })).status, name).toBe(421)
  for (const name of ['a b', 'evil.test/x', 'user@localhost:3000'])
    expect((await send('/', { headers: { host: name } })).status, name).toBe(400)
  expect(await sendRaw(`GET / HTTP/1.1\r\nHost: ${host}\r\nHost: evil.test\r\n\r\n`)).toMatch(/^HTTP\/1.1 400/)
  expect(await sendRaw('GET / HTTP/1.1\r\n\r\n')).toMatch(/^HTTP\/1.1 400/)
  expect((await send('/api/health', { headers: { host: '10.0.0.5:3000' } })).status).toBe(200)
  expect(reached).toEqual([])
})

test('Z-07 L-14: what clients claim about themselves and about us is gone before anything reads it', async () => {
  const forged = {
    'x-forwarded-host': 'evil.test',
    'x-forwarded-proto': 'gopher',
    'x-forwarded-for': '6.6.6.6',
    'x-forwarded-user': 'root',
    x_forwarded_user: 'root',
    'x-real-ip': '6.6.6.6',
    forwarded: 'host=evil.test',
    'remote-user': 'root',
    'x-user-id': 'root',
    'x-middleware-subrequest': 'middleware:middleware',
    'x-original-url': '/admin',
    'x-rewrite-url': '/admin',
    'x-http-method-override': 'DELETE',
  }
  const { headers, raw } = JSON.parse((await send('/', { headers: forged })).body)
  const known = { host, 'x-forwarded-host': host, 'x-forwarded-proto': 'http', 'x-forwarded-for': '127.0.0.1' }
  expect(headers).toMatchObject(known)
  expect(JSON.stringify(headers)).not.toMatch(/evil|root|6\.6\.6\.6|admin|DELETE|gopher|subrequest/)
  expect(JSON.stringify(raw)).not.toMatch(/evil|root|6\.6\.6\.6|admin|DELETE|gopher|subrequest/)
})

test('L-14: on a public origin any name leads here, and what reads the request sees the configured one', async () => {
  const told = createEdge({
    config: { ...edges.config, production: true, origin: 'https://valetkey.test', loopback: false },
    machineRoutes: [],
    declared: [],
    next: async (request, response) =>
      void response.end(JSON.stringify({ headers: request.headers, raw: request.rawHeaders })),
  })
  await new Promise<void>((resolve) => told.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => new Promise((resolve) => told.close(() => resolve(undefined))))
  const { port: to } = told.address() as AddressInfo
  const { headers, raw } = JSON.parse((await send('/', { headers: { host: 'evil.test' }, to })).body)
  expect(headers).toMatchObject({ host: 'valetkey.test', 'x-forwarded-host': 'valetkey.test' })
  expect(JSON.stringify(raw)).not.toContain('evil')
})

test('B-02: machine paths count the address of the socket, not the one that is written', async () => {
  const { cookie, userId } = await edges.person({ tenant: 'acme', role: 'auditor' })
  await send('/api/v1/me', { headers: { cookie, 'x-forwarded-for': '6.6.6.6' } })
  expect(userId).toBeTruthy()
  expect(edges.logged.join('')).not.toContain('6.6.6.6')
})

test('a guard turns the 500 of its page into the status it left, with Retry-After', async () => {
  const pages = (globalThis as unknown as Record<symbol, AsyncLocalStorage<PageScope>>)[Symbol.for('valetkey.page')]
  answer = (response) => {
    const scope = pages?.getStore()
    if (scope) Object.assign(scope, left)
    response.statusCode = 500
    response.end('x')
  }
  let left: PageScope = { status: 503 }
  const page = await send('/t/acme/projects')
  expect([page.status, page.headers['retry-after']]).toEqual([503, '5'])
  left = { status: 429, retryAfterSeconds: 37 }
  const refused = await send('/t/acme/projects')
  expect([refused.status, refused.headers['retry-after']]).toEqual([429, '37'])
  answer = (response) => response.writeHead(500).end('x')
  expect((await send('/t/acme/projects')).status).toBe(500)
})

test('E-01: when a page handler throws, the answer says 500 and nothing else', async () => {
  answer = () => {
    throw new Error('secret detail at /srv/app.js')
  }
  const page = await send('/')
  expect(page.status).toBe(500)
  expect(page.body).not.toMatch(/secret|srv|Error:/)
  expect(page.headers).toMatchObject(securityHeaders)
})

test('B-01: reports of blocked content are capped in size and number', async () => {
  const { POST } = await import('../../app/api/v1/csp-reports/route.ts')
  const report = (body: string) =>
    POST(
      new Request('http://localhost:3000/api/v1/csp-reports', {
        method: 'POST',
        headers: { 'content-type': 'application/csp-report', 'x-forwarded-for': '192.0.2.77' },
        body,
      }),
      { params: Promise.resolve({}) },
    )
  const plain = { 'csp-report': { 'blocked-uri': 'https://evil.test/x?canary', 'effective-directive': 'script-src' } }
  expect((await report(JSON.stringify(plain))).status).toBe(204)
  expect(edges.logged.some((line) => line.includes('https://evil.test/x') && !line.includes('canary'))).toBe(true)
  expect((await report('x'.repeat(70_000))).status).toBe(413)
  const burst = await Promise.all(Array.from({ length: 40 }, () => report(JSON.stringify(plain))))
  expect(burst.some((one) => one.status === 429)).toBe(true)
})
