import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Broker, BrowserActor } from './broker.ts'

/** An exchange that the API holds open: what it sends and when is the test's to say. */
export type Held = { request: IncomingMessage; response: ServerResponse; closed: Promise<void> }
type Handler = (request: IncomingMessage, response: ServerResponse) => void

/**
 * An API behind the tickets service's tokens that does what a test says: answers by `answer`, or holds requests until
 * somebody takes them with `next`.
 */
export async function startApi() {
  const waiting: Held[] = []
  const takers: ((held: Held) => void)[] = []
  const seen: { method: string; url: string; headers: IncomingMessage['headers'] }[] = []
  let answer: Handler | undefined
  const server: Server = createServer({ maxHeaderSize: 64 * 1024, requestTimeout: 0 }, (request, response) => {
    seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers })
    // Whoever aborts is part of the test.
    request.on('error', () => {})
    response.on('error', () => {})
    if (answer) return answer(request, response)
    const held = { request, response, closed: new Promise<void>((resolve) => response.once('close', resolve)) }
    const taker = takers.shift()
    if (taker) taker(held)
    else waiting.push(held)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    seen,
    /** Undefined: requests are held. */
    answerWith(handler: Handler | undefined) {
      answer = handler
    },
    /** The next request that nobody has taken. */
    next: (): Promise<Held> => {
      const held = waiting.shift()
      return held ? Promise.resolve(held) : new Promise((resolve) => takers.push(resolve))
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Lets a linked project of the tickets service be reached at another address, as if it had been made so. */
export async function pointAt(
  broker: Pick<Broker, 'owner'>,
  actor: Pick<BrowserActor, 'tenantId'>,
  project: string,
  url: string,
): Promise<void> {
  await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [actor.tenantId])
  await broker.owner.query('UPDATE project SET external_id = $1 WHERE id = $2', [url, project])
  await broker.owner.query(
    `UPDATE provider SET settings = jsonb_set(settings, '{bases,0,url}', to_jsonb($1::text)) WHERE kind = 'oauth'`,
    [url],
  )
}
