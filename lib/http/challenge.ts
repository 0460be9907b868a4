import type { Context } from '../context.ts'
import { proofAlgorithms } from '../security/proof.ts'

/** Where our API says which authorization server its tokens come from (RFC 9728 3.1). */
export const resourceMetadataPath = '/.well-known/oauth-protected-resource'

/** With which algorithms to prove that a token is theirs, where that is asked (RFC 9449 7.1). */
export const withAlgorithms = (challenge: string) =>
  challenge.startsWith('DPoP') ? `${challenge}, algs="${proofAlgorithms.join(' ')}"` : challenge

/**
 * A challenge of our API as programs need it: where to learn how to get a token (RFC 9728 5.1), and with which algorithms to
 * prove that it is theirs (RFC 9449 7.1). Whoever brings no token is told that a cookie is not the only way.
 */
export function completeChallenge({ config }: Pick<Context, 'config'>, challenge: string): string {
  const metadata = `resource_metadata="${config.origin}${resourceMetadataPath}"`
  if (/^(DPoP|Bearer)/.test(challenge)) return `${withAlgorithms(challenge)}, ${metadata}`
  return `${challenge}, Bearer realm="valetkey", ${metadata}`
}
