// npm run bench [-- seconds of a measure [rounds [part of an act's name]]]
// What the acts that programs do often cost: the product as it is built and started, on a Postgres that waits for its disk,
// beside others that do the same work. Each in turn in one run, callers in a process of their own, everything on this machine:
// ratios hold on any. CPU is counted of the server and of the database apart (from /proc: Linux).
import { type ChildProcess, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { newTokens, type Tokens } from '../lib/authserver/tokens.ts'
import { tokenPlace } from '../lib/broker/refresh/refresh.ts'
import { parseConfig } from '../lib/config.ts'
import { createContext } from '../lib/context.ts'
import { newId } from '../lib/security/ids.ts'
import { hash, newToken, randomToken } from '../lib/security/secrets.ts'
import { asSystem } from '../lib/store/system.ts'
import { createTenantKey, vaultOf } from '../lib/vault/keys.ts'
import { beginSigning } from '../lib/vault/signing.ts'
import { startThrowAway } from '../scripts/lib/database.mjs'
import { buildApp, bundleServer, generateClient, nodeTool, ROOT, toolEnv } from '../scripts/lib/prepare.mjs'
import { freePort, runTool, stopOnSignals } from '../scripts/lib/processes.mjs'
import { step } from '../scripts/lib/progress.mjs'
import { applyMigrations } from '../scripts/migrate.mjs'
import type { Load, Loaded } from './fast/load.ts'
import type { Statement } from './fast/parts.ts'
import { type PartName, type Scenario, type Seeded, scenarios } from './fast/scenarios.ts'
import { afterwards, cleanUp, durable, type Settings, settingsOf, startProduct } from './product.ts'

const [seconds = 1.5, rounds = 3] = process.argv.slice(2, 4).map(Number)
const wanted = process.argv[4] ?? ''
const connections = 16
const idleSeconds = 4
/** For the tail: p99 beside p50. */
const manyConnections = 64
/** So many that no rate limit of a person is ever reached. */
const people = 1_000
/**
 * Before anything counts, each act is done so often, or for so long: Node compiles what has run often, and each of ten sessions of
 * Postgres reads its catalogues and plans every statement anew for its first five times.
 */
const warm = { requests: 1_500, seconds: 6 }

type Process = { pid: number; parent: number; ticks: number }
const ticksPerSecond = 100

async function processes(): Promise<Process[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const stats = await Promise.all(ids.map((id) => readFile(`/proc/${id}/stat`, 'utf8').catch(() => '')))
  return stats.filter(Boolean).map((text) => {
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { pid: Number.parseInt(text, 10), parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) }
  })
}

/** CPU so far, by process: of the one, or of those that it has started. */
async function cpuOf(pid: number, which: 'own' | 'children'): Promise<Map<number, number>> {
  const all = (await processes()).filter((one) => (which === 'own' ? one.pid : one.parent) === pid)
  return new Map(all.map(({ pid, ticks }) => [pid, (ticks * 1000) / ticksPerSecond]))
}

/** Milliseconds between two looks. What one that has ended did after the first is lost. */
const between = (before: Map<number, number>, after: Map<number, number>) =>
  [...after].reduce((sum, [pid, used]) => sum + used - (before.get(pid) ?? 0), 0)

async function residentOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024
}

type Part = { pid: number; port: number; told: Record<string, string>; child: ChildProcess }

function startFork(file: string, ...words: string[]): ChildProcess {
  const child = fork(join(import.meta.dirname, 'fast', file), words, {
    execArgv: ['--import', 'tsx'],
    env: { ...toolEnv(), NODE_ENV: 'production', NODE_OPTIONS: '' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  afterwards(async () => {
    if (child.connected) child.disconnect()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  return child
}

/** The next message of a process. @throws what it says that failed, and its end */
async function answerOf<T>(child: ChildProcess, message?: object): Promise<T> {
  if (message) child.send(message)
  const ended = new AbortController()
  const answer = await Promise.race([
    once(child, 'message', { signal: ended.signal }),
    once(child, 'exit', { signal: ended.signal }).then(() => {
      throw new Error(`a part of the bench ended: ${child.spawnargs.at(-1)}`)
    }),
  ]).finally(() => ended.abort())
  const [told] = answer as [T & { failed?: string }]
  if (told.failed) throw new Error(told.failed)
  return told
}

async function startPart(name: PartName): Promise<Part> {
  const child = startFork('parts.ts', name)
  const { port, ...told } = await answerOf<{ port: number }>(child)
  return { pid: child.pid ?? 0, port, told, child }
}

const secret = newToken('cs').reveal()

/** People with a session each, in a tenant, and a client that they may give grants. Their cookies. */
async function seed(ownerUrl: string): Promise<string[]> {
  const owner = new pg.Client({ connectionString: ownerUrl })
  await owner.connect()
  const rows = Array.from({ length: people }, () => ({
    user: newId('user'),
    session: newId('session'),
    token: randomToken(),
  }))
  const users = rows.map(({ user }) => user)
  await owner.query(`SELECT set_config('app.tenant_id', 'ten_bench', false)`)
  await owner.query(
    `INSERT INTO "user" (id, issuer, subject, name, email, created_at)
     SELECT id, 'http://localhost:9', id, 'A person', id || '@bench.test', now() FROM unnest($1::text[]) id`,
    [users],
  )
  await owner.query(`INSERT INTO tenant (id, slug, name, created_at) VALUES ('ten_bench', 'bench', 'Bench', now())`)
  await owner.query(
    `INSERT INTO member (tenant_id, user_id, role, status, created_at)
     SELECT 'ten_bench', id, 'member', 'active', now() FROM unnest($1::text[]) id`,
    [users],
  )
  await owner.query(
    `INSERT INTO session (id, token_hash, user_id, auth_time, created_at, last_active_at, expires_at)
     SELECT id, hash, user_id, now(), now(), now(), now() + interval '1 day'
     FROM unnest($1::text[], $2::bytea[], $3::text[]) s(id, hash, user_id)`,
    [rows.map(({ session }) => session), rows.map(({ token }) => Buffer.from(hash(token))), users],
  )
  await owner.query(
    `INSERT INTO api_client (id, tenant_id, name, authentication, grant_types, scopes, created_at)
     VALUES ('cli_bench', 'ten_bench', 'Bench', 'secret', '{device_code,authorization_code,refresh_token,token_exchange}',
       '{tenant:read,tokens:issue}', now())`,
  )
  await owner.query(
    `INSERT INTO client_secret (tenant_id, id, client_id, secret_hash, created_by, created_at)
     VALUES ('ten_bench', 'cls_bench', 'cli_bench', $1, $2, now())`,
    [Buffer.from(hash(secret)), users[0]],
  )
  await owner.query('ANALYZE')
  await owner.end()
  return rows.map(({ token }) => `__Host-valetkey-session=${token}`)
}

const audiences = { asked: 'https://asked.bench.test', signed: 'https://signed.bench.test' }
const providers = { own: newId('provider'), stack: newId('provider') }
/** By alias. */
const projects = { asked: newId('project'), signed: newId('project'), stack: newId('project') }

/** What tokens are made of: two audiences of the tenant's own, and a project that everybody has linked, with a living access token. */
async function link(settings: Settings, ownerUrl: string, upstream: number): Promise<void> {
  const ctx = await createContext(parseConfig(settings))
  const tenantId = 'ten_bench'
  await asSystem(ctx, tenantId, 'demo', (tx) => createTenantKey(ctx, tx, tenantId))
  const vault = await vaultOf(ctx, tenantId)
  await asSystem(ctx, tenantId, 'demo', (tx) => beginSigning(ctx, tx, vault, tenantId))
  const owner = new pg.Client({ connectionString: ownerUrl })
  await owner.connect()
  await owner.query(`SELECT set_config('app.tenant_id', 'ten_bench', false)`)
  await owner.query(
    `INSERT INTO provider (tenant_id, id, kind, name, issuer, callback_key, client_id, settings, created_at)
     VALUES ('ten_bench', $1, 'own', 'Own', $2, 'own', '', '{}', now()),
       ('ten_bench', $3, 'keboola', 'Stack', $4, 'stack', 'bench', '{}', now())`,
    [providers.own, `${settings.VALETKEY_URL}/t/bench`, providers.stack, `http://localhost:${upstream}`],
  )
  const scopes = { scopes: [{ name: 'read', text: 'read', risk: 'low' }] }
  await owner.query(
    `INSERT INTO project (tenant_id, id, provider_id, external_id, name, alias, settings, created_at)
     VALUES ('ten_bench', $1, $2, $3, 'Asked', 'asked', $4, now()), ('ten_bench', $5, $2, $6, 'Signed', 'signed', $7, now()),
       ('ten_bench', $8, $9, '1', 'Stack', 'stack', NULL, now())`,
    [
      ...[projects.asked, providers.own, audiences.asked, { ...scopes, offline: false }],
      ...[projects.signed, audiences.signed, { ...scopes, offline: true }],
      ...[projects.stack, providers.stack],
    ],
  )
  await owner.query(
    `INSERT INTO project_alias (tenant_id, alias, project_id, created_at)
     SELECT tenant_id, alias, id, created_at FROM project`,
  )
  const { rows } = await owner.query<{ userId: string }>('SELECT user_id AS "userId" FROM member')
  const sealed = await Promise.all(
    rows.map(async ({ userId }) => {
      const id = newId('connection')
      return { id, userId, access: await vault.seal(tokenPlace({ id, userId }, 'access_token', 1), 'bench-access') }
    }),
  )
  await owner.query(
    `WITH made AS (INSERT INTO connection (tenant_id, id, user_id, provider_id, account_id, account_name, status, status_since,
         scopes_granted, access_token, access_expires_at, used_at, linked_at)
       SELECT 'ten_bench', id, user_id, $4, id, id, 'linked', now(), '{}', access, now() + interval '1 day',
         now() + interval '1 day', now() FROM unnest($1::text[], $2::text[], $3::text[]) AS c(id, user_id, access)
       RETURNING id, user_id)
     INSERT INTO connection_project (tenant_id, connection_id, project_id, user_id, created_at)
       SELECT 'ten_bench', id, $5, user_id, now() FROM made`,
    [
      sealed.map(({ id }) => id),
      sealed.map(({ userId }) => userId),
      sealed.map(({ access }) => access),
      providers.stack,
      projects.stack,
    ],
  )
  await owner.query('ANALYZE')
  await owner.end()
  await ctx.close()
}

async function analyze(ownerUrl: string): Promise<void> {
  const owner = new pg.Client({ connectionString: ownerUrl })
  await owner.connect()
  await owner.query('ANALYZE')
  await owner.end()
}

/** New grants of the client, of one person after the other: their tokens. */
async function grant(ownerUrl: string, origin: string, count: number): Promise<{ access: string; refresh: string }[]> {
  const owner = new pg.Client({ connectionString: ownerUrl })
  await owner.connect()
  const made = Array.from({ length: count }, () => newTokens())
  const bytes = (pick: (one: Tokens['hashes']) => Uint8Array) => made.map(({ hashes }) => Buffer.from(pick(hashes)))
  await owner.query(`SELECT set_config('app.tenant_id', 'ten_bench', false)`)
  await owner.query(
    `WITH given AS (SELECT *, row_number() OVER () AS nth FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bytea[])
       AS g(id, family, refresh, access)),
     people AS (SELECT user_id, row_number() OVER () AS nth FROM member),
     kept AS (INSERT INTO oauth_grant (tenant_id, id, user_id, client_id, scopes, resource, generations, family_hash, refresh_hash,
         refresh_expires_at, ceilings, last_used_at, created_at, expires_at)
       SELECT 'ten_bench', g.id, p.user_id, 'cli_bench', '{tenant:read,tokens:issue}', $5, '{0,0,0,0,0}', g.family, g.refresh,
         now() + interval '1 day', $6, now(), now(), now() + interval '1 day'
       FROM given g JOIN people p ON p.nth = 1 + g.nth % (SELECT count(*) FROM people))
     INSERT INTO access_token (hash, tenant_id, grant_id, scopes, resource, generations, created_at, expires_at)
       SELECT access, 'ten_bench', id, '{tenant:read,tokens:issue}', $5, '{0,0,0,0,0}', now(), now() + interval '1 hour' FROM given`,
    [
      made.map(() => newId('grant')),
      bytes(({ family }) => family),
      bytes(({ refresh }) => refresh),
      bytes(({ access }) => access),
      origin,
      { [projects.asked]: { rights: null }, [projects.signed]: { rights: null } },
    ],
  )
  await owner.end()
  return made.map(({ access, refresh }) => ({ access: access.reveal(), refresh: refresh.reveal() }))
}

/** Where codes are sent, and what redeems each. */
const redirectUri = 'http://localhost:9/callback'
const verifier = randomToken()

/** Requests whose person has just said yes: the codes of devices, or of browsers that come back. */
async function approve(ownerUrl: string, origin: string, kind: 'device' | 'code', count: number): Promise<string[]> {
  const owner = new pg.Client({ connectionString: ownerUrl })
  await owner.connect()
  const codes = Array.from({ length: count }, () => newToken(kind === 'device' ? 'dc' : 'ac').reveal())
  const challenge = createHash('sha256').update(verifier).digest('base64url')
  await owner.query(`SELECT set_config('app.tenant_id', 'ten_bench', false)`)
  await owner.query(
    `WITH asked AS (SELECT *, row_number() OVER () AS nth FROM unnest($1::text[], $2::bytea[]) AS a(id, hash)),
     people AS (SELECT user_id, row_number() OVER () AS nth FROM member)
     INSERT INTO authorization_request (id, kind, status, client_id, secret_hash, scopes, resource, claimed_by, tenant_chosen,
         scopes_granted, generations, auth_time, redirect_uri, code_challenge, created_at, expires_at)
       SELECT a.id, $4, 'approved', 'cli_bench', a.hash, '{tenant:read}', $3, p.user_id, 'ten_bench',
         '{tenant:read}', '{0,0,0,0,0}', now(), $5, $6, now(), now() + interval '15 minutes'
       FROM asked a JOIN people p ON p.nth = 1 + a.nth % (SELECT count(*) FROM people)`,
    [
      codes.map(() => newId('authorization')),
      codes.map((code) => Buffer.from(hash(code))),
      origin,
      kind,
      ...(kind === 'code' ? [redirectUri, challenge] : [null, null]),
    ],
  )
  await owner.end()
  return codes
}

/** A Next application of one route that does nothing, built once: not below here, where Next would take proxy.ts for its own. */
async function buildNothing(): Promise<void> {
  const dir = join(ROOT, 'dist/nothing')
  if (await stat(join(dir, '.next/BUILD_ID')).catch(() => undefined)) return
  await mkdir(join(dir, 'app/nothing'), { recursive: true })
  const route = `export const dynamic = 'force-dynamic'\nexport const GET = async () => Response.json({ status: 'ok' })\n`
  await writeFile(join(dir, 'app/nothing/route.js'), route)
  await writeFile(
    join(dir, 'next.config.mjs'),
    `export default { poweredByHeader: false, turbopack: { root: ${JSON.stringify(ROOT)} } }\n`,
  )
  await step('Building a Next route that does nothing', () =>
    runTool(nodeTool('next', 'build', dir), { cwd: dir, env: { ...toolEnv(), NODE_ENV: 'production' } }),
  )
}

/** Milliseconds, CPU per request. */
type Measure = { count: number; perSecond: number; p50: number; p99: number; server: number; database: number }

/** The round that was disturbed least: other work on the machine makes the same request dearer, and never cheaper. */
const best = (all: Measure[]) =>
  all.reduce((least, one) => (one.server + one.database < least.server + least.database ? one : least))

async function main() {
  await generateClient()
  await bundleServer()
  await buildApp()
  await buildNothing()
  const database = await step('Starting a database', () => startThrowAway(durable))
  afterwards(database.stop)
  await applyMigrations(database.ownerUrl)
  const postmaster = await postmasterOf(database.ownerUrl)
  const cookies = await seed(database.ownerUrl)
  const parts = new Map<PartName, Part>()
  const settings = settingsOf(database.appUrl, await freePort(undefined))
  const product = await step('Starting the product', () => startProduct(settings))
  const ours: Part = { pid: product.pid ?? 0, port: Number(settings.PORT), told: {}, child: product }
  const upstream = await startPart('upstream')
  await link(settings, database.ownerUrl, upstream.port)
  parts.set('ours', ours)
  const atStart = await residentOf(ours.pid)
  const chosen = scenarios.filter(({ act, way }) => `${act}: ${way}`.includes(wanted))
  for (const name of new Set(chosen.map(({ part }) => part)))
    if (!parts.has(name)) parts.set(name, await startPart(name))
  const callers = startFork('load.ts')
  const partOf = (name: PartName) => {
    const part = parts.get(name)
    if (!part) throw new Error(`${name} does not run`)
    return part
  }
  const load = (asked: Load) => answerOf<Loaded>(callers, asked)
  const seeded: Seeded = {
    host: `localhost:${ours.port}`,
    cookies,
    client: { id: 'cli_bench', secret },
    audiences,
    redirectUri,
    verifier,
    grants: (count) => grant(database.ownerUrl, settings.VALETKEY_URL, count),
    approvals: (kind, count) => approve(database.ownerUrl, settings.VALETKEY_URL, kind, count),
    told: (name) => partOf(name).told,
    ask: async (name, requests) =>
      (await load({ port: partOf(name).port, connections, requests, status: 200, keep: true })).bodies.map((body) =>
        JSON.parse(body),
      ),
  }

  /** What the product asks for a cookie, as it is asked by somebody who does nothing else. */
  const statement: Omit<Statement, 'connections' | 'milliseconds'> = {
    databaseUrl: database.appUrl,
    text: `SELECT s.id, s.user_id, u.issuer, u.subject, u.name, u.email, s.auth_time, s.created_at, s.last_active_at, s.expires_at
      FROM session s JOIN "user" u ON u.id = s.user_id WHERE s.token_hash = sha256(convert_to($1, 'UTF8')) AND s.expires_at > vk_now()`,
    values: cookies.map((cookie) => [cookie.slice(cookie.indexOf('=') + 1)]),
  }

  /** Milliseconds of CPU a second of whoever is asked nothing: jobs, checkpoints. No part of what a request costs. */
  const idle = await step('Asking nothing', async () => {
    const look = () => Promise.all([cpuOf(ours.pid, 'own'), cpuOf(postmaster, 'children')])
    await pause(2_000)
    const before = await look()
    await pause(idleSeconds * 1000)
    const after = await look()
    return [between(before[0], after[0]) / idleSeconds, between(before[1], after[1]) / idleSeconds] as const
  })

  const prepared = new Map<Scenario, string[]>()
  /** Goes on where it stopped, so that all people have their turn. */
  const turned = (scenario: Scenario, count: number) => {
    const requests = prepared.get(scenario) ?? []
    const at = count % Math.max(1, requests.length)
    prepared.set(scenario, [...requests.slice(at), ...requests.slice(0, at)])
  }
  async function measure(scenario: Scenario, open: number, milliseconds: number): Promise<Measure> {
    const part = partOf(scenario.part)
    const requests = (!scenario.once && prepared.get(scenario)) || (await scenario.requests(seeded))
    prepared.set(scenario, requests)
    const before = [await cpuOf(part.pid, 'own'), await cpuOf(postmaster, 'children')] as const
    const { count, seconds, p50, p99 } =
      scenario.part === 'statement'
        ? await answerOf<Loaded>(part.child, { ...statement, connections: open, milliseconds } satisfies Statement)
        : await load({
            port: part.port,
            connections: open,
            requests,
            status: scenario.status ?? 200,
            ...(!scenario.once && { milliseconds }),
          })
    const after = [await cpuOf(part.pid, 'own'), await cpuOf(postmaster, 'children')] as const
    turned(scenario, count)
    return {
      count,
      perSecond: count / seconds,
      p50,
      p99,
      server: (between(before[0], after[0]) - (scenario.part === 'ours' ? idle[0] * seconds : 0)) / count,
      database: Math.max(0, between(before[1], after[1]) - idle[1] * seconds) / count,
    }
  }

  await step('Warming up', async () => {
    for (const scenario of chosen) {
      const until = performance.now() + warm.seconds * 1000
      for (let sent = 0; sent < warm.requests && performance.now() < until; )
        sent += (await measure(scenario, connections, 700)).count
    }
    // As autovacuum does within a minute: until then Postgres plans as if the tables were as empty as they began.
    await analyze(database.ownerUrl)
  })
  const seen = new Map<Scenario, Measure[]>(chosen.map((scenario) => [scenario, []]))
  await step(`${rounds} rounds of ${seconds} s each, ${connections} connections`, async () => {
    for (let round = 0; round < rounds; round += 1)
      for (const scenario of chosen) seen.get(scenario)?.push(await measure(scenario, connections, seconds * 1000))
  })
  const tails = new Map<Scenario, Measure>()
  await step(`${manyConnections} connections`, async () => {
    for (const scenario of chosen.filter(({ part }) => part === 'ours'))
      tails.set(scenario, await measure(scenario, manyConnections, seconds * 1000))
  })
  print(seen, tails)
  console.log(
    `  asked nothing: ${idle[0].toFixed(1)} ms (server) and ${idle[1].toFixed(1)} ms (database) of CPU a second, taken off above`,
  )
  console.log(
    `  memory of the product: ${atStart.toFixed(0)} MiB at start, ${(await residentOf(ours.pid)).toFixed(0)} MiB after load (goals 200 and 350)`,
  )
}

const heads = { 'req/s': 8, 'p50 ms': 9, 'p99 ms': 9, 'server ms': 11, database: 10, sum: 8, beside: 8 }

/** A line for each; `beside` is the CPU beside the first of the same act. */
function print(seen: Map<Scenario, Measure[]>, tails: Map<Scenario, Measure>): void {
  const titles = Object.entries(heads).map(([head, width]) => head.padStart(width))
  console.log(`\n  ${'act'.padEnd(24)}${'by'.padEnd(26)}${titles.join('')}  goal`)
  const first = new Map<string, number>()
  for (const [{ act, way, goal }, all] of seen) {
    const { server, database, perSecond, p50, p99 } = best(all)
    const sum = server + database
    if (!first.has(act)) first.set(act, sum)
    const beside = sum / (first.get(act) ?? sum)
    const times = [p50, p99, server, database, sum, beside]
    const texts = [
      perSecond.toFixed(0),
      ...times.map((time, index) => time.toFixed(index === 2 || index === 3 || index === 4 ? 3 : 2)),
    ]
    const figures = texts.map((text, index) => text.padStart(Object.values(heads)[index] ?? 0))
    const judged = goal === undefined ? '' : `  ${goal} ${sum <= goal ? '✓' : '✗'}`
    console.log(`  ${act.padEnd(24)}${way.padEnd(26)}${figures.join('')}${judged}`)
  }
  for (const [{ way }, { p50, p99, perSecond }] of tails)
    console.log(
      `  ${manyConnections} connections, ${way}: ${perSecond.toFixed(0)} req/s, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, ${(p99 / p50).toFixed(1)} times (goal 5)`,
    )
}

async function postmasterOf(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const parent = (await processes()).find(({ pid }) => pid === rows[0]?.pid)?.parent
  await client.end()
  if (!parent) throw new Error('the database runs somewhere else: its CPU cannot be counted')
  return parent
}

stopOnSignals(cleanUp)
main()
  .catch((error: unknown) => {
    console.error(error)
    process.exitCode = 1
  })
  .finally(cleanUp)
