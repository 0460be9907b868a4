import { origin } from './broker.ts'

/** What our API says to a token that does not count (RFC 6750 3, RFC 9449 7.1, RFC 9728 5.1). */
export const challengeOf = (scheme: 'Bearer' | 'DPoP', what: string) =>
  [
    `${scheme} realm="valetkey"`,
    what,
    ...(scheme === 'DPoP' ? ['algs="ES256 ES384 EdDSA Ed25519 RS256 PS256"'] : []),
    `resource_metadata="${origin}/.well-known/oauth-protected-resource"`,
  ].join(', ')
