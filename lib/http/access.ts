import { type GrantCredential, gatewayScope, grantKind, type Principal, tokenChallenge } from '../actor.ts'
import { takeProofAtResource } from '../broker/proofs.ts'
import { BrokerError } from '../errors.ts'
import { hash, isToken } from '../security/secrets.ts'
import { enterByAccess, noteGrantUse } from '../store/programs.ts'
import { ownUrl } from './proofs.ts'
import type { Call } from './request.ts'

/**
 * Whose an access token of our own is: token, grant, client, member and tenant as they stand now, in one statement (J-10: one
 * that is bound to a key is none without it). undefined: it does not count, for whatever reason.
 * @throws BrokerError unauthenticated, with the reason where somebody froze it: its holder is to know; or with what is wrong
 *   with the proof
 */
export async function recogniseAccess(
  call: Pick<Call, 'ctx' | 'request' | 'address'>,
  kind: GrantCredential['kind'],
  token: string,
): Promise<Principal<GrantCredential> | undefined> {
  if (!isToken('at', token)) return undefined
  const { ctx, address } = call
  const found = await enterByAccess(ctx, hash(token))
  if (found.state === 'frozen')
    throw new BrokerError('unauthenticated', { challenge: tokenChallenge(kind), detail: 'An admin has frozen this.' })
  if (found.state !== 'live') return undefined
  // Of another resource of ours, which is not this API (RFC 8707).
  if (found.resource !== ctx.config.origin) return undefined
  if ((found.proofKey === null) !== (kind === 'bearer')) return undefined
  if (found.proofKey !== null && found.proofKey !== (await proofFor(call, token))) return undefined
  const { tenantId, slug, tenantName, role, grantId, clientId, proofKey, touch } = found
  const scopes = found.scopes.filter((one) => one !== gatewayScope)
  if (touch) ctx.background('note use of a grant', () => noteGrantUse(ctx, tenantId, grantId, address))
  const { signin, operators } = ctx.config
  const { userId, issuer, subject, name, email, authTime, createdAt, expiresAt } = found
  return {
    credential: { ...grantKind(proofKey), client: clientId, grant: grantId, scopes },
    userId,
    issuer,
    subject,
    name,
    email,
    authTime,
    createdAt,
    expiresAt,
    operator: issuer === signin.issuer && operators.includes(subject),
    // The one tenant where it counts: there are no others for it.
    places: {
      of: 'all',
      memberships: [{ tenantId, slug, name: tenantName, role, status: 'active', refused: false }],
    },
  }
}

/** Of the key that proves this request at a resource; undefined: there is no proof. @throws BrokerError unauthenticated */
async function proofFor({ ctx, request }: Pick<Call, 'ctx' | 'request'>, token: string): Promise<string | undefined> {
  const proof = request.headers.get('dpop')
  if (proof === null) return undefined
  return takeProofAtResource(ctx, proof, { method: request.method, url: ownUrl(ctx, request), token })
}
