// The way out, against real sockets. Names are answered by a resolver of the test's own; connections stay on loopback.

import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server as NetServer, type Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { EnvHttpProxyAgent, getGlobalDispatcher, setGlobalDispatcher } from 'undici'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { completeLink } from '../../lib/broker/link/complete.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { createProvider } from '../../lib/broker/providers.ts'
import { createContext } from '../../lib/context.ts'
import { errorCodes } from '../../lib/errors.ts'
import { type Discoveries, discover } from '../../lib/security/discovery.ts'
import {
  createOutbound,
  type OutboundError,
  type OutboundOptions,
  type OutboundPolicy,
  type Resolve,
} from '../../lib/security/outbound.ts'
import { asSystem } from '../../lib/store/system.ts'
import { type Broker, origin, startBroker } from '../support/broker.ts'
import { selfSigned } from '../support/certificate.ts'

const closed: OutboundPolicy = { loopback: false, internalHosts: [] }
const onLoopback: OutboundPolicy = { loopback: true, internalHosts: [] }
const { key, cert } = selfSigned('upstream.example')

/** Ends what a test opened, last first. */
const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A server that counts who comes, on a free port of 127.0.0.1. */
async function listen<S extends Server | NetServer>(server: S) {
  const connections: Socket[] = []
  server.on('connection', (socket: Socket) => {
    connections.push(socket)
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(async () => {
    for (const socket of connections) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  return { server, port, url: `http://127.0.0.1:${port}`, connections }
}
const serve = (answer: RequestListener) => listen(createServer({ maxHeaderSize: 65_536 }, answer))
const serveTls = (answer: RequestListener) => listen(createTlsServer({ key, cert }, answer))
const serveRaw = (onSocket: (socket: Socket) => void) => listen(createTcpServer(onSocket))

function outbound(options: OutboundPolicy & Partial<OutboundOptions>) {
  const failures: { host: string; reason: string; reached: boolean }[] = []
  const made = createOutbound({ onFailure: (failure) => failures.push(failure), ...options })
  cleanups.push(made.close)
  return { ...made, failures }
}

/** The error of a call that must not succeed. */
const failureOf = (call: Promise<unknown>): Promise<OutboundError> =>
  call.then(
    () => expect.fail('the call succeeded'),
    (error) => error,
  )
const notReached = { name: 'OutboundError', message: 'No connection', reached: false }

const family = (address: string) => (address.includes(':') ? 6 : 4)
/** Answers each look-up with the next of these lists, the last one for ever. */
function resolver(...answers: string[][]): Resolve & { calls: string[] } {
  const calls: string[] = []
  const resolve: Resolve = async (hostname) => {
    const list = answers[Math.min(calls.push(hostname), answers.length) - 1] ?? []
    return list.map((address) => ({ address, family: family(address) }))
  }
  return Object.assign(resolve, { calls })
}

describe('where a connection goes', () => {
  it('F-04: it goes to the vetted address, the name stays in SNI and Host', async () => {
    const seen: unknown[] = []
    const { port } = await serveTls((request, response) => {
      seen.push(request.headers.host, 'servername' in request.socket && request.socket.servername)
      response.end('hello')
    })
    const resolve = resolver(['127.0.0.1'])
    const { fetch } = outbound({ loopback: false, internalHosts: ['upstream.example'], resolve, ca: cert })
    const answer = await fetch(`https://upstream.example:${port}/a`)
    expect([answer.status, await answer.text()]).toEqual([200, 'hello'])
    expect(seen).toEqual([`upstream.example:${port}`, 'upstream.example'])
    expect(resolve.calls).toEqual(['upstream.example'])
  })

  it('F-04: a name that changes its address after the check gains nothing; the next connection is judged anew', async () => {
    const { port, connections } = await serveTls((_, response) =>
      response.setHeader('connection', 'close').end('hello'),
    )
    // 127.0.0.1 stands for a public address, named by CIDR block; the name itself opens nothing.
    const resolve = resolver(['127.0.0.1'], ['127.0.0.2'])
    const { fetch } = outbound({ loopback: false, internalHosts: ['127.0.0.1/32'], resolve, ca: cert })
    expect((await fetch(`https://upstream.example:${port}/`)).status).toBe(200)
    expect(resolve.calls).toHaveLength(1)
    expect(await failureOf(fetch(`https://upstream.example:${port}/`))).toMatchObject(notReached)
    expect(resolve.calls).toHaveLength(2)
    expect(connections).toHaveLength(1)
  })

  it.each([
    ['a private address', ['127.0.0.1']],
    ['a public and a private one', ['93.184.215.14', '127.0.0.1']],
    ['a private and a public one', ['127.0.0.1', '93.184.215.14']],
    ['a public one and a private one of the other family', ['2606:2800:21f:cb07:6820:80da:af6b:8b2c', '127.0.0.1']],
    ['a private one of the other family', ['::1', '127.0.0.1']],
    ['an embedded one', ['::ffff:127.0.0.1']],
    ['the metadata service', ['169.254.169.254']],
    ['no address', []],
  ])('F-04: a name with %s connects to nothing', async (_, addresses) => {
    const { port, connections } = await serve((_, response) => response.end())
    const { fetch, failures } = outbound({ ...onLoopback, resolve: resolver(addresses) })
    expect(await failureOf(fetch(`https://rebound.example:${port}/`))).toMatchObject(notReached)
    expect(connections).toEqual([])
    expect(failures).toEqual([
      { host: `rebound.example:${port}`, reached: false, reason: expect.stringMatching(/not public/) },
    ])
  })

  it.each(['169.254.169.254', 'fd00:ec2::254', '::ffff:127.0.0.1', '64:ff9b::7f00:1'])(
    'F-02 F-03: a name that the operator opened does not lead to %s',
    async (address) => {
      const { fetch } = outbound({ loopback: false, internalHosts: ['idp', '0.0.0.0/1'], resolve: resolver([address]) })
      expect(await failureOf(fetch('https://idp/'))).toMatchObject(notReached)
    },
  )

  it('F-01 F-02 F-03: no spelling of this machine is connected to', async () => {
    const { port, connections } = await serve((_, response) => response.end())
    const { fetch } = outbound(closed)
    const hosts = [
      '127.0.0.1',
      '2130706433',
      '0x7f.1',
      '0177.1',
      '127.1',
      '0',
      'localhost',
      'localhost.',
      'a.localhost',
    ]
    const literals = ['[::1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::]', '[::127.0.0.1]', '[64:ff9b::7f00:1]']
    for (const host of [...hosts, ...literals])
      for (const scheme of ['https', 'http'])
        expect(await failureOf(fetch(`${scheme}://${host}:${port}/`)), host).toMatchObject(notReached)
    expect(await failureOf(fetch(`https://a:b@upstream.example:${port}/`))).toMatchObject(notReached)
    expect(connections).toEqual([])
  })

  it.each([301, 302, 303, 307, 308])(
    'F-05 F-09: a redirect by %i is refused, its target sees nothing',
    async (status) => {
      const trap = await serve((_, response) => response.end())
      const { url } = await serve((_, response) => response.writeHead(status, { location: `${trap.url}/stolen` }).end())
      const { fetch } = outbound(onLoopback)
      const init = { method: 'POST', body: 'grant_type=refresh_token', headers: { authorization: 'Bearer secret' } }
      expect(await failureOf(fetch(url, init))).toMatchObject({ name: 'OutboundError', reached: true })
      expect(trap.connections).toEqual([])
    },
  )

  it('F-05: a Refresh header means nothing', async () => {
    const trap = await serve((_, response) => response.end())
    const { url } = await serve((_, response) => response.writeHead(200, { refresh: `0;url=${trap.url}` }).end('hello'))
    expect(await (await outbound(onLoopback).fetch(url)).text()).toBe('hello')
    expect(trap.connections).toEqual([])
  })

  it('F-09: proxies of the environment, and one that the process has installed, see nothing', async () => {
    const trap = await serveRaw((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n'))
    })
    for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy', 'ALL_PROXY'])
      vi.stubEnv(name, trap.url)
    for (const name of ['NO_PROXY', 'no_proxy']) vi.stubEnv(name, '')
    vi.stubEnv('NODE_USE_ENV_PROXY', '1')
    const dispatcher = getGlobalDispatcher()
    const proxy = new EnvHttpProxyAgent()
    setGlobalDispatcher(proxy)
    cleanups.push(async () => {
      setGlobalDispatcher(dispatcher)
      vi.unstubAllEnvs()
      await proxy.close()
    })
    const { url } = await serve((_, response) => response.end('hello'))
    await expect(fetch(url)).rejects.toThrow()
    const before = trap.connections.length
    expect(before).toBeGreaterThan(0)
    expect(await (await outbound(onLoopback).fetch(url)).text()).toBe('hello')
    expect(trap.connections).toHaveLength(before)
  })
})

describe('what is sent and read', () => {
  it('says who asks, and a form as a form; what its caller says counts', async () => {
    const seen: unknown[] = []
    const { url } = await serve(async (request, response) => {
      const chunks = await request.toArray()
      const { 'content-type': type, accept, 'user-agent': agent } = request.headers
      seen.push([request.method, request.url, type, accept, agent, Buffer.concat(chunks).toString()])
      response.writeHead(204).end()
    })
    const { fetch } = outbound(onLoopback)
    const answer = await fetch(`${url}/a?b=c`, { method: 'POST', body: new URLSearchParams({ d: 'e f' }) })
    expect([answer.status, await answer.text()]).toEqual([204, ''])
    await fetch(url, { headers: { accept: 'application/json', 'User-Agent': 'other' } })
    await fetch(url, { method: 'PUT', body: new Uint8Array([103]), headers: { 'content-type': 'text/plain' } })
    const form = 'application/x-www-form-urlencoded;charset=UTF-8'
    expect(seen).toEqual([
      ['POST', '/a?b=c', form, '*/*', 'Valetkey', 'd=e+f'],
      ['GET', '/', undefined, 'application/json', 'other', ''],
      ['PUT', '/', 'text/plain', '*/*', 'Valetkey', 'g'],
    ])
  })

  it.each([
    ['gzip', gzipSync],
    ['X-GZIP', gzipSync],
    ['br', brotliCompressSync],
    ['identity', (text: string) => Buffer.from(text)],
  ] as const)('reads what was packed as %s', async (coding, pack) => {
    const { url } = await serve((request, response) => {
      const isAsked = ['gzip', 'br'].every((one) => String(request.headers['accept-encoding']).includes(one))
      response.writeHead(200, { 'content-encoding': coding, 'set-cookie': ['a=1', 'b=\u00fc'] })
      response.end(pack(JSON.stringify({ isAsked })))
    })
    const answer = await outbound(onLoopback).fetch(url)
    expect([answer.headers.getSetCookie(), await answer.json()]).toEqual([['a=1', 'b=\u00fc'], { isAsked: true }])
  })

  it('an answer that says that it is packed and is not did not arrive', async () => {
    const { url } = await serve((_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('{}'))
    const error = await failureOf(outbound(onLoopback).fetch(url))
    expect(error).toMatchObject({ message: 'The answer did not arrive', reached: true })
  })

  it('ends with the signal of its caller, before and within an answer', async () => {
    const { url, connections } = await serve((request, response) => {
      if (request.url === '/begun') response.write('a')
    })
    const { fetch } = outbound(onLoopback)
    for (const path of ['/silent', '/begun']) {
      const end = new AbortController()
      const call = failureOf(fetch(url + path, { signal: end.signal }))
      await expect.poll(() => connections.length).toBeGreaterThan(path === '/silent' ? 0 : 1)
      end.abort()
      expect(await call).toMatchObject({ name: 'OutboundError', reached: true })
    }
    await expect.poll(() => connections.every((socket) => socket.destroyed)).toBe(true)
    expect(await failureOf(fetch(url, { signal: AbortSignal.abort() }))).toMatchObject({ name: 'OutboundError' })
  })
})

describe('what an answer may cost', () => {
  const patience = { connectMs: 200, headersMs: 300, bodyMs: 300 }
  const repeatedly = (socket: Writable, text: string) => {
    const timer = setInterval(() => socket.write(text), 20)
    socket.on('close', () => clearInterval(timer))
    cleanups.push(async () => clearInterval(timer))
  }
  /** The error of a call, and that it came in time. */
  async function refusedInTime(url: string, options: Partial<OutboundOptions> = {}) {
    const { fetch, failures } = outbound({ ...onLoopback, limits: patience, ...options })
    const error = await failureOf(fetch(url))
    expect(error).toMatchObject({ name: 'OutboundError' })
    return { error, failures }
  }

  it('F-06: an answer that does not begin is given up', async () => {
    const { url } = await serve(() => {})
    const { error, failures } = await refusedInTime(url)
    expect([error.reached, failures[0]?.reason]).toEqual([true, 'TOO_LATE'])
  })

  it('F-06: headers that drip are given up, however alive they look', async () => {
    const { url } = await serveRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n')
      repeatedly(socket, 'x: y\r\n')
    })
    expect((await refusedInTime(url)).failures[0]?.reason).toBe('TOO_LATE')
  })

  it('F-06: interim answers without end are given up', async () => {
    const { url } = await serveRaw((socket) => repeatedly(socket, 'HTTP/1.1 103 Early Hints\r\n\r\n'))
    expect((await refusedInTime(url)).failures[0]?.reason).toBe('TOO_LATE')
  })

  it('F-06: a body that drips is given up, however alive it looks', async () => {
    const { url } = await serve((_, response) => repeatedly(response.writeHead(200), 'a'))
    expect((await refusedInTime(url)).failures[0]?.reason).toBe('TOO_LATE')
  })

  it('F-06: a body without end is cut at 1 MiB, and the connection with it', async () => {
    const chunk = 'a'.repeat(65_536)
    let sent = 0
    const { url, connections } = await serve((_, response) => {
      const pump = () => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length
      }
      response.on('drain', pump)
      pump()
    })
    const { error } = await refusedInTime(url, { limits: {} })
    expect(error.message).toBe('The answer is too large')
    await expect.poll(() => connections.every((socket) => socket.destroyed)).toBe(true)
    expect(sent).toBeLessThan(64 * 1_048_576)
  })

  it('F-06: a body of exactly 1 MiB is taken', async () => {
    const { url } = await serve((_, response) => response.end(Buffer.alloc(1_048_576)))
    expect((await (await outbound(onLoopback).fetch(url)).arrayBuffer()).byteLength).toBe(1_048_576)
  })

  it('F-06: a body that unpacks to 512 MiB is cut at 1 MiB, and memory stays flat', async () => {
    const bomb = Buffer.concat(Array(32).fill(gzipSync(Buffer.alloc(16 * 1_048_576))))
    const { url } = await serve((_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb))
    const before = process.memoryUsage().rss
    const { error } = await refusedInTime(url, { limits: {} })
    expect(error.message).toBe('The answer is too large')
    expect(process.memoryUsage().rss - before).toBeLessThan(128 * 1_048_576)
  })

  it('F-06: headers of more than 16 KiB are refused: 10 MB of them, and one byte too many of 20,000', async () => {
    const { url } = await serveRaw((socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(10_000_000)}\r\n\r\n`))
    expect((await refusedInTime(url, { limits: {} })).failures[0]?.reason).toBe('UND_ERR_HEADERS_OVERFLOW')
    const small = await serveRaw((socket) =>
      socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`),
    )
    expect((await refusedInTime(small.url, { limits: {} })).failures[0]?.reason).toBe('UND_ERR_HEADERS_OVERFLOW')
  })

  it.each([
    ['deep', '['.repeat(100_000)],
    ['deep', `${'{"a":'.repeat(33)}1${'}'.repeat(33)}`],
    ['wide', JSON.stringify(Object.fromEntries(Array.from({ length: 1_001 }, (_, at) => [at, at])))],
  ])('F-06: JSON that is too %s is refused before it is parsed', async (_, body) => {
    const { url } = await serve((_, response) => response.setHeader('content-type', 'application/json').end(body))
    expect((await refusedInTime(url)).error).toMatchObject({ message: 'The answer is too deep', reached: true })
  })

  it.each([
    ['a NUL', '{"name":"a\\u0000b"}'],
    ['a NUL in a name', '{"\\u0000":1}'],
    ['half a surrogate pair', '[{"a":["\\uD83d"]}]'],
    ['its other half', '"\\udE00\\ud83d"'],
  ])('F-06: JSON that holds %s, which nothing of ours could keep, is refused', async (_, body) => {
    const { url } = await serve((_, response) => response.setHeader('content-type', 'application/json').end(body))
    const message = 'The answer contains invalid text'
    expect((await refusedInTime(url)).error).toMatchObject({ message, reached: true })
  })
})

describe('F-10: what was not reached reads the same', () => {
  const unreachable: [string, () => Promise<{ url: string } & Partial<OutboundOptions>>][] = [
    [
      'a closed port',
      async () => {
        const { server, url } = await serve(() => {})
        await new Promise((resolve) => server.close(resolve))
        return { url }
      },
    ],
    ['a refused address', async () => ({ url: 'https://10.0.0.5/' })],
    ['a refused port', async () => ({ url: 'https://upstream.example:22/' })],
    [
      'a name without an address',
      async () => ({ url: 'https://a.example/', resolve: () => Promise.reject(new Error()) }),
    ],
    ['a name with a refused address', async () => ({ url: 'https://a.example/', resolve: resolver(['10.0.0.5']) })],
    ['a resolver that is silent', async () => ({ url: 'https://a.example/', resolve: () => new Promise(() => {}) })],
    [
      'a server that says nothing at TLS',
      async () => ({ url: (await serveRaw(() => {})).url.replace('http:', 'https:') }),
    ],
    [
      'a server without TLS',
      async () => ({ url: (await serve((_, response) => response.end())).url.replace('http:', 'https:') }),
    ],
    [
      'a certificate that nobody vouches for',
      async () => ({
        url: `https://upstream.example:${(await serveTls((_, response) => response.end())).port}/`,
        internalHosts: ['upstream.example'],
        resolve: resolver(['127.0.0.1']),
      }),
    ],
    [
      'a certificate of another name',
      async () => ({
        url: `https://other.example:${(await serveTls((_, response) => response.end())).port}/`,
        internalHosts: ['other.example'],
        resolve: resolver(['127.0.0.1']),
        ca: cert,
      }),
    ],
  ]

  it.each(unreachable)('F-10: %s', async (_, prepare) => {
    const { url, ...options } = await prepare()
    const { fetch, failures } = outbound({ ...onLoopback, limits: { connectMs: 200 }, ...options })
    const error = await failureOf(fetch(url, { method: 'POST', body: 'code=a' }))
    expect(error).toMatchObject(notReached)
    expect(Object.keys(error).filter((name) => !['name', 'reached', 'cause'].includes(name))).toEqual([])
    expect(failures).toHaveLength(1)
    expect(failures[0]?.reason).not.toBe('No connection')
  })

  it('F-10: what lies inside tells nothing, by time either: nobody connects to it, whatever listens there', async () => {
    const open = await serve((_, response) => response.end('{}'))
    const silent = await serveRaw(() => {})
    const speaker = await serveRaw((socket) => socket.end('220 mail.example ESMTP\r\n'))
    const tls = await serveTls((_, response) => response.end('{}'))
    const gone = await serve(() => {})
    await new Promise((resolve) => gone.server.close(resolve))
    const ports = [open.port, silent.port, speaker.port, tls.port, gone.port]
    // By its address, and by a name that leads there.
    const targets = ports.flatMap((port) => [`https://127.0.0.1:${port}/`, `https://inside.example:${port}/`])
    const { fetch } = outbound({
      loopback: false,
      internalHosts: [],
      resolve: resolver(['127.0.0.1']),
      limits: { connectMs: 2_000 },
    })
    const probe = async (url: string) => {
      const began = performance.now()
      const error = await failureOf(fetch(url))
      const { name, message, reached } = error
      return { error: { name, message, reached }, took: performance.now() - began }
    }
    for (const url of targets) await probe(url)
    const probes = await Promise.all(targets.map(probe))
    for (const { error } of probes) expect(error).toMatchObject(notReached)
    expect(new Set(probes.map(({ error }) => JSON.stringify(error))).size).toBe(1)
    // None waits for an answer, so that a silent port takes as long as a closed one.
    for (const { took } of probes) expect(took).toBeLessThan(1_000)
    for (const { connections } of [open, silent, speaker, tls]) expect(connections).toEqual([])
  })

  it('a request that was sent counts as reached, whatever came back', async () => {
    const speaker = await serveRaw((socket) => socket.end('SSH-2.0-OpenSSH_9.9\r\n'))
    const hanger = await serve((request) => request.socket.destroy())
    for (const { url } of [speaker, hanger])
      expect(await failureOf(outbound(onLoopback).fetch(url))).toMatchObject({ name: 'OutboundError', reached: true })
  })
})

describe('discovery', () => {
  async function discovering(answer: (url: string) => { type?: string; body: string }) {
    const issuer = await serve((request, response) => {
      const { type = 'application/json', body } = answer(`http://${request.headers.host}`)
      response.setHeader('content-type', type).end(body)
    })
    const discoveries: Discoveries = new Map()
    const { fetch } = outbound(onLoopback)
    return discover({ fetch, now: () => new Date(), discoveries, config: onLoopback }, issuer.url)
  }
  const metadata = (url: string, more: Record<string, unknown> = {}) =>
    JSON.stringify({ issuer: url, authorization_endpoint: `${url}/a`, token_endpoint: `${url}/t`, ...more })

  it('takes metadata whose addresses are in order', async () => {
    const { token_endpoint } = await discovering((url) => ({ body: metadata(url) }))
    expect(token_endpoint).toMatch(/\/t$/)
  })

  const fields = ['authorization_endpoint', 'token_endpoint', 'jwks_uri', 'userinfo_endpoint', 'revocation_endpoint']
  it.each([...fields, 'registration_endpoint', 'introspection_endpoint', 'end_session_endpoint'])(
    'F-07: metadata whose %s leads inside, or out of the web, is refused whole',
    async (field) => {
      const hostile = [
        'https://10.0.0.5/',
        'http://example.com/',
        'https://metadata.google.internal/',
        'javascript:alert(1)',
        7,
      ]
      for (const value of hostile)
        expect(await failureOf(discovering((url) => ({ body: metadata(url, { [field]: value }) })))).toMatchObject(
          notReached,
        )
    },
  )

  it.each([
    ['a list', { body: '[]' }],
    ['a text', { body: '"a"' }],
    ['a page', { type: 'text/html', body: '{}' }],
    ['no JSON', { body: '{' }],
  ])('F-06: metadata that is %s is refused', async (_, answer) => {
    expect(await failureOf(discovering(() => answer))).toBeInstanceOf(Error)
  })

  it('F-06: right metadata of another content type is refused', async () => {
    expect(await failureOf(discovering((url) => ({ type: 'text/plain', body: metadata(url) })))).toBeInstanceOf(Error)
  })
})

describe('issuers that a tenant configures', () => {
  let broker: Broker
  beforeAll(async () => {
    broker = await startBroker()
  })
  afterAll(() => broker.stop())

  it.each([
    'https://10.0.0.5',
    'https://169.254.169.254',
    'https://[::ffff:7f00:1]',
    'https://metadata.google.internal',
    'https://postgres',
    'https://connection.example.com:5432',
    'https://connection.example.com:22',
    'http://connection.example.com',
    'https://a@connection.example.com',
    'gopher://connection.example.com',
  ])('F-01 F-07: %s is refused when it is configured, with what to do', async (issuer) => {
    const owner = await broker.actorOf('owner@acme.test')
    const input = { kind: 'keboola' as const, name: 'A stack', issuer, clientId: 'c', clientSecret: 's' }
    const refused = createProvider(broker.ctx, owner, input)
    await expect(refused).rejects.toMatchObject({
      code: 'bad_request',
      fields: { issuer: expect.stringContaining('VALETKEY_INTERNAL_HOSTS') },
    })
  })

  it('F-07 F-10: a stored issuer is judged again at use; refused, closed, filtered, without TLS, with a wrong certificate or no HTTP at all answer alike', async () => {
    const owner = await broker.actorOf('owner@acme.test')
    const provider = await broker.providerOf(owner)
    const gone = await serve(() => {})
    await new Promise((resolve) => gone.server.close(resolve))
    const plain = await serve((_, response) => response.end())
    const speaker = await serveRaw((socket) => socket.end('220 mail.example ESMTP\r\n'))
    const silent = await serveRaw(() => {})
    const self = await serveTls((_, response) => response.end())
    const limits = { connectMs: 200, headersMs: 400 }
    const way = createOutbound({ ...broker.ctx.config, limits })
    cleanups.push(way.close)
    const hasty = { ...broker.ctx, fetch: way.fetch }
    // Filtered, as far as anybody can tell: at TLS, and after it.
    const waiting = [`https://127.0.0.1:${silent.port}`, silent.url]
    const issuers = [
      'https://10.0.0.5',
      'https://metadata.google.internal',
      gone.url,
      `https://127.0.0.1:${plain.port}`,
      speaker.url,
      ...waiting,
      // A certificate that nobody vouches for.
      `https://127.0.0.1:${self.port}`,
    ]
    const answers: unknown[] = []
    for (const issuer of issuers) {
      const ctx = waiting.includes(issuer) ? hasty : broker.ctx
      await asSystem(broker.ctx, owner.tenantId, 'job', (tx) =>
        tx.provider.updateMany({ where: { tenantId: owner.tenantId, id: provider.id }, data: { issuer } }),
      )
      const started = await startLink(ctx, owner, { providerId: provider.id, browser: owner.browser })
      const state = new URL(started.url).searchParams.get('state') ?? ''
      const callback = `${origin}/oauth/callback/${provider.callbackKey}?${new URLSearchParams({ code: 'a', state })}`
      const result = await completeLink(ctx, broker.callbackOf(callback, owner))
      if (result.kind !== 'failed') expect.fail('the link was made')
      const { code, message, detail, fields, retryAfterSeconds } = result.error
      answers.push({ code, message, detail, fields, retryAfterSeconds })
    }
    const { title } = errorCodes.link_interrupted
    expect(answers).toEqual(issuers.map(() => ({ code: 'link_interrupted', message: title })))
    const line = broker.logged.find((text) => text.includes('10.0.0.5'))
    expect(line).toContain('"reason"')
  })
})

describe('addresses that tenants choose freely', () => {
  it('F-02: are never inside, whatever the operator lets upstreams reach', async () => {
    const inside = await serveTls((_, response) => response.end('{}'))
    const broker = await startBroker()
    cleanups.push(() => broker.stop())
    const config = { ...broker.ctx.config, loopback: false, internalHosts: ['127.0.0.1/32'] }
    const ctx = await createContext(config, { log: broker.ctx.log })
    cleanups.push(() => ctx.close())
    const url = `https://127.0.0.1:${inside.port}/`
    await expect(ctx.fetchOutside(url, { method: 'POST' })).rejects.toMatchObject({ reached: false })
    expect(inside.connections).toEqual([])
    await ctx.fetch(url).catch(() => undefined)
    expect(inside.connections).toHaveLength(1)
  })
})
