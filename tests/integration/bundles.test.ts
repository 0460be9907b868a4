// One process holds the product's code twice: in the server's bundle and in Next's. What one of them made,
// the other uses.
import type { Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { putContext } from '../../lib/context.ts'
import { limits } from '../../lib/http/limits.ts'
import { newId } from '../../lib/security/ids.ts'
import { loadBundles } from '../support/bundles.ts'
import { origin, ownPage, startEdges } from '../support/edges.ts'

let edges: Awaited<ReturnType<typeof startEdges>>
let bundles: Awaited<ReturnType<typeof loadBundles>>
let acme: Awaited<ReturnType<typeof edges.person>>

beforeAll(async () => {
  edges = await startEdges()
  bundles = await loadBundles()
  acme = await edges.person({ tenant: 'acme' })
})
afterAll(async () => {
  await bundles.discard()
  await edges.stop()
})
afterEach(() => putContext(edges.ctx))

const report = (bundle: typeof bundles.server) =>
  bundle.report(
    new Request(`${origin}/api/v1/csp-reports`, {
      method: 'POST',
      headers: { 'content-type': 'application/csp-report', 'x-forwarded-for': '192.0.2.7' },
      body: '{"csp-report":{}}',
    }),
    { params: Promise.resolve({}) },
  )
const renew = (bundle: typeof bundles.server) => {
  const params = { tenant: 'acme', connection: newId('connection') }
  const url = `${origin}/api/v1/tenants/acme/connections/${params.connection}/renewal`
  const request = new Request(url, { method: 'POST', headers: { ...ownPage, cookie: acme.cookie }, body: '{}' })
  return bundle.renew(request, { params: Promise.resolve(params) })
}

test('the two bundles are two: each has classes of its own', () => {
  expect(bundles.server.createEdge).not.toBe(bundles.next.createEdge)
})

test.each([
  ['the server', 'Next'],
  ['Next', 'the server'],
])('B-01: over a limit that %s began to count, %s answers 429 and when to come back', async (first) => {
  const order = first === 'Next' ? [bundles.next, bundles.server] : [bundles.server, bundles.next]
  const [maker, other] = order as [typeof bundles.server, typeof bundles.server]
  await edges.ctx.pool.query('DELETE FROM rate_limit')
  // Limiters belong to a context, so a new one starts with none.
  const ctx = await edges.makeContext()
  putContext(ctx)
  for (const [ask, points, passed] of [
    [report, limits.report.points, 204],
    [renew, limits.renewal.points, 404],
  ] as const) {
    for (let call = 0; call < points; call += 1) expect((await ask(maker)).status).toBe(passed)
    for (const bundle of [other, maker]) {
      const refused = await ask(bundle)
      expect([refused.status, (await refused.json()).code]).toEqual([429, 'rate_limited'])
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    }
  }
  await ctx.close()
})

test('H-02: a caller that hangs up in the middle of a body is no outage, in either bundle: counted apart, no error', async () => {
  const server = bundles.server.createEdge({
    config: { ...edges.config, production: true },
    machineRoutes: bundles.server.machineRoutes,
    declared: bundles.server.declared,
    next: getRequestListener((request) => bundles.next.createTenant(request, { params: Promise.resolve({}) })),
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const paths = ['/api/v1/tenants/acme/projects/demo/tokens', '/api/v1/tenants']
  const begun = edges.logged.length
  for (const path of paths) await hangUp(server, path)
  const lines = () => edges.logged.slice(begun).map((line) => JSON.parse(line))
  await vi.waitFor(() => expect(lines().filter(({ msg }) => msg === 'request')).toHaveLength(paths.length))
  expect(lines()).toMatchObject(paths.map(() => ({ level: 30, msg: 'request', status: 499, problem: 'aborted' })))
  const counted = await edges.ctx.metrics.requests.get()
  const counts = counted.values.filter(({ metricName }) => metricName?.endsWith('_count'))
  for (const operation of ['issueToken', 'createTenant'])
    expect(counts.filter(({ labels }) => labels.operation === operation)).toMatchObject([
      { labels: { operation, status: 'aborted' }, value: 1 },
    ])
  await new Promise((resolve) => server.close(resolve))
})

/** Sends a part of a body that was announced to be longer, and goes. */
function hangUp(server: Server, path: string): Promise<void> {
  const headers = { host: 'localhost:3000', ...ownPage, cookie: acme.cookie, 'content-length': '1000' }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return new Promise((resolve, reject) => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.on('error', reject)
    socket.on('close', () => resolve())
    socket.write(`POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n{"name":`, () => setImmediate(() => socket.destroy()))
  })
}
