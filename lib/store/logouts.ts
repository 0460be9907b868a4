import type { Logout, Vouched } from '../security/logout-token.ts'
import { hash } from '../security/secrets.ts'
import { usable } from './connection-states.ts'
import { lockConnections } from './connections.ts'
import type { Tx } from './database.ts'

/** A client of ours at an issuer: of a tenant's provider, or of our own sign-in. */
export type Registration = { tenantId: string; registration: string }

/** What is kept of a `sid`: it is only compared. */
export const sessionHash = (session: string | undefined): Uint8Array<ArrayBuffer> | null =>
  session === undefined ? null : hash(session)

/**
 * Uses a logout token up: true once, whatever comes in parallel. What it ends and what begins meanwhile take turns, so that
 * whichever commits later sees the other.
 */
export async function noteLogout(tx: Tx, of: Registration, logout: Logout): Promise<boolean> {
  await takeTurns(tx, of, logout)
  const { tenantId, registration } = of
  const { jti, session, subject, issuedAt, endsOffline } = logout
  const id = Buffer.from(hash(`${registration} ${jti}`)).toString('base64url')
  // Kept for longer than a token counts (its age, and both clocks' tolerance), and than a sign-in or a link under way can take.
  const used = await tx.$executeRaw`INSERT INTO issuer_logout
      (tenant_id, id, registration, issuer_session, subject, issued_at, ends_offline, kept_until)
    VALUES (${tenantId}, ${id}, ${registration}, ${sessionHash(session)}, ${subject ?? null}, ${issuedAt}::timestamptz,
      ${endsOffline}, vk_now() + interval '15 minutes') ON CONFLICT DO NOTHING`
  return used === 1
}

/**
 * Whether an issuer has said meanwhile that what it vouched for is over. Its later word counts: what it vouches for after a
 * logout token stands.
 */
export async function isSignedOut(
  tx: Tx,
  of: Registration,
  vouched: Vouched,
  { offline = false }: { offline?: boolean } = {},
): Promise<boolean> {
  await takeTurns(tx, of, vouched)
  const session = sessionHash(vouched.session)
  const rows = await tx.$queryRaw<unknown[]>`SELECT 1 FROM issuer_logout
    WHERE tenant_id = ${of.tenantId} AND registration = ${of.registration} AND (ends_offline OR NOT ${offline})
      AND issued_at >= to_timestamp(${vouched.issuedAtSeconds}::float8)
      AND coalesce(subject, ${vouched.subject}) = ${vouched.subject}
      AND (issuer_session = ${session} OR issuer_session IS NULL OR ${session}::bytea IS NULL AND subject IS NOT NULL) LIMIT 1`
  return rows.length > 0
}

/** Until the transaction ends; session before subject, as everybody does. */
async function takeTurns(
  tx: Tx,
  { tenantId, registration }: Registration,
  { session, subject }: { session: string | undefined; subject: string | undefined },
): Promise<void> {
  const names = [session !== undefined && `session ${session}`, subject !== undefined && `subject ${subject}`]
  for (const name of names.filter(Boolean))
    await tx.$queryRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`logout ${tenantId} ${registration} ${name}`}, 0))::text`
}

/** The scope of a grant that outlives the session it was given in (OIDC Core 11). */
const offlineScope = 'offline_access'
export const isOffline = (scopes: readonly string[]): boolean => scopes.includes(offlineScope)

/**
 * Locks the connections that a logout token of their provider ends, and tells whose they are. Offline access outlives the
 * session, unless the token says otherwise.
 */
export async function lockSignedOut(
  tx: Tx,
  { tenantId, registration: providerId }: Registration,
  { session, subject, endsOffline }: Logout,
): Promise<{ id: string; userId: string }[]> {
  const where = {
    tenantId,
    providerId,
    status: { in: [...usable] },
    ...(session !== undefined && { upstreamSession: sessionHash(session) }),
    ...(subject !== undefined && { accountId: subject }),
    ...(!endsOffline && { NOT: { scopesGranted: { has: offlineScope } } }),
  }
  const select = { id: true, userId: true } as const
  const ids = (await tx.connection.findMany({ where, select })).map(({ id }) => id)
  await lockConnections(tx, tenantId, ids)
  // Somebody may have linked or ended one of them while it was not locked.
  return tx.connection.findMany({ where: { ...where, id: { in: ids } }, select, orderBy: { id: 'asc' } })
}
