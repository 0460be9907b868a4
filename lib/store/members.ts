import type { Prisma, Tx } from './database.ts'

export const findMember = (tx: Tx, tenantId: string, userId: string) =>
  tx.member.findUnique({ where: { tenantId_userId: { tenantId, userId } }, include: { user: true } })

export const listMembers = (tx: Tx, tenantId: string) =>
  tx.member.findMany({ where: { tenantId }, orderBy: { createdAt: 'asc' }, include: { user: true } })

export const upsertMember = (tx: Tx, member: { tenantId: string; userId: string; role: string; createdAt: Date }) =>
  tx.member.upsert({
    where: { tenantId_userId: { tenantId: member.tenantId, userId: member.userId } },
    create: member,
    update: {},
  })

/** Locks the tenant's owners, so that two acts cannot remove the last two at once. */
export async function lockOwners(tx: Tx, tenantId: string): Promise<string[]> {
  const rows = await tx.$queryRaw<{ user_id: string }[]>`
    SELECT user_id FROM member WHERE tenant_id = ${tenantId} AND role = 'owner' AND status = 'active' ORDER BY user_id FOR UPDATE`
  return rows.map((row) => row.user_id)
}

/** Changes role or status; the generation rises with it, so what is being issued under the old rights is not completed. What is out is not touched. */
export const updateMember = (
  tx: Tx,
  tenantId: string,
  userId: string,
  data: { role?: string; status?: string; generation?: { increment: number } },
) => tx.member.update({ where: { tenantId_userId: { tenantId, userId } }, data })

export const insertInvitation = (tx: Tx, row: Prisma.InvitationUncheckedCreateInput) =>
  tx.invitation.create({ data: row })

const open = (tenantId: string, now: Date) => ({ tenantId, usedAt: null, expiresAt: { gt: now } })

/** A page of invitations that are open, newest first; `before` is the id that the previous page ended with. */
export const listInvitations = (
  tx: Tx,
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
    where: { tenantId, id, usedAt: null, expiresAt: { gt: now } },
    data: { usedAt: now, usedBy: userId },
  })
  return row
}

export const deleteInvitation = (tx: Tx, tenantId: string, id: string) =>
  tx.invitation.deleteMany({ where: { tenantId, id, usedAt: null } })
