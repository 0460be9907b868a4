import type { Secret } from '../security/secrets.ts'

/**
 * All cookies there are: a small, fixed number, whatever somebody starts and abandons (S-12). `__Host-` binds them to
 * this very host and to Path=/ (RFC 6265bis 4.1.3.2). No name is a prefix of another: next-auth joins those.
 */
export const cookieNames = {
  session: '__Host-valetkey-session',
  state: '__Host-valetkey-state',
  nonce: '__Host-valetkey-nonce',
  verifier: '__Host-valetkey-verifier',
  returnTo: '__Host-valetkey-return',
  /** That a sign-in under way confirms who somebody is, and when it began. */
  confirm: '__Host-valetkey-confirm',
  csrf: '__Host-valetkey-csrf',
  /** The browser's own secret that link attempts are bound to. */
  link: '__Host-valetkey-link',
} as const

export type CookieName = keyof typeof cookieNames

/** The attributes of every cookie: what sets one and what clears it must agree on them (S-09). */
export const cookieAttributes = { httpOnly: true, sameSite: 'lax', path: '/', secure: true } as const

const headerLengthMax = 16_384

/**
 * Every value that a Cookie header gives under exactly this name. Split as RFC 6265bis 5.6 writes it: only space and tab
 * are trimmed, so a name behind Unicode white space is another name; quotes and `$Version` mean nothing (S-14).
 */
export function cookieValues(headers: Headers, name: CookieName): string[] {
  const header = headers.get('cookie') ?? ''
  if (header.length > headerLengthMax) return []
  return header.split(';').flatMap((pair) => {
    const at = pair.indexOf('=')
    return at > 0 && trimmed(pair.slice(0, at)) === cookieNames[name] ? [trimmed(pair.slice(at + 1))] : []
  })
}

/** Without space and tab at its ends, by hand: a pattern for the end looks on from each of thousands in the middle. */
function trimmed(text: string): string {
  let [start, end] = [0, text.length]
  while (isBlank(text[start])) start += 1
  while (end > start && isBlank(text[end - 1])) end -= 1
  return text.slice(start, end)
}

const isBlank = (character: string | undefined) => character === ' ' || character === '\t'

/** The one value under a name; undefined where there is none, and where two contradict each other. */
export function cookieValue(headers: Headers, name: CookieName): string | undefined {
  const values = cookieValues(headers, name)
  return values.length === 1 ? values[0] : undefined
}

/** The Set-Cookie line of a session whose id was replaced within an act. */
export const renewedSession = ({ token, expiresAt }: { token: Secret; expiresAt: Date }) =>
  `${cookieNames.session}=${token.reveal()}; Expires=${expiresAt.toUTCString()}; Path=/; HttpOnly; Secure; SameSite=Lax`

/** Set-Cookie lines that take cookies away. */
export const clearedCookies = (...names: CookieName[]) =>
  names.map((name) => `${cookieNames[name]}=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax`)
