import type { CookieCredential, KnownPlaces, Principal } from '../actor.ts'
import type { Context } from '../context.ts'
import { hash } from '../security/secrets.ts'
import { findPlacedSession, findSession, touchSession } from '../store/sessions.ts'
import { cookieNames, cookieValue, cookieValues } from './cookies.ts'

export const sessionCookie = cookieNames.session

export type Session = Principal<CookieCredential>

/** 32 random bytes in base64url; anything else is no session of ours and is not looked up (S-13). */
const wellFormed = /^[A-Za-z0-9_-]{43}$/
const touchMilliseconds = 60_000
const presentedMax = 8

/**
 * Who a request comes from; undefined: nobody who is signed in. `passive` reads do not count as activity (S-07); `places`: what
 * is asked along with it.
 * @throws BrokerError unavailable when the database is away, which is not the same as signed out (H-02, Z-05)
 */
export async function readSession(
  ctx: Context,
  headers: Headers,
  { passive = false, places }: { passive?: boolean; places?: KnownPlaces['of'] | undefined } = {},
): Promise<Session | undefined> {
  const token = cookieValue(headers, 'session')
  if (!token || !wellFormed.test(token)) return undefined
  const row = await (places ? findPlacedSession(ctx, hash(token), places) : findSession(ctx, hash(token)))
  if (!row) return undefined
  const { id, lastActiveAt, ...session } = row
  if (!passive && ctx.now().getTime() - lastActiveAt.getTime() > touchMilliseconds)
    ctx.background('touch session', () => touchSession(ctx, id))
  const { signin, operators } = ctx.config
  const operator = session.issuer === signin.issuer && operators.includes(session.subject)
  return { ...session, operator, credential: { kind: 'cookie', session: id } }
}

/** Hashes of every session id that a request carries, contradictions included: what a sign-in or a sign-out ends. */
export const presentedSessions = (headers: Headers): Uint8Array[] =>
  cookieValues(headers, 'session')
    .filter((value) => wellFormed.test(value))
    .slice(0, presentedMax)
    .map(hash)
