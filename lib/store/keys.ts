import type { Tx } from './database.ts'

/** Wrapped data keys of a tenant, newest first. */
export const listTenantKeys = (tx: Tx, tenantId: string) =>
  tx.tenantKey.findMany({ where: { tenantId }, orderBy: { createdAt: 'desc' }, select: { id: true, wrapped: true } })

export const insertTenantKey = (tx: Tx, key: { tenantId: string; id: string; wrapped: string; createdAt: Date }) =>
  tx.tenantKey.create({ data: key })

export const readKeyCanary = async (tx: Tx) => (await tx.instance.findUniqueOrThrow({ where: { id: 1 } })).keyCanary

export const writeKeyCanary = (tx: Tx, keyCanary: string) =>
  tx.instance.update({ where: { id: 1 }, data: { keyCanary } })
