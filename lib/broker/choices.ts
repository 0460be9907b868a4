import type { Actor } from '../actor.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { configured, rowFor } from '../providers/index.ts'
import { requireStanding } from '../store/authority.ts'
import { readTenant } from '../store/database.ts'
import type { LifetimeCap } from '../tenancy/policy.ts'
import { ground } from './ground.ts'
import { toolChoices } from './read/tools.ts'
import { withAccess } from './refresh/access.ts'
import { asBrokerError } from './upstream.ts'

/**
 * What can be chosen for a token of a project, asked at the upstream with the member's own connection.
 * @throws BrokerError as {@link ground}, and of the upstream
 */
export async function readScopeChoices(
  ctx: Context,
  actor: Actor,
  project: string,
): Promise<{ choices: Record<string, unknown>; cap: LifetimeCap }> {
  await requireStanding(ctx, actor, 'work')
  const { project: chosen, provider, connection: own, policy } = await ground(ctx, actor, project)
  const made = configured(rowFor(provider, chosen))
  if (!own) {
    if (!made) throw new BrokerError('provider_misconfigured')
    return { choices: made.kind.own?.choices(made.settings) ?? {}, cap: policy.lifetime }
  }
  // What a server offers was asked when it was linked, and is kept.
  if (made?.kind.gateway) {
    const choices = await readTenant(ctx, actor.tenantId, (tx) =>
      toolChoices(tx, actor.tenantId, { ...chosen, provider }),
    )
    return { choices, cap: policy.lifetime }
  }
  const connection = { ...own, provider }
  const of = { granted: connection.scopesGranted, project: chosen.externalId, impersonates: policy.impersonates }
  try {
    const choices = await withAccess(ctx, connection, async (provider, { accessToken }) =>
      provider.choices?.({ accessToken, ...of }),
    )
    return { choices: choices ?? {}, cap: policy.lifetime }
  } catch (error) {
    throw asBrokerError(error)
  }
}

/** A connection of the caller's own through which a project's upstream can be asked. @throws BrokerError as {@link ground} */
export async function usableConnection(ctx: Context, actor: Actor, project: string): Promise<string> {
  await requireStanding(ctx, actor, 'work')
  const { connection } = await ground(ctx, actor, project)
  if (!connection) throw new BrokerError('not_linked')
  return connection.id
}
