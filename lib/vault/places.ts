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
 * Where what a piece of work keeps was sealed: as the work's own, or as the connection's, from where it was taken as it was,
 * because its key was missing (revoke.ts) or nothing was to travel (vk.end_held). Of a grant that is its refresh token; what
 * looks for orphans needs an access token.
 */
export function placeOfKept(
  work: { id: string; kind: string; connectionId: string; handle: string },
  userId: string,
): SealedPlace {
  const claimed = sealedFor(work.handle)
  if (claimed?.table !== 'connection' || claimed.row !== work.connectionId) return grantPlace({ id: work.id, userId })
  const column = work.kind === 'orphans' ? 'access_token' : 'refresh_token'
  return { table: 'connection', row: work.connectionId, column, user: userId, version: claimed.version }
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
