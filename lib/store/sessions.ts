import type { Context } from '../context.ts'
import { type Prisma, query, type Tx } from './database.ts'

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

/** The living session of a cookie's hash with its person: one prepared statement, idle and absolute limit included. */
export async function findSession(ctx: Store, tokenHash: Uint8Array): Promise<SessionRow | undefined> {
  const text = `SELECT s.id, s.user_id AS "userId", u.issuer, u.subject, u.name, u.email, s.auth_time AS "authTime",
      s.created_at AS "createdAt", s.last_active_at AS "lastActiveAt", s.expires_at AS "expiresAt"
    FROM session s JOIN "user" u ON u.id = s.user_id
    WHERE s.token_hash = $1 AND s.expires_at > vk_now() AND s.last_active_at > vk_now() - make_interval(secs => $2)`
  const [row] = await query<SessionRow>(ctx, 'find_session', text, [
    Buffer.from(tokenHash),
    ctx.config.session.idleSeconds,
  ])
  return row
}

/** Notes that a session is in use; a session that has ended meanwhile is not revived (S-10). */
export const touchSession = (ctx: Store, id: string) =>
  query(ctx, 'touch_session', 'UPDATE session SET last_active_at = vk_now() WHERE id = $1', [id])

export const insertSession = (tx: Tx, row: Prisma.SessionUncheckedCreateInput) => tx.session.create({ data: row })

/** Ends a session. Tells whose it was; nothing when it was gone already (S-11). */
export async function deleteSession(
  tx: Tx,
  tokenHash: Uint8Array,
): Promise<{ id: string; userId: string } | undefined> {
  const rows = await tx.$queryRaw<{ id: string; userId: string }[]>`
    DELETE FROM session WHERE token_hash = ${Buffer.from(tokenHash)} RETURNING id, user_id AS "userId"`
  return rows[0]
}

/** Deletes sessions past their idle or absolute limit. */
export const sweepSessions = (ctx: Store) =>
  query(
    ctx,
    'sweep_sessions',
    'DELETE FROM session WHERE expires_at < vk_now() OR last_active_at < vk_now() - make_interval(secs => $1)',
    [ctx.config.session.idleSeconds],
  )
