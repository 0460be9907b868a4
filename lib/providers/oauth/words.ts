import type { OauthSettings } from './settings.ts'

type Ends = 'token' | 'grant' | 'both' | 'account' | 'nothing' | 'unknown'

/** What revoking a connection at the upstream ends, after "Revoking". */
export const endsWords: Record<Ends, string> = {
  token: 'ends the token that is sent, and nothing else',
  grant: 'ends the connection; access tokens that are out work until they expire',
  both: 'ends the connection and every access token of it',
  account: 'ends every connection of that account to this client, also one that replaced it',
  nothing: 'ends nothing there: it has no revocation, so only our copy is destroyed',
  unknown: 'ends the connection (RFC 7009); whether access tokens that are out end with it is not known',
}

/** Of a row, or of a preset: a way of the server's own, RFC 7009 at an address that is known, or nothing. */
export function endsOf({
  revocation,
  server,
}: {
  revocation?: { ends?: unknown; url: string } | null | undefined
  server: Pick<OauthSettings['server'], 'revocation_endpoint'>
}): Ends {
  const { ends } = revocation ?? {}
  if (typeof ends === 'string' && ends in endsWords) return ends as Ends
  return server.revocation_endpoint ? 'unknown' : 'nothing'
}

export const refreshWords = {
  rotates: 'each renewal replaces the refresh token',
  stays: 'the refresh token stays the same',
  none: 'there are no refresh tokens: a connection lasts as long as its access token',
} as const

export const authenticationWords: Record<OauthSettings['authentication'], string> = {
  none: 'not at all: a public client, with PKCE alone',
  basic: 'client secret in a header (client_secret_basic)',
  post: 'client secret in the form (client_secret_post)',
  private_key_jwt: 'a signature with a key made here (private_key_jwt)',
}
