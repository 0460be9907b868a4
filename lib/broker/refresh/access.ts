import type { Context } from '../../context.ts'
import { isUpstreamError, type Provider } from '../../providers/provider.ts'
import { isUnsealError } from '../../security/seal.ts'
import type { ConnectionRow } from '../../store/connections.ts'
import type { ProviderFacts } from '../../store/providers.ts'
import { vaultOf } from '../../vault/keys.ts'
import { openProvider } from '../upstream.ts'
import { type FreshTokens, freshTokens, tokenPlace } from './refresh.ts'

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

/** How long after a renewal a 401 is the upstream's word on the request, or the connection, and not on the token. */
export const justRefreshedMilliseconds = 30_000

/** A connection's access token as the one statement of a request told it: sealed, or null where it has to be renewed. */
export type HeldAccess = {
  tenantId: string
  connectionId: string
  userId: string
  accessToken: string | null
  tokenVersion: number
}

/** That token, opened; else a renewed one. @throws BrokerError as freshTokens */
export async function openedAccess(
  ctx: Context,
  { tenantId, connectionId, userId, accessToken, tokenVersion: version }: HeldAccess,
): Promise<Pick<FreshTokens, 'accessToken' | 'version'>> {
  if (!accessToken) return freshTokens(ctx, { tenantId, connectionId })
  const vault = await vaultOf(ctx, tenantId)
  try {
    const place = tokenPlace({ id: connectionId, userId }, 'access_token', version)
    return { accessToken: await vault.open(place, accessToken), version }
  } catch (error) {
    if (!isUnsealError(error)) throw error
    return freshTokens(ctx, { tenantId, connectionId })
  }
}
