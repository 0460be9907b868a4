import type { Prisma, ReadTx, Tx } from './database.ts'

export const findTenant = (tx: ReadTx, tenantId: string) => tx.tenant.findUnique({ where: { id: tenantId } })

export const insertTenant = (tx: Tx, row: Prisma.TenantUncheckedCreateInput) => tx.tenant.create({ data: row })
