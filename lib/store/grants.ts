import type { Prisma, ReadTx, Tx } from './database.ts'

export type GrantRow = Prisma.OauthGrantGetPayload<object>

/** Why a grant ended, where somebody or something ended it. `reuse`: a token of it was brought twice (T-06). */
export type EndCause = 'revoked' | 'reuse' | 'signed_out'

/**
 * Locks grants in id order: after the member and the client, and before connections and tokens, as a program's act does
 * (vk.grant_hold). `of`: this member's alone, whom nobody else's lock may keep waiting (actor.ts, ownUnless).
 */
export async function lockGrants(tx: Tx, tenantId: string, ids: string[], of?: string): Promise<GrantRow[]> {
  const found = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM oauth_grant WHERE tenant_id = ${tenantId} AND id = ANY(${ids}) AND user_id = coalesce(${of ?? null}::text, user_id)
    ORDER BY id FOR NO KEY UPDATE`
  return tx.oauthGrant.findMany({
    where: { tenantId, id: { in: found.map(({ id }) => id) } },
    orderBy: { id: 'asc' },
  })
}

/** Ends locked grants: whatever stands on them is refused from here on. */
export async function markGrantsEnded(
  tx: Tx,
  tenantId: string,
  ids: string[],
  end: { cause: EndCause; by: string | null; now: Date },
): Promise<void> {
  await tx.oauthGrant.updateMany({
    where: { tenantId, id: { in: ids } },
    data: { generation: { increment: 1 }, endedAt: end.now, endedBy: end.by, endCause: end.cause },
  })
  await tx.accessToken.deleteMany({ where: { tenantId, grantId: { in: ids } } })
}

/** A person's grants that nobody has ended. Ids. */
export const heldGrants = async (tx: ReadTx, tenantId: string, userId: string): Promise<string[]> =>
  (await tx.oauthGrant.findMany({ where: { tenantId, userId, endedAt: null }, select: { id: true } })).map(
    ({ id }) => id,
  )
