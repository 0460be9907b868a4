import type { Context } from '../context.ts'
import { BrokerError, type ErrorCode } from '../errors.ts'
import { providerFor } from '../providers/index.ts'
import { isUpstreamError, type Provider, type ProviderSettings, type UpstreamFailure } from '../providers/provider.ts'
import type { Secret } from '../security/secrets.ts'
import type { ProviderRow } from '../store/providers.ts'
import type { SealedPlace } from '../store/sealed.ts'
import type { Vault } from './keys.ts'

/** The provider of a row, its client secret opened for this call. */
export async function openProvider(
  ctx: Pick<Context, 'fetch' | 'now' | 'sleep'>,
  vault: Vault,
  row: ProviderRow,
): Promise<Provider> {
  const clientSecret = row.clientSecret ? await vault.open(clientSecretPlace(row.id), row.clientSecret) : undefined
  const settings = {
    kind: row.kind as ProviderSettings['kind'],
    issuer: row.issuer,
    clientId: row.clientId,
    clientSecret,
    settings: row.settings,
  }
  return providerFor(settings, ctx)
}

export const clientSecretPlace = (providerId: string): SealedPlace => ({
  table: 'provider',
  row: providerId,
  column: 'client_secret',
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
  no_refresh_token: 'no_refresh_token',
} as const satisfies Record<UpstreamFailure, ErrorCode>

/** What a failed upstream call is called towards people; anything else is passed on as it is. */
export function asBrokerError(error: unknown): unknown {
  if (!isUpstreamError(error)) return error
  const retry = error.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: error.retryAfterSeconds }
  return new BrokerError(codes[error.failure], { cause: error, ...retry })
}
