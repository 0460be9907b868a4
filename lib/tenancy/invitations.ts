import { type Actor, type CookieCredential, mayGrant, type Person, type Role, requirePermission } from '../actor.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { newId } from '../security/ids.ts'
import { hash, randomToken, Secret } from '../security/secrets.ts'
import { act, actAsPerson } from '../store/authority.ts'
import { readTenant } from '../store/database.ts'
import { invitationByHash, invitationFacts } from '../store/lookups.ts'
import {
  consumeInvitation,
  countInvitationsLocked,
  deleteInvitation,
  findInvitation,
  findMember,
  insertInvitation,
  listInvitations,
  upsertMember,
} from '../store/members.ts'
import { findTenant } from '../store/tenants.ts'
import { type RenewedSession, renewed } from './tenants.ts'

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
  const secret = `vk_inv_${randomToken()}`
  const now = ctx.now()
  const invitation = {
    id: newId('invitation'),
    role,
    note: note ?? null,
    createdBy: actor.userId,
    expiresAt: new Date(now.getTime() + invitationMilliseconds),
  }
  const made = await act(ctx, actor, 'administer', async (tx, actor) => {
    if (!mayGrant(actor, role)) throw new BrokerError('forbidden')
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
  const rows = await readTenant(ctx, actor.tenantId, (tx) =>
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

export type InvitationPreview = {
  tenantName: string
  role: Role
  /** `over`: too old, or its maker can no longer give this role. */
  state: 'open' | 'used' | 'over'
  expiresAt: Date
}

/** Whether the maker of an invitation, as they are now, can give its role. Nulls: they are nowhere to be found. */
const mayStillGive = (maker: { role: string | null; status: string | null }, role: string): boolean =>
  maker.status === 'active' && mayGrant({ role: maker.role as Role }, role as Role)

/** What a link invites to, for whoever holds its secret, signed in or not. @throws BrokerError invitation_unknown */
export async function invitationPreview(ctx: Context, secret: string): Promise<InvitationPreview> {
  const facts = await invitationFacts(ctx, hash(secret))
  if (!facts) throw new BrokerError('invitation_unknown')
  const { tenantName, role, expiresAt, used, makerRole, makerStatus } = facts
  const stands = mayStillGive({ role: makerRole, status: makerStatus }, role) && expiresAt > ctx.now()
  const state = used ? 'used' : stands ? 'open' : 'over'
  return { tenantName, role, state, expiresAt }
}

/**
 * Makes a signed-in person a member, once an invitation, while whoever made it may still give that role. Somebody who is a
 * member already keeps their role. Their session goes on under a new id (S-05).
 * @throws BrokerError invitation_unknown
 */
export async function acceptInvitation(
  ctx: Context,
  person: Person<CookieCredential>,
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
    const now = ctx.now()
    const stands = maker !== null && mayStillGive(maker, invitation.role)
    const used = stands && (await consumeInvitation(tx, tenantId, id, person.userId, now))
    const tenant = await findTenant(tx, tenantId)
    if (!used || !tenant) return undefined
    await upsertMember(tx, { tenantId, userId: person.userId, role: used.role, createdAt: now })
    const target = { kind: 'member', id: person.userId } as const
    await record(tx, tenantId, now, person, {
      action: 'member.added',
      outcome: 'ok',
      target,
      details: { invitation: id, role: used.role as Role },
    })
    return { slug: tenant.slug, session: await renewed(tx, person) }
  })
  if (!joined) throw new BrokerError('invitation_unknown')
  return joined
}
