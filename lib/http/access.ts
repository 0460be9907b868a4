import { type GrantCredential, gatewayScope, type Principal, tokenChallenge } from '../actor.ts'
import { BrokerError, isBrokerError } from '../errors.ts'
import { hash, isToken } from '../security/secrets.ts'
import { enterByAccess, noteGrantUse } from '../store/programs.ts'
import { proofOf } from './proofs.ts'
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
  const { tenantId, slug, tenantName, role, grantId, clientId, touch } = found
  const scopes = found.scopes.filter((one) => one !== gatewayScope)
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
    // The one tenant where it counts: there are no others for it.
    places: {
      of: 'all',
      memberships: [{ tenantId, slug, name: tenantName, role, status: 'active', refused: false }],
    },
  }
}

/** RFC 9449 7.1: what is wrong with a proof is told in the challenge. @throws BrokerError unauthenticated */
async function proofFor(call: Pick<Call, 'ctx' | 'request'>, token: string): Promise<string | undefined> {
  try {
    return await proofOf(call, token)
  } catch (error) {
    if (!isBrokerError(error, 'invalid_dpop_proof', 'use_dpop_nonce')) throw error
    const { code, nonce, message: detail, next } = error
    throw new BrokerError('unauthenticated', {
      challenge: tokenChallenge('dpop', code),
      detail,
      next,
      ...(nonce !== undefined && { nonce }),
    })
  }
}
