import type { KnownPlaces, Membership } from '../actor.ts'
import type { Context } from '../context.ts'
import type { Logout } from '../security/logout-token.ts'
import { query, type Tx } from './database.ts'
import { sessionHash } from './logouts.ts'
import { queryTogether } from './together.ts'

type Store = Pick<Context, 'pool' | 'config'>

export type SessionRow = {
  id: string
  userId: string
  issuer: string
  subject: string
  name: string
  email: string | null
  authTime: Date
  createdAt: Date
  lastActiveAt: Date
  expiresAt: Date
}

const columns = `s.id, s.user_id AS "userId", u.issuer, u.subject, u.name, u.email, s.auth_time AS "authTime",
      s.created_at AS "createdAt", s.last_active_at AS "lastActiveAt", s.expires_at AS "expiresAt"`
/** Those who ask at once, each with their cookie's hash, and their living sessions, idle and absolute limit included. */
const livingOf = (asked: string) => `${asked}
    JOIN session s ON s.token_hash = q.hash AND s.expires_at > vk_now() AND s.last_active_at > vk_now() - make_interval(secs => q.idle)
    JOIN "user" u ON u.id = s.user_id`

/** The living session of a cookie's hash with its person: one prepared statement, idle and absolute limit included. */
export async function findSession(ctx: Store, tokenHash: Uint8Array): Promise<SessionRow | undefined> {
  const text = `SELECT ${columns}, q.n::int
    FROM ${livingOf('unnest($1::bytea[], $2::int[]) WITH ORDINALITY AS q (hash, idle, n)')}`
  const [row] = await queryTogether<SessionRow>(ctx, 'find_session', text, [
    Buffer.from(tokenHash),
    ctx.config.session.idleSeconds,
  ])
  return row
}

type PlacedRow = SessionRow & Omit<Membership, 'name' | 'tenantId'> & { tenantName: string; tenantId: string | null }

/** The same with the person's places in the same statement: what most requests ask next. */
export async function findPlacedSession(
  ctx: Store,
  tokenHash: Uint8Array,
  of: KnownPlaces['of'],
): Promise<(SessionRow & { places: KnownPlaces }) | undefined> {
  const text = `SELECT ${columns}, m.tenant_id AS "tenantId", m.slug, m.name AS "tenantName", m.role, m.status, m.refused, q.n::int
    FROM ${livingOf('unnest($1::bytea[], $2::int[], $3::text[]) WITH ORDINALITY AS q (hash, idle, slug, n)')}
      LEFT JOIN LATERAL lookup.memberships(s.user_id, s.id) m ON m.status <> 'removed' AND (q.slug IS NULL OR m.slug = q.slug)`
  const rows = await queryTogether<PlacedRow>(ctx, 'find_placed_session', text, [
    Buffer.from(tokenHash),
    ctx.config.session.idleSeconds,
    of === 'all' ? null : of.slug,
  ])
  const [first] = rows
  if (!first) return undefined
  const { tenantId, tenantName, slug, role, status, refused, ...session } = first
  const memberships = rows.flatMap(({ tenantId, slug, tenantName, role, status, refused }) =>
    tenantId === null ? [] : [{ tenantId, slug, name: tenantName, role, status, refused }],
  )
  return { ...session, places: { of, memberships } }
}

/** Notes that a session is in use. Never brings one back: no row, or one past its idle limit, stays what it is (S-10). */
export const touchSession = (ctx: Store, id: string) =>
  query(
    ctx,
    'touch_session',
    `UPDATE session SET last_active_at = vk_now()
     WHERE id = $1 AND last_active_at > vk_now() - make_interval(secs => $2)`,
    [id, ctx.config.session.idleSeconds],
  )

type NewSession = {
  id: string
  tokenHash: Uint8Array
  userId: string
  address: string | null
  agent: string | null
  authTime: Date
  issuerSession: Uint8Array | null
  absoluteSeconds: number
}

/** Writes a session that ends `absoluteSeconds` from now, whatever happens. Answers that moment. */
export async function insertSession(tx: Tx, session: NewSession): Promise<Date> {
  const { id, tokenHash, userId, address, agent, authTime, issuerSession, absoluteSeconds } = session
  const [row] = await tx.$queryRaw<[{ expiresAt: Date }]>`
    INSERT INTO session (id, token_hash, user_id, address, agent, auth_time, issuer_session, created_at, last_active_at,
      expires_at)
    SELECT ${id}, ${Buffer.from(tokenHash)}, ${userId}, ${address}, ${agent}, ${authTime}::timestamptz,
      ${issuerSession && Buffer.from(issuerSession)}::bytea, clock.now, clock.now,
      clock.now + make_interval(secs => ${absoluteSeconds}::double precision)
    FROM (SELECT vk_now() AS now) clock
    RETURNING expires_at AS "expiresAt"`
  return row.expiresAt
}

/**
 * Gives a session another cookie, the one before is dead: what its person may do has changed (S-05). Answers when it ends,
 * which stays.
 */
export async function renewSession(tx: Tx, id: string, tokenHash: Uint8Array): Promise<Date> {
  const { expiresAt } = await tx.session.update({ where: { id }, data: { tokenHash: Buffer.from(tokenHash) } })
  return expiresAt
}

/**
 * Ends the session with this hash, and gives up what it had begun to link. Tells whose it was; nothing when it was gone
 * already (S-11).
 */
export async function deleteSession(
  tx: Tx,
  tokenHash: Uint8Array,
): Promise<{ id: string; userId: string } | undefined> {
  const rows = await tx.$queryRaw<{ id: string; userId: string }[]>`
    DELETE FROM session WHERE token_hash = ${Buffer.from(tokenHash)} RETURNING id, user_id AS "userId"`
  if (rows[0]) await tx.$queryRaw`SELECT vk.forget_attempts(${rows[0].id})::text`
  return rows[0]
}

/** {@link deleteSession} by its id, of this person alone. Whether there was one. */
export async function deleteSessionOf(tx: Tx, userId: string, id: string): Promise<boolean> {
  const ended = await tx.$executeRaw`DELETE FROM session WHERE id = ${id} AND user_id = ${userId}`
  if (ended > 0) await tx.$queryRaw`SELECT vk.forget_attempts(${id})::text`
  return ended > 0
}

/**
 * Ends what an issuer says is over: the session that it names; without one, all of the person's. One of which it never told
 * its own session's name goes with any of that person's: it may be the one. Tells whose they were.
 */
export async function deleteIssuerSessions(
  tx: Tx,
  issuer: string,
  { session, subject }: Pick<Logout, 'session' | 'subject'>,
): Promise<{ id: string; userId: string }[]> {
  const named = sessionHash(session)
  const whose = subject ?? null
  const rows = await tx.$queryRaw<{ id: string; userId: string }[]>`
    DELETE FROM session WHERE id IN (SELECT id FROM session WHERE id IN (
      SELECT s.id FROM session s JOIN "user" u ON u.id = s.user_id
        WHERE s.issuer_session = ${named} AND u.issuer = ${issuer} AND u.subject = coalesce(${whose}, u.subject)
      UNION SELECT s.id FROM session s JOIN "user" u ON u.id = s.user_id
        WHERE u.issuer = ${issuer} AND u.subject = ${whose} AND (s.issuer_session IS NULL OR ${named}::bytea IS NULL)
      ) ORDER BY id FOR UPDATE)
    RETURNING id, user_id AS "userId"`
  for (const { id } of rows) await tx.$queryRaw`SELECT vk.forget_attempts(${id})::text`
  return rows
}

/**
 * Uses up the state of a sign-in: true for one caller alone, whatever comes in parallel (L-09). Kept among the limits,
 * as a limit of one, and swept with them an hour after the state has expired by itself.
 */
export async function consumeState(ctx: Store, stateHash: Uint8Array, expiresAt: Date): Promise<boolean> {
  const text =
    'INSERT INTO rate_limit (key, points, expire) VALUES ($1, 1, $2) ON CONFLICT (key) DO NOTHING RETURNING key'
  const key = `signin-state:${Buffer.from(stateHash).toString('base64url')}`
  return (await query(ctx, 'consume_signin_state', text, [key, expiresAt.getTime()])).length === 1
}
