import { type GrantCredential, type Principal, tokenChallenge } from '../actor.ts'
import { BrokerError } from '../errors.ts'
import { hash, isToken } from '../security/secrets.ts'
import { enterByAccess, noteGrantUse } from '../store/programs.ts'
import type { Call } from './request.ts'

/**
 * Whose an access token of our own is: token, grant, client, member and tenant as they stand now, in one statement (J-10: one
 * that is bound to a key is none without it). undefined: it does not count, for whatever reason.
 * @throws BrokerError unauthenticated, with the reason where somebody froze it: its holder is to know
 */
export async function recogniseAccess(
  { ctx, address }: Pick<Call, 'ctx' | 'address'>,
  kind: GrantCredential['kind'],
  token: string,
): Promise<Principal<GrantCredential> | undefined> {
  if (!isToken('at', token)) return undefined
  const found = await enterByAccess(ctx, hash(token))
  if (found.state === 'frozen')
    throw new BrokerError('unauthenticated', { challenge: tokenChallenge(kind), detail: 'An admin has frozen this.' })
  if (found.state !== 'live') return undefined
  // Of another resource of ours, which is not this API (RFC 8707).
  if (found.resource !== ctx.config.origin) return undefined
  if ((found.proofKey === null) !== (kind === 'bearer')) return undefined
  const { tenantId, slug, tenantName, role, grantId, clientId, scopes, touch } = found
  if (touch) ctx.background('note use of a grant', () => noteGrantUse(ctx, tenantId, grantId, address))
  const { signin, operators } = ctx.config
  const { userId, issuer, subject, name, email, authTime, createdAt, expiresAt } = found
  return {
    credential: { kind, client: clientId, grant: grantId, scopes },
    userId,
    issuer,
    subject,
    name,
    email,
    authTime,
    createdAt,
    expiresAt,
    operator: issuer === signin.issuer && operators.includes(subject),
    place: { tenantId, slug, name: tenantName, role, status: 'active', refused: false },
  }
}
