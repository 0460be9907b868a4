import { Agent, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import fc from 'fast-check'
import { expect } from 'vitest'
import { declared, machineRoutes } from '../../app/api/machine.ts'
import { BrokerError } from '../../lib/errors.ts'
import { limits } from '../../lib/http/limits.ts'
import { createEdge } from '../../lib/http/listener.ts'
import { problemResponse } from '../../lib/http/problem.ts'
import { newId } from '../../lib/security/ids.ts'
import { type Jar, routeOf, type TestApp } from './app.ts'
import { origin } from './broker.ts'

export type Answer = { status: number; type: string; text: string }

/** The product below Next at a real socket, and a browser that sends it what no browser would. */
export async function serveForFuzzing(app: TestApp) {
  const agent = new Agent({ keepAlive: true })
  const server = createEdge({
    config: { ...app.ctx.config, production: true },
    machineRoutes,
    declared,
    next: async (incoming, outgoing) => {
      const route = await routeOf(new URL(incoming.url ?? '', origin).pathname).catch(() => undefined)
      // Two dots lead to another address, which may be none: Next has nothing there.
      if (!route) {
        const problem = problemResponse(new BrokerError('not_found'), 'req_of_next')
        outgoing.writeHead(404, Object.fromEntries(problem.headers)).end(await problem.text())
        return
      }
      const { handlers, params } = route
      const handle = handlers[incoming.method ?? '']
      if (!handle) throw new Error(`no ${incoming.method} at ${incoming.url}`)
      await getRequestListener((one) => handle(one, { params: Promise.resolve(params) }), {
        overrideGlobalObjects: false,
      })(incoming, outgoing)
    },
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  function send(jar: Jar, method: string, path: string, body?: string, type = 'application/json'): Promise<Answer> {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const own = { host: new URL(origin).host, origin, 'x-valetkey': '1', 'content-type': type }
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port, method, path, agent, headers: { ...own, ...length, cookie } }
      const asked = httpRequest(options, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            type: String(response.headers['content-type']),
            text: Buffer.concat(chunks).toString(),
          }),
        )
      })
      // Refused before all of it was sent: what counts is the answer.
      let isAnswered = false
      asked.once('response', () => {
        isAnswered = true
      })
      asked.on('error', (error) => {
        if (isAnswered) return
        // A connection that the listener was about to close, because of what came before on it (RFC 9112 9.3.1).
        if (asked.reusedSocket) resolve(send(jar, method, path, body, type))
        else reject(error)
      })
      asked.end(body)
    })
  }

  async function stop() {
    agent.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
  return { send, stop }
}

/** Counting calls is another test's: here there are thousands by one person. Answers what counts again as the product does. */
export function withoutLimits(): () => void {
  const points = new Map(Object.values(limits).map((limit) => [limit as { points: number }, limit.points]))
  for (const limit of points.keys()) limit.points = 1_000_000
  return () => {
    for (const [limit, own] of points) limit.points = own
  }
}

/** No 5xx, and every refusal a problem with a code and what to do. */
export function judge({ status, type, text }: Answer): void {
  expect(status, text).toBeLessThan(500)
  if (status < 400) return
  expect(type).toBe('application/problem+json')
  expect(JSON.parse(text)).toMatchObject({ status, code: expect.any(String), next: expect.any(String) })
}

/** As percent-encoding has it; half a surrogate pair in the three bytes that UTF-8 forbids. */
export const encoded = (text: string) =>
  text.replaceAll(/./gsu, (one) =>
    one.isWellFormed() ? encodeURIComponent(one) : `%ed%${(0x80 | ((one.charCodeAt(0) >> 6) & 0x3f)).toString(16)}%80`,
  )

/** Texts of the forms that our fields have, whatever is really there. */
export const formedTexts = () => [
  'https://hooks.example.com',
  // A part of a key.
  'AQAB',
  'sample-alias',
  '/sample/path',
  '2099-12-31T23:59:59Z',
  ...['user', 'connection', 'token', 'project', 'notification', 'event', 'message', 'grant', 'session', 'attempt'].map(
    (kind) => newId(kind as 'user'),
  ),
  // A thumbprint, and a hash.
  'A'.repeat(43),
  'a'.repeat(64),
  // What events are searched by: an act, an address, a fingerprint, a request.
  'token.revoked',
  '203.0.113.7',
  'a'.repeat(12),
  newId('request'),
]

export const randomText = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.constantFrom(0, 0xd800, 0xdfff, 0x202e, 0x2028)), {
    maxLength: 40,
  })
  .map((units) => String.fromCharCode(...units))
