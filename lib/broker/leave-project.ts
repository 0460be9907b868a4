import { type Actor, ownUnless } from '../actor.ts'
import { recordAllAnyway } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { act } from '../store/authority.ts'
import { leaveProjects, linksOf, lockConnection } from '../store/connections.ts'
import { lockRevocable, tokensOfProject } from '../store/tokens.ts'
import { tokenEvents } from './end-grants.ts'
import { endTokens } from './end-tokens.ts'
import { settleWithin } from './upstream-revocation.ts'

/**
 * Takes one of several projects off a connection and revokes what was issued for it. The connection and its other projects
 * stay as they are (docs/decisions/0109). An issue that is under way sees it: vk.ground_stands asks for the link.
 * @throws BrokerError not_found, also for another member's unless the caller administers; not_linked; last_project
 */
export async function leaveProject(
  ctx: Context,
  actor: Actor,
  { connectionId, projectId }: { connectionId: string; projectId: string },
): Promise<{ tokens: number }> {
  const { tokens, work } = await act(ctx, actor, 'work', async (tx, actor) => {
    const { tenantId, userId: by } = actor
    const now = ctx.now()
    const connection = await lockConnection(tx, tenantId, connectionId, ownUnless(actor, 'administer'))
    if (!connection) throw new BrokerError('not_found')
    const links = await linksOf(tx, tenantId, [connectionId])
    if (!links.some((link) => link.projectId === projectId)) throw new BrokerError('not_found')
    if (connection.status === 'revoked') throw new BrokerError('not_linked')
    if (links.length === 1) throw new BrokerError('last_project')
    await leaveProjects(tx, tenantId, connectionId, [projectId])
    const ids = await tokensOfProject(tx, tenantId, connectionId, projectId)
    const living = (await lockRevocable(tx, tenantId, { ids })).filter(
      (token) => token.generation === 0 && token.expiresAt > now,
    )
    const work = await endTokens(tx, living, { tenantId, by, now })
    const details = { owner: connection.userId, project: projectId, tokens: living.length }
    const target = { kind: 'connection', id: connectionId } as const
    await recordAllAnyway(ctx, tx, tenantId, now, actor, [
      { action: 'connection.project_left', outcome: 'ok', target, details },
      ...tokenEvents(living, null),
    ])
    return { tokens: living.length, work }
  })
  await settleWithin(ctx, actor.tenantId, work)
  return { tokens }
}
