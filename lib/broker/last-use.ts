import type { Actor } from '../actor.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { act } from '../store/authority.ts'
import { findToken, madeFrom, noteLastUse } from '../store/tokens.ts'
import { withAccess } from './refresh/access.ts'
import { asBrokerError } from './upstream.ts'

/**
 * Asks the upstream when a token was last used, with its owner's own connection (K-36). Null: not reported.
 * @throws BrokerError not_found, needs_relink, upstream_…
 */
export async function checkLastUse(ctx: Context, actor: Actor, tokenId: string): Promise<Date | null> {
  const token = await act(ctx, actor, 'work', (tx) => findToken(tx, actor.tenantId, tokenId, actor.userId))
  const connection = token && madeFrom(token)
  if (!connection || !token.upstreamId) throw new BrokerError('not_found')
  const { upstreamId } = token
  const project = token.project.externalId
  try {
    const used = await withAccess(ctx, connection, async (provider, { accessToken }) =>
      provider.lastUsed?.({ accessToken, project, upstreamId }),
    )
    if (used) await act(ctx, actor, 'work', (tx) => noteLastUse(tx, actor.tenantId, tokenId, used))
    return used ?? token.lastUsedAt
  } catch (error) {
    throw asBrokerError(error)
  }
}
