import { newId } from '../security/ids.ts'
import type { Tx } from '../store/database.ts'
import { insertRevocations } from '../store/revocations.ts'
import { markRevoked, type TokenRow } from '../store/tokens.ts'

/**
 * Raises the tokens' generation and queues their end upstream. One still being made is ended by its own completion. In an `act` on
 * many things it has its work from now on, which waits for that: what it makes is the act's to tell.
 */
export async function endTokens(
  tx: Tx,
  tokens: TokenRow[],
  { tenantId, by, now, act }: { tenantId: string; by: string | null; now: Date; act?: string | undefined },
): Promise<string[]> {
  if (tokens.length === 0) return []
  await markRevoked(
    tx,
    tenantId,
    tokens.map((token) => token.id),
    by,
    now,
  )
  const rows = tokens
    .filter(({ status }) => status === 'live' || act !== undefined)
    .flatMap((token) => workFor(token, now).map((work) => ({ ...work, kind: 'token', nextTryAt: now })))
  await insertRevocations(tx, rows)
  return rows.map((row) => row.id)
}

/** Upstream work for a token; none where no upstream made it. */
export const workFor = ({ tenantId, id: tokenId, providerId, connectionId, secretHash }: TokenRow, now: Date) =>
  connectionId === null || secretHash
    ? []
    : [{ tenantId, id: newId('revocation'), providerId, connectionId, tokenId, createdAt: now }]
