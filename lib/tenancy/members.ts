import { type Origin, record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { newId } from '../security/ids.ts'
import { hash, randomToken, Secret } from '../security/secrets.ts'
import { withTenant } from '../store/database.ts'
import { invitationByHash, type Role } from '../store/lookups.ts'
import {
  consumeInvitation,
  countInvitationsLocked,
  deleteInvitation,
  findMember,
  insertInvitation,
  listInvitations,
  listMembers,
  lockOwners,
  updateMember,
  upsertMember,
} from '../store/members.ts'
import { findTenant } from '../store/tenants.ts'
import { type Actor, requirePermission } from './actor.ts'

export type MemberView = {
  userId: string
  name: string
  email: string | null
  role: Role
  status: 'active' | 'suspended'
  joinedAt: Date
}

/** Everybody in the tenant. */
export async function memberList(ctx: Context, actor: Actor): Promise<MemberView[]> {
  const rows = await withTenant(ctx, actor.tenantId, (tx) => listMembers(tx, actor.tenantId))
  return rows.map((row) => ({
    userId: row.userId,
    name: row.user.name,
    email: row.user.email,
    role: row.role as Role,
    status: row.status as MemberView['status'],
    joinedAt: row.createdAt,
  }))
}

/**
 * Changes a member's role or suspends them. Only an owner makes or unmakes owners; a tenant keeps one. What a member
 * loses raises their generation, so tokens being made under the old rights are not completed.
 * @throws BrokerError forbidden, not_found, last_owner
 */
export async function changeMember(
  ctx: Context,
  actor: Actor,
  input: { userId: string; role?: Role | undefined; status?: 'active' | 'suspended' | undefined },
): Promise<void> {
  requirePermission(actor, 'administer')
  const { tenantId } = actor
  const problem = await withTenant(ctx, tenantId, async (tx) => {
    const owners = await lockOwners(tx, tenantId)
    const member = await findMember(tx, tenantId, input.userId)
    if (!member) return 'not_found' as const
    const touchesOwner = member.role === 'owner' || input.role === 'owner'
    if (touchesOwner && actor.role !== 'owner') return 'forbidden' as const
    const stays = (input.role ?? member.role) === 'owner' && (input.status ?? member.status) === 'active'
    if (owners.includes(member.userId) && owners.length === 1 && !stays) return 'last_owner' as const
    const change = { ...(input.role ? { role: input.role } : {}), ...(input.status ? { status: input.status } : {}) }
    await updateMember(tx, tenantId, input.userId, { ...change, generation: { increment: 1 } })
    const target = { kind: 'member', id: input.userId }
    await record(tx, tenantId, ctx.now(), actor, { action: 'member.changed', outcome: 'ok', target, details: change })
    return undefined
  })
  if (problem) throw new BrokerError(problem)
}

const invitationMilliseconds = 7 * 86_400_000

export type InvitationView = { id: string; role: Role; note: string | null; createdBy: string; expiresAt: Date }

/** How many may be open at once: each is a link that lets somebody in. */
export const openInvitations = 100

/**
 * Makes an invitation; the secret part of its link is shown once and stored as a hash.
 * @throws BrokerError forbidden, too_many_invitations
 */
export async function invite(
  ctx: Context,
  actor: Actor,
  { role, note }: { role: Role; note?: string | undefined },
): Promise<{ invitation: InvitationView; secret: Secret }> {
  requirePermission(actor, 'administer')
  if (role === 'owner' && actor.role !== 'owner') throw new BrokerError('forbidden')
  const secret = `vk_inv_${randomToken()}`
  const now = ctx.now()
  const invitation = {
    id: newId('invitation'),
    role,
    note: note ?? null,
    createdBy: actor.userId,
    expiresAt: new Date(now.getTime() + invitationMilliseconds),
  }
  const made = await withTenant(ctx, actor.tenantId, async (tx) => {
    if ((await countInvitationsLocked(tx, actor.tenantId, now)) >= openInvitations) return false
    await insertInvitation(tx, {
      ...invitation,
      tenantId: actor.tenantId,
      tokenHash: Buffer.from(hash(secret)),
      createdAt: now,
    })
    await record(tx, actor.tenantId, now, actor, {
      action: 'invitation.created',
      outcome: 'ok',
      target: { kind: 'invitation', id: invitation.id },
      details: { role },
    })
    return true
  })
  if (!made) throw new BrokerError('too_many_invitations')
  return { invitation, secret: new Secret(secret) }
}

const pageSize = 50

/** Invitations that are open, newest first. @throws BrokerError forbidden */
export async function invitationPage(
  ctx: Context,
  actor: Actor,
  { before }: { before?: string | undefined } = {},
): Promise<{ items: InvitationView[]; next: string | null }> {
  requirePermission(actor, 'administer')
  const rows = await withTenant(ctx, actor.tenantId, (tx) =>
    listInvitations(tx, actor.tenantId, { now: ctx.now(), before, take: pageSize + 1 }),
  )
  const items = rows.slice(0, pageSize).map(({ id, role, note, createdBy, expiresAt }) => ({
    id,
    role: role as Role,
    note,
    createdBy,
    expiresAt,
  }))
  return { items, next: rows.length > pageSize ? (items.at(-1)?.id ?? null) : null }
}

/** @throws BrokerError forbidden, not_found */
export async function withdrawInvitation(ctx: Context, actor: Actor, id: string): Promise<void> {
  requirePermission(actor, 'administer')
  await withTenant(ctx, actor.tenantId, async (tx) => {
    const { count } = await deleteInvitation(tx, actor.tenantId, id)
    if (count === 0) throw new BrokerError('not_found')
    await record(tx, actor.tenantId, ctx.now(), actor, {
      action: 'invitation.withdrawn',
      outcome: 'ok',
      target: { kind: 'invitation', id },
    })
  })
}

/**
 * Makes a signed-in person a member, once an invitation. Somebody who is a member already keeps their role.
 * @throws BrokerError invitation_unknown
 */
export async function acceptInvitation(
  ctx: Context,
  person: Origin & { userId: string },
  secret: string,
): Promise<{ slug: string }> {
  const place = await invitationByHash(ctx, hash(secret))
  if (!place) throw new BrokerError('invitation_unknown')
  const { tenantId, id } = place
  const slug = await withTenant(ctx, tenantId, async (tx) => {
    const now = ctx.now()
    const used = await consumeInvitation(tx, tenantId, id, person.userId, now)
    const tenant = await findTenant(tx, tenantId)
    if (!used || !tenant) return undefined
    await upsertMember(tx, { tenantId, userId: person.userId, role: used.role, createdAt: now })
    const target = { kind: 'member', id: person.userId }
    await record(tx, tenantId, now, person, {
      action: 'member.added',
      outcome: 'ok',
      target,
      details: { invitation: id, role: used.role },
    })
    return tenant.slug
  })
  if (!slug) throw new BrokerError('invitation_unknown')
  return { slug }
}
