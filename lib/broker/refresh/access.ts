import type { Context } from '../../context.ts'
import { isUpstreamError, type Provider } from '../../providers/provider.ts'
import type { ConnectionRow } from '../../store/connections.ts'
import type { ProviderFacts } from '../../store/providers.ts'
import { vaultOf } from '../../vault/keys.ts'
import { openProvider } from '../upstream.ts'
import { type FreshTokens, freshTokens } from './refresh.ts'

/** Runs an upstream call with a fresh access token; one that the upstream refuses is replaced once. */
export async function withAccess<T>(
  ctx: Context,
  connection: Pick<ConnectionRow, 'tenantId' | 'id'> & { provider: ProviderFacts },
  call: (provider: Provider, tokens: FreshTokens) => Promise<T>,
): Promise<T> {
  const key = { tenantId: connection.tenantId, connectionId: connection.id, minimumSeconds: 60 }
  const tokens = await freshTokens(ctx, key)
  const provider = await openProvider(ctx, await vaultOf(ctx, connection.tenantId), connection.provider)
  try {
    return await call(provider, tokens)
  } catch (error) {
    if (!isUpstreamError(error) || error.failure !== 'refused') throw error
    return call(provider, await freshTokens(ctx, { ...key, staleVersion: tokens.version }))
  }
}
