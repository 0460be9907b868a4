// npm run bench:proxy [-- requests a round [rounds [MiB of a big body]]]
// What a request through the proxy costs: throughput, latency and CPU beside a bare reverse proxy of undici, and beside
// nginx with auth_request where nginx is there; each in turn in one run, so that the ratios hold on any machine. First as
// fast as each can, then all at the same pace, where each pays for waking callers and upstreams that sleep. Then what a flood
// costs others, big bodies each way, and what memory that takes.
import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { build } from 'esbuild'
import { Pool } from 'undici'
import type { Actor, CookieCredential } from '../lib/actor.ts'
import { seedDemo } from '../lib/broker/demo.ts'
import { issueToken } from '../lib/broker/issue.ts'
import { tokenPlace } from '../lib/broker/refresh/refresh.ts'
import { type Context, createContext } from '../lib/context.ts'
import { newId } from '../lib/security/ids.ts'
import { tenantBySlug } from '../lib/store/lookups.ts'
import { listProviders } from '../lib/store/providers.ts'
import { asSystem } from '../lib/store/system.ts'
import { checkInstanceKeys, vaultOf } from '../lib/vault/keys.ts'
import { startThrowAway } from '../scripts/lib/database.mjs'
import { findNginx } from '../scripts/lib/nginx.mjs'
import { generateClient } from '../scripts/lib/prepare.mjs'
import { stopOnSignals } from '../scripts/lib/processes.mjs'
import { step } from '../scripts/lib/progress.mjs'
import { applyMigrations } from '../scripts/migrate.mjs'
import { benchConfig } from './config.ts'
import type { Asked, Told } from './passers.ts'

const [requests = 4_000, rounds = 7, bigMebibytes = 1024] = process.argv.slice(2).map(Number)
const concurrency = 32
const bigBytes = bigMebibytes * 1024 ** 2
/** Of the CPU of the bare proxy, per request, each as fast as it can. */
const goal = 1.6
const pacePerSecond = 1_000
const origin = 'http://localhost:3000'

const cleanUps: (() => Promise<unknown>)[] = []
async function cleanUp() {
  for (const work of cleanUps.splice(0).reverse()) await work()
}

/** CPU in microseconds. */
type Part = { port: number; cpu: () => Promise<{ user: number; system: number; rss: number }> }

async function bundleParts(): Promise<string> {
  const entry = join(import.meta.dirname, `../dist/bench-passers-${process.pid}.cjs`)
  await build({
    entryPoints: [join(import.meta.dirname, 'passers.ts')],
    outfile: entry,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href" },
    define: { 'import.meta.url': 'bundleUrl' },
    logLevel: 'silent',
  })
  cleanUps.push(() => rm(entry, { force: true }))
  return entry
}

async function start(entry: string, role: string, first?: Asked): Promise<Part> {
  const child: ChildProcess = fork(entry, [role], {
    execArgv: role === 'product' ? (process.env.BENCH_NODE_OPTIONS?.split(' ') ?? []) : [],
    serialization: 'advanced',
  })
  cleanUps.push(async () => {
    child.disconnect()
    await once(child, 'exit')
  })
  if (first) child.send(first)
  const [{ port }] = await once(child, 'message')
  return {
    port,
    async cpu() {
      child.send({ kind: 'cpu' } satisfies Asked)
      const [told] = (await once(child, 'message')) as [Told]
      if (told.kind !== 'cpu') throw new Error('a part told something else')
      return told
    },
  }
}

const freePort = async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address ? address.port : 0
}

/** nginx in front of the same API, asking for each request whether it may pass; undefined: there is none here. */
async function startNginx(api: Part, auth: Part): Promise<Part | undefined> {
  const path = await findNginx()
  if (!path) return undefined
  const folder = await mkdtemp(join(tmpdir(), 'bench-nginx-'))
  const port = await freePort()
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
    events { worker_connections 1024; }
    http { access_log ${folder}/access.log;
      client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
      upstream api { server 127.0.0.1:${api.port}; keepalive 64; }
      upstream auth { server 127.0.0.1:${auth.port}; keepalive 64; }
      server { listen 127.0.0.1:${port}; keepalive_requests 1000000; client_max_body_size 0;
        location / { auth_request /auth; proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_request_buffering off; }
        location = /auth { internal; proxy_pass http://auth; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_pass_request_body off; proxy_set_header Content-Length ""; } } }`,
  )
  const child = spawn(path, ['-c', join(folder, 'nginx.conf'), '-p', folder, '-e', join(folder, 'error.log')], {
    stdio: 'ignore',
  })
  cleanUps.push(async () => {
    child.kill()
    await once(child, 'exit').catch(() => {})
    await rm(folder, { recursive: true, force: true })
  })
  const pool = new Pool(`http://127.0.0.1:${port}`)
  for (let tries = 0; tries < 50; tries += 1) {
    const isThere = await pool.request({ path: '/', method: 'GET' }).then(
      ({ body }) => body.dump(),
      () => false,
    )
    if (isThere !== false) break
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  await pool.close()
  const ticks = Number(execFileSync('getconf', ['CLK_TCK']).toString())
  return {
    port,
    async cpu() {
      const workers = execFileSync('pgrep', ['-P', String(child.pid)])
        .toString()
        .trim()
        .split('\n')
      // Its answer to auth_request is part of what it costs.
      const used = await auth.cpu()
      for (const worker of workers) {
        const stat = (await readFile(`/proc/${worker}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
        used.user += (Number(stat[11]) / ticks) * 1e6
        used.system += (Number(stat[12]) / ticks) * 1e6
      }
      return { ...used, rss: 0 }
    },
  }
}

/** A linked project with an access token that lives for a day, and a token of ours for it. */
async function seed(ctx: Context, slug: string): Promise<{ token: string; path: string }> {
  const tenantId = (await tenantBySlug(ctx, slug)) ?? ''
  const now = new Date()
  const later = new Date(now.getTime() + 24 * 3600_000)
  const vault = await vaultOf(ctx, tenantId)
  const { userId, projectId } = await asSystem(ctx, tenantId, 'job', async (tx) => {
    const provider = (await listProviders(tx, tenantId)).find(({ kind }) => kind === 'keboola')
    const member = await tx.member.findFirstOrThrow({ where: { tenantId, role: 'owner' } })
    const { userId } = member
    const providerId = provider?.id ?? ''
    const connection = { id: newId('connection'), userId }
    const projectId = newId('project')
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
    const of = { tenantId, createdAt: now }
    await tx.project.create({
      data: { ...of, id: projectId, providerId, externalId: '1', name: 'Bench', alias: 'bench' },
    })
    await tx.projectAlias.create({ data: { ...of, alias: 'bench', projectId } })
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
  const scopes = { access: 'paths', paths: ['GET,PUT /v2/storage/**', 'GET /v2/storage/tables/*/data'] }
  const issued = await issueToken(ctx, actor, {
    project: projectId,
    scopes,
    strategy: 'proxy',
    lifetimeSeconds: 3600,
    purpose: 'bench',
  })
  return { token: issued.value.reveal(), path: new URL(issued.baseUrl).pathname }
}

type Way = { name: string; part: Part; path: string; headers: Record<string, string> }
/** CPU in microseconds a request, times in milliseconds. */
type Round = { perSecond: number; p50: number; p99: number; user: number; cpu: number }

const quantile = (values: number[], share: number) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0
const median = (values: number[]) => quantile(values, 0.5)

/** Drives a part by `drive`, which sends requests by the function that it is given, and tells what that took. */
async function measured(
  { part, path, headers }: Way,
  connections: number,
  drive: (ask: () => Promise<void>) => Promise<unknown>,
): Promise<Round> {
  const pool = new Pool(`http://127.0.0.1:${part.port}`, { connections })
  const times: number[] = []
  const before = await part.cpu()
  const began = performance.now()
  await drive(async () => {
    const sent = performance.now()
    const { statusCode, body } = await pool.request({ path, method: 'GET', headers })
    await body.dump()
    if (statusCode !== 200) throw new Error(`${part.port} answered ${statusCode}`)
    times.push(performance.now() - sent)
  })
  const seconds = (performance.now() - began) / 1000
  const after = await part.cpu()
  const count = times.length
  const user = (after.user - before.user) / count
  const cpu = user + (after.system - before.system) / count
  await pool.close()
  return { perSecond: count / seconds, p50: quantile(times, 0.5), p99: quantile(times, 0.99), user, cpu }
}

/** As many as a part can take, {@link concurrency} at a time. */
const atFullSpeed = (way: Way, count: number) =>
  measured(way, concurrency, async (ask) => {
    let left = count
    await Promise.all(
      Array.from({ length: concurrency }, async () => {
        while (left-- > 0) await ask()
      }),
    )
  })

/** So many a second, whatever the part can take: requests arrive when they are due, and not when others have ended. */
const atPace = (way: Way, count: number) =>
  measured(way, 2 * concurrency, async (ask) => {
    const began = performance.now()
    const running: Promise<void>[] = []
    while (running.length < count) {
      const due = ((performance.now() - began) / 1000) * pacePerSecond
      while (running.length < Math.min(due, count)) running.push(ask())
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await Promise.all(running)
  })

/**
 * What a tenant's flood costs another: times of the calm one alone, and beside one that is over its limit all the time.
 */
async function beside(
  calm: Way,
  flood: Way,
  count: number,
): Promise<{ alone: number[]; flooded: number[]; refused: number }> {
  const pool = new Pool(`http://127.0.0.1:${calm.part.port}`, { connections: 4 })
  const measure = async () => {
    const times: number[] = []
    let left = count
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        while (left-- > 0) {
          const sent = performance.now()
          const { statusCode, body } = await pool.request({ path: calm.path, method: 'GET', headers: calm.headers })
          await body.dump()
          if (statusCode !== 200) throw new Error(`the calm tenant was answered ${statusCode}`)
          times.push(performance.now() - sent)
        }
      }),
    )
    return times
  }
  await measure()
  const alone = await measure()
  const flooding = new Pool(`http://127.0.0.1:${flood.part.port}`, { connections: concurrency })
  let refused = 0
  let isOver = false
  const floods = Array.from({ length: concurrency }, async () => {
    while (!isOver) {
      const { statusCode, body } = await flooding.request({ path: flood.path, method: 'GET', headers: flood.headers })
      await body.dump()
      if (statusCode === 429) refused += 1
    }
  })
  // Until it is over its limit.
  while (refused < concurrency) await new Promise((resolve) => setTimeout(resolve, 10))
  const flooded = await measure()
  isOver = true
  await Promise.all(floods)
  await pool.close()
  await flooding.close()
  return { alone, flooded, refused }
}

/** A big body each way: seconds, and the most memory that the process took meanwhile. */
async function big({ part, path, headers }: Way): Promise<{ up: number; down: number; grown: number }> {
  const pool = new Pool(`http://127.0.0.1:${part.port}`, { bodyTimeout: 0, headersTimeout: 0 })
  const before = (await part.cpu()).rss
  let highest = before
  const watch = setInterval(() => void part.cpu().then(({ rss }) => (highest = Math.max(highest, rss))), 200)
  const piece = Buffer.alloc(256 * 1024)
  const timed = async (work: () => Promise<unknown>) => {
    const began = performance.now()
    await work()
    return (performance.now() - began) / 1000
  }
  const up = await timed(async () => {
    const body = Readable.from(
      (function* () {
        for (let left = bigBytes; left > 0; left -= piece.length) yield piece
      })(),
    )
    const answer = await pool.request({
      path,
      method: 'PUT',
      headers: { ...headers, 'content-length': String(bigBytes) },
      body,
    })
    await answer.body.dump()
  })
  const down = await timed(async () => {
    const answer = await pool.request({ path: `${path}/bytes/${bigBytes}`, method: 'GET', headers })
    for await (const _ of answer.body);
  })
  clearInterval(watch)
  await new Promise((resolve) => setTimeout(resolve, 300))
  await pool.close()
  return { up, down, grown: (highest - before) / 1024 ** 2 }
}

const medianOf = (all: Round[] | undefined, fact: keyof Round) => median((all ?? []).map((one) => one[fact]))

/** A line for each way, then what the proxy's CPU is beside the bare one's, round by round. */
function print(seen: Map<string, Round[]>): void {
  for (const [name, all] of seen) {
    const [perSecond, p50, p99, user, cpu] = (['perSecond', 'p50', 'p99', 'user', 'cpu'] as const).map((fact) =>
      medianOf(all, fact),
    )
    console.log(
      `  ${name.padEnd(20)} ${perSecond?.toFixed(0).padStart(7)}/s   p50 ${p50?.toFixed(2)} ms   p99 ${p99?.toFixed(2)} ms   CPU ${cpu?.toFixed(0)} us a request, ${user?.toFixed(0)} of them outside the kernel`,
    )
  }
  const each = ratios(seen).map((one) => one.toFixed(2))
  console.log(`  CPU a request beside bare undici: ${ratioOf(seen).toFixed(2)} (rounds ${each.join(' ')})`)
}
const ratios = (seen: Map<string, Round[]>) =>
  (seen.get('proxy') ?? []).map(({ cpu }, index) => cpu / (seen.get('bare undici')?.[index]?.cpu ?? 1))
const ratioOf = (seen: Map<string, Round[]>) => median(ratios(seen))

async function main() {
  await generateClient()
  const entry = await bundleParts()
  const api = await start(entry, 'api')
  const upstream = `http://127.0.0.1:${api.port}`
  const database = await step('Starting a database', () => startThrowAway({ autovacuum: 'on' }))
  cleanUps.push(database.stop)
  await applyMigrations(database.ownerUrl)
  const config = benchConfig(database.appUrl, upstream, { NODE_ENV: 'production', VALETKEY_LOG: 'warn' })
  const ctx = await createContext(config)
  cleanUps.push(ctx.close)
  await checkInstanceKeys(ctx)
  await seedDemo(ctx)
  const { token, path } = await seed(ctx, 'acme')
  const bare = await start(entry, 'bare', { kind: 'upstream', url: upstream })
  const ours = await start(entry, 'product', { kind: 'config', config })
  const nginx = await startNginx(api, await start(entry, 'auth'))
  const tables = '/v2/storage/tables'
  const ways: Way[] = [
    { name: 'bare undici', part: bare, path: tables, headers: { authorization: 'Bearer bench-access' } },
    {
      name: 'proxy',
      part: ours,
      path: `${path}${tables}`,
      headers: { host: new URL(origin).host, authorization: `Bearer ${token}` },
    },
    ...(nginx
      ? [{ name: 'nginx auth_request', part: nginx, path: tables, headers: { authorization: 'Bearer bench-access' } }]
      : []),
    { name: 'no proxy', part: api, path: tables, headers: {} },
  ]
  await step('Warming up', async () => {
    for (const way of ways) await atFullSpeed(way, requests)
  })
  const compared = async (drive: typeof atPace) => {
    const seen = new Map<string, Round[]>(ways.map(({ name }) => [name, []]))
    for (let index = 0; index < rounds; index += 1)
      for (const way of ways) seen.get(way.name)?.push(await drive(way, requests))
    return seen
  }
  const fast = await step(`${rounds} rounds of ${requests} requests, ${concurrency} at a time`, () =>
    compared(atFullSpeed),
  )
  print(fast)
  const paced = await step(`${rounds} rounds of ${requests} requests, ${pacePerSecond} a second`, () =>
    compared(atPace),
  )
  print(paced)
  if (!nginx) console.log('  nginx is not installed here: left out')
  const ratio = ratioOf(fast)
  const other = await seed(ctx, 'globex')
  const limited = await start(entry, 'product', { kind: 'config', config, limits: 'as shipped' })
  const through = ({ token, path }: { token: string; path: string }): Way => ({
    name: 'proxy',
    part: limited,
    path: `${path}${tables}`,
    headers: { host: new URL(origin).host, authorization: `Bearer ${token}` },
  })
  const flood = await step('A tenant over its limit beside a calm one', () =>
    beside(through(other), through({ token, path }), 600),
  )
  console.log(
    `  the calm tenant's p99: ${quantile(flood.alone, 0.99).toFixed(1)} ms alone, ${quantile(flood.flooded, 0.99).toFixed(1)} ms beside ${flood.refused} refused requests of the other`,
  )
  for (const way of bigBytes > 0 ? ways.slice(0, 2) : []) {
    const { up, down, grown } = await step(`${bigMebibytes} MiB each way through ${way.name}`, () => big(way))
    console.log(
      `  ${way.name}: up ${up.toFixed(1)} s, down ${down.toFixed(1)} s, memory grew by ${grown.toFixed(0)} MiB at most`,
    )
  }
  console.log(
    `  CPU beside bare undici: ${ratio.toFixed(2)}, goal ${goal}; at the same pace ${ratioOf(paced).toFixed(2)}`,
  )
  process.exitCode = ratio <= goal ? 0 : 1
}

stopOnSignals(cleanUp)
main()
  .catch((error: unknown) => {
    console.error(error)
    process.exitCode = 1
  })
  .finally(cleanUp)
