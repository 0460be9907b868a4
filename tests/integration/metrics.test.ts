import { request as httpRequest } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { declared, machineRoutes } from '../../app/api/machine.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { type Context, createContext, putContext } from '../../lib/context.ts'
import { createEdge } from '../../lib/http/listener.ts'
import { listenForMetrics, renderMetrics } from '../../lib/http/metrics.ts'
import { tick } from '../../lib/jobs/tick.ts'
import { createLog } from '../../lib/log.ts'
import { randomToken } from '../../lib/security/secrets.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { beginAndDie } from '../support/connection.ts'
import { startProxy } from '../support/proxy.ts'

let app: TestApp
let owner: Jar
let project: string
let tenantId: string
const account = 'owner@acme.test' as const
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn(account)
  project = await app.linkProject(owner, 'acme', { account, project: '10231' })
  tenantId = String(await app.tenantId('acme'))
})
afterAll(() => app.stop())
afterEach(async () => {
  app.demo.faults.clear()
  putContext(app.ctx)
  await app.forgetLimits()
})

type Sample = { name: string; labels: Record<string, string>; value: number }
const parse = (text: string): Sample[] =>
  text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name = '', , labels = '', value] = /^(\w+)(\{(.*)\})? (\S+)$/.exec(line) ?? []
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', one = '']) => [key, one])
      return { name, labels: Object.fromEntries(pairs), value: Number(value) }
    })
const valueIn = (text: string, name: string, labels: Record<string, string> = {}) =>
  parse(text)
    .filter((one) => one.name === `valetkey_${name}`)
    .find((one) => Object.entries(labels).every(([key, value]) => one.labels[key] === value))?.value
/** A sample's value; the database is asked anew. */
async function value(name: string, labels: Record<string, string> = {}): Promise<number | undefined> {
  app.ctx.metrics.scraped = undefined
  return valueIn(await renderMetrics(app.ctx), name, labels)
}
/** How much `work` adds to a counter. */
async function added(name: string, labels: Record<string, string>, work: () => Promise<unknown>) {
  const before = (await value(name, labels)) ?? 0
  await work()
  return ((await value(name, labels)) ?? 0) - before
}
const keboola = { kind: 'keboola' }

async function connectionKey() {
  const { body } = await app.call<{ items: { id: string }[] }>(owner, 'GET', '/tenants/acme/connections')
  return { tenantId, connectionId: String(body.items[0]?.id) }
}
/** A grant whose access token has expired, nothing at rest. */
async function expired() {
  await app.linkProject(owner, 'acme', { account, project: '10231' })
  await app.advance(3700)
  return connectionKey()
}
const lines = (msg: string) =>
  app.logged.map((line) => JSON.parse(line) as Record<string, unknown>).filter((line) => line.msg === msg)

function get(port: number, path: string, headers: Record<string, string> = {}, method = 'GET') {
  return new Promise<{ status: number; headers: Record<string, unknown>; text: string }>((resolve, reject) => {
    const asked = httpRequest({ host: '127.0.0.1', port, path, method, agent: false, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
    })
    asked.on('error', reject)
    asked.end()
  })
}
const withMetrics = (metrics: Partial<Context['config']['metrics']>): Context => ({
  ...app.ctx,
  config: { ...app.ctx.config, metrics: { ...app.ctx.config.metrics, ...metrics } },
})

describe('where metrics are served', () => {
  it('V-08: the port of their own answers GET /metrics and nothing else, to no name but a loopback one', async () => {
    const listening = await listenForMetrics(withMetrics({ port: 0 }))
    const port = listening?.port ?? 0
    const good = await get(port, '/metrics')
    expect([good.status, good.headers['content-type']]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8'])
    expect(good.text).toContain('valetkey_database_up 1')
    expect((await get(port, '/metrics', {}, 'POST')).status).toBe(405)
    for (const path of ['/', '/api/health', '/metrics/', '/metrics/../api/v1/me', '/api/v1/me'])
      expect((await get(port, path)).status, path).toBe(404)
    expect((await get(port, '/metrics', { host: 'evil.test' })).status).toBe(421)
    await listening?.stop()
    await expect(get(port, '/metrics')).rejects.toThrow(/ECONNREFUSED/)
  })

  it('without the settings there is neither the port nor the path', async () => {
    expect(await listenForMetrics(app.ctx)).toBeUndefined()
    await onMainPort(app.ctx, async (port) => {
      for (const authorization of ['', 'Bearer ', 'Bearer undefined'])
        expect((await get(port, '/metrics', { host: 'localhost:3000', authorization })).status).toBe(404)
    })
  })

  it('V-08: on the main port they need the whole bearer; nothing of them is in a refusal', async () => {
    const token = randomToken()
    await onMainPort(withMetrics({ token }), async (port) => {
      const ask = (authorization = '') => get(port, '/metrics', { host: 'localhost:3000', authorization })
      const wrong = [undefined, 'Bearer', `Bearer ${randomToken()}`, `Bearer ${token.slice(1)}`, `Bearer ${token}x`]
      for (const header of [...wrong, `Basic ${token}`, token, `Bearer ${token} x`]) {
        const { status, headers, text } = await ask(header)
        expect([status, headers['www-authenticate']], header).toEqual([401, 'Bearer realm="valetkey metrics"'])
        expect(text).not.toContain('valetkey_')
      }
      const { status, headers, text } = await ask(`Bearer ${token}`)
      expect([status, headers['cache-control']]).toEqual([200, 'no-store'])
      expect(text).toContain('valetkey_database_up 1')
      const post = await get(port, '/metrics', { host: 'localhost:3000', authorization: `Bearer ${token}` }, 'POST')
      expect(post.status).toBe(405)
    })
    expect(app.logged.join('')).not.toContain(token)
  })

  async function onMainPort(ctx: Context, work: (port: number) => Promise<void>) {
    putContext(ctx)
    const next = async (_: unknown, response: import('node:http').ServerResponse) => void response.writeHead(500).end()
    const server = createEdge({ config: { ...ctx.config, production: true }, machineRoutes, declared, next })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    await work((server.address() as AddressInfo).port)
    await new Promise((resolve) => server.close(resolve))
  }
})

describe('what refreshes leave behind', () => {
  const refuse = { status: 400, body: { kind: 'json' as const, value: { error: 'invalid_grant' } } }
  const unknown = { status: 401, body: { kind: 'json' as const, value: { error: 'invalid_client' } } }
  const always = (fault: object) => Array.from({ length: 3 }, () => ({ effect: 'skipped' as const, ...fault }))
  const ends = [
    ['succeeded', 30, []],
    ['refused', 30, [refuse]],
    ['ambiguous', 40, always({ status: 503, body: { kind: 'html' } })],
    ['protocol', 40, always({ status: 200, body: { kind: 'html' } })],
    ['unreached', 40, always({ status: 429, headers: { 'retry-after': '30' }, body: { kind: 'empty' } })],
    ['misconfigured', 50, [unknown]],
  ] as const
  it.each(ends)('one that is %s is counted once and logged in one line of level %i', async (outcome, level, faults) => {
    const key = await expired()
    const before = lines('refresh').length
    app.demo.faults.push('POST /oauth/token', ...faults)
    const count = await added('refreshes_total', { ...keboola, outcome }, () =>
      freshTokens(app.ctx, key).catch(() => undefined),
    )
    expect(count).toBe(1)
    const told = lines('refresh').slice(before)
    expect(told).toMatchObject([{ outcome, level, kind: 'keboola', connection: key.connectionId, tenant: tenantId }])
    expect(told[0]?.alarm).toBe(level === 50 ? true : undefined)
  })

  it('a grant that was lost in rotation is an alarm, told apart from one that was refused', async () => {
    const key = await expired()
    await beginAndDie(app.ctx, key)
    await app.advance(16)
    app.demo.faults.push('POST /oauth/token', refuse)
    const lost = () => freshTokens(app.ctx, key).catch(() => undefined)
    expect(await added('refreshes_total', { outcome: 'lost' }, lost)).toBe(1)
    expect(lines('refresh').at(-1)).toMatchObject({ outcome: 'lost', alarm: true, level: 50 })
  })

  it('what came back after a revocation is counted as that', async () => {
    const key = await expired()
    app.demo.faults.push('POST /oauth/token', { hold: { barrier: 'gone', at: 'after' } })
    const race = async () => {
      const running = freshTokens(app.ctx, key).catch(() => undefined)
      await app.demo.faults.barrier('gone').arrived()
      await app.call(owner, 'POST', '/tenants/acme/revocations', { connections: [key.connectionId] })
      app.demo.faults.barrier('gone').release()
      await running
    }
    expect(await added('refreshes_total', { outcome: 'revoked_meanwhile' }, race)).toBe(1)
  })

  it('the age of the replaced pair, claims, waits and upstream latency are measured', async () => {
    const key = await expired()
    const other = await app.makeContext()
    const barrier = app.demo.faults.barrier('slow')
    app.demo.faults.push('POST /oauth/token', { hold: { barrier: 'slow', at: 'before' } })
    const ages = { ...keboola, le: '7200' }
    const young = { ...keboola, le: '3600' }
    const before = await Promise.all([
      value('refresh_age_seconds_bucket', ages),
      value('refresh_age_seconds_bucket', young),
    ])
    const claimed = (await value('refresh_claims_total', { outcome: 'claimed' })) ?? 0
    const called = { ...keboola, call: 'refresh', outcome: 'ok' }
    const calls = (await value('upstream_request_seconds_count', called)) ?? 0

    const first = freshTokens(app.ctx, key)
    await barrier.arrived()
    const waiting = freshTokens(other, key)
    while (!/claims_total\{outcome="busy"\}/.test(await other.metrics.registry.metrics())) await app.ctx.sleep(5)
    barrier.release()
    await Promise.all([first, waiting])

    expect(await value('refresh_age_seconds_bucket', ages)).toBe((before[0] ?? 0) + 1)
    expect(await value('refresh_age_seconds_bucket', young)).toBe(before[1] ?? 0)
    expect(await value('refresh_claims_total', { outcome: 'claimed' })).toBe(claimed + 1)
    expect(await value('upstream_request_seconds_count', called)).toBe(calls + 1)
    expect(await other.metrics.registry.metrics()).toContain('valetkey_refresh_wait_seconds_count 1')
    await other.close()
  })

  it('a failed refresh begins a cool-down, which is open until its end', async () => {
    const key = await expired()
    app.demo.faults.push(
      'POST /oauth/token',
      ...always({ status: 429, headers: { 'retry-after': '60' }, body: { kind: 'empty' } }),
    )
    const fail = () => freshTokens(app.ctx, key).catch(() => undefined)
    expect(await added('upstream_cooldowns_total', keboola, fail)).toBe(1)
    expect(await value('upstream_cooldowns_open', keboola)).toBe(1)
    expect(await value('connections', { ...keboola, status: 'degraded' })).toBe(1)
    await app.advance(120)
    expect(await value('upstream_cooldowns_open', keboola)).toBeUndefined()
    expect(await value('refreshes_due', keboola)).toBe(1)
    expect(await value('refresh_oldest_due_seconds')).toBeGreaterThan(30)
  })
})

describe('links, issues, revocations, jobs and seals', () => {
  const down = (count: number) =>
    Array.from({ length: count }, () => ({ status: 503, body: { kind: 'empty' as const }, effect: 'applied' as const }))

  it('links are counted by kind, purpose and outcome: the re-link ratio', async () => {
    const key = await expired()
    const relink = () => app.link(owner, 'acme', { account, project: '10231', connection: key.connectionId })
    expect(await added('links_total', { ...keboola, purpose: 'relink', outcome: 'linked' }, relink)).toBe(1)
    const deny = () => app.link(owner, 'acme', { account, deny: true })
    expect(await added('links_total', { ...keboola, purpose: 'link', outcome: 'link_denied' }, deny)).toBe(1)
  })

  it('issues are counted by how they ended', async () => {
    const mint = { strategy: 'mint' }
    const issue = () => app.issue(owner, 'acme', project)
    expect(await added('issues_total', { ...mint, outcome: 'issued' }, issue)).toBe(1)
    app.demo.faults.push('POST /v2/storage/tokens', ...down(2))
    expect(await added('issues_total', { ...mint, outcome: 'issue_unconfirmed' }, issue)).toBe(1)
    expect(await value('issues_unfinished')).toBe(1)
    await app.advance(700)
    await tick(app.ctx)
    expect(await value('issues_unfinished')).toBe(0)
    expect(await value('job_seconds_count', { work: 'issuing' })).toBeGreaterThan(0)
  })

  it('revocations are counted a try, logged a line each, and shown while they are unconfirmed', async () => {
    const { body } = await app.issue(owner, 'acme', project)
    await tick(app.ctx)
    const before = (await value('revocations_unconfirmed', { state: 'pending' })) ?? 0
    app.demo.faults.push('DELETE /v2/storage/tokens/*', ...down(6))
    const revoke = () => app.call(owner, 'POST', '/tenants/acme/revocations', { tokens: [body.token.id] })
    expect(await added('revocations_total', { state: 'postponed' }, revoke)).toBe(1)
    expect(lines('upstream revocation').at(-1)).toMatchObject({ outcome: 'postponed', reason: 'ambiguous', level: 40 })
    expect(await value('revocations_unconfirmed', { state: 'pending' })).toBe(before + 1)
    await app.advance(700)
    expect(await value('revocation_oldest_pending_seconds')).toBeGreaterThan(600)
    app.demo.faults.clear()
    const settled = await added('revocations_total', { state: 'confirmed' }, () => tick(app.ctx))
    expect(settled + ((await value('revocations_total', { state: 'done' })) ?? 0)).toBeGreaterThan(0)
    expect(await value('revocations_unconfirmed', { state: 'pending' })).toBeUndefined()
  })

  it('a job that fails is counted and logged, and the rest goes on', async () => {
    const run = async () => app.ctx.background('a doomed job', () => Promise.reject(new Error('no')))
    const failed = async () => {
      await run()
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await added('job_failures_total', { work: 'a doomed job' }, failed)).toBe(1)
    expect(lines('job failed').at(-1)).toMatchObject({ work: 'a doomed job', level: 40 })
  })

  it('V-02: every sealed value is counted', async () => {
    const key = await expired()
    expect(await added('seals_total', {}, () => freshTokens(app.ctx, key))).toBe(2)
  })

  it('the unsealed audit tail is shown with its age', async () => {
    const events = (await value('audit_unsealed_events')) ?? 0
    expect(events).toBeGreaterThan(0)
    await app.advance(100)
    expect(await value('audit_unsealed_oldest_seconds')).toBeGreaterThan(100)
    expect(await value('audit_outbox_events')).toBe(0)
  })
})

describe('scraping', () => {
  it('asks the database at most once in five seconds, however many scrape', async () => {
    app.ctx.metrics.scraped = undefined
    const linked = async () => valueIn(await renderMetrics(app.ctx), 'connections', { ...keboola, status: 'linked' })
    const before = await linked()
    await app.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [tenantId])
    await app.owner.query(
      `INSERT INTO freeze_fact (tenant_id, kind, target_id, frozen_at) SELECT DISTINCT $1, 'provider', provider_id, vk_now() FROM connection`,
      [tenantId],
    )
    expect(await Promise.all([linked(), linked(), linked()])).toEqual([before, before, before])
    await app.advance(6)
    expect(await linked()).toBeUndefined()
    const frozen = valueIn(await renderMetrics(app.ctx), 'connections', { ...keboola, status: 'frozen' })
    expect(frozen).toBeGreaterThan(0)
    await app.owner.query('DELETE FROM freeze_fact')
  })

  const gauges = [
    'connections',
    'audit_unsealed_events',
    'issues_unfinished',
    'audit_outbox_events',
    'refresh_oldest_due_seconds',
  ]
  it('without the database a scrape answers, says so, and shows no gauge of it; then again with them', async () => {
    const proxy = await startProxy(app.database.appUrl)
    const ctx = await createContext(
      { ...app.ctx.config, databaseUrl: proxy.url },
      { now: app.ctx.now, log: createLog({ log: 'silent' }) },
    )
    const scrape = async () => {
      ctx.metrics.scraped = undefined
      return renderMetrics(ctx)
    }
    expect(valueIn(await scrape(), 'database_up')).toBe(1)
    proxy.cut()
    const without = await scrape()
    expect(valueIn(without, 'database_up')).toBe(0)
    for (const name of gauges) expect(valueIn(without, name), name).toBeUndefined()
    expect(valueIn(without, 'seals_total')).toBe(0)
    proxy.mend()
    expect(valueIn(await scrape(), 'database_up')).toBe(1)
    expect(valueIn(await scrape(), 'audit_outbox_events')).toBe(0)
    await ctx.close()
    await proxy.stop()
  })

  it('a database that takes connections and says nothing holds up no scrape', async () => {
    const sockets = new Set<Socket>()
    const silent = createServer((socket) => void sockets.add(socket.on('error', () => {})))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as AddressInfo
    const ctx = await createContext(
      { ...app.ctx.config, databaseUrl: `postgres://valetkey_app@127.0.0.1:${port}/x` },
      { log: createLog({ log: 'silent' }) },
    )
    const started = performance.now()
    expect(valueIn(await renderMetrics(ctx, 30), 'database_up')).toBe(0)
    // The pool itself would wait eight seconds.
    expect(performance.now() - started).toBeLessThan(4_000)
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => silent.close(resolve))
    await ctx.close()
  })

  it('a scrape that gave up leaves no statement behind', async () => {
    const ctx = await app.makeContext()
    await app.owner.query('BEGIN')
    await app.owner.query('LOCK TABLE connection')
    expect(valueIn(await renderMetrics(ctx, 100), 'database_up')).toBe(0)
    const deadline = performance.now() + 5_000
    while (ctx.pool.totalCount > ctx.pool.idleCount && performance.now() < deadline) await ctx.sleep(20)
    expect([ctx.pool.totalCount, ctx.pool.idleCount]).toEqual([1, 1])
    await app.owner.query('ROLLBACK')
    await ctx.close()
  })

  it('V-08: no label names a tenant, a person, an id or a host: every name and every value is of a closed list', async () => {
    app.ctx.metrics.observeProcess()
    await app.call(owner, 'GET', '/me')
    const text = await renderMetrics(app.ctx)
    const values = new Map<string, Set<string>>()
    for (const { name, labels } of parse(text))
      for (const [label, one] of Object.entries(labels))
        if (name.startsWith('valetkey_')) values.set(label, (values.get(label) ?? new Set()).add(one))
    const closed: Record<string, RegExp> = {
      kind: /^(oidc|keycloak|keboola|mcp)$/,
      outcome: /^[a-z_]{2,24}$/,
      call: /^[a-z_]{2,24}$/,
      status: /^([1-5]xx|linked|degraded|uncertain|needs_relink|frozen|revoked)$/,
      state: /^(pending|failed|done|confirmed|impossible|postponed|in_use|idle)$/,
      purpose: /^(link|relink)$/,
      strategy: /^(mint|exchange|narrow|sign)$/,
      work: /^[a-z ]{2,24}$/,
      operation: /^[a-zA-Z]{2,32}$/,
      version: /^\d+\.\d+\.\d+$/,
      node: /^v\d+\.\d+\.\d+$/,
      quantile: /^0\.\d+$/,
      le: /^(\+Inf|[\d.]+)$/,
    }
    expect([...values.keys()].sort()).toEqual(Object.keys(closed).sort())
    for (const [label, seen] of values) for (const one of seen) expect(one, label).toMatch(closed[label] ?? /^$/)
    const key = await connectionKey()
    const { body: me } = await app.call<{ id: string }>(owner, 'GET', '/me')
    for (const word of [tenantId, key.connectionId, project, me.id, 'acme', 'globex', new URL(app.demo.url).host])
      expect(text.includes(word), word).toBe(false)
  })
})
