import { sealedFor } from '../security/seal.ts'
import type { SealedPlace } from '../store/sealed.ts'

/** What a piece of revocation work needs: the grant's refresh token, or an access token to look for orphans with. */
export const grantPlace = (revocation: { id: string; userId: string }): SealedPlace => ({
  table: 'upstream_revocation',
  row: revocation.id,
  column: 'handle',
  user: revocation.userId,
  version: 0,
})

/** What revoking an issued token needs. */
export const handlePlace = (token: { id: string; userId: string }): SealedPlace => ({
  table: 'issued_token',
  row: token.id,
  column: 'handle',
  user: token.userId,
  version: 0,
})

/**
 * Where a kept grant was sealed: as the work's own, or as the connection's, from where it was taken as it was because its
 * key was missing (revoke.ts).
 */
export function placeOfGrant(work: { id: string; connectionId: string; handle: string }, userId: string): SealedPlace {
  const claimed = sealedFor(work.handle)
  return claimed?.table === 'connection' && claimed.row === work.connectionId
    ? { table: 'connection', row: work.connectionId, column: 'refresh_token', user: userId, version: claimed.version }
    : grantPlace({ id: work.id, userId })
}

/** What taking back a client that registered itself needs. */
export const registrationPlace = (id: string): SealedPlace => ({
  table: 'client_registration',
  row: id,
  column: 'handle',
  user: '-',
  version: 0,
})

/** The private half of a key that an issuer signs with. */
export const signingKeyPlace = (id: string): SealedPlace => ({
  table: 'signing_key',
  row: id,
  column: 'sealed_private',
  user: '-',
  version: 0,
})
