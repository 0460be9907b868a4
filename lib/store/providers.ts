import type { Prisma, ReadTx, Tx } from './database.ts'

export type ProviderRow = Prisma.ProviderGetPayload<object>
/** What there is to know of an upstream. */
export type ProviderFacts = Pick<
  ProviderRow,
  'id' | 'kind' | 'name' | 'issuer' | 'callbackKey' | 'clientId' | 'clientSecret' | 'clientSecretBefore' | 'settings'
>

export const findProvider = (tx: ReadTx, tenantId: string, id: string) =>
  tx.provider.findUnique({ where: { tenantId_id: { tenantId, id } } })

export const listProviders = (tx: ReadTx, tenantId: string) =>
  tx.provider.findMany({ where: { tenantId }, orderBy: [{ name: 'asc' }, { id: 'asc' }] })

export const insertProvider = (tx: Tx, row: Prisma.ProviderUncheckedCreateInput) => tx.provider.create({ data: row })

export const updateProvider = (
  tx: Tx,
  tenantId: string,
  id: string,
  data: {
    name?: string
    clientId?: string
    clientSecret?: string
    clientSecretBefore?: string | null
    settings?: Prisma.InputJsonObject
  },
) => tx.provider.update({ where: { tenantId_id: { tenantId, id } }, data })
