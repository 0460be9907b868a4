import type { Context } from '../context.ts'
import { hash } from '../security/secrets.ts'
import { findSession, type SessionRow, touchSession } from '../store/sessions.ts'

/** `__Host-`: Secure, no Domain, Path=/, kept by browsers on http://localhost as well. No other cookie starts with it. */
export const sessionCookie = '__Host-valetkey-session'

export type Session = Omit<SessionRow, 'lastActiveAt'> & {
  /** Runs the instance: vouched for by its own issuer and named in configuration. */
  operator: boolean
}

/** 32 random bytes in base64url; anything else is no session of ours and is not looked up (S-13). */
const wellFormed = /^[A-Za-z0-9_-]{43}$/
const touchMilliseconds = 60_000

/**
 * The value of a cookie that was sent exactly once. Twice is a trick with paths, domains or parsers, and whitespace or
 * quotes around a name are as well: then there is none (S-14).
 */
export function readCookie(headers: Headers, name: string): string | undefined {
  const found = (headers.get('cookie') ?? '')
    .split(';')
    .map((part) => /^ ?([^=\s]+)=(.*)$/s.exec(part))
    .filter((match) => match?.[1] === name)
  return found.length === 1 ? found[0]?.[2] : undefined
}

/**
 * Who a request comes from; undefined: nobody who is signed in. `passive` reads do not count as activity (S-07).
 * @throws BrokerError unavailable when the database is away, which is not the same as signed out
 */
export async function readSession(
  ctx: Context,
  headers: Headers,
  { passive = false } = {},
): Promise<Session | undefined> {
  const token = readCookie(headers, sessionCookie)
  if (!token || !wellFormed.test(token)) return undefined
  const row = await findSession(ctx, hash(token))
  if (!row) return undefined
  const { lastActiveAt, ...session } = row
  if (!passive && ctx.now().getTime() - lastActiveAt.getTime() > touchMilliseconds)
    ctx.background('touch session', () => touchSession(ctx, row.id))
  const { signin, operators } = ctx.config
  return { ...session, operator: session.issuer === signin.issuer && operators.includes(session.subject) }
}
