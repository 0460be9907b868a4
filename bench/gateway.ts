// npm run bench:gateway [-- calls a round [rounds]]
// What a call of a tool costs through the gateway, beside the same server of the official package called directly: latency and CPU,
// each in turn in one run, so that the ratio holds on any machine. The server itself is most of a call, so what is added is told too.
import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { Pool } from 'undici'
import type { Actor, CookieCredential } from '../lib/actor.ts'
import { seedDemo } from '../lib/broker/demo.ts'
import { issueToken } from '../lib/broker/issue.ts'
import { tokenPlace } from '../lib/broker/refresh/refresh.ts'
import { type Context, createContext } from '../lib/context.ts'
import { McpRights } from '../lib/providers/mcp/rights.ts'
import { newId } from '../lib/security/ids.ts'
import { tenantBySlug } from '../lib/store/lookups.ts'
import { asSystem } from '../lib/store/system.ts'
import { checkInstanceKeys, vaultOf } from '../lib/vault/keys.ts'
import { startThrowAway } from '../scripts/lib/database.mjs'
import { generateClient } from '../scripts/lib/prepare.mjs'
import { stopOnSignals } from '../scripts/lib/processes.mjs'
import { step } from '../scripts/lib/progress.mjs'
import { applyMigrations } from '../scripts/migrate.mjs'
import { benchConfig } from './config.ts'
import type { Asked } from './gateway-parts.ts'

const concurrency = 16
const origin = 'http://localhost:3000'

const cleanUps: (() => Promise<unknown>)[] = []

async function start(entry: string, role: string, first?: Asked) {
  const child: ChildProcess = fork(entry, [role], { serialization: 'advanced' })
  cleanUps.push(async () => {
    child.disconnect()
    await once(child, 'exit')
  })
  if (first) child.send(first)
  const [{ port }] = await once(child, 'message')
  return {
    port: port as number,
    async cpu(): Promise<number> {
      child.send({ kind: 'cpu' } satisfies Asked)
      const [{ user, system }] = await once(child, 'message')
      return user + system
    },
  }
}

/** A linked MCP server with an access token that lives for a day, and a token of ours for its one tool. */
async function seed(ctx: Context, url: string): Promise<string> {
  const slug = 'acme'
  const tenantId = (await tenantBySlug(ctx, slug)) ?? ''
  const now = new Date()
  const later = new Date(now.getTime() + 24 * 3600_000)
  const vault = await vaultOf(ctx, tenantId)
  const { userId, projectId } = await asSystem(ctx, tenantId, 'job', async (tx) => {
    const { userId } = await tx.member.findFirstOrThrow({ where: { tenantId, role: 'owner' } })
    const of = { tenantId, createdAt: now }
    const [providerId, projectId] = [newId('provider'), newId('project')]
    const connection = { id: newId('connection'), userId }
    const settings = { url, authorization: { by: 'header', name: 'x-bench' } }
    const provider = {
      id: providerId,
      kind: 'mcp',
      name: 'Bench',
      issuer: url,
      callbackKey: 'bench',
      clientId: 'bench',
      settings,
    }
    await tx.provider.create({ data: { ...of, ...provider } })
    await tx.project.create({
      data: { ...of, id: projectId, providerId, externalId: url, name: 'Bench', alias: 'bench' },
    })
    await tx.projectAlias.create({ data: { ...of, alias: 'bench', projectId } })
    await tx.connection.create({
      data: {
        ...connection,
        tenantId,
        providerId,
        accountId: 'bench',
        accountName: 'bench',
        status: 'linked',
        statusSince: now,
        linkedAt: now,
        usedAt: later,
        refreshToken: await vault.seal(tokenPlace(connection, 'refresh_token', 1), 'bench-refresh'),
        accessToken: await vault.seal(tokenPlace(connection, 'access_token', 1), 'bench-access'),
        accessExpiresAt: later,
      },
    })
    await tx.connectionProject.create({ data: { ...of, connectionId: connection.id, projectId, userId } })
    return { userId, projectId }
  })
  const session = newId('session')
  await ctx.pool.query(
    `INSERT INTO session (id, token_hash, user_id, auth_time, created_at, last_active_at, expires_at)
     VALUES ($1, $2, $3, now(), now(), now(), now() + interval '1 day')`,
    [session, randomBytes(32), userId],
  )
  const actor: Actor<CookieCredential> = {
    userId,
    credential: { kind: 'cookie', session },
    tenantId,
    slug,
    role: 'owner',
  }
  const scopes = McpRights.parse({ tools: ['echo'] })
  const wanted = { project: projectId, scopes, strategy: 'proxy', lifetimeSeconds: 3600, purpose: 'bench' } as const
  return (await issueToken(ctx, actor, wanted)).value.reveal()
}

const body = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: {
    name: 'echo',
    arguments: { text: 'a call of the bench' },
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  },
})
const headers = {
  accept: 'application/json, text/event-stream',
  'content-type': 'application/json',
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'tools/call',
  'mcp-name': 'echo',
}

type Part = Awaited<ReturnType<typeof start>>
type Way = { part: Part; path: string; headers: Record<string, string> }
type Round = { p50: number; p99: number; gateway: number; server: number }
const quantile = (values: number[], share: number) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0
const median = (values: number[]) => quantile(values, 0.5)

/** `parts`: whose CPU is told, in microseconds a call; times in milliseconds. */
async function round(way: Way, parts: { gateway: Part; server: Part }, calls: number, at: number): Promise<Round> {
  const pool = new Pool(`http://127.0.0.1:${way.part.port}`, { connections: at })
  const times: number[] = []
  const used = async () => [await parts.gateway.cpu(), await parts.server.cpu()] as const
  const before = await used()
  let left = calls
  await Promise.all(
    Array.from({ length: at }, async () => {
      while (left-- > 0) {
        const sent = performance.now()
        const answer = await pool.request({
          path: way.path,
          method: 'POST',
          headers: { ...headers, ...way.headers },
          body,
        })
        const text = await answer.body.text()
        if (answer.statusCode !== 200 || !text.includes('a call of the bench'))
          throw new Error(`${answer.statusCode} ${text}`)
        times.push(performance.now() - sent)
      }
    }),
  )
  const after = await used()
  await pool.close()
  const [gateway, server] = [0, 1].map((which) => ((after[which] ?? 0) - (before[which] ?? 0)) / calls)
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), gateway: gateway ?? 0, server: server ?? 0 }
}

async function main() {
  const [calls = 2_000, rounds = 5] = process.argv.slice(2).map(Number)
  await generateClient()
  const entry = join(import.meta.dirname, `../dist/bench-gateway-${process.pid}.cjs`)
  cleanUps.push(() => rm(entry, { force: true }))
  await build({
    entryPoints: [join(import.meta.dirname, 'gateway-parts.ts')],
    outfile: entry,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href" },
    define: { 'import.meta.url': 'bundleUrl' },
    logLevel: 'silent',
  })
  const server = await start(entry, 'server')
  const url = `http://127.0.0.1:${server.port}/mcp`
  const database = await step('Starting a database', () => startThrowAway({ autovacuum: 'on' }))
  cleanUps.push(database.stop)
  await applyMigrations(database.ownerUrl)
  const config = benchConfig(database.appUrl, `http://127.0.0.1:${server.port}`, {
    NODE_ENV: 'production',
    VALETKEY_LOG: 'warn',
  })
  const ctx = await createContext(config)
  cleanUps.push(ctx.close)
  await checkInstanceKeys(ctx)
  await seedDemo(ctx)
  const token = await seed(ctx, url)
  const ours = await start(entry, 'gateway', { kind: 'config', config })
  const parts = { gateway: ours, server }
  const { host } = new URL(origin)
  const ways: Record<string, Way> = {
    'the server alone': { part: server, path: '/mcp', headers: {} },
    'through the gateway': { part: ours, path: '/mcp/acme/bench', headers: { host, authorization: `Bearer ${token}` } },
  }
  for (const way of Object.values(ways)) await round(way, parts, calls, concurrency)
  for (const at of [1, concurrency]) {
    const seen = new Map<string, Round[]>()
    await step(`${rounds} rounds of ${calls} calls, ${at} at a time`, async () => {
      for (let index = 0; index < rounds; index += 1)
        for (const [name, way] of Object.entries(ways)) {
          const one = await round(way, parts, calls, at)
          seen.set(name, [...(seen.get(name) ?? []), one])
        }
    })
    for (const [name, all] of seen) {
      const of = (fact: keyof Round) => median(all.map((one) => one[fact]))
      console.log(
        `  ${name.padEnd(20)} p50 ${of('p50').toFixed(2)} ms   p99 ${of('p99').toFixed(2)} ms   CPU a call: server ${of('server').toFixed(0)} us, gateway ${of('gateway').toFixed(0)} us`,
      )
    }
  }
}

async function cleanUp() {
  for (const work of cleanUps.splice(0).reverse()) await work()
}

stopOnSignals(cleanUp)
main()
  .catch((error: unknown) => {
    console.error(error)
    process.exitCode = 1
  })
  .finally(cleanUp)
