import { permissions } from '../actor.ts'
import type { Context } from '../context.ts'
import { Prisma, query, type ReadTx, type Tx } from './database.ts'

export const findMember = (tx: ReadTx, tenantId: string, userId: string) =>
  tx.member.findUnique({ where: { tenantId_userId: { tenantId, userId } }, include: { user: true } })

export const listMembers = (tx: ReadTx, tenantId: string) =>
  tx.member.findMany({
    where: { tenantId },
    orderBy: { createdAt: 'asc' },
    include: { user: true },
  })

type Named = { id: string; name: string }

/** What people are called who are or were members, those who came first before, `take` at most: a tenant may have thousands. */
export const memberNames = (tx: ReadTx, tenantId: string, take?: number): Promise<Named[]> =>
  tx.$queryRaw`SELECT u.id, coalesce(u.email, u.name) AS name FROM member m JOIN "user" u ON u.id = m.user_id
    WHERE m.tenant_id = ${tenantId} ORDER BY m.created_at LIMIT ${take ?? null}::int`

/** The same of these alone: one prepared statement. */
export const namesOf = (ctx: Pick<Context, 'pool' | 'config'>, tenantId: string, people: string[]) =>
  query<Named>(ctx, 'people_names', 'SELECT id, name FROM vk.people_names($1, $2)', [tenantId, people])

/** Of those who are called so, or whose name has it: the first two, and before all others whose name it is as a whole. */
export const membersCalled = (tx: ReadTx, tenantId: string, text: string): Promise<(Named & { exact: boolean })[]> =>
  tx.$queryRaw`SELECT u.id, n.name, lower(n.name) = q.key AS exact
    FROM member m JOIN "user" u ON u.id = m.user_id, (SELECT lower(${text}::text) AS key) q,
      LATERAL (SELECT coalesce(u.email, u.name) AS name) n
    WHERE m.tenant_id = ${tenantId} AND strpos(lower(n.name), q.key) > 0
    ORDER BY exact DESC, m.created_at LIMIT 2`

/** Makes a member. Who is one keeps their role and status; who was removed comes back with the role given. */
export const upsertMember = (tx: Tx, member: { tenantId: string; userId: string; role: string; createdAt: Date }) =>
  tx.$executeRaw`
    INSERT INTO member AS m (tenant_id, user_id, role, created_at)
    VALUES (${member.tenantId}, ${member.userId}, ${member.role}, ${member.createdAt})
    ON CONFLICT (tenant_id, user_id) DO UPDATE SET role = EXCLUDED.role, status = 'active',
      generation = m.generation + 1, created_at = EXCLUDED.created_at WHERE m.status = 'removed'`

/** The tenant's active owners. Locked by whoever may change them (authority.ts, `owners`). */
export async function listOwners(tx: ReadTx, tenantId: string): Promise<string[]> {
  const where = { tenantId, role: 'owner', status: 'active' }
  return (await tx.member.findMany({ where, select: { userId: true } })).map((row) => row.userId)
}

/** Who administers the tenant now. */
export async function listAdmins(tx: ReadTx, tenantId: string): Promise<Set<string>> {
  const where = { tenantId, status: 'active', role: { in: [...permissions.administer] } }
  return new Set((await tx.member.findMany({ where, select: { userId: true } })).map((row) => row.userId))
}

/** Changes role or status. The generation rises with it, so what is being issued under the old rights is not completed. */
export const updateMember = (tx: Tx, tenantId: string, userId: string, data: { role?: string; status?: string }) =>
  tx.member.update({
    where: { tenantId_userId: { tenantId, userId } },
    data: { ...data, generation: { increment: 1 } },
  })

/** Makes nothing stand any more that was made under the member's rights until now. The generation that counts from here on. */
export const raiseMember = async (tx: Tx, tenantId: string, userId: string): Promise<number> =>
  (await updateMember(tx, tenantId, userId, {})).generation

/**
 * Makes the tenant refuse every session that a person has now but `kept`, and the tokens that trusted issuers have made for
 * them; a new sign-in is a new session. How many sessions.
 */
export async function refuseSessions(tx: Tx, tenantId: string, userId: string, kept?: string): Promise<number> {
  await tx.$executeRaw`UPDATE member SET tokens_after = vk_now() WHERE tenant_id = ${tenantId} AND user_id = ${userId}`
  return tx.$executeRaw`INSERT INTO session_refusal (tenant_id, session_id, created_at)
    SELECT ${tenantId}, s.id, vk_now() FROM session s WHERE s.user_id = ${userId} AND s.id IS DISTINCT FROM ${kept ?? null}::text
    ORDER BY s.id FOR KEY SHARE OF s ON CONFLICT DO NOTHING`
}

/** Makes the tenant refuse one session of a person. False where it is none of theirs, or was refused before. */
export const refuseSession = async (tx: Tx, tenantId: string, userId: string, sessionId: string): Promise<boolean> =>
  (await tx.$executeRaw`INSERT INTO session_refusal (tenant_id, session_id, created_at)
    SELECT ${tenantId}, s.id, vk_now() FROM session s WHERE s.user_id = ${userId} AND s.id = ${sessionId}
    FOR KEY SHARE OF s ON CONFLICT DO NOTHING`) > 0

export type MemberSession = {
  id: string
  address: string | null
  agent: string | null
  createdAt: Date
  lastActiveAt: Date
  expiresAt: Date
}

/** A person's sessions that live and that the tenant accepts, the newest first, `take` at most. */
export const listSessions = (
  tx: ReadTx,
  tenantId: string,
  userId: string,
  { idleSeconds, take }: { idleSeconds: number; take: number },
): Promise<MemberSession[]> =>
  tx.$queryRaw<MemberSession[]>`
    SELECT s.id, s.address, s.agent, s.created_at AS "createdAt", s.last_active_at AS "lastActiveAt", s.expires_at AS "expiresAt"
    FROM session s WHERE s.user_id = ${userId} AND ${livingIn(tenantId, idleSeconds)} ORDER BY s.created_at DESC LIMIT ${take}`

/** A condition on `session s`: it lives, and the tenant accepts it. The clock is read once, and not for each. */
export const livingIn = (tenantId: string, idleSeconds: number) => Prisma.sql`s.expires_at > (SELECT vk_now())
  AND s.last_active_at > (SELECT vk_now()) - make_interval(secs => ${idleSeconds}::double precision)
  AND NOT EXISTS (SELECT FROM session_refusal r WHERE r.tenant_id = ${tenantId} AND r.session_id = s.id)`

/** How many sessions a person has that the tenant accepts. */
export async function countSessions(
  tx: ReadTx,
  tenantId: string,
  userId: string,
  idleSeconds: number,
): Promise<number> {
  const [row] = await tx.$queryRaw<[{ count: number }]>`SELECT count(*)::int AS count FROM session s
    WHERE s.user_id = ${userId} AND ${livingIn(tenantId, idleSeconds)}`
  return row.count
}

/** Invitations that are open. */
const open = (tenantId: string, now: Date) => ({ tenantId, usedAt: null, expiresAt: { gt: now } })

/** How many of a person's invitations are open. */
export const countInvitationsBy = (tx: ReadTx, tenantId: string, createdBy: string, now: Date) =>
  tx.invitation.count({ where: { ...open(tenantId, now), createdBy } })

export const findInvitation = (tx: ReadTx, tenantId: string, id: string) =>
  tx.invitation.findUnique({ where: { tenantId_id: { tenantId, id } } })

/** Withdraws a person's open invitations into these roles. How many. */
export const withdrawInvitations = async (tx: Tx, tenantId: string, createdBy: string, roles: string[]) =>
  (await tx.invitation.deleteMany({ where: { tenantId, createdBy, usedAt: null, role: { in: roles } } })).count

export const insertInvitation = (tx: Tx, row: Prisma.InvitationUncheckedCreateInput) =>
  tx.invitation.create({ data: row })

/** A person's open invitations, newest first. */
export const listInvitationsBy = (
  tx: ReadTx,
  tenantId: string,
  createdBy: string,
  { now, take }: { now: Date; take: number },
) => tx.invitation.findMany({ where: { ...open(tenantId, now), createdBy }, orderBy: { id: 'desc' }, take })

/** A page of invitations that are open, newest first; `before` is the id that the previous page ended with. */
export const listInvitations = (
  tx: ReadTx,
  tenantId: string,
  { now, before, take }: { now: Date; before?: string | undefined; take: number },
) =>
  tx.invitation.findMany({
    where: { ...open(tenantId, now), ...(before ? { id: { lt: before } } : {}) },
    orderBy: { id: 'desc' },
    take,
  })

/** How many are open; whoever counts next waits for this transaction, so that two cannot pass a limit together. */
export async function countInvitationsLocked(tx: Tx, tenantId: string, now: Date): Promise<number> {
  await tx.$queryRaw`SELECT id FROM tenant WHERE id = ${tenantId} FOR NO KEY UPDATE`
  return tx.invitation.count({ where: open(tenantId, now) })
}

/** Uses an invitation, once. */
export async function consumeInvitation(tx: Tx, tenantId: string, id: string, userId: string, now: Date) {
  const [row] = await tx.invitation.updateManyAndReturn({
    where: { ...open(tenantId, now), id },
    data: { usedAt: now, usedBy: userId },
  })
  return row
}

export const deleteInvitation = (tx: Tx, tenantId: string, id: string) =>
  tx.invitation.deleteMany({ where: { tenantId, id, usedAt: null } })
