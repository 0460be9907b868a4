import type { IncomingCredential, Principal } from '../actor.ts'
import { BrokerError, isBrokerError } from '../errors.ts'
import {
  isJwt,
  issuerNamedBy,
  judged,
  type RefusalReason,
  type TokenFacts,
  TokenRefusal,
  tokenLengthMax,
  verifiedClaims,
} from '../security/incoming-token.ts'
import { type Answer, introspect } from '../security/introspection.ts'
import { asSystem } from '../store/system.ts'
import { incomingPerson, noteIncomingRefusal, type Trust, trustedSecretPlace, trustIn } from '../store/trust.ts'
import { vaultOf } from '../vault/keys.ts'
import { assertLimitLeft, takeLimit } from './limits.ts'
import type { Call } from './request.ts'

type Asked = Pick<Call, 'ctx' | 'requestId' | 'address'>

/** At most one note a minute of one reason. */
const noteMs = 60_000

/**
 * Whose an access token is that an issuer made which this tenant trusts: an active member of it whose identity has that
 * issuer. Nobody is made by it, and it counts in no other tenant. A JWT is judged by its signature and, where we have a client
 * at its issuer, by the issuer's answer as well; what names no issuer, by the answer alone. undefined: it does not count here;
 * why is in the log, the metrics and the tenant's page, never in the answer.
 * @throws BrokerError issuer_unavailable where the issuer cannot be asked, rate_limited for an address that tries out tokens
 */
export async function recogniseIncoming(
  call: Asked,
  slug: string,
  token: string,
): Promise<Principal<IncomingCredential> | undefined> {
  // One of our own, ended perhaps, is shown to nobody else.
  if (token.length > tokenLengthMax || token.startsWith('vk_')) return undefined
  const issuer = isJwt(token) ? issuerNamedBy(token) : null
  const trust = issuer === undefined ? undefined : await trustIn(call.ctx, slug, issuer)
  if (!trust) return undefined
  try {
    const facts = issuer === null ? await askedFacts(call, trust, token) : await signedFacts(call, trust, token)
    const principal = await principalOf(call, trust, facts)
    call.ctx.metrics.incomingTokens.inc({ outcome: 'accepted' })
    return principal
  } catch (error) {
    if (isBrokerError(error, 'rate_limited', 'unavailable')) throw error
    if (!isTokenRefusal(error)) throw unavailable(call, trust, error)
    refuse(call, trust, error)
    return undefined
  }
}

/** By its name: two bundles load this. */
const isTokenRefusal = (error: unknown): error is TokenRefusal =>
  error instanceof Error && error.name === 'TokenRefusal' && 'reason' in error

/**
 * Of a token that names no issuer: what the one says that is asked about those. Questions that were for nothing are counted, so
 * that an address cannot flood an issuer with tokens that it invents.
 */
async function askedFacts(call: Asked, trust: Trust, token: string): Promise<TokenFacts> {
  let isForNothing = false
  try {
    const { claims, at } = await answerOf(call, trust, token, async () => {
      await assertLimitLeft(call.ctx, 'incoming', call)
      isForNothing = true
    })
    if (!claims) throw new TokenRefusal('inactive')
    isForNothing = false
    return judged(claims, { ...trust, now: call.ctx.now(), answeredAt: at })
  } finally {
    if (isForNothing) await takeLimit(call.ctx, 'incoming', call)
  }
}

/** Of a JWT. The issuer is asked only about what it has signed, so nobody floods it with what they invent. */
async function signedFacts(call: Asked, trust: Trust, token: string): Promise<TokenFacts> {
  const facts = judged(await verifiedClaims(call.ctx, trust.issuer, token), { ...trust, now: call.ctx.now() })
  if (trust.clientId === null) return facts
  const { claims } = await answerOf(call, trust, token, async () => {})
  if (!claims || ('sub' in claims && claims.sub !== facts.subject))
    throw new TokenRefusal('inactive', { clientId: facts.clientId })
  return facts
}

/** What the issuer says of a token now, or said within a minute, to our client as it is now. */
function answerOf({ ctx }: Asked, trust: Trust, token: string, mayAsk: () => Promise<void>): Promise<Answer> {
  const { tenantId, id, issuer, generation, clientId, clientSecret } = trust
  const secret = async () => {
    if (clientSecret === null) throw new Error('the secret of our client is gone')
    return (await vaultOf(ctx, tenantId)).open(trustedSecretPlace(id), clientSecret)
  }
  return introspect(ctx, { issuer, by: `${id} ${generation}`, client: { id: clientId ?? '', secret } }, token, mayAsk)
}

/** Trust, client and member are read now, after the issuer has answered: what was taken away meanwhile is gone. */
async function principalOf(
  { ctx }: Asked,
  trust: Trust,
  { subject, clientId, issuedAt, expiresAt }: TokenFacts,
): Promise<Principal<IncomingCredential>> {
  const found = await incomingPerson(ctx, trust, { subject, clientId, issuedAt })
  if (!found?.client || !found.scopes) throw new TokenRefusal('client_not_listed', { clientId })
  if (found.userId === null) throw new TokenRefusal('not_a_member', { clientId })
  return {
    credential: {
      kind: 'incoming',
      client: found.client,
      trustedIssuer: trust.id,
      generation: trust.generation,
      scopes: found.scopes,
    },
    userId: found.userId,
    issuer: trust.issuer,
    subject,
    name: found.name ?? '',
    email: found.email,
    // Operators are those who sign in at the instance's own issuer, with a browser.
    operator: false,
    // Nobody here has seen them prove it.
    authTime: new Date(0),
    createdAt: issuedAt ?? ctx.now(),
    expiresAt,
  }
}

/** The issuer, our client there or our keys failed: it says nothing about the token. */
function unavailable({ ctx, requestId }: Asked, { tenantId, id }: Trust, cause: unknown): BrokerError {
  ctx.metrics.incomingTokens.inc({ outcome: 'unavailable' })
  ctx.log.warn({ request: requestId, tenant: tenantId, trusted_issuer: id }, 'a trusted issuer cannot be asked')
  return new BrokerError('issuer_unavailable', { cause, retryAfterSeconds: 5 })
}

/** Tells everybody who may know why, and nobody else. No part of the token is told but the client, once it is verified. */
function refuse({ ctx, requestId }: Asked, trust: Trust, { reason, clientId }: TokenRefusal): void {
  const { tenantId, id } = trust
  ctx.metrics.incomingTokens.inc({ outcome: reason })
  ctx.log.info({ request: requestId, tenant: tenantId, trusted_issuer: id, reason }, 'an incoming token was refused')
  note(ctx, trust, reason, clientId)
}

function note(ctx: Asked['ctx'], trust: Trust, reason: RefusalReason, clientId: string | undefined): void {
  const key = `${trust.id} ${reason}`
  const at = ctx.now()
  const last = ctx.incomingRefusals.get(key)
  if (last !== undefined && at.getTime() >= last && at.getTime() < last + noteMs) return
  ctx.incomingRefusals.set(key, at.getTime())
  ctx.background('note incoming refusal', () =>
    asSystem(ctx, trust.tenantId, 'refusal', (tx) => noteIncomingRefusal(tx, trust, { reason, clientId, at })),
  )
}
