// What costs what in a tenant that has been used for years: the plans of the very statements that pages, lists and
// timelines send, as the app role and through its policies.
import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import pg from 'pg'
import type { ReactElement, ReactNode } from 'react'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cookieNames } from '../../lib/http/cookies.ts'
import { operations } from '../../lib/http/wire.ts'
import { newToken } from '../../lib/security/secrets.ts'
import { asSystem } from '../../lib/store/system.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { crowd, pastOf } from '../support/crowd.ts'
import { pretendHeaders } from '../support/next-headers.ts'
import { type Reading, readingOf, statementsOf } from '../support/plans.ts'
import { startReceiver } from '../support/receiver.ts'

/** Whose request the pages see. */
const visit = (jar: Jar) => pretendHeaders({ cookie: `${cookieNames.session}=${jar.get(cookieNames.session)}` })

let app: TestApp
let database: pg.Client
let tenantId: string
let many: Awaited<ReturnType<typeof crowd>>
type Visitor = {
  jar: Jar
  tenant: string
  /** A few things of their own, by the parameter that names them. */
  things: Record<string, string>
  /** Rows of one table that a statement of theirs has a reason to read. */
  most: number
}
const people: Record<string, Visitor> = {}

beforeAll(async () => {
  app = await startTestApp()
  tenantId = String(await app.tenantId('acme'))
  for (const [who, tenant, account, external, most] of [
    // A page shows fifty and a count stops at a thousand.
    ['owner', 'acme', 'owner@acme.test', '10231', 2_500],
    ['member', 'acme', 'member@acme.test', '10231', 2_500],
    // Has little that lives, and pays for no more.
    ['owner of a small tenant beside it', 'globex', 'owner@globex.test', '20880', 1_100],
  ] as const) {
    const jar = await app.signIn(account)
    const project = await app.linkProject(jar, tenant, { account, project: external })
    const scopes = { components: [], buckets: {}, manage_buckets: true, read_all_files: false }
    const { token } = (await app.issue(jar, tenant, project, { scopes })).body
    const attempt = (await app.startLink(jar, tenant)).id
    const provider = await app.demoProvider(jar, tenant)
    const things = { project, token: token.id, connection: token.connection_id, attempt, provider }
    people[who] = { jar, tenant, things, most }
  }
  const receiver = await startReceiver()
  const { jar, things } = visitorOf('owner')
  const made = await app.call<{ webhook: { id: string } }>(jar, 'POST', '/tenants/acme/webhooks', { url: receiver.url })
  things.webhook = made.body.webhook.id
  await receiver.stop()
  await pastOf(app, 'globex', visitorOf('owner of a small tenant beside it').things.token ?? '')
  many = await crowd(app, 'acme')
  database = new pg.Client({ connectionString: app.database.appUrl })
  await database.connect()
}, 240_000)
afterAll(async () => {
  await database?.end()
  await app?.stop({ forged: true })
})

const visitorOf = (who: string) => {
  const found = people[who]
  if (!found) throw new Error(`nobody is called ${who}`)
  return found
}

/** Tables that grow with use. The rest grows with how many people and projects there are. */
const growing = new Set([
  'audit_event',
  'issued_token',
  'connection',
  'connection_project',
  'upstream_revocation',
  'notification',
  'invitation',
  'session',
  'attempt',
  'link_request',
  'authorization_request',
])

/** What is wrong with how something was read: whole tables, or much more than is shown. */
const faults = (found: Reading[], most: number) =>
  found.flatMap(({ text, scans }) =>
    scans
      .filter(({ table, how, rows }) => growing.has(table) && (how === 'Seq Scan' || rows > most))
      .map(({ table, how, rows }) => `${how} of ${table}, ${rows} rows: ${text.slice(0, 1_000)}`),
  )

/** Pages share much of what they ask: the same statement with the same values is read once. */
const known = new Map<string, Reading>()

async function readings({ tenant }: Pick<Visitor, 'tenant'>, work: () => Promise<unknown>): Promise<Reading[]> {
  const found: Reading[] = []
  await database.query(`SELECT set_config('app.tenant_id', $1, false)`, [await app.tenantId(tenant)])
  for (const statement of await statementsOf(work)) {
    const key = JSON.stringify(statement)
    const reading = known.get(key) ?? (await readingOf(database, statement))
    known.set(key, reading)
    found.push(reading)
  }
  return found
}

const spent: [number, string][] = []
/** Runs `work` and answers its faults and the tables it read. */
async function examine(name: string, who: Visitor, work: () => Promise<unknown>) {
  const found = await readings(who, work)
  spent.push([found.reduce((sum, { milliseconds }) => sum + milliseconds, 0), name])
  return {
    faults: faults(found, who.most),
    tables: new Set(found.flatMap(({ scans }) => scans.map(({ table }) => table))),
  }
}
afterAll(() => {
  // For reports: VALETKEY_PLANS=1 says what each costs.
  if (process.env.VALETKEY_PLANS)
    for (const [milliseconds, name] of spent.sort(([a], [b]) => b - a))
      process.stdout.write(`${milliseconds.toFixed(1).padStart(8)} ms  ${name}\n`)
})

const root = resolve(import.meta.dirname, '../../app/t/[tenant]')
const pages = readdirSync(root, { recursive: true })
  .map(String)
  .filter((file) => /(^|\/)(page|layout)\.tsx$/.test(file))
  .sort()

type Query = Record<string, string>
type Props = { params: Promise<Query>; searchParams: Promise<Query>; children: null }
type Page = { default: (props: Props) => Promise<ReactNode> }

/** Renders the asynchronous parts of a page: nothing else can ask the database. */
async function renderData(node: ReactNode): Promise<void> {
  if (Array.isArray(node)) for (const child of node) await renderData(child)
  if (typeof node !== 'object' || node === null || !('props' in node)) return
  const { type, props } = node as ReactElement<Record<string, ReactNode>>
  if (typeof type === 'function' && type.constructor.name === 'AsyncFunction')
    return renderData(await (type as (given: object) => Promise<ReactNode>)(props))
  for (const value of Object.values(props)) await renderData(value)
}

const states = ['live', 'ended', 'revoked', 'failed', 'all']
/** Every way in which a page is asked for that changes what it reads, beside the plain one. */
const variants = (file: string): Query[] => {
  const { middle, busyPerson, quietProject } = many
  const other = { person: busyPerson }
  switch (file) {
    case 'activity/page.tsx':
      return [
        { before: middle.event },
        other,
        { ...other, before: middle.event },
        { ...other, action: 'token', outcome: 'failed' },
        { project: quietProject },
        { action: 'token' },
        { action: 'tenant' },
        { outcome: 'failed' },
        { since: '24' },
        { until: '2020-01-01T00:00:00Z' },
        { q: 'aaaaaaaaaaaa' },
        { q: '203.0.113.1' },
        { q: `req_${'0'.repeat(32)}` },
        { q: `tok_${'0'.repeat(32)}` },
        { client: 'valetkey' },
      ]
    case 'notifications/page.tsx':
      return [{ unread: '1' }, { before: middle.notification }]
    case 'admin/members/page.tsx':
      return [{ before: middle.invitation }]
    case 'tokens/page.tsx':
      return [
        // Everybody's in each state: on the page of revocation.
        { everybody: '1', before: middle.token },
        { everybody: '1', state: 'ended', before: middle.endedToken },
        { everybody: '1', project: quietProject },
        { project: quietProject },
      ]
    case 'admin/revocation/page.tsx':
      return [
        ...states.map((state) => ({ state })),
        ...states.map((state) => ({ ...other, state })),
        { project: quietProject },
        { provider: 'prv_none' },
        { before: middle.token },
        { show: 'unconfirmed' },
        { show: 'connections' },
        { show: 'connections', before: middle.connection },
        { show: 'connections', state: 'frozen' },
        { show: 'connections', state: 'all', project: quietProject },
        { show: 'connections', provider: 'prv_none' },
        { show: 'connections', ...other },
        // Everywhere, nowhere, of one or of everybody.
        ...['nightly', 'zebra', '0000000012', 'crowd.example', `tok_${'0'.repeat(32)}`].map((q) => ({ q })),
        ...states.map((state) => ({ q: 'zebra', state })),
        // What is not searched for.
        { q: '\u0000' },
        { q: 'x'.repeat(81) },
        { q: newToken('px').reveal() },
        { strategy: 'narrow' },
        ...['ends', 'used'].flatMap((sort): Query[] => [
          { sort },
          { sort, ...other },
          { sort, q: 'zebra' },
          { sort, before: `${Date.now() + 86_400_000}~${middle.token}` },
          { show: 'connections', sort },
          { show: 'connections', sort, state: 'needs_relink' },
        ]),
        { kind: 'oauth' },
        { ends: 'in-1' },
        { ends: 'after-168' },
        ...['account', 'zebra', 'crowd.example'].map((q) => ({ show: 'connections', q })),
        { show: 'connections', kind: 'oauth' },
        ...['sessions', 'requests'].flatMap((show): Query[] => [
          { show },
          { show, ...other },
          { show, q: 'zebra' },
          { show, q: 'crowd.example' },
          { show, age: '1' },
        ]),
        { show: 'sessions', sort: 'ends' },
        { show: 'requests', kind: 'link' },
        { show: 'requests', client: 'valetkey' },
      ]
    default:
      return []
  }
}

describe.each(['owner', 'member', 'owner of a small tenant beside it'])(
  'with 300,000 events and 50,000 living tokens, for the %s,',
  (name) => {
    test.each(pages)(
      '%s reads no table as a whole, and no more than it shows',
      async (file) => {
        const who = visitorOf(name)
        visit(who.jar)
        const page = (await import(join(root, file))) as Page
        // What is not there for this person is read like what is.
        const params = {
          webhook: 'whk_none',
          act: 'act_none',
          user: many.busyPerson,
          ...who.things,
          tenant: who.tenant,
        }
        for (const query of [{}, ...variants(file)]) {
          const what = `${name}: ${file} ${JSON.stringify(query)}`
          const props = { params: Promise.resolve(params), searchParams: Promise.resolve(query), children: null }
          const seen = await examine(what, who, () => page.default(props).then(renderData).catch(ignoreNavigation))
          expect.soft(seen.faults, what).toEqual([])
        }
      },
      60_000,
    )

    test.each(operations.filter(({ method, permission }) => method === 'GET' && permission !== 'public'))(
      'GET $path reads no table as a whole, and no more than it answers',
      async ({ path, id }) => {
        const who = visitorOf(name)
        const { middle } = many
        const before: Record<string, string | undefined> = {
          listTokens: middle.token,
          listConnections: middle.connection,
          listAuditEvents: middle.event,
          listNotifications: middle.notification,
          listInvitations: middle.invitation,
        }
        const address = path
          .replace('/api/v1', '')
          .replaceAll(
            /\{(\w+)\}/g,
            (_, parameter: string) =>
              ({ webhook: 'whk_none', user: many.busyPerson, ...who.things, tenant: who.tenant })[parameter] ?? 'none',
          )
        const everybody = name !== 'member' && /^list(Tokens|Connections)$/.test(id) ? 'everybody=1' : ''
        for (const query of new Set(['', everybody, before[id] && `before=${before[id]}`])) {
          if (query === undefined) continue
          const what = `${name}: ${path}?${query}`
          const seen = await examine(what, who, () => app.call(who.jar, 'GET', `${address}?${query}`))
          expect.soft(seen.faults, what).toEqual([])
        }
      },
    )
  },
)

describe('timelines and activity', () => {
  const connectionPage = async (connection: string) => {
    visit(visitorOf('owner').jar)
    const page = (await import(join(root, 'connections/[connection]/page.tsx'))) as Page
    const params = Promise.resolve({ tenant: 'acme', connection })
    return renderData(await page.default({ params, searchParams: Promise.resolve({}), children: null }))
  }

  test.each(['busyConnection', 'quietConnection'] as const)(
    'the timeline of the %s is read by its index',
    async (which) => {
      const seen = await examine(which, visitorOf('owner'), () => connectionPage(many[which]))
      expect(seen.faults).toEqual([])
      expect(seen.tables).toContain('audit_event')
    },
  )

  test('the timeline of a project is read by its index', async () => {
    const who = visitorOf('member')
    const path = `/tenants/acme/projects/${who.things.project}`
    const seen = await examine('project', who, () => app.call(who.jar, 'GET', path))
    expect(seen.faults).toEqual([])
    expect(seen.tables).toContain('audit_event')
  })

  test('a member who did little reads that little, however much others do', async () => {
    const who = visitorOf('member')
    const seen = await readings(who, () => app.call(who.jar, 'GET', '/tenants/acme/audit-events'))
    const rows = seen.flatMap(({ scans }) =>
      scans.filter(({ table }) => table === 'audit_event').map((scan) => scan.rows),
    )
    // Ids by an index, then these events.
    expect(rows).toHaveLength(2)
    expect(Math.max(...rows)).toBeLessThan(60)
  })
})

test('a paste of thousands of values is looked up by indexes', async () => {
  const text = Array.from({ length: 3_000 }, (_, n) => `${newToken('px').reveal()} abcDEFghiJKLmno${n}\n`).join('')
  const seen = await examine('leaks', visitorOf('owner'), () =>
    app.call(visitorOf('owner').jar, 'POST', '/tenants/acme/leaks', { text }),
  )
  expect(seen.faults).toEqual([])
  expect(seen.tables).toContain('issued_token')
})

describe('counts', () => {
  type Parts = ReactElement<{ children: (ReactElement<{ summary?: string }> | null)[] }>
  type Counted = { total: number; total_is_capped: boolean }
  const count = async (path: string) => {
    const { body } = await app.call<Counted>(visitorOf('owner').jar, 'GET', `/tenants/acme/${path}`)
    return [body.total, body.total_is_capped]
  }

  test('stop at a thousand and say that there are more; what is less is exact', async () => {
    expect(await count('tokens?everybody=1&state=live')).toEqual([1_000, true])
    expect(await count('connections?everybody=1')).toEqual([1_000, true])
    expect(await count('tokens?everybody=1&state=failed')).toEqual([1_000, false])
    expect(await count('tokens')).toEqual([1, false])
  })

  test('pages say so in words', async () => {
    visit(visitorOf('owner').jar)
    const page = (await import(join(root, 'admin/revocation/page.tsx'))) as Page
    const props = { params: Promise.resolve({ tenant: 'acme' }), children: null }
    const summary = async (query: Query) => {
      const shown = (await page.default({ ...props, searchParams: Promise.resolve(query) })) as Parts
      return shown.props.children.find((part) => part?.props.summary)?.props.summary
    }
    expect(await summary({})).toBe('more than 1,000 tokens found')
    expect(await summary({ show: 'connections' })).toBe('more than 1,000 connections found')
    expect(await summary({ state: 'failed' })).toBe('1,000 tokens found')
  })

  test('what issuing asks first, how many its person holds, is read from what lives', async () => {
    const by = { session: 'ses_busy', idle: 3600 }
    await app.owner.query(
      `INSERT INTO session (id, token_hash, user_id, auth_time, created_at, last_active_at, expires_at)
        VALUES ($1, 'busy', $2, now(), now(), now(), now() + interval '1 hour')`,
      [by.session, many.busyPerson],
    )
    /** What this connection has not told of yet: an earlier transaction's counts may be among it. */
    const counted = async (): Promise<{ walked: number; read: number }> => {
      const { rows } = await database.query(
        `SELECT pg_stat_get_xact_tuples_returned('issued_token'::regclass)::int AS walked,
          sum(pg_stat_get_xact_tuples_returned(indexrelid))::int AS read
          FROM pg_index WHERE indrelid = 'issued_token'::regclass`,
      )
      return rows[0]
    }
    await database.query('BEGIN')
    const before = await counted()
    const { rows: begun } = await database.query(
      `SELECT b.outcome FROM member m, vk.issue_begin(m.tenant_id, m.user_id, $3, m.role, '{}', 0, NULL, NULL, '[]', now()) b
        WHERE m.tenant_id = $1 AND m.user_id = $2`,
      [tenantId, many.busyPerson, by],
    )
    const after = await counted()
    await database.query('ROLLBACK')
    expect(begun).toEqual([{ outcome: 'too_many_tokens' }])
    expect(after.walked - before.walked).toBe(0)
    expect(after.read - before.read).toBeGreaterThan(0)
    expect(after.read - before.read).toBeLessThanOrEqual(100)
  })
})

describe('lists go on where the page before ended', () => {
  type Listed = { items: { id: string }[]; next: string | null }
  const read = async (path: string, next: string | null) => {
    const query = `${path.includes('?') ? '&' : '?'}${next ? `before=${next}` : ''}`
    return (await app.call<Listed>(visitorOf('owner').jar, 'GET', `/tenants/acme/${path}${query}`)).body
  }

  test.each([
    ['connections?everybody=1', 'connection', 'true', 'id DESC'],
    ['tokens?everybody=1', 'issued_token', 'true', 'id DESC'],
    [
      'tokens?everybody=1&state=ended',
      'issued_token',
      `status IN ('issuing', 'live') AND expires_at <= now()`,
      'expires_at DESC, id DESC',
    ],
    ['invitations', 'invitation', 'used_at IS NULL AND expires_at > now()', 'id DESC'],
  ])('%s: nothing twice, nothing left out', async (path, table, which, order) => {
    const seen: string[] = []
    let next: string | null = null
    for (let page = 0; page < 4; page += 1) {
      const answer: Listed = await read(path, next)
      seen.push(...answer.items.map(({ id }) => id))
      next = answer.next
      if (!next) break
    }
    const rows = await app.rows('acme', `SELECT id FROM ${table} WHERE ${which} ORDER BY ${order} LIMIT 200`)
    expect(seen).toEqual(rows.map(({ id }) => id))
  })
})

test('what reads a table as a whole would be seen', async () => {
  const bad = await readings({ tenant: 'acme' }, () =>
    asSystem(app.ctx, tenantId, 'job', async (tx) => {
      await tx.auditEvent.findMany({ where: { tenantId, body: { path: ['actor'], equals: 'usr_none' } }, take: 1 })
      await tx.issuedToken.count({ where: { tenantId } })
    }),
  )
  expect(faults(bad, 2_500)).toEqual([
    expect.stringMatching(/of audit_event, 30\d{4} rows/),
    // Of the tenant, or in one walk of the neighbour's ten thousand as well.
    expect.stringMatching(/of issued_token, [78]\d{4} rows/),
  ])
})

/** A page ends so where something is not there, or somebody is sent elsewhere. */
function ignoreNavigation(error: unknown): void {
  if (!(error instanceof Error && 'digest' in error && String(error.digest).startsWith('NEXT_'))) throw error
}
