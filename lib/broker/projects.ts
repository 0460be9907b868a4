import { type Actor, may } from '../actor.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { act } from '../store/authority.ts'
import { findConnection, updateConnection } from '../store/connections.ts'
import { findProjectWithLink, isAliasTaken, renameProject, viewerOf } from '../store/projects.ts'

/**
 * Gives a project another alias; old ones keep resolving. Admins may, and who linked it.
 * @throws BrokerError forbidden, not_found, alias_taken
 */
export async function changeAlias(
  ctx: Context,
  actor: Actor,
  { projectId, alias }: { projectId: string; alias: string },
): Promise<void> {
  const problem = await act(ctx, actor, 'work', async (tx, actor) => {
    const project = await findProjectWithLink(tx, actor.tenantId, projectId, actor.userId)
    if (!project || !(project.links.length > 0 || may(actor, 'administer'))) return 'not_found' as const
    if (await isAliasTaken(tx, actor.tenantId, viewerOf(actor), alias, projectId)) return 'alias_taken' as const
    await renameProject(tx, actor.tenantId, projectId, alias, ctx.now())
    const target = { kind: 'project', id: projectId } as const
    await record(tx, actor.tenantId, ctx.now(), actor, {
      action: 'project.renamed',
      outcome: 'ok',
      target,
      details: { from: project.alias, to: alias },
    })
    return undefined
  })
  if (problem) throw new BrokerError(problem)
}

/** Sets the development branch that the linker works in (K-25). @throws BrokerError not_found */
export async function setBranch(
  ctx: Context,
  actor: Actor,
  { connectionId, branchId }: { connectionId: string; branchId: string | null },
): Promise<void> {
  await act(ctx, actor, 'work', async (tx, actor) => {
    const row = await findConnection(tx, actor.tenantId, connectionId, actor.userId)
    if (!row) throw new BrokerError('not_found')
    await updateConnection(tx, actor.tenantId, connectionId, { branchId })
    const target = { kind: 'connection', id: connectionId } as const
    const details = { branch: branchId }
    await record(tx, actor.tenantId, ctx.now(), actor, { action: 'connection.changed', outcome: 'ok', target, details })
  })
}
