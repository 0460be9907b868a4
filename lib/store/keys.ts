import type { ReadTx, Tx } from './database.ts'

/** The instance's keys: a register with a canary each. Read and written outside of any tenant. */
export const listInstanceKeys = (tx: ReadTx) =>
  tx.instanceKey.findMany({ orderBy: [{ createdAt: 'asc' }, { id: 'asc' }] })

/** Registers keys; one that another process has registered meanwhile stays as it is. */
export const insertInstanceKeys = (tx: Tx, rows: { id: string; canary: string; createdAt: Date }[]) =>
  tx.instanceKey.createMany({ data: rows, skipDuplicates: true })

export const setInstanceKeyRetired = (tx: Tx, id: string, retiredAt: Date | null) =>
  tx.instanceKey.update({ where: { id }, data: { retiredAt } })

/** Writes the root secret's canary where there is none yet. */
export const keepSecretCanary = (tx: Tx, secretCanary: string) =>
  tx.instance.updateMany({ where: { id: 1, secretCanary: null }, data: { secretCanary } })

export async function readSecretCanary(tx: Tx): Promise<string | null> {
  const { secretCanary } = await tx.instance.findUniqueOrThrow({ where: { id: 1 } })
  return secretCanary
}

export const replaceSecretCanary = (tx: Tx, secretCanary: string) =>
  tx.instance.update({ where: { id: 1 }, data: { secretCanary } })

/** Keeps a key from being retired until this transaction ends; false when it is retired or unknown. */
export async function holdInstanceKey(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>`
    SELECT id FROM instance_key WHERE id = ${id} AND retired_at IS NULL FOR SHARE`
  return rows.length > 0
}

/** A tenant's wrapped data keys, newest first. */
export const listTenantKeys = (tx: ReadTx, tenantId: string) =>
  tx.tenantKey.findMany({ where: { tenantId }, orderBy: [{ usedFrom: 'desc' }, { id: 'desc' }] })

export type TenantKeyRow = Awaited<ReturnType<typeof listTenantKeys>>[number]

/** Locks a tenant's keys, so that two rotations at once publish one key. */
export async function lockTenantKeys(tx: Tx, tenantId: string): Promise<TenantKeyRow[]> {
  await tx.$queryRaw`SELECT id FROM tenant_key WHERE tenant_id = ${tenantId} ORDER BY id FOR UPDATE`
  return listTenantKeys(tx, tenantId)
}

export const insertTenantKey = (
  tx: Tx,
  key: { tenantId: string; id: string; wrapped: string; usedFrom: Date; createdAt: Date },
) => tx.tenantKey.create({ data: key })

/** Adds to what a data key has sealed. */
export const addSeals = (tx: Tx, tenantId: string, id: string, seals: number) =>
  tx.tenantKey.updateMany({ where: { tenantId, id }, data: { seals: { increment: seals } } })

/** Replaces the wrapping of a data key; false when somebody else has. */
export async function rewrapTenantKey(
  tx: Tx,
  tenantId: string,
  id: string,
  { from, to }: { from: string; to: string },
): Promise<boolean> {
  const { count } = await tx.tenantKey.updateMany({ where: { tenantId, id, wrapped: from }, data: { wrapped: to } })
  return count > 0
}

export const deleteTenantKeys = (tx: Tx, tenantId: string, ids?: string[]) =>
  tx.tenantKey.deleteMany({ where: { tenantId, ...(ids ? { id: { in: ids } } : {}) } })

/** Ends upstream work that can no longer be done: what it needed is destroyed. */
export const endShreddedWork = (tx: Tx, tenantId: string, now: Date) =>
  tx.upstreamRevocation.updateMany({
    where: { tenantId, state: 'pending' },
    data: { state: 'impossible', lastError: 'shredded', nextTryAt: null, claimUntil: null, finishedAt: now },
  })

/** What would lose its way upstream if the keys were destroyed: stored grants and living tokens. */
export async function countAtStake(
  tx: ReadTx,
  tenantId: string,
  now: Date,
): Promise<{ grants: number; tokens: number }> {
  const grants = await tx.connection.count({ where: { tenantId, refreshToken: { not: null } } })
  const tokens = await tx.issuedToken.count({ where: { tenantId, status: 'live', expiresAt: { gt: now } } })
  return { grants, tokens }
}
