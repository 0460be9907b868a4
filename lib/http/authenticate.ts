import { type Actor, type Credential, type Membership, type Principal, tokenChallenge } from '../actor.ts'
import { BrokerError } from '../errors.ts'
import { recogniseAccess } from './access.ts'
import { refuseCrossSite } from './csrf.ts'
import { recogniseIncoming } from './incoming.ts'
import type { Call } from './request.ts'
import { readSession } from './session.ts'

/**
 * Who calls. A request that presents a token never reads a cookie, so no other site can have sent it; the layers against
 * other sites belong to the cookie alone. undefined: nobody is signed in. Reads may be a page's polling; a change is a
 * person's act, and keeps their session (S-07). `tenant`: the slug in the path, whose trusted issuers count there.
 * @throws BrokerError cross_site; unauthenticated for a token that is nobody's, with the challenge of its scheme; issuer_unavailable
 *   and rate_limited for a token that cannot be judged now
 */
export async function authenticate(
  call: Pick<Call, 'ctx' | 'request' | 'requestId' | 'address'>,
  { changes, tenant }: { changes: boolean; tenant: string | undefined },
): Promise<Principal | undefined> {
  const { ctx, request } = call
  const given = request.headers.get('authorization') ?? ''
  const scheme = /^(bearer|dpop)(?![^ ])/i.exec(given)?.[1]
  if (scheme === undefined) {
    if (changes) refuseCrossSite(request.headers, ctx.config.origin)
    return readSession(ctx, request.headers, { passive: !changes })
  }
  // RFC 6750 section 2.1. Two of them in one header are none.
  const token = /^\w+ +([\w.~+/-]+=*)$/.exec(given)?.[1]
  const kind = scheme.toLowerCase() === 'dpop' ? 'dpop' : 'bearer'
  const granted = token && (await recogniseAccess(call, kind, token))
  if (granted) return granted
  for (const recognise of ctx.authenticators) {
    const principal = token && (await recognise({ kind, token, request }))
    if (principal) return principal
  }
  const incoming = token && kind === 'bearer' && tenant && (await recogniseIncoming(call, tenant, token))
  if (incoming) return incoming
  throw new BrokerError('unauthenticated', {
    challenge: tokenChallenge(kind),
    ...(!tenant && { detail: 'The token of a trusted issuer counts only below /api/v1/tenants/{tenant}.' }),
  })
}

/** A principal in a tenant: the one place where an actor is made, whatever the edge. */
export const toActor = <C extends Credential>(
  { userId, credential }: Principal<C>,
  { tenantId, slug, role }: Membership,
  { address, agent, requestId }: Partial<Pick<Call, 'address' | 'agent' | 'requestId'>>,
): Actor<C> => ({ userId, credential, tenantId, slug, role, address, agent, requestId })
