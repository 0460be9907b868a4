import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'

export type Received = { id: string; type: string; body: string; headers: Record<string, string> }
export type Reply = { status?: number; headers?: Record<string, string>; hang?: boolean }

/** A webhook receiver over real sockets: keeps what came, answers as scripted (204 otherwise). */
export async function startReceiver() {
  const received: Received[] = []
  const replies: Reply[] = []
  const waiting: (() => void)[] = []
  const hung: ServerResponse[] = []
  const server = createServer(async (request: IncomingMessage, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString()
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
    received.push({ id: headers['webhook-id'] ?? '', type: JSON.parse(body).type, body, headers })
    const reply = replies.shift() ?? {}
    for (const wake of waiting.splice(0)) wake()
    if (reply.hang) hung.push(response)
    else response.writeHead(reply.status ?? 204, reply.headers).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    /** The next requests are answered so, in this order. */
    reply: (...next: Reply[]) => void replies.push(...next),
    forget() {
      received.length = 0
      replies.length = 0
    },
    /** Resolves when the next request has arrived. */
    next: () => new Promise<void>((resolve) => void waiting.push(resolve)),
    /** Answers what was left hanging. */
    release: () => {
      for (const response of hung.splice(0)) response.writeHead(204).end()
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export type Receiver = Awaited<ReturnType<typeof startReceiver>>

/** Judges a message as a receiver does, with the published library; its clock is the real one, so the time is given. */
export function verified(message: Received, secret: string): unknown {
  const at = new Date(Number(message.headers['webhook-timestamp']) * 1000)
  const [, expected] = new Webhook(secret).sign(message.id, at, message.body).split(',')
  const given = (message.headers['webhook-signature'] ?? '').split(' ')
  if (!given.includes(`v1,${expected}`)) throw new Error('no signature matches')
  return JSON.parse(message.body)
}
