import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { introspectToken, type Presented } from '../store/programs.ts'
import { askedOf } from './tokens.ts'

/** RFC 7662 2.2. Nothing is told of a token that does not count, for whatever reason. */
export type Introspection =
  | { active: false }
  | {
      active: true
      scope: string
      client_id?: string
      token_type?: 'Bearer' | 'DPoP'
      exp: number
      iat: number
      sub: string
      aud: string
      iss: string
      jti?: string
      cnf?: { jkt: string }
    }

const seconds = (moment: Date) => Math.floor(moment.getTime() / 1000)

/**
 * What a client may know of a token (RFC 7662): of its own, and of those for audiences whose resource server it is. Everything
 * is asked now; nothing of it is kept.
 * @throws BrokerError invalid_client; unauthorized_client for a public client
 */
export async function introspect(ctx: Context, who: Presented, token: string): Promise<Introspection> {
  const found = await introspectToken(ctx, who, askedOf(token) ?? {})
  if (found.outcome === 'invalid_client' || found.outcome === 'unauthorized_client')
    throw new BrokerError(found.outcome)
  if (found.outcome === 'inactive') return { active: false }
  const { kind, clientId, proofKey, tokenId } = found
  return {
    active: true,
    scope: found.scopes.join(' '),
    ...(clientId !== null && { client_id: clientId }),
    ...(kind !== 'refresh' && { token_type: proofKey === null ? 'Bearer' : 'DPoP' }),
    exp: seconds(found.expiresAt),
    iat: seconds(found.issuedAt),
    sub: found.userId,
    aud: found.audience,
    iss: ctx.config.origin,
    ...(tokenId !== null && { jti: tokenId }),
    ...(proofKey !== null && { cnf: { jkt: proofKey } }),
  }
}
