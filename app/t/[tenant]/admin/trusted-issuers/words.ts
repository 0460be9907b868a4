import type { RefusalReason } from '@/lib/security/incoming-token.ts'

/** Why tokens were refused, and what would cure it. */
export const refusalWords: Record<RefusalReason, { what: string; next: string }> = {
  malformed: { what: 'The token cannot be read', next: 'The program must send the access token as it is.' },
  algorithm: {
    what: 'The signature’s algorithm is not taken',
    next: 'Let the issuer sign with RS256, PS256, ES256 or EdDSA.',
  },
  unknown_key: {
    what: 'The signing key is not published',
    next: 'The token may come from another server, or its keys were rotated.',
  },
  signature: { what: 'The signature is wrong', next: 'Somebody may have changed the token, or made it up.' },
  issuer: { what: 'The answer names another issuer', next: 'Trust the issuer under the name that it uses itself.' },
  times: {
    what: 'The token names no end, or times that are none',
    next: 'The issuer must put exp into access tokens.',
  },
  expired: { what: 'The token has expired', next: 'The program must get a new one.' },
  not_yet_valid: { what: 'The token begins in the future', next: 'The clocks differ by more than a minute.' },
  not_an_access_token: {
    what: 'It is an ID, refresh or logout token',
    next: 'The program must send the access token.',
  },
  audience: {
    what: 'The token is for another audience',
    next: 'Let the issuer add the audience shown above for this client.',
  },
  client_missing: { what: 'The token names no client, or two', next: 'The issuer must name it in client_id or azp.' },
  client_not_listed: { what: 'The client is not listed', next: 'List it, if it may call this API.' },
  subject: { what: 'The token names nobody', next: 'In Keycloak, the client needs the scope basic, which adds sub.' },
  bound_to_a_key: {
    what: 'The token is bound to a key',
    next: 'Let the client get a plain Bearer token for this audience.',
  },
  on_behalf: {
    what: 'Somebody else acts with the token',
    next: 'The program must bring a token that the member got themselves.',
  },
  inactive: {
    what: 'The issuer says that the token is over',
    next: 'The person signed out there, was disabled, or the token expired. Keycloak also says so where our client is none of the token’s audiences.',
  },
  not_a_member: {
    what: 'Nobody active here has this identity',
    next: 'Service accounts are nobody’s. A person must sign in here once; after a suspension they need a new token.',
  },
}
