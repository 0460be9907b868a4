import { type Actor, may, requirePermission, sessionOf } from '../../actor.ts'
import { noteRead } from '../../audit/access.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { readTenant } from '../../store/database.ts'
import { findMember, listSessions } from '../../store/members.ts'
import { lookUp } from '../../store/search.ts'
import type { Given } from '../../store/selections.ts'
import {
  countTenantSessions,
  listTenantSessions,
  type SessionFilter,
  type SessionOrder,
  type TenantSession,
} from '../../store/tenant-sessions.ts'
import { countLimit, type Page, type PageInput, pageSize, placing, toPage } from './page.ts'

/** A session that the tenant accepts. Where it is, and when it was last used, is its person's alone: it tells of other tenants, too. */
export type MemberSessionView = {
  id: string
  agent: string | null
  createdAt: Date
  expiresAt: Date
  address: string | null
  lastActiveAt: Date | null
  /** The one that asks. */
  current: boolean
}

/** The newest hundred. @throws BrokerError not_found, for others' unless one oversees */
export async function memberSessions(ctx: Context, actor: Actor, userId: string): Promise<MemberSessionView[]> {
  const own = actor.userId === userId
  if (!own && !may(actor, 'oversee')) throw new BrokerError('not_found')
  const sessions = await readTenant(ctx, actor.tenantId, async (tx) => {
    const member = await findMember(tx, actor.tenantId, userId)
    if (!member || member.status === 'removed') throw new BrokerError('not_found')
    const { idleSeconds } = ctx.config.session
    return listSessions(tx, actor.tenantId, userId, { idleSeconds, take: 100 })
  })
  if (!own) await noteRead(ctx, actor, 'listMemberSessions', userId)
  return sessions.map(({ address, lastActiveAt, ...session }) => ({
    ...session,
    address: own ? address : null,
    lastActiveAt: own ? lastActiveAt : null,
    current: session.id === sessionOf(actor.credential),
  }))
}

/** A session of a member. Where it is, and when it was last used, is its person's alone (docs/decisions/0091). */
export type TenantSessionView = {
  id: string
  ownerId: string
  agent: string | null
  createdAt: Date
  expiresAt: Date
  /** The one that asks. */
  current: boolean
}

/** `others`: how many an act on all of them would end, counted as far as the total. */
export type SessionPage = Page<TenantSessionView> & { others: number }

/** Sessions of everybody that the tenant accepts, newest first. @throws BrokerError forbidden */
export async function sessionPage(
  ctx: Context,
  actor: Actor,
  {
    order,
    before,
    ...filter
  }: Given<Omit<SessionFilter, 'idleSeconds'>> & PageInput & { order?: SessionOrder | undefined },
): Promise<SessionPage> {
  requirePermission(actor, 'oversee')
  const { tenantId } = actor
  const asks = sessionOf(actor.credential)
  const { place, textOf } = placing<TenantSession>({ order, before }, ({ expiresAt }) => expiresAt)
  const { rows, counted, others } = await readTenant(ctx, tenantId, async (tx) => {
    const chosen = { ...(await lookUp(tx, tenantId, filter)), idleSeconds: ctx.config.session.idleSeconds }
    const rows = await listTenantSessions(tx, tenantId, chosen, { ...place, order, take: pageSize + 1 })
    const counted = await countTenantSessions(tx, tenantId, chosen, countLimit + 1)
    const own = asks === undefined ? undefined : { ...chosen, of: actor.userId, ids: [asks] }
    return { rows, counted, others: counted - (own ? await countTenantSessions(tx, tenantId, own) : 0) }
  })
  await noteRead(ctx, actor, 'listSessions', filter.userId)
  const views = rows.map(({ userId: ownerId, ...session }) => ({ ...session, ownerId, current: session.id === asks }))
  return { ...toPage(views, counted, (index) => textOf(rows[index])), others: Math.min(others, countLimit) }
}
