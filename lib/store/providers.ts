import type { Prisma, ReadTx, Tx } from './database.ts'

export type ProviderRow = Prisma.ProviderGetPayload<object>
/** What there is to know of an upstream. */
export type ProviderFacts = Pick<
  ProviderRow,
  'id' | 'kind' | 'name' | 'issuer' | 'callbackKey' | 'clientId' | 'clientSecret' | 'clientSecretBefore' | 'settings'
>

/** One that was not removed. */
export const findProvider = (tx: ReadTx, tenantId: string, id: string) =>
  tx.provider.findUnique({ where: { tenantId_id: { tenantId, id }, removedAt: null } })

/** The same whether it was removed or not: what was begun with it is still to be ended. */
export const findProviderEver = (tx: ReadTx, tenantId: string, id: string) =>
  tx.provider.findUnique({ where: { tenantId_id: { tenantId, id } } })

export const listProviders = (tx: ReadTx, tenantId: string) =>
  tx.provider.findMany({ where: { tenantId, removedAt: null }, orderBy: [{ name: 'asc' }, { id: 'asc' }] })

export const listProviderNames = (tx: ReadTx, tenantId: string) =>
  tx.provider.findMany({
    where: { tenantId, removedAt: null },
    orderBy: [{ name: 'asc' }, { id: 'asc' }],
    select: { id: true, name: true, kind: true },
  })

export const insertProvider = (tx: Tx, row: Prisma.ProviderUncheckedCreateInput) => tx.provider.create({ data: row })

export const updateProvider = (
  tx: Tx,
  tenantId: string,
  id: string,
  data: {
    name?: string
    clientId?: string
    clientSecret?: string | null
    clientSecretBefore?: string | null
    settings?: Prisma.InputJsonObject
  },
) => tx.provider.update({ where: { tenantId_id: { tenantId, id } }, data })

/** Takes a provider away, and frees its client for another row. False: it was not there. */
export const removeProviderRow = async (tx: Tx, tenantId: string, id: string, removedAt: Date): Promise<boolean> =>
  (await tx.provider.updateMany({ where: { tenantId, id, removedAt: null }, data: { removedAt, resource: id } }))
    .count > 0

export const providersById = (tx: ReadTx, tenantId: string, ids: string[]) =>
  ids.length === 0 ? [] : tx.provider.findMany({ where: { tenantId, id: { in: ids } } })
