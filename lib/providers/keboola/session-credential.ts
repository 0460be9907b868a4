import { Secret } from '../../security/secrets.ts'
import { UpstreamError } from '../provider.ts'

/**
 * What is kept of a session where the core keeps a refresh token: that, its id, and the newest access token, by which alone the
 * session can be ended and seen to be over. Sealed, moved on and wiped as one.
 */
export type SessionCredential = {
  session: string
  refresh: string
  access?: string | undefined
  /** Seconds since 1970: until when the access token works. */
  until?: number | undefined
}

const mark = '{"session":'

export const toSecret = ({ session, ...rest }: SessionCredential): Secret =>
  new Secret(JSON.stringify({ session, ...rest }))

/** A refresh token of League is one opaque word, so the two are never mistaken for each other. */
export const isSession = (kept: Secret): boolean => kept.reveal().startsWith(mark)

export function fromSecret(kept: Secret): SessionCredential {
  try {
    return JSON.parse(kept.reveal()) as SessionCredential
  } catch (cause) {
    throw new UpstreamError('protocol', 'what is stored of the session cannot be read', { cause })
  }
}

/** The stack's own marks, by which it tells its credentials apart (upstreams.md 3.4). */
export const accessMark = 'kbc_at_'
export const isSessionAccess = (token: Secret): boolean => token.reveal().startsWith(accessMark)

/** A session reaches many projects: each call names the one that it is for. */
export const projectHeader = 'x-kbc-projectid'
