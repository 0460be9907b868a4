// npm run bench:authority [-- rounds]
// What reading authority inside the transaction costs (lib/store/authority.ts): a transaction that begins with it beside
// one that only names the tenant, in pairs; and what share of an issue, which begins two such transactions, that is.
import { randomBytes } from 'node:crypto'
import { approve } from '../demo/browser.ts'
import { startDemo } from '../demo/index.ts'
import type { Actor, CookieCredential } from '../lib/actor.ts'
import { seedDemo } from '../lib/broker/demo.ts'
import { issueToken } from '../lib/broker/issue.ts'
import { completeLink } from '../lib/broker/link/complete.ts'
import { startLink } from '../lib/broker/link/start.ts'
import { revoke } from '../lib/broker/revoke.ts'
import { parseConfig } from '../lib/config.ts'
import { type Context, createContext } from '../lib/context.ts'
import { newId } from '../lib/security/ids.ts'
import { act } from '../lib/store/authority.ts'
import { readTenant } from '../lib/store/database.ts'
import { tenantBySlug } from '../lib/store/lookups.ts'
import { listProviders } from '../lib/store/providers.ts'
import { asSystem } from '../lib/store/system.ts'
import { checkInstanceKeys } from '../lib/vault/keys.ts'
import { startThrowAway } from '../scripts/lib/database.mjs'
import { generateClient } from '../scripts/lib/prepare.mjs'
import { stopOnSignals } from '../scripts/lib/processes.mjs'
import { applyMigrations } from '../scripts/migrate.mjs'

const [rounds = 1_500] = process.argv.slice(2).map(Number)
const origin = 'http://localhost:3000'
const secret = () => randomBytes(32).toString('base64url')

async function memberOf(ctx: Context): Promise<Actor<CookieCredential>> {
  const tenantId = (await tenantBySlug(ctx, 'acme')) ?? ''
  const member = await readTenant(ctx, tenantId, (tx) => tx.member.findFirstOrThrow({ where: { role: 'owner' } }))
  const sessionId = newId('session')
  await ctx.pool.query(
    `INSERT INTO session (id, token_hash, user_id, auth_time, created_at, last_active_at, expires_at)
     VALUES ($1, $2, $3, now(), now(), now(), now() + interval '1 day')`,
    [sessionId, randomBytes(32), member.userId],
  )
  return {
    userId: member.userId,
    credential: { kind: 'cookie', session: sessionId },
    tenantId,
    slug: 'acme',
    role: 'owner',
  }
}

async function linked(ctx: Context, actor: Actor<CookieCredential>): Promise<string> {
  const browser = secret()
  const [provider] = await readTenant(ctx, actor.tenantId, (tx) => listProviders(tx, actor.tenantId))
  const started = await startLink(ctx, actor, { providerId: provider?.id ?? '', browser })
  const back = new URL(await approve(started.url, { account: 'owner@acme.test', project: '10231' }))
  const session = { id: actor.credential.session, userId: actor.userId }
  const key = back.pathname.split('/').at(-1) ?? ''
  const result = await completeLink(ctx, { key, parameters: back.searchParams, browser, session, origin: {} })
  if (result.kind === 'failed') throw result.error
  return result.projectId
}

/** Milliseconds of one call. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}
const median = (values: number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

async function measure(ctx: Context): Promise<void> {
  const actor = await memberOf(ctx)
  const project = await linked(ctx, actor)
  const plain: number[] = []
  const authorized: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    plain.push(await timed(() => asSystem(ctx, actor.tenantId, 'job', (tx) => tx.tenant.findFirst())))
    authorized.push(await timed(() => act(ctx, actor, 'work', (tx) => tx.tenant.findFirst())))
  }
  const scopes = {
    components: [],
    buckets: { 'in.c-crm': 'read' as const },
    manage_buckets: false,
    read_all_files: false,
  }
  const issues: number[] = []
  for (let round = 0; round < 60; round += 1) {
    const input = { project, scopes, lifetimeSeconds: 900, purpose: 'bench' }
    let id = ''
    issues.push(
      await timed(async () => {
        id = (await issueToken(ctx, actor, input)).token.id
      }),
    )
    await revoke(ctx, actor, { tokens: [id], connections: [] })
  }
  const [without, within, issue] = [median(plain), median(authorized), median(issues)]
  const share = (2 * (within - without)) / issue
  console.log(`transaction that names the tenant   ${without.toFixed(2)} ms (median of ${rounds})`)
  console.log(`transaction that reads authority    ${within.toFixed(2)} ms, ratio ${(within / without).toFixed(2)}`)
  console.log(
    `one issue (two of them)             ${issue.toFixed(2)} ms, of which authority ${(share * 100).toFixed(1)} %`,
  )
}

await generateClient()
const database = await startThrowAway({ autovacuum: 'on' })
stopOnSignals(() => database.stop())
const demo = await startDemo({
  stackClient: { id: 'bench', secret: 'bench-secret', redirectUris: [`${origin}/oauth/callback/keboola-demo`] },
  ticketsClient: { id: 'bench', secret: 'bench-secret', redirectUris: [`${origin}/oauth/callback/tickets-demo`] },
  signinClient: { id: 'signin', secret: 'signin-secret', redirectUris: [`${origin}/api/auth/callback/signin`] },
  now: Date.now,
})
await applyMigrations(database.ownerUrl)
const ctx = await createContext(
  parseConfig({
    NODE_ENV: 'test',
    VALETKEY_URL: origin,
    DATABASE_URL: database.appUrl,
    VALETKEY_KEYS: `k1:${secret()}`,
    VALETKEY_SECRET: secret(),
    VALETKEY_SIGNIN_ISSUER: demo.issuer,
    VALETKEY_SIGNIN_CLIENT_ID: 'signin',
    VALETKEY_SIGNIN_CLIENT_SECRET: 'signin-secret',
    VALETKEY_EMBEDDED: '1',
    VALETKEY_DEMO: '1',
    VALETKEY_DEMO_STACK: JSON.stringify({ url: demo.url, clientId: 'bench', clientSecret: 'bench-secret' }),
    VALETKEY_DEMO_TICKETS: JSON.stringify({
      issuer: demo.ticketsIssuer,
      clientId: 'bench',
      clientSecret: 'bench-secret',
    }),
    VALETKEY_LOG: 'silent',
  }),
)
try {
  await checkInstanceKeys(ctx)
  await seedDemo(ctx)
  await measure(ctx)
} finally {
  await ctx.close()
  await demo.close()
  await database.stop()
}
