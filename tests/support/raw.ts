import type { AddressInfo } from 'node:net'
import net from 'node:net'
import { issueToken } from '../../lib/broker/issue.ts'
import type { Rules } from '../../lib/providers/rules.ts'
import { startBroker } from './broker.ts'
import { startPassing } from './passing.ts'
import { pointAt } from './streaming.ts'

/** Bytes as text in which each byte is one character. */
const latin1 = (piece: Buffer) => piece.toString('latin1')

/**
 * Sends exactly these bytes, in pieces if there are several, and reads what comes until the other side closes, or nothing
 * has been said for a while: half-finished requests are part of what is tried.
 */
export function rawExchange(port: number, ...pieces: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1')
    let answer = ''
    socket.setTimeout(1_500, () => socket.destroy())
    socket.on('data', (piece) => {
      answer += latin1(piece)
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' || error.code === 'EPIPE' ? undefined : reject(error),
    )
    for (const piece of pieces) socket.write(Buffer.from(piece, 'latin1'))
  })
}

/** Statuses of the answers in what a connection said. */
export const statusesIn = (answer: string): number[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3}) [A-Z]/g)].map(([, status]) => Number(status))

/** An upstream of bytes: what each connection brought, and an answer that a test spells itself. */
export async function startRaw() {
  let heard: { text: string }[] = []
  const open = new Set<net.Socket>()
  let answer: string[] | ((socket: net.Socket, request: string) => void) = []
  const server = net.createServer((socket) => {
    open.add(socket)
    const one = { text: '' }
    heard.push(one)
    let isAnswered = false
    socket.on('error', () => {})
    socket.on('close', () => open.delete(socket))
    socket.on('data', (piece) => {
      one.text += latin1(piece)
      if (isAnswered || !one.text.includes('\r\n\r\n')) return
      isAnswered = true
      if (typeof answer === 'function') return answer(socket, one.text)
      for (const part of answer) socket.write(Buffer.from(part, 'latin1'))
      socket.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get received() {
      return heard.map(({ text }) => text)
    },
    /**
     * A test that follows sees its own alone: what connections of before still say goes nowhere, and none of them is left that
     * its requests could be sent on.
     */
    forget() {
      heard = []
      for (const socket of open) socket.destroy()
    },
    answerWith(...parts: string[]) {
      answer = parts
    },
    answerBy(work: (socket: net.Socket, request: string) => void) {
      answer = work
    },
    async stop() {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A demo of the product whose tickets' API is {@link startRaw}, a way through it, and a token with these rules. */
export async function startRawProxy(scopes: Rules) {
  const broker = await startBroker()
  const upstream = await startRaw()
  const owner = await broker.actorOf('owner@acme.test')
  await pointAt(broker, owner, '', `${upstream.url}/api`)
  const linked = await broker.link(owner, 'owner@acme.test', { provider: 'Demo tickets' })
  if (linked.kind !== 'linked') throw linked.error
  const asked = { project: linked.projectId, strategy: 'proxy', lifetimeSeconds: 3600, purpose: 'a test' } as const
  const { value, baseUrl } = await issueToken(broker.ctx, owner, { ...asked, scopes })
  const passing = await startPassing(broker.ctx)
  return {
    broker,
    upstream,
    passing,
    token: value.reveal(),
    base: baseUrl,
    path: new URL(baseUrl).pathname,
    async stop() {
      await passing.stop()
      await upstream.stop()
      await broker.stop()
    },
  }
}

/** The shortest whole answer that is not empty. */
export const okAnswer = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok'
