import type { PublicSigningKey } from '../security/signing.ts'
import type { Prisma, ReadTx, Tx } from './database.ts'

export type SigningKeyRow = Prisma.SigningKeyGetPayload<object>

/** The keys of a tenant's issuer, newest first. */
export const listSigningKeys = (tx: ReadTx, tenantId: string): Promise<SigningKeyRow[]> =>
  tx.signingKey.findMany({ where: { tenantId }, orderBy: [{ signsFrom: 'desc' }, { id: 'desc' }] })

/** The same, held until the transaction ends: of two who rotate at once the second finds the first one's key. */
export async function lockSigningKeys(tx: Tx, tenantId: string): Promise<SigningKeyRow[]> {
  await tx.$queryRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`signing ${tenantId}`}, 0))::text`
  return listSigningKeys(tx, tenantId)
}

type NewSigningKey = Omit<SigningKeyRow, 'publicJwk' | 'withdrawnAt'> & { publicJwk: PublicSigningKey }
export const insertSigningKey = (tx: Tx, data: NewSigningKey) => tx.signingKey.create({ data })

export const withdrawSigningKey = (tx: Tx, tenantId: string, id: string, withdrawnAt: Date) =>
  tx.signingKey.update({ where: { tenantId_id: { tenantId, id } }, data: { withdrawnAt } })

export const deleteSigningKeys = (tx: Tx, tenantId: string, ids: string[]) =>
  tx.signingKey.deleteMany({ where: { tenantId, id: { in: ids } } })
