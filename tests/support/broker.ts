import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { approve } from '../../demo/browser.ts'
import { startDemo } from '../../demo/index.ts'
import type { Actor, CookieCredential, Role } from '../../lib/actor.ts'
import { seedDemo } from '../../lib/broker/demo.ts'
import { type Callback, completeLink, type LinkResult } from '../../lib/broker/link/complete.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { parseConfig } from '../../lib/config.ts'
import { type Context, type ContextOptions, createContext } from '../../lib/context.ts'
import { createLog } from '../../lib/log.ts'
import { newId } from '../../lib/security/ids.ts'
import { tryNamedStatements } from '../../lib/store/database.ts'
import { membership, tenantBySlug } from '../../lib/store/lookups.ts'
import { updateMember } from '../../lib/store/members.ts'
import { listProviders } from '../../lib/store/providers.ts'
import { asSystem, withInstance } from '../../lib/store/system.ts'
import { ensureUser } from '../../lib/store/users.ts'
import { checkInstanceKeys } from '../../lib/vault/keys.ts'
import { createTestDatabase, type TestDatabase } from './database.ts'
import { demoKeys } from './key-pairs.ts'
import { expectCatalogued } from './trail.ts'

export type Email = 'owner@acme.test' | 'member@acme.test' | 'owner@globex.test'
const subjects: Record<Email, { subject: string; tenant: string }> = {
  'owner@acme.test': { subject: 'acct-3001', tenant: 'acme' },
  'member@acme.test': { subject: 'acct-3002', tenant: 'acme' },
  'owner@globex.test': { subject: 'acct-4001', tenant: 'globex' },
}

/** A person in a tenant, with the secret of the browser that they link with. */
export type BrowserActor = Actor<CookieCredential> & { browser: string }

const secret = () => randomBytes(32).toString('base64url')
export const origin = 'http://localhost:3000'

/** Use cases on a database and a demo upstream of their own: real sockets, a clock that tests move, no sleeping. */
/** `notes`: the demo's tenants have its MCP server as a provider. */
export async function startBroker({
  database: given,
  notes = false,
}: {
  database?: TestDatabase
  notes?: boolean
} = {}) {
  const database = given ?? (await createTestDatabase())
  const owner = new pg.Client({ connectionString: database.ownerUrl })
  // A database of the test's own may be killed.
  if (given) owner.on('error', () => {})
  await owner.connect()
  const stackClient = {
    id: 'valetkey',
    secret: 'stack-client-secret',
    redirectUris: [`${origin}/oauth/callback/keboola-demo`],
  }
  const ticketsClient = {
    id: 'valetkey-tickets',
    secret: 'tickets-client-secret',
    redirectUris: [`${origin}/oauth/callback/tickets-demo`],
  }
  const notesClient = {
    id: 'valetkey-notes',
    secret: 'notes-client-secret',
    redirectUris: [`${origin}/oauth/callback/notes-demo`],
  }
  const signinClient = {
    id: 'valetkey-signin',
    secret: 'signin-client-secret',
    redirectUris: [`${origin}/api/auth/callback/signin`],
  }
  let offsetSeconds = 0
  const now = () => Date.now() + offsetSeconds * 1000
  const demo = await startDemo({ stackClient, ticketsClient, notesClient, signinClient, now, keys: demoKeys })
  const environment = {
    NODE_ENV: 'test',
    VALETKEY_URL: origin,
    DATABASE_URL: database.appUrl,
    VALETKEY_KEYS: `k1:${secret()}`,
    VALETKEY_SECRET: secret(),
    VALETKEY_SIGNIN_ISSUER: demo.issuer,
    VALETKEY_SIGNIN_CLIENT_ID: signinClient.id,
    VALETKEY_SIGNIN_CLIENT_SECRET: signinClient.secret,
    VALETKEY_EMBEDDED: '1',
    VALETKEY_DEMO: '1',
    VALETKEY_DEMO_STACK: JSON.stringify({ url: demo.url, clientId: stackClient.id, clientSecret: stackClient.secret }),
    VALETKEY_DEMO_TICKETS: JSON.stringify({
      issuer: demo.ticketsIssuer,
      clientId: ticketsClient.id,
      clientSecret: ticketsClient.secret,
    }),
    ...(notes && {
      VALETKEY_DEMO_NOTES: JSON.stringify({
        issuer: demo.notesIssuer,
        url: demo.notesUrl,
        clientId: notesClient.id,
        clientSecret: notesClient.secret,
      }),
    }),
    VALETKEY_LOG: 'debug',
  }
  const logged: string[] = []
  const waits: number[] = []
  const config = parseConfig(environment)
  /** Another process on the same database; `changes` to its environment. */
  const makeContext = (changes: Record<string, string> = {}, options: ContextOptions = {}): Promise<Context> =>
    createContext(parseConfig({ ...environment, ...changes }), {
      now: () => new Date(now()),
      // Short pauses are real (they wait for others); long ones are only noted, so nothing sleeps.
      sleep: async (milliseconds) => {
        waits.push(milliseconds)
        await new Promise((resolve) => setTimeout(resolve, milliseconds <= 60 ? milliseconds : 0))
      },
      log: createLog(config, { write: (line: string) => void logged.push(line) }),
      ...options,
    })
  const ctx = await makeContext()
  const running = new Set<Promise<unknown>>()
  const inBackground = ctx.background
  ctx.background = (name, work) =>
    inBackground(name, () => {
      const run = work()
      const seen = run.catch(() => {}).finally(() => running.delete(seen))
      running.add(seen)
      return run
    })
  // As a start does (lib/boot.ts).
  await tryNamedStatements(ctx)
  await checkInstanceKeys(ctx)
  await seedDemo(ctx)

  /** A session that outlives whatever a test does to the clock. */
  async function sessionOf(userId: string): Promise<string> {
    const id = newId('session')
    await ctx.pool.query(
      `INSERT INTO session (id, token_hash, user_id, auth_time, created_at, last_active_at, expires_at)
       SELECT $1, $2, $3, now(), now(), now() + interval '50 years', now() + interval '100 years'`,
      [id, randomBytes(32), userId],
    )
    return id
  }

  /** A person in their tenant, as the edges would make them; `role` becomes theirs first. */
  async function actorOf(email: Email, { role }: { role?: Role } = {}): Promise<BrowserActor> {
    const { subject, tenant } = subjects[email]
    const user = await withInstance(ctx, (tx) =>
      ensureUser(tx, { issuer: config.signin.issuer, subject, name: email, email }, ctx.now()),
    )
    const credential = { kind: 'cookie' as const, session: await sessionOf(user.id) }
    const member = await membership(ctx, { userId: user.id, credential }, tenant)
    if (!member) throw new Error(`${email} is no member of ${tenant}`)
    if (role) await asSystem(ctx, member.tenantId, 'job', (tx) => updateMember(tx, member.tenantId, user.id, { role }))
    return {
      userId: user.id,
      credential,
      tenantId: member.tenantId,
      slug: tenant,
      role: role ?? member.role,
      browser: secret(),
    }
  }

  /** The demo's own two, by their names, and whatever a test added. */
  const providerOf = async (actor: Actor, name = 'Demo stack') => {
    const all = await asSystem(ctx, actor.tenantId, 'job', (tx) => listProviders(tx, actor.tenantId))
    const provider = all.find((one) => one.name === name)
    if (!provider) throw new Error('no provider')
    return provider
  }

  /** What the callback route would hand to completeLink for this address. */
  const callbackOf = (location: string, actor: BrowserActor): Callback => {
    const url = new URL(location)
    return {
      key: url.pathname.split('/').at(-1) ?? '',
      parameters: url.searchParams,
      browser: actor.browser,
      session: { id: actor.credential.session, userId: actor.userId },
      origin: {},
    }
  }

  /** Links a project as a person would: start, consent at the upstream, come back. */
  async function link(
    actor: BrowserActor,
    email: Email,
    options: {
      provider?: string
      project?: string
      alias?: string
      connectionId?: string
      deny?: boolean
      /** Plays the browser at a server that is not the demo. */
      approve?: (url: string) => Promise<string>
    } = {},
  ): Promise<LinkResult> {
    const { provider: name, project, deny, approve: play, ...rest } = options
    const provider = await providerOf(actor, name)
    const started = await startLink(ctx, actor, { providerId: provider.id, browser: actor.browser, ...rest })
    const choice = { account: email, ...(project ? { project } : {}), ...(deny ? { deny } : {}) }
    const location = await (play ? play(started.url) : approve(started.url, choice))
    return completeLink(ctx, callbackOf(location, actor))
  }

  return {
    ctx,
    demo,
    database,
    /** The database's owner, for questions about the catalogue and for moving the clock. */
    owner,
    logged,
    waits,
    environment,
    makeContext,
    actorOf,
    sessionOf,
    providerOf,
    callbackOf,
    link,
    /** Resolves when nothing runs in the background any more. */
    settled: async () => void (await Promise.all(running)),
    /** `instance`: what precedes a tenant has a trail of its own. */
    tenantId: async (slug: string) => (slug === 'instance' ? slug : tenantBySlug(ctx, slug)),
    async advance(seconds: number) {
      offsetSeconds += seconds
      await owner.query('DELETE FROM vk.clock')
      await owner.query('INSERT INTO vk.clock VALUES ($1)', [offsetSeconds])
    },
    /** `forged`: the test wrote events that no act of ours leaves. */
    async stop({ forged = false } = {}) {
      // A database of the test's own may be away.
      if (!given && !forged) await expectCatalogued(ctx)
      await ctx.close()
      await owner.end()
      await demo.close()
      await database.drop()
    },
  }
}

export type Broker = Awaited<ReturnType<typeof startBroker>>
