import { type Actor, gatewayScope, grantKind, requireScope } from '../../actor.ts'
import { issueToken } from '../../broker/issue.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { hash, isToken } from '../../security/secrets.ts'
import { enterByAccess, type From, type Presented } from '../../store/programs.ts'
import { requireClient } from '../clients.ts'

/** RFC 8693 3. */
export const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'

/** RFC 8693 2.2.1. Never with a refresh token: the subject is renewed, and exchanged again. */
export type ExchangeAnswer = {
  access_token: string
  issued_token_type: typeof accessTokenType
  token_type: 'Bearer'
  expires_in: number
  scope: string
}

/**
 * Exchanges a client's own access token for one that is for an audience of the tenant (RFC 8693): of the same person, with fewer
 * rights, for no longer than its subject has left. It hangs on the subject's grant, and ends with it. Policy and the
 * ceilings that the person chose for the grant decide as they do at the JSON API, which is the way for public clients.
 * @throws BrokerError invalid_client, unauthorized_client, bad_request for a subject that is none of this client's (RFC 8693 2.2.2),
 *   invalid_target, invalid_scope; otherwise as {@link issueToken}
 */
export async function tokenExchange(
  ctx: Context,
  who: Presented,
  asked: { subject: string; audience: string; scope: string; proof: string | undefined },
  { address, agent, requestId }: From,
): Promise<ExchangeAnswer> {
  const client = await requireClient(ctx, who, 'token_exchange')
  if (client.authentication === 'none') throw new BrokerError('unauthorized_client')
  const subject = await subjectOf(ctx, client.id, asked)
  const { tenantId, slug, role, userId, grantId, scopes: held, expiresAt } = subject
  const scopes = held.filter((one) => one !== gatewayScope)
  const credential = { ...grantKind(subject.proofKey), client: client.id, grant: grantId, scopes }
  const actor: Actor = { userId, credential, tenantId, slug, role, address, agent, requestId }
  requireScope(actor, 'tokens:issue')
  const left = Math.floor((expiresAt.getTime() - ctx.now().getTime()) / 1000)
  const { token, value } = await issueToken(ctx, actor, {
    project: { audience: asked.audience },
    scopes: { scopes: asked.scope.split(' ').filter(Boolean) },
    strategy: 'sign',
    lifetimeSeconds: left,
    shortens: true,
    purpose: `Exchanged by ${client.name}`.slice(0, 200),
  })
  return {
    access_token: value.reveal(),
    issued_token_type: accessTokenType,
    token_type: 'Bearer',
    expires_in: Math.max(0, Math.floor((token.expiresAt.getTime() - ctx.now().getTime()) / 1000)),
    scope: asked.scope.split(' ').filter(Boolean).join(' '),
  }
}

/** The token as it stands now, with all that it was made under. @throws BrokerError bad_request */
async function subjectOf(
  ctx: Context,
  clientId: string,
  { subject, proof }: { subject: string; proof: string | undefined },
) {
  const found = isToken('at', subject) ? await enterByAccess(ctx, hash(subject)) : undefined
  // One that somebody else was given is nobody's to exchange: a program that is handed a token cannot act with it here.
  const isOwn = found?.state === 'live' && found.clientId === clientId && found.resource === ctx.config.origin
  if (!isOwn || found.proofKey !== (proof ?? null))
    throw new BrokerError('bad_request', { detail: 'subject_token is no living access token of this client.' })
  return found
}
