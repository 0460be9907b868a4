import { tokenPlace } from '../broker/refresh/refresh.ts'
import { openProvider } from '../broker/upstream.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { Secret } from '../security/secrets.ts'
import { type ConnectionKey, findConnection } from '../store/connections.ts'
import { readTenant } from '../store/database.ts'
import { vaultOf } from '../vault/keys.ts'
import type { AnswerHeaders, Ended } from './exchange.ts'

/** What an upstream knows a connection by, and the version of its tokens. */
export type Access = { accessToken: Secret; version: number }

/**
 * Sends a request to an upstream whose tokens are bound to a key of the connection (RFC 9449): once more where it asks for
 * another nonce.
 * @throws BrokerError upstream_unavailable, provider_misconfigured
 */
export async function signed(
  ctx: Context,
  { tenantId, connectionId }: ConnectionKey,
  { accessToken, version }: Access,
  asked: { method: string; url: URL },
  send: (headers: Record<string, string>) => Promise<Ended>,
): Promise<Ended> {
  const connection = await readTenant(ctx, tenantId, (tx) => findConnection(tx, tenantId, connectionId))
  // Renewed in between: the next request has the new one.
  if (!connection?.refreshToken || connection.tokenVersion !== version)
    throw new BrokerError('upstream_unavailable', { retryAfterSeconds: 1 })
  const vault = await vaultOf(ctx, tenantId)
  const grant = await vault.open(tokenPlace(connection, 'refresh_token', version), connection.refreshToken)
  const provider = await openProvider(ctx, vault, connection.provider)
  if (!provider.sign) throw new BrokerError('provider_misconfigured')
  let ended: Ended | undefined
  await provider.sign({
    ...asked,
    accessToken,
    grant,
    send: async (headers) => {
      ended = await send(headers)
      return new Response(null, { status: ended.status, headers: proofHeaders(ended.headers) })
    },
  })
  if (!ended) throw new Error('a request was signed and not sent')
  return ended
}

/** What of an answer's head concerns proofs (RFC 9449 8, 9). */
function proofHeaders(headers: AnswerHeaders): Record<string, string> {
  const { 'dpop-nonce': nonce, 'www-authenticate': challenge } = headers
  return {
    ...(typeof nonce === 'string' && { 'dpop-nonce': nonce }),
    ...(typeof challenge === 'string' && { 'www-authenticate': challenge }),
  }
}
