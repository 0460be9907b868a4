import { request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { context, propagation, trace } from '@opentelemetry/api'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { approve } from '../../demo/browser.ts'
import type { Fault } from '../../demo/index.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { createContext } from '../../lib/context.ts'
import { createEdge } from '../../lib/http/listener.ts'
import { renderMetrics } from '../../lib/http/metrics.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { createLog } from '../../lib/log.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { beginAndDie } from '../support/connection.ts'
import { attachSdk } from '../support/telemetry.ts'
import { makeSearch } from '../support/traces.ts'

let app: TestApp
let sdk: ReturnType<typeof attachSdk>
beforeAll(async () => {
  sdk = attachSdk()
  app = await startTestApp()
})
afterAll(async () => {
  sdk.stop()
  await app.stop()
})

it('V-08: no secret of a whole run is in a log line at debug level, a span or a metric: every class of failure and a panic included', async () => {
  const account = 'owner@acme.test'
  const owner = await app.signIn(account)
  const token = 'POST /oauth/token'
  const mint = 'POST /v2/storage/tokens'
  const end = 'DELETE /v2/storage/tokens/*'
  const project = await app.linkProject(owner, 'acme', { account, project: '10231' })
  const [connection] = (await app.call<{ items: { id: string }[] }>(owner, 'GET', '/tenants/acme/connections')).body
    .items
  const key = { tenantId: String(await app.tenantId('acme')), connectionId: String(connection?.id) }
  const issue = () => app.issue(owner, 'acme', project)
  const refresh = async () => {
    await app.advance(4000)
    await freshTokens(app.ctx, key).catch(() => undefined)
  }
  const relink = () => app.linkProject(owner, 'acme', { account, project: '10231' })

  // Refreshes and issues that succeed, and one of each class of failure, with bodies that echo what was sent.
  await refresh()
  const { body: issued } = await issue()
  const sent = app.requests(token).at(-1)?.body ?? {}
  const echo = (error: string) => ({
    kind: 'json' as const,
    value: { error, error_description: JSON.stringify(sent), error_uri: `https://x.example/?${JSON.stringify(sent)}` },
  })
  const failures: Fault[][] = [
    [{ status: 401, body: echo('invalid_client') }],
    [{ status: 403, body: echo('access_denied') }],
    Array.from({ length: 3 }, () => ({ status: 503, body: echo('server_error') })),
    Array.from({ length: 3 }, () => ({ status: 429, headers: { 'retry-after': '1' }, body: echo('slow_down') })),
    Array.from({ length: 3 }, () => ({ reset: 'before' as const })),
    [{ status: 200, effect: 'skipped', body: { kind: 'wrong-types' } }],
    [{ status: 200, effect: 'skipped', body: echo('none') }],
    [{ status: 200, effect: 'skipped', body: { kind: 'truncated' } }],
    [{ status: 400, body: echo('invalid_grant') }],
  ]
  for (const faults of failures) {
    app.demo.faults.push(token, ...faults)
    await refresh()
    app.demo.faults.clear()
    await relink()
    await app.forgetLimits()
    app.demo.faults.push(mint, ...faults)
    await issue()
    app.demo.faults.clear()
  }
  await app.advance(4000)
  await beginAndDie(app.ctx, key)
  await app.advance(16)
  app.demo.faults.push(token, { status: 400, body: echo('invalid_grant') })
  await freshTokens(app.ctx, key).catch(() => undefined)
  await relink()

  // A callback that is refused, one with a code that fails, a revocation that fails first.
  await app.link(owner, 'acme', { account, deny: true })
  const open = await app.startLink(owner, 'acme')
  const back = await approve(open.url, { account, project: '10231' })
  app.demo.faults.push(token, { status: 400, body: echo('invalid_grant') })
  await app.follow(new Map(), back)
  await app.follow(owner, back)
  app.demo.faults.push(end, ...Array.from({ length: 3 }, () => ({ status: 503, body: echo('server_error') })))
  await app.call(owner, 'POST', '/tenants/acme/revocations', { tokens: [issued.token.id] })
  await app.advance(700)
  await tick(app.ctx)

  // A panic, and a job's, whose errors quote a token, a cookie and a secret wherever an error can.
  const quoted = `${issued.value} ${owner.values().next().value} ${sent.refresh_token} ${sent.client_secret}`
  const panic = Object.assign(new Error(quoted, { cause: new Error(quoted, { cause: quoted }) }), {
    body: quoted,
    config: { headers: { authorization: quoted } },
  })
  const broken = vi.spyOn(app.ctx.db, '$transaction').mockRejectedValue(panic)
  expect((await app.call(owner, 'POST', '/tenants/acme/invitations', { role: 'member' })).status).toBe(500)
  await tick(app.ctx).catch(() => undefined)
  app.ctx.background('a doomed job', () => Promise.reject(panic))
  const shown = await renderMetrics(
    Object.assign({}, app.ctx, { now: () => new Date(app.ctx.now().getTime() + 60_000) }),
  )
  broken.mockRestore()
  await new Promise((resolve) => setImmediate(resolve))

  const { tokens } = app.demo.ledger
  const requests = [...app.requests(token), ...app.demo.ledger.requests]
  const fields = [
    'code',
    'code_verifier',
    'client_secret',
    'refresh_token',
    'state',
    'nonce',
    'code_challenge',
  ] as const
  const inRequests = requests.flatMap(({ body, query }) => fields.flatMap((field) => [body[field], query[field]]))
  const cookies = [...owner.values()]
  const secrets = [...new Set([...tokens.map(({ value }) => value), ...inRequests, ...cookies])].filter(
    (one): one is string => typeof one === 'string' && one.length > 10,
  )
  expect(new Set(tokens.map(({ kind }) => kind))).toEqual(new Set(['code', 'access', 'id', 'refresh', 'storage']))
  expect(secrets.length).toBeGreaterThan(80)

  const sinks = { log: app.logged.join('\n'), spans: sdk.text(), metrics: `${shown}\n${await renderMetrics(app.ctx)}` }
  // The sinks were on: what must be in them is.
  for (const outcome of ['succeeded', 'refused', 'lost', 'ambiguous', 'unreached', 'protocol', 'misconfigured']) {
    expect(sinks.log).toContain(`"outcome":"${outcome}"`)
    expect(sinks.metrics).toContain(`outcome="${outcome}"`)
  }
  expect(sinks.log).toContain('"msg":"request failed"')
  expect(sinks.log).toContain('"msg":"job failed"')
  const names = new Set(sdk.spans().map(({ name }) => name))
  for (const name of [
    'issueToken',
    'linkCallback',
    'fresh tokens',
    'upstream refresh',
    'upstream issue',
    'job revocations',
  ])
    expect(names).toContain(name)
  expect(sinks.spans).toContain('"error.type":"internal"')
  const search = makeSearch(new Map(secrets.map((secret, index) => [secret, `secret ${index}`])))
  expect(search.in(`${sinks.log}${Buffer.from(`x${secrets[0]}`).toString('base64')}`)).not.toEqual([])
  for (const [sink, text] of Object.entries(sinks)) expect(search.in(text), `a secret in the ${sink}`).toEqual([])
}, 60_000)

it('V-08: attributes of spans are ids, codes, patterns and counts', () => {
  const allowed: Record<string, RegExp> = {
    'error.type': /^[A-Za-z_]{2,40}$/,
    'http.request.method': /^[A-Z]+$/,
    'http.response.status_code': /^[1-5]\d\d$/,
    'http.route': /^\/[\w/{}.*-]*$/,
    'valetkey.connection': /^con_\w+$/,
    'valetkey.kind': /^(oidc|keycloak|keboola|mcp)$/,
    'valetkey.provider': /^prv_\w+$/,
    'valetkey.request': /^req_\w+$/,
    'valetkey.tenant': /^ten_\w+$/,
  }
  const seen = sdk.spans().flatMap(({ attributes }) => Object.entries(attributes))
  expect([...new Set(seen.map(([name]) => name))].sort()).toEqual(Object.keys(allowed).sort())
  for (const [name, value] of seen) expect(String(value), name).toMatch(allowed[name] ?? /^$/)
  expect(sdk.spans().flatMap(({ events, links }) => [...events, ...links])).toEqual([])
  expect(sdk.spans().filter(({ status }) => status.message)).toEqual([])
})

it('a request’s work is one trace: edge, fresh tokens, upstream call', async () => {
  const before = sdk.spans().length
  const owner = await app.signIn('owner@acme.test')
  const project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
  await app.advance(4000)
  await app.forgetLimits()
  expect((await app.issue(owner, 'acme', project)).status).toBe(201)
  const spans = sdk.spans().slice(before)
  const edge = spans.find(({ name }) => name === 'issueToken')
  const inner = spans.filter((one) => one.spanContext().traceId === edge?.spanContext().traceId)
  expect(inner.map(({ name }) => name)).toEqual(['upstream refresh', 'fresh tokens', 'upstream issue', 'issueToken'])
})

it('V-08: an upstream gets no trace header of ours, whatever instruments the network', async () => {
  const sent: Record<string, string>[] = []
  const instrumented = async () => {
    const carrier: Record<string, string> = {}
    propagation.inject(context.active(), carrier)
    sent.push(carrier)
    return new Response()
  }
  const ctx = await createContext(app.ctx.config, { fetch: instrumented, log: createLog({ log: 'silent' }) })
  await trace.getTracer('test').startActiveSpan('outer', async (active) => {
    await ctx.fetch('https://upstream.example')
    await instrumented()
    active.end()
  })
  expect(sent[0]).toEqual({})
  expect(sent[1]?.traceparent).toBeDefined()
  await ctx.close()
})

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

it.each([
  [0, undefined, undefined],
  [1, traceparent, 'a=b'],
])(
  'Z-07: with %i trusted proxies the trace headers of a request arrive as %s',
  async (trustedProxies, parent, state) => {
    const seen: Record<string, unknown>[] = []
    const before = sdk.spans().length
    const server = createEdge({
      config: { ...app.ctx.config, production: true, trustedProxies },
      machineRoutes: [],
      declared: [],
      next: async (request, response) => {
        // What Next's own instrumentation would do: its spans hold whole URLs.
        trace.getTracer('next.js').startSpan(`GET ${request.url}`).end()
        seen.push(request.headers)
        response.end()
      },
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const headers = { host: 'localhost:3000', traceparent, tracestate: 'a=b', baggage: 'tenant=acme' }
    const { port } = server.address() as AddressInfo
    await new Promise<void>((resolve, reject) =>
      httpRequest({ host: '127.0.0.1', port, path: '/oauth/callback/x?code=c', headers, agent: false }, (response) =>
        response.resume().on('end', resolve),
      )
        .on('error', reject)
        .end(),
    )
    await new Promise((resolve) => server.close(resolve))
    expect([seen[0]?.traceparent, seen[0]?.tracestate, seen[0]?.baggage]).toEqual([parent, state, undefined])
    expect(sdk.spans().length).toBe(before)
  },
)
