import { type Actor, may, mayGrant, permissions, type Role, requirePermission, sessionOf } from '../actor.ts'
import { noteRead } from '../audit/access.ts'
import { record, recordAnyway } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { newId } from '../security/ids.ts'
import { countHeld, endHeld, insertAct } from '../store/acts.ts'
import { act } from '../store/authority.ts'
import { move } from '../store/connection-states.ts'
import { type ReadTx, readTenant, type Tx } from '../store/database.ts'
import {
  countInvitationsBy,
  countSessions,
  findMember,
  listOwners,
  raiseMember,
  refuseSession,
  refuseSessions,
  updateMember,
  withdrawInvitations,
} from '../store/members.ts'
import { insertNotifications, tellEnded } from '../store/notifications.ts'
import { forgetImpersonation } from '../store/policies.ts'
import { webhookHostsBy, webhooksBy } from '../store/webhooks.ts'
import { endOwnSession } from '../tenancy/sessions.ts'
import { runSoon } from './acts.ts'

/** What losing rights reaches, in counts. */
export type Ending = {
  /** Sessions that this tenant will no longer accept; other tenants still do. */
  sessions: number
  connections: number
  tokens: number
  /** Of the tokens: known to have been used within the last hour. */
  usedLately: number
  /** Devices and apps that they let in. */
  grants: number
  invitations: number
  /** Webhooks that they made: they go on, and admins are asked to take them over. Where they tell, for who administers. */
  webhooks: number
  webhookHosts: string[]
}

const hourMilliseconds = 3_600_000

export type MemberChange = {
  userId: string
  role?: Role | undefined
  status?: 'active' | 'suspended' | undefined
  reason?: string | undefined
}

/**
 * What suspending or removing a member, or revoking everything of theirs, would reach now.
 * @throws BrokerError not_found, for others' unless one oversees
 */
export async function endingPreview(ctx: Context, actor: Actor, userId: string): Promise<Ending> {
  if (actor.userId !== userId && !may(actor, 'oversee')) throw new BrokerError('not_found')
  const preview = await readTenant(ctx, actor.tenantId, async (tx) => {
    await standing(tx, actor.tenantId, userId)
    return countEnding(ctx, tx, actor, userId)
  })
  if (actor.userId !== userId) await noteRead(ctx, actor, 'previewEnding', userId)
  return preview
}

/**
 * Changes a member's role, suspends them or lets them in again. Only an owner makes or unmakes owners; a tenant keeps one.
 * Demoted: their open invitations into roles they can no longer give are withdrawn. Suspended: this tenant refuses the
 * sessions they have, their devices, apps and living tokens are revoked, and their connections rest, frozen, until they are back.
 * @throws BrokerError forbidden, not_found, last_owner
 */
export async function changeMember(ctx: Context, actor: Actor, input: MemberChange): Promise<void> {
  const { tenantId } = actor
  const { userId } = input
  const needs = { may: 'administer' as const, change: [userId], owners: true }
  const ended = await act(ctx, actor, needs, async (tx, actor) => {
    const member = await memberToChange(tx, actor, userId)
    const role = input.role ?? member.role
    const status = input.status ?? member.status
    if (!mayGrant(actor, role)) throw new BrokerError('forbidden')
    await keepAnOwner(tx, tenantId, { userId, stays: role === 'owner' && status === 'active' })
    const change = { ...(input.role && { role }), ...(input.status && { status }) }
    await updateMember(tx, tenantId, userId, change)
    const lost = await endRights(ctx, tx, actor, userId, status === 'active' ? role : undefined)
    const ended =
      status === 'suspended' ? await endAccess(ctx, tx, actor, input, { what: 'tokens', blocked: true }) : undefined
    await record(tx, tenantId, ctx.now(), actor, {
      action: 'member.changed',
      outcome: 'ok',
      target: { kind: 'member', id: userId },
      details: { ...change, ...lost, ...ended?.counts, ...(ended && { act: ended.act }), reason: input.reason ?? null },
    })
    return ended
  })
  if (ended) await runSoon(ctx, { tenantId, id: ended.act })
}

/**
 * Removes a member, or lets the caller leave: this tenant refuses their sessions, their devices, apps, connections and living
 * tokens end, also upstream, and what they invited is withdrawn. Their name stays where the past names them.
 * @throws BrokerError forbidden, not_found, last_owner
 */
export async function removeMember(
  ctx: Context,
  actor: Actor,
  input: { userId: string; reason?: string | undefined },
): Promise<void> {
  const { tenantId } = actor
  const { userId } = input
  const ended = await act(ctx, actor, { may: 'read', change: [userId], owners: true }, async (tx, actor) => {
    const leaves = userId === actor.userId
    requireOver(actor, userId)
    if (!leaves) await memberToChange(tx, actor, userId)
    await keepAnOwner(tx, tenantId, { userId, stays: false })
    await updateMember(tx, tenantId, userId, { status: 'removed' })
    await forgetImpersonation(tx, tenantId, userId)
    const lost = await endRights(ctx, tx, actor, userId, undefined)
    const ended = await endAccess(ctx, tx, actor, input, { what: 'connections', blocked: true })
    await record(tx, tenantId, ctx.now(), actor, {
      action: leaves ? 'member.left' : 'member.removed',
      outcome: 'ok',
      target: { kind: 'member', id: userId },
      details: { ...lost, ...ended.counts, act: ended.act, reason: input.reason ?? null },
    })
    return ended
  })
  await runSoon(ctx, { tenantId, id: ended.act })
}

/** Of somebody whom the viewer may see. */
export async function countEnding(ctx: Context, tx: ReadTx, actor: Actor, userId: string): Promise<Ending> {
  const { tenantId } = actor
  const now = ctx.now()
  const webhooks = await webhookHostsBy(tx, tenantId, userId)
  return {
    sessions: await countSessions(tx, tenantId, userId, ctx.config.session.idleSeconds),
    ...(await countHeld(tx, tenantId, userId, { now, usedSince: new Date(+now - hourMilliseconds) })),
    invitations: await countInvitationsBy(tx, tenantId, userId, now),
    webhooks: webhooks.length,
    webhookHosts: may(actor, 'administer') ? webhooks.map(({ host }) => host) : [],
  }
}

export type Everything = { userId: string; block?: boolean | undefined; reason?: string | undefined }
export type EverythingEnded = Ended & {
  /** The row that tells how it goes on. */
  act: string
  /** Sign-in here is blocked: they are suspended. */
  blocked: boolean
  /** Nothing was left to end. */
  already: boolean
}
type Ended = { sessions: number; connections: number; tokens: number; grants: number; invitations: number }

/**
 * Revokes everything that one person holds here in one act: their sessions in this tenant, connections, tokens, devices, apps and
 * open invitations, and with `block` their way in, which means that they are suspended. Webhooks that they made go on, and admins are asked to
 * take those over. Of one's own everything but the session that asks goes; nobody blocks themselves.
 * @throws BrokerError forbidden, also for blocking somebody whose role one may not change; not_found, for others' unless one oversees;
 *   bad_request for blocking oneself; unavailable when it could not be committed
 */
export async function revokeEverything(ctx: Context, actor: Actor, input: Everything): Promise<EverythingEnded> {
  const { tenantId } = actor
  const { userId } = input
  const ended = await act(ctx, actor, { may: 'read', change: [userId], owners: true }, async (tx, actor) => {
    const own = userId === actor.userId
    requireOver(actor, userId)
    const block = input.block ?? !own
    if (block && own) throw new BrokerError('bad_request', { fields: { block: 'You cannot block yourself.' } })
    const member = await standing(tx, tenantId, userId)
    if (block) {
      // Whoever may change an owner is one, and stays.
      await memberToChange(tx, actor, userId)
      await updateMember(tx, tenantId, userId, { status: 'suspended' })
    }
    const lost = await endRights(ctx, tx, actor, userId, undefined)
    const kept = own ? sessionOf(actor.credential) : undefined
    const { counts, act } = await endAccess(ctx, tx, actor, input, { what: 'connections', blocked: block, kept })
    const all = { ...counts, ...lost }
    const event = {
      action: 'member.revoked',
      outcome: 'ok',
      target: { kind: 'member', id: userId },
      details: { ...all, act, blocked: block, reason: input.reason ?? null },
    } as const
    await recordAnyway(ctx, tx, tenantId, ctx.now(), actor, event)
    const { webhooks: _, ...ending } = all
    const already = Object.values(ending).every((count) => count === 0) && (!block || member.status === 'suspended')
    return { ...ending, act, blocked: block, already }
  })
  await runSoon(ctx, { tenantId, id: ended.act })
  return ended
}

/**
 * Ends one session of a person: for this tenant alone, which refuses it from here on (A-01), and of one's own altogether.
 * @throws BrokerError not_found for what is no session of theirs, or of others' unless one oversees; forbidden
 */
export async function endMemberSession(
  ctx: Context,
  actor: Actor,
  { userId, sessionId }: { userId: string; sessionId: string },
): Promise<void> {
  const { tenantId } = actor
  const own = userId === actor.userId
  await act(ctx, actor, { may: 'read', share: [userId] }, async (tx, actor) => {
    requireOver(actor, userId)
    await standing(tx, tenantId, userId)
    if (!(await refuseSession(tx, tenantId, userId, sessionId))) throw new BrokerError('not_found')
    const details = { session: sessionId }
    const event = {
      action: 'member.session_ended',
      outcome: 'ok',
      target: { kind: 'member', id: userId },
      details,
    } as const
    await recordAnyway(ctx, tx, tenantId, ctx.now(), actor, event)
    const counts = { connections: 0, tokens: 0, grants: 0, sessions: 1 }
    const notice = { tenantId, userId, by: actor.userId, reason: null, counts }
    const untold = await tellEnded(tx, [notice], ctx.now())
    if (untold !== undefined)
      ctx.log.warn({ err: untold, tenant: tenantId }, 'somebody was not told of an ended session')
  })
  if (own) await endOwnSession(ctx, actor, sessionId)
}

/**
 * One's own access anybody may end; somebody else's, who administers the tenant. Who oversees it may know who is there, and is told so.
 * @throws BrokerError not_found; forbidden
 */
function requireOver(actor: Actor, userId: string): void {
  if (userId === actor.userId) return
  if (!may(actor, 'oversee')) throw new BrokerError('not_found')
  requirePermission(actor, 'administer')
}

/** Who is a member, or suspended. @throws BrokerError not_found */
async function standing(tx: ReadTx, tenantId: string, userId: string) {
  const member = await findMember(tx, tenantId, userId)
  if (!member || member.status === 'removed') throw new BrokerError('not_found')
  return member
}

/** @throws BrokerError not_found; forbidden where the actor may not change somebody with their role */
async function memberToChange(tx: ReadTx, actor: Actor, userId: string) {
  const member = await standing(tx, actor.tenantId, userId)
  const role = member.role as Role
  if (!mayGrant(actor, role)) throw new BrokerError('forbidden')
  return { role, status: member.status }
}

/** @throws BrokerError last_owner */
async function keepAnOwner(tx: ReadTx, tenantId: string, { userId, stays }: { userId: string; stays: boolean }) {
  const owners = await listOwners(tx, tenantId)
  if (!stays && owners.length === 1 && owners[0] === userId) throw new BrokerError('last_owner')
}

/** Takes back what a person could give others with a role that is no longer theirs. `role`: what they have from now on. */
async function endRights(ctx: Context, tx: Tx, { tenantId }: Actor, userId: string, role: Role | undefined) {
  const lost = permissions.read.filter((one) => !role || !mayGrant({ role }, one))
  const invitations = await withdrawInvitations(tx, tenantId, userId, lost)
  const webhooks = role && may({ role }, 'administer') ? [] : await webhooksBy(tx, tenantId, userId)
  if (webhooks.length > 0)
    await insertNotifications(tx, [
      {
        tenantId,
        id: newId('notification'),
        kind: 'webhook.orphaned',
        details: { user: userId, webhooks },
        createdAt: ctx.now(),
      },
    ])
  return { invitations, webhooks: webhooks.length }
}

type Access = { userId: string; reason?: string | undefined }

/**
 * Ends what a person can do here: their sessions in this tenant, what they gave programs, and their tokens, or the connections
 * that they are from. However much it is, it is dead when this commits: everything was made under a generation of the member that is raised
 * here, or under the grant or connection that ends. The rows follow (acts.ts).
 * `kept`: the session that stays.
 */
async function endAccess(
  ctx: Context,
  tx: Tx,
  actor: Actor,
  { userId, reason }: Access,
  { what, blocked, kept }: { what: 'tokens' | 'connections'; blocked: boolean; kept?: string | undefined },
) {
  const { tenantId } = actor
  const now = ctx.now()
  const id = newId('revocation_act')
  const sessions = await refuseSessions(tx, tenantId, userId, kept)
  const connections = what === 'connections'
  const held = await endHeld(tx, tenantId, { userId, by: actor.userId, act: id, connections, now })
  if (connections) await move(tx, { tenantId, userId }, 'revoke', now, {})
  const generation = await raiseMember(tx, tenantId, userId)
  const counts = { sessions, ...held }
  const of = { tenantId, id, kind: 'held', by: actor.userId, userId, generation }
  await insertAct(tx, { ...of, asOf: now, createdAt: now, reason: reason ?? null, counts })
  const notice = { tenantId, userId, by: actor.userId, reason: reason ?? null, act: id, blocked, counts: held }
  const untold = await tellEnded(tx, [notice], now)
  if (untold !== undefined) ctx.log.warn({ err: untold, tenant: tenantId }, 'somebody was not told of what was revoked')
  return { counts, act: id }
}
