import { type Actor, may, type Role } from '../../actor.ts'
import { noteRead } from '../../audit/access.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { listActsOn } from '../../store/acts.ts'
import { type ReadTx, readTenant } from '../../store/database.ts'
import { findMember, listInvitationsBy } from '../../store/members.ts'
import { type Beneath, findTokenFacts, tokensBeneath, tokensBeneathNone } from '../../store/tokens.ts'
import { webhookHostsBy } from '../../store/webhooks.ts'
import { countEnding, type Ending } from '../end.ts'
import { type ConnectionView, connectionPage } from './connection.ts'
import { type GrantView, grantPage } from './grants.ts'
import { countLimit, type Total, toTotal } from './page.ts'
import { type MemberSessionView, memberSessions } from './sessions.ts'
import { type TokenView, toTokenViews } from './token.ts'

/** Some of the living tokens beneath something, the newest first, and how many there are. */
export type Branch = { tokens: TokenView[] } & Total

/** Everything that one person holds in a tenant, and what hangs below what. Long lists are cut; the counts are not. */
export type PersonView = {
  userId: string
  name: string
  email: string | null
  role: Role
  status: 'active' | 'suspended' | 'removed'
  joinedAt: Date
  /** What revoking everything would reach now. */
  ending: Ending
  sessions: MemberSessionView[]
  connections: (ConnectionView & { beneath: Branch })[]
  moreConnections: boolean
  grants: (GrantView & { beneath: Branch })[]
  moreGrants: boolean
  /** Tokens for the tenant's own APIs that the person asked for themselves. */
  others: Branch
  invitations: { id: string; role: Role; note: string | null; expiresAt: Date }[]
  /** Where they tell, for who administers. */
  webhooks: { id: string; host: string | null }[]
  /** The last acts on everything that they held. */
  acts: { id: string; by: string; createdAt: Date; settledAt: Date | null; reason: string | null }[]
}

/** How many tokens are shown beneath each connection and grant. */
const perBranch = { take: 5, most: countLimit + 1 }

/** @throws BrokerError not_found, for others unless one oversees the tenant */
export async function readPerson(ctx: Context, actor: Actor, userId: string): Promise<PersonView> {
  const own = actor.userId === userId
  if (!own && !may(actor, 'oversee')) throw new BrokerError('not_found')
  const { tenantId } = actor
  const now = ctx.now()
  const person = await readTenant(ctx, tenantId, async (tx) => {
    const member = await findMember(tx, tenantId, userId)
    if (!member) throw new BrokerError('not_found')
    const invitations = await listInvitationsBy(tx, tenantId, userId, { now, take: 50 })
    const webhooks = await webhookHostsBy(tx, tenantId, userId)
    const acts = await listActsOn(tx, tenantId, userId, 5)
    return {
      userId,
      name: member.user.name,
      email: member.user.email,
      role: member.role as Role,
      status: member.status as PersonView['status'],
      joinedAt: member.createdAt,
      ending: await countEnding(ctx, tx, actor, userId),
      invitations: invitations.map(({ id, role, note, expiresAt }) => ({ id, role: role as Role, note, expiresAt })),
      webhooks: webhooks.map(({ id, host }) => ({ id, host: may(actor, 'administer') ? host : null })),
      acts: acts.map(({ id, by, createdAt, settledAt, reason }) => ({ id, by, createdAt, settledAt, reason })),
    }
  })
  const everybody = !own
  const [sessions, connections, grants] = await Promise.all([
    person.status === 'removed' ? [] : memberSessions(ctx, actor, userId),
    connectionPage(ctx, actor, { userId, status: 'standing', everybody }),
    grantPage(ctx, actor, { userId, state: 'standing', everybody }),
  ])
  const below = await readTenant(ctx, tenantId, async (tx) => {
    const of = (of: 'connection' | 'grant', rows: { id: string }[]) =>
      tokensBeneath(tx, tenantId, { of, ids: rows.map(({ id }) => id), userId, now, ...perBranch })
    const found = [...(await of('connection', connections.items)), ...(await of('grant', grants.items))]
    const others = await tokensBeneathNone(tx, tenantId, { userId, now, ...perBranch })
    const all = [...found, ...others.map((one) => ({ ...one, parent: '' }))]
    return branches(tx, actor, all, now)
  })
  if (!own) await noteRead(ctx, actor, 'previewEnding', userId)
  return {
    ...person,
    sessions,
    connections: connections.items.map((one) => ({ ...one, beneath: below(one.id) })),
    moreConnections: connections.next !== null,
    grants: grants.items.map((one) => ({ ...one, beneath: below(one.id) })),
    moreGrants: grants.next !== null,
    others: below(''),
  }
}

/** Views of what hangs below each parent. */
async function branches(tx: ReadTx, actor: Actor, found: Beneath[], now: Date): Promise<(parent: string) => Branch> {
  const rows = await findTokenFacts(tx, actor.tenantId, [...new Set(found.map(({ id }) => id))])
  const views = new Map((await toTokenViews(tx, actor, rows, now)).map((view) => [view.id, view]))
  return (parent) => {
    const own = found.filter((one) => one.parent === parent)
    return { tokens: own.flatMap(({ id }) => views.get(id) ?? []), ...toTotal(own[0]?.total ?? 0) }
  }
}
