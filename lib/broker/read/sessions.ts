import { type Actor, may, sessionOf } from '../../actor.ts'
import { noteRead } from '../../audit/access.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { readTenant } from '../../store/database.ts'
import { findMember, listSessions } from '../../store/members.ts'

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
