import type { Context } from '../context.ts'
import { BrokerError, type ErrorCode } from '../errors.ts'
import { providerFor } from '../providers/index.ts'
import { isUpstreamError, type Provider, type ProviderDeps, type UpstreamFailure } from '../providers/provider.ts'
import type { Secret } from '../security/secrets.ts'
import type { ProviderFacts } from '../store/providers.ts'
import type { SealedPlace } from '../store/sealed.ts'
import { span } from '../trace.ts'
import type { Vault } from '../vault/keys.ts'

/**
 * The provider of a row, its client secret opened for this call, each of its verbs measured.
 * @throws BrokerError provider_misconfigured
 */
export async function openProvider(
  ctx: ProviderDeps & Pick<Context, 'metrics'>,
  vault: Vault,
  row: ProviderFacts,
): Promise<Provider> {
  const open = (column: SecretColumn, sealed: string | null) =>
    sealed === null ? undefined : vault.open(clientSecretPlace(row.id, column), sealed)
  const clientSecret = await open('client_secret', row.clientSecret)
  const clientSecretBefore = await open('client_secret_before', row.clientSecretBefore)
  const provider = providerFor({ ...row, clientSecret, clientSecretBefore }, ctx)
  if (!provider) throw new BrokerError('provider_misconfigured')
  return measured(ctx, row, provider)
}

/** The same verbs, each in a span and a histogram: of what is asked and answered, only kind, verb and outcome show. */
function measured({ metrics }: Pick<Context, 'metrics'>, { id, kind }: ProviderFacts, provider: Provider): Provider {
  const verb =
    <I, O>(call: string, run: (input: I) => Promise<O>) =>
    (input: I): Promise<O> =>
      span(`upstream ${call}`, { 'valetkey.provider': id, 'valetkey.kind': kind }, async () => {
        const end = metrics.upstream.startTimer({ kind, call })
        try {
          const answer = await run(input)
          end({ outcome: 'ok' })
          return answer
        } catch (error) {
          end({ outcome: isUpstreamError(error) ? error.failure : 'error' })
          throw error
        }
      })
  const { tryClient } = provider
  return {
    authorizationUrl: verb('authorization_url', provider.authorizationUrl),
    exchangeCode: verb('exchange_code', provider.exchangeCode),
    refresh: verb('refresh', provider.refresh),
    ...(provider.narrow && { narrow: verb('narrow', provider.narrow) }),
    ...(provider.paste && { paste: verb('paste', provider.paste) }),
    issue: verb('issue', provider.issue),
    revoke: verb('revoke', provider.revoke),
    ...(provider.standing && { standing: verb('standing', provider.standing) }),
    ...(provider.stands && { stands: verb('stands', provider.stands) }),
    ...(provider.readLogout && { readLogout: verb('read_logout', provider.readLogout) }),
    ...(provider.choices && { choices: verb('scope_choices', provider.choices) }),
    ...(provider.pageVerdict && { pageVerdict: verb('page_verdict', provider.pageVerdict) }),
    ...(tryClient && { tryClient: () => verb('try_client', tryClient)(undefined) }),
    ...(provider.check && { check: verb('check', provider.check) }),
    ...(provider.listSessions && { listSessions: verb('list_sessions', provider.listSessions) }),
    ...(provider.endSession && { endSession: verb('end_session', provider.endSession) }),
    ...(provider.sessionOf && { sessionOf: provider.sessionOf }),
    // As long as what it signs is under way: the proxy measures that.
    ...(provider.sign && { sign: provider.sign }),
    ...(provider.lastUsed && { lastUsed: verb('last_used', provider.lastUsed) }),
  }
}

type SecretColumn = 'client_secret' | 'client_secret_before'
export const clientSecretPlace = (providerId: string, column: SecretColumn = 'client_secret'): SealedPlace => ({
  table: 'provider',
  row: providerId,
  column,
  user: '-',
  version: 0,
})

export const sealClientSecret = (vault: Vault, providerId: string, secret: Secret | string) =>
  vault.seal(clientSecretPlace(providerId), secret)

const codes = {
  unreached: 'upstream_unavailable',
  ambiguous: 'upstream_unavailable',
  refused: 'upstream_refused',
  misconfigured: 'client_not_registered',
  forbidden: 'upstream_forbidden',
  denied: 'link_denied',
  wrong_issuer: 'issuer_mismatch',
  protocol: 'upstream_protocol',
  rejected: 'upstream_protocol',
  no_refresh_token: 'no_refresh_token',
  not_offered: 'flow_not_offered',
} as const satisfies Record<UpstreamFailure, ErrorCode>

/** What a failed upstream call is called towards people; anything else is passed on as it is. */
export function asBrokerError(error: unknown): unknown {
  if (!isUpstreamError(error)) return error
  const retry = error.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: error.retryAfterSeconds }
  return new BrokerError(codes[error.failure], { cause: error, ...retry })
}
