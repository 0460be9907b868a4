import { type Actor, mayGrant, type Person, type Role, requirePermission } from '../actor.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { newId } from '../security/ids.ts'
import { hash, randomToken, Secret } from '../security/secrets.ts'
import { act, actAsPerson } from '../store/authority.ts'
import { readTenant } from '../store/database.ts'
import { invitationByHash } from '../store/lookups.ts'
import {
  consumeInvitation,
  deleteInvitation,
  findInvitation,
  findMember,
  insertInvitation,
  listInvitations,
  listMembers,
  upsertMember,
} from '../store/members.ts'
import { findTenant } from '../store/tenants.ts'
import { type RenewedSession, renewed } from './tenants.ts'

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
  const rows = await readTenant(ctx, actor.tenantId, (tx) => listMembers(tx, actor.tenantId))
  return rows
    .filter((row) => row.status !== 'removed')
    .map((row) => ({
      userId: row.userId,
      name: row.user.name,
      email: row.user.email,
      role: row.role as Role,
      status: row.status as MemberView['status'],
      joinedAt: row.createdAt,
    }))
}

const invitationMilliseconds = 7 * 86_400_000

export type InvitationView = { id: string; role: Role; note: string | null; createdBy: string; expiresAt: Date }

/** Makes an invitation; the secret part of its link is shown once and stored as a hash. @throws BrokerError forbidden */
export async function invite(
  ctx: Context,
  actor: Actor,
  { role, note }: { role: Role; note?: string | undefined },
): Promise<{ invitation: InvitationView; secret: Secret }> {
  const secret = `vk_inv_${randomToken()}`
  const now = ctx.now()
  const invitation = {
    id: newId('invitation'),
    role,
    note: note ?? null,
    createdBy: actor.userId,
    expiresAt: new Date(now.getTime() + invitationMilliseconds),
  }
  await act(ctx, actor, 'administer', async (tx, actor) => {
    if (!mayGrant(actor, role)) throw new BrokerError('forbidden')
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
  })
  return { invitation, secret: new Secret(secret) }
}

export async function invitationList(ctx: Context, actor: Actor): Promise<InvitationView[]> {
  requirePermission(actor, 'administer')
  const rows = await readTenant(ctx, actor.tenantId, (tx) => listInvitations(tx, actor.tenantId, ctx.now()))
  return rows.map(({ id, role, note, createdBy, expiresAt }) => ({
    id,
    role: role as Role,
    note,
    createdBy,
    expiresAt,
  }))
}

/** @throws BrokerError forbidden, not_found */
export async function withdrawInvitation(ctx: Context, actor: Actor, id: string): Promise<void> {
  await act(ctx, actor, 'administer', async (tx, actor) => {
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
 * Makes a signed-in person a member, once an invitation, while whoever made it may still give that role. Somebody who is a
 * member already keeps their role. Their session goes on under a new id (S-05).
 * @throws BrokerError invitation_unknown
 */
export async function acceptInvitation(
  ctx: Context,
  person: Person,
  secret: string,
): Promise<{ slug: string; session: RenewedSession }> {
  const place = await invitationByHash(ctx, hash(secret))
  if (!place) throw new BrokerError('invitation_unknown')
  const { tenantId, id } = place
  const invitation = await readTenant(ctx, tenantId, (tx) => findInvitation(tx, tenantId, id))
  if (!invitation) throw new BrokerError('invitation_unknown')
  const concerned = { share: [invitation.createdBy], change: [person.userId] }
  const joined = await actAsPerson(ctx, person, tenantId, concerned, async (tx) => {
    const maker = await findMember(tx, tenantId, invitation.createdBy)
    const stands = maker?.status === 'active' && mayGrant({ role: maker.role as Role }, invitation.role as Role)
    const now = ctx.now()
    const used = stands && (await consumeInvitation(tx, tenantId, id, person.userId, now))
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
    return { slug: tenant.slug, session: await renewed(tx, person) }
  })
  if (!joined) throw new BrokerError('invitation_unknown')
  return joined
}
