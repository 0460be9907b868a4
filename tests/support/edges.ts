import { randomBytes } from 'node:crypto'
import pg from 'pg'
import type { Role } from '../../lib/actor.ts'
import { parseConfig } from '../../lib/config.ts'
import { type Context, createContext, putContext } from '../../lib/context.ts'
import { sessionCookie } from '../../lib/http/session.ts'
import { createLog } from '../../lib/log.ts'
import { newId } from '../../lib/security/ids.ts'
import { hash, randomToken } from '../../lib/security/secrets.ts'
import { upsertMember } from '../../lib/store/members.ts'
import { asSystem, withInstance } from '../../lib/store/system.ts'
import { ensureUser } from '../../lib/store/users.ts'
import { foundTenant } from '../../lib/tenancy/tenants.ts'
import { checkInstanceKeys } from '../../lib/vault/keys.ts'
import { createTestDatabase } from './database.ts'
import { expectCatalogued } from './trail.ts'

export const origin = 'http://localhost:3000'
const secret = () => randomBytes(32).toString('base64url')

/** What a browser on our own page sends with a change. */
export const ownPage = {
  origin,
  'sec-fetch-site': 'same-origin',
  'x-valetkey': '1',
  'content-type': 'application/json',
}

/** The edges on a database of their own, with people in tenants; no upstream. */
export async function startEdges(settings: Record<string, string> = {}) {
  const database = await createTestDatabase()
  const owner = new pg.Client({ connectionString: database.ownerUrl })
  await owner.connect()
  const logged: string[] = []
  const config = parseConfig({
    NODE_ENV: 'test',
    VALETKEY_URL: origin,
    DATABASE_URL: database.appUrl,
    VALETKEY_KEYS: `k1:${secret()}`,
    VALETKEY_SECRET: secret(),
    VALETKEY_SIGNIN_ISSUER: 'http://localhost:9',
    VALETKEY_SIGNIN_CLIENT_ID: 'client',
    VALETKEY_SIGNIN_CLIENT_SECRET: 'client-secret',
    VALETKEY_LOG: 'debug',
    ...settings,
  })
  const makeContext = (): Promise<Context> =>
    createContext(config, { log: createLog(config, { write: (line: string) => void logged.push(line) }) })
  const ctx = await makeContext()
  await checkInstanceKeys(ctx)
  putContext(ctx)

  /** A signed-in person; with `tenant`, a member there. The first one in a tenant makes it. */
  async function person({
    tenant,
    role = 'owner',
    status = 'active',
  }: {
    tenant?: string
    role?: Role
    status?: string
  } = {}) {
    const subject = newId('user')
    const token = randomToken()
    const identity = { issuer: config.signin.issuer, subject, name: 'A person', email: null }
    const user = await withInstance(ctx, (tx) => ensureUser(tx, identity, ctx.now()))
    const sessionId = newId('session')
    await ctx.pool.query(
      `INSERT INTO session (id, token_hash, user_id, auth_time, created_at, last_active_at, expires_at)
       VALUES ($1, $2, $3, now(), now(), now(), now() + interval '1 day')`,
      [sessionId, Buffer.from(hash(token)), user.id],
    )
    if (tenant) {
      const id = `ten_${tenant}`
      const known = await asSystem(ctx, id, 'job', (tx) => tx.tenant.findUnique({ where: { id } }))
      await asSystem(ctx, id, 'job', async (tx) => {
        if (!known) await foundTenant(ctx, tx, { userId: user.id }, { id, name: tenant, slug: tenant })
        await upsertMember(tx, { tenantId: id, userId: user.id, role, createdAt: ctx.now() })
        await tx.member.update({
          where: { tenantId_userId: { tenantId: id, userId: user.id } },
          data: { role, status },
        })
      })
    }
    return { userId: user.id, sessionId, token, cookie: `${sessionCookie}=${token}` }
  }

  return {
    ctx,
    config,
    /** Every line that was logged. */
    logged,
    /** Another process's context on the same database. */
    makeContext,
    person,
    eventsOf: (tenantId: string) =>
      asSystem(ctx, tenantId, 'job', (tx) => tx.auditEvent.findMany({ where: { tenantId }, orderBy: { id: 'asc' } })),
    owner,
    async stop() {
      await expectCatalogued(ctx)
      await ctx.close()
      await owner.end()
      await database.drop()
    },
  }
}
