// What would keep the proxy busy for ever, or break it: callers that ask ahead and leave, upstreams that speak in bytes that
// nobody expects.
import { once } from 'node:events'
import net from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from 'vitest'
import type { Broker } from '../support/broker.ts'
import { okAnswer, rawExchange, startRawProxy, statusesIn } from '../support/raw.ts'

let raw: Awaited<ReturnType<typeof startRawProxy>>
let broker: Broker
let upstream: typeof raw.upstream
let passing: typeof raw.passing
let token: string
let path: string
beforeAll(async () => {
  raw = await startRawProxy({ access: 'everything' })
  ;({ broker, upstream, passing, token, path } = raw)
})
afterAll(() => raw.stop())
beforeEach(() => {
  upstream.forget()
  upstream.answerWith(okAnswer)
})

const get = (where: string, ...more: string[]) =>
  [`GET ${path}${where} HTTP/1.1`, `Host: ${passing.host}`, `Authorization: Bearer ${token}`, ...more, '', ''].join(
    '\r\n',
  )

/** Upstream connections as they come, each for the test to answer and to see closed. */
function heldUpstream() {
  const held: { socket: net.Socket; target: string }[] = []
  const takers: { count: number; resolve: () => void }[] = []
  upstream.answerBy((socket, request) => {
    held.push({ socket, target: request.split(' ')[1] ?? '' })
    for (const taker of takers) if (held.length >= taker.count) taker.resolve()
  })
  return {
    held,
    arrived: (count: number) =>
      new Promise<void>((resolve) => (held.length >= count ? resolve() : takers.push({ count, resolve }))),
  }
}
const closed = async (socket: net.Socket | undefined) => socket?.destroyed || (socket && once(socket, 'close'))
const openNow = async () => (await broker.ctx.metrics.proxyOpen.get()).values[0]?.value ?? 0

describe('whoever goes away leaves nothing running', () => {
  it('requests that wait behind another on one connection are begun in their turn', async () => {
    const { held, arrived } = heldUpstream()
    const socket = net.connect(passing.port, '127.0.0.1').on('error', () => {})
    socket.write(get('/first') + get('/second') + get('/third'))
    await arrived(1)
    held[0]?.socket.end(okAnswer.replace('\r\n', '\r\nconnection: close\r\n'))
    await arrived(2)
    expect(await openNow()).toBe(1)
    socket.destroy()
    await closed(held[1]?.socket)
    await expect.poll(openNow).toBe(0)
    expect(held.map(({ target }) => target)).toEqual(['/api/first', '/api/second'])
  })
  it.each(['chunked', 'of a known length'])('an upload %s that waits behind another is not read', async (framing) => {
    const { held, arrived } = heldUpstream()
    const socket = net.connect(passing.port, '127.0.0.1').on('error', () => {})
    const head = framing === 'chunked' ? 'Transfer-Encoding: chunked' : 'Content-Length: 1000000'
    socket.write(get('/first') + get('/upload', head).replace('GET', 'POST'))
    await arrived(1)
    socket.destroy()
    await closed(held[0]?.socket)
    await expect.poll(openNow).toBe(0)
    expect(held).toHaveLength(1)
  })
})

it('B-04: an upload in pieces of one byte goes on in few', async () => {
  const { held, arrived } = heldUpstream()
  const socket = net.connect(passing.port, '127.0.0.1').on('error', () => {})
  const head = ['Content-Type: multipart/form-data; boundary=x', 'Transfer-Encoding: chunked']
  const bytes = ';name='.repeat(2_000)
  const chunks = [...bytes].map((byte) => `1\r\n${byte}\r\n`).join('')
  socket.write(get('/upload', ...head).replace('GET', 'POST') + chunks)
  await arrived(1)
  const sizes = () => {
    const [, body = ''] = /\r\n\r\n(.*)$/s.exec(upstream.received.join('')) ?? []
    return [...body.matchAll(/^([0-9a-f]+)\r$/gm)].map(([, size = '']) => Number.parseInt(size, 16))
  }
  await expect.poll(() => sizes().reduce((sum, size) => sum + size, 0)).toBe(bytes.length)
  expect(sizes().length).toBeLessThan(100)
  socket.write('0\r\n\r\n')
  held[0]?.socket.end(okAnswer)
  await once(socket, 'data')
  socket.destroy()
})

describe('an answer in bytes that nobody expects', () => {
  test.each([
    ['001', 'HTTP/1.1 001 Odd\r\ncontent-length: 2\r\n\r\nok'],
    ['099', 'HTTP/1.1 099 Odd\r\ncontent-length: 2\r\n\r\nok'],
    ['a location in Latin-1', 'HTTP/1.1 302 Found\r\nlocation: /api/caf\xe9\r\ncontent-length: 0\r\n\r\n'],
    [
      'a link beyond Latin-1',
      'HTTP/1.1 200 OK\r\nlink: <https://x.example/>; title="\xe5\xa0\xb1"\r\ncontent-length: 2\r\n\r\nok',
    ],
    [
      'two types',
      'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nok',
    ],
  ])('F-10: %s leaves the process as it was', async (_name, bytes) => {
    upstream.answerWith(bytes)
    const [status = 0] = statusesIn(await rawExchange(passing.port, get('/odd', 'Connection: close')))
    expect([status, status >= 200 && status < 600]).toEqual([status, true])
    await expect.poll(openNow).toBe(0)
    upstream.answerWith(okAnswer)
    expect(statusesIn(await rawExchange(passing.port, get('/plain', 'Connection: close')))).toEqual([200])
  })
})
