import { type Actor, may, mayGrant, permissions, type Role } from '../actor.ts'
import { noteRead } from '../audit/access.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { newId } from '../security/ids.ts'
import { act } from '../store/authority.ts'
import { heldConnections } from '../store/connections.ts'
import { type ReadTx, readTenant, type Tx } from '../store/database.ts'
import {
  countInvitationsBy,
  countSessions,
  findMember,
  listOwners,
  refuseSessions,
  updateMember,
  withdrawInvitations,
} from '../store/members.ts'
import { insertNotifications } from '../store/notifications.ts'
import { forgetImpersonation } from '../store/policies.ts'
import { livingTokens } from '../store/tokens.ts'
import { webhooksBy } from '../store/webhooks.ts'
import { vaultOf } from '../vault/keys.ts'
import { revokeHere } from './revoke.ts'
import { settleWithin } from './upstream-revocation.ts'

/** What losing rights reaches, in counts. */
export type Ending = {
  /** Sessions that this tenant will no longer accept; other tenants still do. */
  sessions: number
  connections: number
  tokens: number
  invitations: number
  /** Webhooks that they made: they go on, and admins are asked to take them over. */
  webhooks: number
}

export type MemberChange = {
  userId: string
  role?: Role | undefined
  status?: 'active' | 'suspended' | undefined
  reason?: string | undefined
}

/** What suspending or removing a member would reach now. @throws BrokerError not_found, for others' unless one oversees */
export async function endingPreview(ctx: Context, actor: Actor, userId: string): Promise<Ending> {
  if (actor.userId !== userId && !may(actor, 'oversee')) throw new BrokerError('not_found')
  const preview = await readTenant(ctx, actor.tenantId, async (tx) => {
    const member = await findMember(tx, actor.tenantId, userId)
    if (!member || member.status === 'removed') throw new BrokerError('not_found')
    const held = await heldBy(tx, actor.tenantId, userId, ctx.now())
    return {
      sessions: await countSessions(tx, userId, ctx.config.session.idleSeconds),
      connections: held.connections.length,
      tokens: held.tokens.length,
      invitations: await countInvitationsBy(tx, actor.tenantId, userId, ctx.now()),
      webhooks: (await webhooksBy(tx, actor.tenantId, userId)).length,
    }
  })
  if (actor.userId !== userId) await noteRead(ctx, actor, 'previewEnding', userId)
  return preview
}

async function heldBy(tx: ReadTx, tenantId: string, userId: string, now: Date) {
  return {
    connections: await heldConnections(tx, tenantId, userId),
    tokens: await livingTokens(tx, tenantId, userId, now),
  }
}

/**
 * Changes a member's role, suspends them or lets them in again. Only an owner makes or unmakes owners; a tenant keeps one.
 * Demoted: their open invitations into roles they can no longer give are withdrawn. Suspended: this tenant refuses the
 * sessions they have, their living tokens are revoked, and their connections rest, frozen, until they are back.
 * @throws BrokerError forbidden, not_found, last_owner
 */
export async function changeMember(ctx: Context, actor: Actor, input: MemberChange): Promise<void> {
  const { tenantId } = actor
  const { userId } = input
  const vault = await vaultOf(ctx, tenantId)
  const needs = { may: 'administer' as const, change: [userId], owners: true }
  const work = await act(ctx, actor, needs, async (tx, actor): Promise<string[]> => {
    const member = await memberToChange(tx, actor, userId)
    const role = input.role ?? member.role
    const status = input.status ?? member.status
    if (!mayGrant(actor, role)) throw new BrokerError('forbidden')
    await keepAnOwner(tx, tenantId, { userId, stays: role === 'owner' && status === 'active' })
    const change = { ...(input.role && { role }), ...(input.status && { status }) }
    await updateMember(tx, tenantId, userId, change)
    const lost = await endRights(ctx, tx, actor, userId, status === 'active' ? role : undefined)
    const ended = status === 'suspended' ? await endAccess(ctx, vault, tx, actor, input, 'tokens') : noneEnded
    await record(tx, tenantId, ctx.now(), actor, {
      action: 'member.changed',
      outcome: 'ok',
      target: { kind: 'member', id: userId },
      details: { ...change, ...lost, ...ended.counts, reason: input.reason ?? null },
    })
    return ended.work
  })
  await settleWithin(ctx, tenantId, work)
}

/**
 * Removes a member, or lets the caller leave: this tenant refuses their sessions, their connections and living tokens end,
 * also upstream, and what they invited is withdrawn. Their name stays where the past names them.
 * @throws BrokerError forbidden, not_found, last_owner
 */
export async function removeMember(
  ctx: Context,
  actor: Actor,
  input: { userId: string; reason?: string | undefined },
): Promise<void> {
  const { tenantId } = actor
  const { userId } = input
  const vault = await vaultOf(ctx, tenantId)
  const work = await act(ctx, actor, { may: 'read', change: [userId], owners: true }, async (tx, actor) => {
    const leaves = userId === actor.userId
    if (!leaves && !may(actor, 'oversee')) throw new BrokerError('not_found')
    if (!leaves) await memberToChange(tx, actor, userId)
    await keepAnOwner(tx, tenantId, { userId, stays: false })
    await updateMember(tx, tenantId, userId, { status: 'removed' })
    await forgetImpersonation(tx, tenantId, userId)
    const lost = await endRights(ctx, tx, actor, userId, undefined)
    const ended = await endAccess(ctx, vault, tx, actor, input, 'connections')
    await record(tx, tenantId, ctx.now(), actor, {
      action: leaves ? 'member.left' : 'member.removed',
      outcome: 'ok',
      target: { kind: 'member', id: userId },
      details: { ...lost, ...ended.counts, reason: input.reason ?? null },
    })
    return ended.work
  })
  await settleWithin(ctx, tenantId, work)
}

/** @throws BrokerError not_found; forbidden where the actor may not change somebody with their role */
async function memberToChange(tx: ReadTx, actor: Actor, userId: string) {
  const member = await findMember(tx, actor.tenantId, userId)
  if (!member || member.status === 'removed') throw new BrokerError('not_found')
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

const noneEnded = { counts: {}, work: [] as string[] }

/** Ends what a person can do here: their sessions in this tenant, and their tokens, or the connections that they are from. */
async function endAccess(
  ctx: Context,
  vault: Awaited<ReturnType<typeof vaultOf>>,
  tx: Tx,
  actor: Actor,
  { userId, reason }: { userId: string; reason?: string | undefined },
  what: 'tokens' | 'connections',
) {
  const { tenantId } = actor
  const sessions = await refuseSessions(tx, tenantId, userId)
  const held = await heldBy(tx, tenantId, userId, ctx.now())
  const connections = what === 'connections' ? held.connections : []
  const { work } = await revokeHere(ctx, vault, tx, actor, { tokens: held.tokens, connections, reason })
  return { counts: { sessions, connections: connections.length, tokens: held.tokens.length }, work }
}
