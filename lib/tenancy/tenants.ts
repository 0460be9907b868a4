import type { CookieCredential, Origin, Person } from '../actor.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { newId } from '../security/ids.ts'
import { hash, randomToken, Secret } from '../security/secrets.ts'
import { actAsPerson } from '../store/authority.ts'
import { isDuplicate, readTenant, type Tx } from '../store/database.ts'
import { tenantIds } from '../store/lookups.ts'
import { upsertMember } from '../store/members.ts'
import { renewSession } from '../store/sessions.ts'
import { findTenant, insertTenant } from '../store/tenants.ts'
import { createTenantKey } from '../vault/keys.ts'

/** Addresses that pages and APIs use themselves. */
const reserved = new Set(['new', 'api', 'admin', 'oauth', 'instance'])

export type Founder = Person<CookieCredential> & { operator: boolean }

/**
 * Makes a tenant with its data key and its first owner. The operator always may; others only where the instance is open.
 * The founder's session goes on under a new id (S-05).
 * @throws BrokerError forbidden, slug_taken
 */
export async function createTenant(
  ctx: Context,
  founder: Founder,
  { name, slug }: { name: string; slug: string },
): Promise<{ id: string; slug: string; session: RenewedSession }> {
  if (!founder.operator && !ctx.config.openTenants)
    throw new BrokerError('forbidden', { detail: 'Only an operator of this instance can create tenants.' })
  if (reserved.has(slug)) throw new BrokerError('slug_taken')
  const id = newId('tenant')
  try {
    const session = await actAsPerson(ctx, founder, id, {}, async (tx) => {
      await foundTenant(ctx, tx, founder, { id, name, slug })
      return renewed(tx, founder)
    })
    return { id, slug, session }
  } catch (error) {
    if (isDuplicate(error)) throw new BrokerError('slug_taken')
    throw error
  }
}

export type RenewedSession = { token: Secret; expiresAt: Date }

/** A person's session under a new id, for an act that gives them rights. */
export async function renewed(tx: Tx, { credential }: Person<CookieCredential>): Promise<RenewedSession> {
  const token = new Secret(randomToken())
  return { token, expiresAt: await renewSession(tx, credential.session, hash(token.reveal())) }
}

export async function foundTenant(
  ctx: Pick<Context, 'keys' | 'now'>,
  tx: Tx,
  founder: Origin & { userId: string },
  { id, name, slug }: { id: string; name: string; slug: string },
): Promise<void> {
  const now = ctx.now()
  await insertTenant(tx, { id, slug, name, createdAt: now })
  await createTenantKey(ctx, tx, id)
  await upsertMember(tx, { tenantId: id, userId: founder.userId, role: 'owner', createdAt: now })
  await record(tx, id, now, founder, {
    action: 'tenant.created',
    outcome: 'ok',
    target: { kind: 'tenant', id },
    details: { slug },
  })
}

/** Whether the instance has no tenant yet: its operator is then shown how to make the first one. */
export const isEmptyInstance = async (ctx: Context) => (await tenantIds(ctx)).length === 0

/** What a tenant is called in addresses. @throws BrokerError not_found */
export async function tenantSlug(ctx: Context, tenantId: string): Promise<string> {
  const tenant = await readTenant(ctx, tenantId, (tx) => findTenant(tx, tenantId))
  if (!tenant) throw new BrokerError('not_found')
  return tenant.slug
}
