// npm run bench:admin [-- --scale 0.02]
// The admin's bad day at size: a million tokens and five million events of five hundred tenants in one Postgres, or that part of
// them. What the pages of the biggest tenant take, what ending one person's hundred thousand tokens takes, and whether the
// next token costs more than the first ones did. Requests come one after the other, as one admin sends them: times are of whole
// answers. Indexes that a query may choose are made after the rows, which takes a fraction of the time.
import { parseArgs } from 'node:util'
import pg from 'pg'
import { parseConfig } from '../lib/config.ts'
import { createContext } from '../lib/context.ts'
import { hash, randomToken } from '../lib/security/secrets.ts'
import { asSystem } from '../lib/store/system.ts'
import { createTenantKey, vaultOf } from '../lib/vault/keys.ts'
import { beginSigning } from '../lib/vault/signing.ts'
import { startThrowAway } from '../scripts/lib/database.mjs'
import { buildApp, bundleServer, generateClient } from '../scripts/lib/prepare.mjs'
import { freePort, stopOnSignals } from '../scripts/lib/processes.mjs'
import { step } from '../scripts/lib/progress.mjs'
import { applyMigrations } from '../scripts/migrate.mjs'
import { afterwards, cleanUp, durable, type Settings, settingsOf, startProduct } from './product.ts'

const { scale: asked } = parseArgs({ options: { scale: { type: 'string', default: '1' } } }).values
const scale = Number(asked)
if (!(scale > 0)) throw new Error('--scale is a number above 0')
const tokens = Math.round(1_000_000 * scale)
const events = Math.round(5_000_000 * scale)
const tenants = Math.max(2, Math.round(500 * scale))
const rounds = 30
const issues = 300
/** Single rows of the biggest table, each by its own statement. */
const inserts = 2_000

/** Three fifths of everything is one tenant's, and a tenth of all tokens one person's there. */
const big = {
  members: 2_000,
  sessions: 6_000,
  projects: 200,
  connections: 20_000,
  tokens: Math.round(tokens * 0.6),
  events: Math.round(events * 0.6),
}
const heldByOne = Math.round(tokens / 10)
const shareOf = (all: number) => Math.ceil((all * 0.4) / (tenants - 1))
const small = {
  ...{ members: 5, sessions: 15, projects: 5, connections: 20 },
  ...{ tokens: shareOf(tokens), events: shareOf(events) },
}
const tenantId = 'ten_bench'
/** Numbers in the chain behind those that the product gives meanwhile: nothing is left for it to seal. */
const sealed = 1_000_000_000
const fixed = (kind: string, n: number) => `${kind}_0181${n.toString(16).padStart(28, '0')}`
const ids = { admin: fixed('usr', 1), holder: fixed('usr', 2), own: fixed('prv', 1), audience: fixed('prj', 1) }

/** Statements that fill a tenant, as old as can be: what is made now comes first in every list. `trail`: its events. */
function fill(tenant: string, { members, sessions, projects, connections, tokens, events }: typeof big) {
  const id = (kind: string, n: string) =>
    `'${kind}_0180${tenant.slice(-8).padStart(8, '0')}' || lpad(to_hex(${n}), 20, '0')`
  const among = (n: string, many: number) => `1 + (${n}) % ${many}`
  const provider = id('prv', '1')
  const person = id('usr', among('n', members))
  const connection = id('con', among('n', connections))
  const project = id('prj', among('n', projects))
  const things = [
    `INSERT INTO "user" (id, issuer, subject, name, email, created_at)
      SELECT ${id('usr', 'n')}, 'https://crowd.example', '${tenant}' || n, 'Person ' || n, n || '@crowd.example', now()
      FROM generate_series(1, ${members}) n`,
    `INSERT INTO member (tenant_id, user_id, role, created_at)
      SELECT '${tenant}', ${id('usr', 'n')}, 'member', now() FROM generate_series(1, ${members}) n`,
    `INSERT INTO session (id, token_hash, user_id, agent, auth_time, created_at, last_active_at, expires_at)
      SELECT ${id('ses', 'n')}, sha256(('${tenant}' || n)::bytea), ${person}, 'Mozilla/5.0 (X11; Linux x86_64) Firefox/' || n % 90,
        now(), now(), now(), now() + interval '1 day'
      FROM generate_series(1, ${sessions}) n`,
    `INSERT INTO provider (tenant_id, id, kind, name, issuer, callback_key, client_id, settings, created_at)
      VALUES ('${tenant}', ${provider}, 'keboola', 'Stack', 'http://localhost:9', 'stack', 'bench', '{}', now())`,
    `INSERT INTO project (tenant_id, id, provider_id, external_id, name, alias, created_at)
      SELECT '${tenant}', ${id('prj', 'n')}, ${provider}, n::text, 'Project ' || n, 'project-' || n, now()
      FROM generate_series(1, ${projects}) n`,
    `INSERT INTO project_alias (tenant_id, alias, project_id, created_at)
      SELECT tenant_id, alias, id, created_at FROM project WHERE tenant_id = '${tenant}' AND provider_id = ${provider}`,
    `INSERT INTO connection (tenant_id, id, user_id, provider_id, account_id, account_name, status, status_since, linked_at,
        refresh_due_at)
      SELECT '${tenant}', ${id('con', 'n')}, ${person}, ${provider}, n::text, 'account ' || n,
        CASE WHEN n % 50 = 0 THEN 'needs_relink' ELSE 'linked' END, now(), now(), now() + interval '1 day'
      FROM generate_series(1, ${connections}) n`,
    `INSERT INTO connection_project (tenant_id, connection_id, project_id, user_id)
      SELECT '${tenant}', ${id('con', 'n')}, ${id('prj', among(`n / ${members} + n * 7`, projects))}, ${person}
      FROM generate_series(1, ${connections}) n ON CONFLICT DO NOTHING`,
    `INSERT INTO attempt (tenant_id, id, state_hash, browser_hash, session_id, user_id, provider_id, purpose, callback_key, issuer,
        redirect_uri, status, created_at, expires_at)
      SELECT '${tenant}', ${id('att', 'n')}, sha256(('${tenant}' || n)::bytea), '\\x00', 'ses_none', ${person}, ${provider}, 'link', 'stack',
        'http://localhost:9', 'http://localhost/', CASE WHEN n % 20 = 0 THEN 'pending' ELSE 'done' END, now(), now() + interval '1 hour'
      FROM generate_series(1, ${members}) n`,
    `INSERT INTO issued_token (tenant_id, id, user_id, project_id, connection_id, provider_id, strategy, status, nonce, purpose,
        scopes_asked, fingerprint, generations, expires_at, created_at, last_used_at)
      SELECT '${tenant}', ${id('tok', 'n')}, ${person}, ${project}, ${connection}, ${provider}, 'mint', 'live', n::text,
        'nightly export ' || n % 1000,
        '{"components":[],"buckets":{"in.c-crm":"read"},"manage_buckets":false,"read_all_files":false}',
        left(md5('${tenant}' || n), 12), '{0,0,0,0,0,0,0}',
        now() + CASE WHEN n % 2 = 0 THEN interval '1 day' ELSE interval '-1 day' END, now() - interval '2 days',
        CASE WHEN n % 4 = 0 THEN now() - interval '30 minutes' END
      FROM generate_series(1, ${tokens}) n`,
  ]
  const trail = [
    `INSERT INTO audit_event (tenant_id, id, at, body)
      SELECT '${tenant}', ${id('evt', 'n')}, now() - make_interval(secs => ${events} - n),
        jsonb_build_object('action', CASE WHEN n % 5 = 0 THEN 'token.issued' ELSE 'refresh.succeeded' END, 'outcome', 'ok',
          'actor', CASE WHEN n % 10 > 0 THEN ${person} END, 'session', NULL,
          'target', CASE WHEN n % 5 = 0 THEN jsonb_build_object('kind', 'token', 'id', ${id('tok', among('n', tokens))})
            ELSE jsonb_build_object('kind', 'connection', 'id', ${connection}) END,
          'address', '203.0.113.' || n % 250, 'agent', 'Mozilla/5.0', 'request', 'req_' || n, 'details', '{}'::jsonb)
      FROM generate_series(1, ${events}) n`,
    // As if all of them were sealed.
    `DELETE FROM audit_unsealed WHERE tenant_id = '${tenant}'`,
    `INSERT INTO audit_chain (tenant_id, seq, event_id, hash) SELECT '${tenant}', ${sealed} + n, ${id('evt', 'n')}, '\\x00'
      FROM generate_series(1, ${events}) n`,
    `INSERT INTO audit_tip (tenant_id, seq, hash) VALUES ('${tenant}', ${sealed} + ${events}, '\\x00') ON CONFLICT DO NOTHING`,
  ]
  return { things, trail }
}

/** Fills a table without the indexes that no key needs, and makes them afterwards. */
async function filled(owner: pg.Client, table: string, work: () => Promise<unknown>): Promise<void> {
  const { rows } = await owner.query<{ name: string; text: string }>(
    `SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS text FROM pg_index i
     WHERE i.indrelid = $1::regclass AND NOT i.indisunique`,
    [table],
  )
  for (const { name } of rows) await owner.query(`DROP INDEX ${name}`)
  await work()
  for (const { text } of rows) await owner.query(text)
}

/** Each tenant as itself: policies are forced on the tables' owner too. */
async function fillTenants(owner: pg.Client, part: 'things' | 'trail', amounts: [string, typeof big][]): Promise<void> {
  for (const [tenant, amount] of amounts) {
    await owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [tenant])
    // As one: the product would seal what it sees of events that are not sealed yet.
    await owner.query('BEGIN')
    for (const statement of fill(tenant, amount)[part]) await owner.query(statement)
    await owner.query('COMMIT')
  }
}

const addTenant = async (owner: pg.Client, tenant: string) => {
  await owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [tenant])
  await owner.query(`INSERT INTO tenant (id, slug, name, created_at) VALUES ($1, $2, 'A tenant', now())`, [
    tenant,
    tenant.replace('_', '-'),
  ])
}

/** Sessions: the admin's, and those of people who issue, so many that no limit of a person is reached. */
const admin = randomToken()
const issuers = Array.from({ length: 100 }, (_, n) => ({ user: fixed('usr', 100 + n), session: randomToken() }))

/** Who administers the big tenant, and an audience of its own, whose tokens need no upstream. */
async function seed(owner: pg.Client, settings: Settings): Promise<void> {
  await addTenant(owner, tenantId)
  const ctx = await createContext(parseConfig(settings))
  await asSystem(ctx, tenantId, 'demo', (tx) => createTenantKey(ctx, tx, tenantId))
  const vault = await vaultOf(ctx, tenantId)
  await asSystem(ctx, tenantId, 'demo', (tx) => beginSigning(ctx, tx, vault, tenantId))
  await ctx.close()
  const issuing = issuers.map(({ user, session }) => [user, 'member', session] as const)
  for (const [user, role, session] of [
    [ids.admin, 'owner', admin] as const,
    [ids.holder, 'member', randomToken()] as const,
    ...issuing,
  ]) {
    await owner.query(
      `INSERT INTO "user" (id, issuer, subject, name, email, created_at) VALUES ($1, 'http://localhost:9', $1, $1, NULL, now())`,
      [user],
    )
    await owner.query(`INSERT INTO member (tenant_id, user_id, role, created_at) VALUES ($1, $2, $3, now())`, [
      tenantId,
      user,
      role,
    ])
    await owner.query(
      `INSERT INTO session (id, token_hash, user_id, auth_time, created_at, last_active_at, expires_at)
        VALUES ('ses_' || $2::text, $1, $2, now(), now(), now(), now() + interval '1 day')`,
      [Buffer.from(hash(session)), user],
    )
  }
  await owner.query(
    `INSERT INTO provider (tenant_id, id, kind, name, issuer, callback_key, client_id, settings, created_at)
      VALUES ($1, $2, 'own', 'Own', $3, 'own', '', '{}', now())`,
    [tenantId, ids.own, `${settings.VALETKEY_URL}/t/ten-bench`],
  )
  const scopes = { scopes: [{ name: 'read', text: 'read', risk: 'low' }], offline: false }
  await owner.query(
    `INSERT INTO project (tenant_id, id, provider_id, external_id, name, alias, settings, created_at)
      VALUES ($1, $2, $3, 'https://api.bench.test', 'Own', 'own', $4, now())`,
    [tenantId, ids.audience, ids.own, scopes],
  )
  await owner.query(
    `INSERT INTO project_alias (tenant_id, alias, project_id, created_at) VALUES ($1, 'own', $2, now())`,
    [tenantId, ids.audience],
  )
}

/** The tokens of one person, which worked through us alone: nothing waits for an upstream when they end. */
const hold = async (owner: pg.Client, count: number) => {
  await owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [tenantId])
  await owner.query(
    `INSERT INTO issued_token (tenant_id, id, user_id, project_id, provider_id, strategy, status, nonce, purpose, scopes_asked,
        fingerprint, secret_hash, generations, expires_at, created_at)
      SELECT $1, 'tok_0181' || lpad(to_hex(n), 28, '0'), $2, $3, $4, 'sign', 'live', n::text, 'a script in a loop', '{"scopes":["read"]}',
        left(md5(n::text), 12), sha256(n::text::bytea), '{0,0,0,0,0,0,0}', now() + interval '1 day', now() - interval '1 hour'
      FROM generate_series(1, $5::int) n`,
    [tenantId, ids.holder, ids.audience, ids.own, count],
  )
}

/** As an issue writes it. */
const oneToken = `INSERT INTO issued_token (tenant_id, id, user_id, project_id, provider_id, strategy, status, nonce, purpose, scopes_asked,
    fingerprint, generations, expires_at, created_at)
  VALUES ($1, $2, $3, $4, $5, 'sign', 'live', $6, 'a script in a loop', '{"scopes":["read"]}', left(md5($6), 12), '{0,0,0,0,0,0,0}',
    now() + interval '1 day', now())`

type Asked = { method?: string; body?: object; session?: string | undefined }

async function main() {
  await generateClient()
  await bundleServer()
  await buildApp()
  const database = await step('Starting a database', () =>
    // What somebody with a database of this size sets, and no waits for checkpoints while it is filled.
    startThrowAway({ ...durable, shared_buffers: '1GB', max_wal_size: '8GB', maintenance_work_mem: '512MB' }),
  )
  afterwards(database.stop)
  await applyMigrations(database.ownerUrl)
  const connect = async () => {
    const client = new pg.Client({ connectionString: database.ownerUrl })
    await client.connect()
    await client.query('SET synchronous_commit = off')
    afterwards(() => client.end())
    return client
  }
  const [owner, beside] = [await connect(), await connect()]
  const settings = settingsOf(database.appUrl, await freePort(undefined))
  await step('Starting the product', () => startProduct(settings))
  await seed(owner, settings)
  const origin = settings.VALETKEY_URL

  /** One request of the admin: its milliseconds and what came. */
  async function ask<T>(
    path: string,
    { method = 'GET', body, session = admin }: Asked = {},
  ): Promise<{ milliseconds: number; answer: T }> {
    const headers = {
      cookie: `__Host-valetkey-session=${session}`,
      ...(body && { 'content-type': 'application/json', 'x-valetkey': '1', origin, 'sec-fetch-site': 'same-origin' }),
    }
    const begun = performance.now()
    const response = await fetch(`${origin}${path}`, {
      method,
      headers,
      redirect: 'error',
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const milliseconds = performance.now() - begun
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 500)}`)
    const isJson = response.headers.get('content-type')?.includes('json')
    return { milliseconds, answer: (isJson ? JSON.parse(text) : text) as T }
  }
  const at = (sorted: number[], part: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
  async function many(
    count: number,
    work: (n: number) => Promise<{ milliseconds: number }>,
    warm = 5,
  ): Promise<[p50: number, p95: number]> {
    for (let n = 0; n < warm; n += 1) await work(n)
    const all: number[] = []
    for (let n = 0; n < count; n += 1) all.push((await work(n)).milliseconds)
    all.sort((a, b) => a - b)
    return [at(all, 0.5), at(all, 0.95)]
  }
  const say = (what: string, text: string) => console.log(`  ${what.padEnd(46)}${text}`)
  const issue = () =>
    many(
      issues,
      (n) =>
        ask(`/api/v1/tenants/ten-bench/projects/own/tokens`, {
          method: 'POST',
          session: issuers[n % issuers.length]?.session,
          body: { scopes: { scopes: ['read'] }, expires_in: 600, purpose: 'bench' },
        }),
      issues,
    )
  /** What a row of the biggest table takes the database: all its indexes, and no commit. Microseconds, the middle. */
  const insertOne = async () => {
    await owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [tenantId])
    const all: number[] = []
    await owner.query('BEGIN')
    for (let n = 0; n < inserts; n += 1) {
      const begun = process.hrtime.bigint()
      await owner.query(oneToken, [tenantId, fixed('tok', 0x7000000 + n), ids.holder, ids.audience, ids.own, `n${n}`])
      all.push(Number(process.hrtime.bigint() - begun) / 1_000)
    }
    await owner.query('ROLLBACK')
    return at(
      all.sort((a, b) => a - b),
      0.5,
    )
  }

  await step('A thousand tokens', async () => {
    await hold(owner, 1_000)
    await owner.query('ANALYZE')
  })
  const [firstIssue] = await step(`${issues} tokens are issued`, issue)
  const firstInsert = await insertOne()
  await owner.query(`DELETE FROM issued_token WHERE user_id = $1`, [ids.holder])
  await step(`${tokens} tokens, ${events} events, ${tenants} tenants`, async () => {
    const others = Array.from({ length: tenants - 1 }, (_, n) => `ten_${String(n + 1).padStart(8, '0')}`)
    for (const tenant of others) await addTenant(owner, tenant)
    const amounts = [[tenantId, big], ...others.map((tenant) => [tenant, small])] as [string, typeof big][]
    // Things and events beside each other, because each takes one core.
    await Promise.all([
      filled(owner, 'issued_token', async () => {
        await fillTenants(owner, 'things', amounts)
        await hold(owner, heldByOne)
      }),
      filled(beside, 'audit_event', () => fillTenants(beside, 'trail', amounts)),
    ])
    await owner.query('VACUUM ANALYZE')
  })
  const [lastIssue] = await step(`${issues} tokens are issued`, issue)
  const lastInsert = await insertOne()
  console.log()
  say('issue, among 1,000 tokens', `p50 ${firstIssue.toFixed(1)} ms`)
  say(
    `issue, among ${tokens.toLocaleString('en')}`,
    `p50 ${lastIssue.toFixed(1)} ms, ${(lastIssue / firstIssue).toFixed(2)} times (goal 1.10)`,
  )

  say(
    `a row, among 1,000 and ${tokens.toLocaleString('en')}`,
    `${firstInsert.toFixed(0)} µs, ${lastInsert.toFixed(0)} µs, ${(lastInsert / firstInsert).toFixed(2)} times (goal 1.10)`,
  )

  const api = '/api/v1/tenants/ten-bench'
  const page = '/t/ten-bench'
  for (const [what, path] of pages(page, api)) {
    const [p50, p95] = await many(rounds, () => ask(path))
    say(what, `p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms (goal 100) ${p95 <= 100 ? '✓' : '✗'}`)
  }

  /** Until a row of the act says so: the answer itself waits for upstreams for a while. */
  const seen = async (what: 'created_at' | 'done_at', since: number) => {
    for (;;) {
      const { rows } = await owner.query(`SELECT 1 FROM revocation_act WHERE user_id = $1 AND ${what} IS NOT NULL`, [
        ids.holder,
      ])
      if (rows.length > 0) return performance.now() - since
    }
  }
  await owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [tenantId])
  const begun = performance.now()
  const ending = ask(`${api}/members/${ids.holder}/revocation`, {
    method: 'POST',
    body: { block: true, reason: 'bench' },
  })
  const blocked = await seen('created_at', begun)
  const marked = await seen('done_at', begun)
  await ending
  say(
    `everything of one person, ${heldByOne.toLocaleString('en')} tokens`,
    `blocked here after ${blocked.toFixed(0)} ms (goal 300) ${blocked <= 300 ? '✓' : '✗'}, each marked after ${(marked / 1000).toFixed(1)} s`,
  )
}

/** What an admin opens on a bad day. */
const pages = (page: string, api: string): [what: string, path: string][] => [
  // What the machine takes for next to nothing, and for a page of little.
  ['for comparison: who calls', '/api/v1/me'],
  ['for comparison: the leak desk', `${page}/admin/leaks`],
  ['revocation, first page', `${page}/admin/revocation`],
  ['revocation, connections', `${page}/admin/revocation?show=connections`],
  ['revocation, of one person', `${page}/admin/revocation?person=${ids.holder}`],
  ['revocation, unused for a week', `${page}/admin/revocation?used=7`],
  ['revocation, by end', `${page}/admin/revocation?sort=ends`],
  ['revocation, a purpose', `${page}/admin/revocation?q=nightly+export+77`],
  ['revocation, what nothing has', `${page}/admin/revocation?q=zebra`],
  ['revocation, sessions', `${page}/admin/revocation?show=sessions`],
  ['revocation, sessions of a browser', `${page}/admin/revocation?show=sessions&q=firefox%2F77`],
  ['revocation, requests', `${page}/admin/revocation?show=requests`],
  ['preview of all sessions', `${api}/revocations/preview?kind=sessions`],
  ['preview of everything', `${api}/revocations/preview?kind=tokens`],
  ["preview of one person's", `${api}/revocations/preview?kind=tokens&owner=${ids.holder}`],
  ['the person with most', `${page}/admin/members/${ids.holder}`],
  ['activity, first page', `${page}/activity`],
  ['activity of one person', `${page}/activity?person=${ids.holder}`],
  ['activity, what was issued', `${page}/activity?action=token`],
  ['activity from one address', `${page}/activity?q=203.0.113.7`],
]

stopOnSignals(cleanUp)
main()
  .catch((error: unknown) => {
    console.error(error)
    process.exitCode = 1
  })
  .finally(cleanUp)
