import type { Prisma, Tx } from './database.ts'

export type RegistrationRow = Prisma.ClientRegistrationGetPayload<{ include: { provider: true } }>

export const insertRegistration = (tx: Tx, row: Prisma.ClientRegistrationUncheckedCreateInput) =>
  tx.clientRegistration.create({ data: row })

/** Clients of a provider that are to be taken back from now on; `but`: the one in use. */
export const retireRegistrations = (tx: Tx, tenantId: string, providerId: string, now: Date, but?: string) =>
  tx.clientRegistration.updateMany({
    where: { tenantId, providerId, dueAt: null, ...(but !== undefined && { clientId: { not: but } }) },
    data: { dueAt: now },
  })

/** Takes one that is due under a lease; undefined when another process has it or it is gone. */
export async function claimRegistration(
  tx: Tx,
  tenantId: string,
  id: string,
  now: Date,
  leaseSeconds: number,
): Promise<RegistrationRow | undefined> {
  const { count } = await tx.clientRegistration.updateMany({
    where: { tenantId, id, dueAt: { lte: now }, OR: [{ claimUntil: null }, { claimUntil: { lt: now } }] },
    data: { claimUntil: new Date(now.getTime() + leaseSeconds * 1000), tries: { increment: 1 } },
  })
  if (count === 0) return undefined
  const where = { tenantId_id: { tenantId, id } }
  return (await tx.clientRegistration.findUnique({ where, include: { provider: true } })) ?? undefined
}

export const postponeRegistration = (tx: Tx, tenantId: string, id: string, dueAt: Date) =>
  tx.clientRegistration.update({ where: { tenantId_id: { tenantId, id } }, data: { dueAt, claimUntil: null } })

export const deleteRegistration = (tx: Tx, tenantId: string, id: string) =>
  tx.clientRegistration.deleteMany({ where: { tenantId, id } })
