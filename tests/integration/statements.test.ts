// How many statements a request costs that makes a token: all that reach the database from its arrival to its answer, also what
// begins, ends and sets a transaction.
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Scope, scopes } from '../../lib/actor.ts'
import { sweep } from '../../lib/jobs/sweep.ts'
import { tenantIds } from '../../lib/store/lookups.ts'
import { vaultOf } from '../../lib/vault/keys.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { giveGrant } from '../support/grants-of-programs.ts'
import { ownApisOf } from '../support/own-apis.ts'
import { insertAccessToken } from '../support/programs.ts'

let app: TestApp
let owner: Jar
let bearer: Record<string, string>
let projects: Record<'stack' | 'tickets' | 'online' | 'offline', string>
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  const account = 'owner@acme.test'
  const stack = await app.linkProject(owner, 'acme', { account, project: '10231' })
  const tickets = await app.linkProject(owner, 'acme', { account, provider: 'Demo tickets' })
  const actor = await app.actorOf(account)
  const { online, offline } = await ownApisOf(app, actor)
  projects = { stack, tickets, online: online.id, offline: offline.id }
  const ceilings = Object.fromEntries(Object.values(projects).map((id) => [id, { rights: null, proxy: null }]))
  const grant = await giveGrant(app, actor.userId, { ceilings })
  bearer = { authorization: `Bearer ${await insertAccessToken(app, 'acme', grant, scopes satisfies readonly Scope[])}` }
})
afterAll(() => app.stop())

/** What of its text tells a statement from others. */
const nameOf = (text: string) =>
  /vk\.\w+|rate_limit|\bsession\b|BEGIN|COMMIT|set_config/.exec(text)?.[0] ?? text.slice(0, 60)

/** The statements of one request, once everything is warm that is kept for a minute: keys, and that somebody is here. */
async function statementsOf(jar: Jar, project: string, body: object, headers: Record<string, string> = {}) {
  const issue = (more: Record<string, string>) =>
    app.call(jar, 'POST', `/tenants/acme/projects/${project}/tokens`, { expires_in: 900, purpose: 'x', ...body }, more)
  expect(await issue(headers).then(({ status, text }) => [status, text])).toEqual([201, expect.anything()])
  const seen: string[] = []
  const stop = app.watchStatements((text) => seen.push(nameOf(text)))
  const { status } = await issue({
    ...headers,
    ...('idempotency-key' in headers && { 'idempotency-key': randomUUID() }),
  })
  stop()
  expect(status).toBe(201)
  return seen
}

const stackRights = { components: [], buckets: {}, manage_buckets: true, read_all_files: false }
const ways = {
  mint: () => [projects.stack, { scopes: stackRights }],
  narrow: () => [projects.tickets, { scopes: { scopes: ['tickets:read'] } }],
  proxy: () => [projects.tickets, { strategy: 'proxy', scopes: { access: 'read_only' } }],
  'sign, asked about': () => [projects.online, { scopes: { scopes: ['reports:read'] } }],
  'sign, verified offline': () => [projects.offline, { scopes: { scopes: ['reports:read'] } }],
} satisfies Record<string, () => [string, object]>
type Way = keyof typeof ways

/** What the upstream's part takes, with a fresh access token at hand. */
const upstream: Partial<Record<Way, string[]>> = {
  mint: ['vk.refresh_claim', 'vk.issue_complete'],
  narrow: ['vk.refresh_claim', 'vk.refresh_begin', 'vk.refresh_store', 'vk.issue_complete'],
}
const decided = ['vk.issue_ground', 'vk.issue_begin']

it('V-02: a tenant’s keys are read once for all who ask at once, and what was sealed is told once', async () => {
  const tenantId = String(await app.tenantId('acme'))
  const vault = await vaultOf(app.ctx, tenantId)
  await vault.seal({ table: 'provider', column: 'client_secret', row: 'prv_x', user: '-', version: 0 }, 'x')
  const kept = app.ctx.tenantKeys.get(tenantId)
  if (kept) kept.readAt = 0
  const seen: string[] = []
  const stop = app.watchStatements((text) => seen.push(text))
  await Promise.all(Array.from({ length: 8 }, () => vaultOf(app.ctx, tenantId)))
  stop()
  expect(seen.filter((text) => /UPDATE.*tenant_key/.test(text))).toHaveLength(1)
  expect(seen.filter((text) => /SELECT.*tenant_key/.test(text))).toHaveLength(1)
})

describe('a token costs at most eight statements, from the request to its answer', () => {
  it.each(Object.keys(ways) as Way[])('by a browser: %s', async (way) => {
    const seen = await statementsOf(owner, ...(ways[way]() as [string, object]))
    expect(seen).toEqual(['session', 'rate_limit', ...decided, ...(upstream[way] ?? [])])
    expect(seen.length).toBeLessThanOrEqual(8)
  })

  it.each(Object.keys(ways) as Way[])('by a program: %s', async (way) => {
    const seen = await statementsOf(new Map(), ...(ways[way]() as [string, object]), bearer)
    expect(seen).toEqual(['vk.access_enter', 'rate_limit', ...decided, ...(upstream[way] ?? [])])
    expect(seen.length).toBeLessThanOrEqual(8)
  })

  it.each(['mint', 'proxy'] as const)('and one more with a key, by which a repeat finds it: %s', async (way) => {
    const seen = await statementsOf(owner, ...(ways[way]() as [string, object]), { 'idempotency-key': randomUUID() })
    expect(seen).toEqual(['session', 'rate_limit', 'vk.idempotency_take', ...decided, ...(upstream[way] ?? [])])
    expect(seen.length).toBeLessThanOrEqual(8)
  })
})

it('H-09: a tenant in which nothing is over is asked about once, for all that is swept', async () => {
  await sweep(app.ctx)
  const seen: string[] = []
  const stop = app.watchStatements((text) => seen.push(text))
  await sweep(app.ctx)
  stop()
  const tenants = seen.filter((text) => text.includes("'ended tokens' AS name"))
  expect(tenants).toHaveLength((await tenantIds(app.ctx)).length)
  expect(seen.filter((text) => /SKIP LOCKED/.test(text) && !/DELETE|UPDATE/.test(text))).toEqual([])
})
