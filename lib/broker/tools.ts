import type { Actor } from '../actor.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { act } from '../store/authority.ts'
import { findTools, type Reviewed, reviewTools } from '../store/mcp.ts'
import { findProject, viewerOf } from '../store/projects.ts'

export type ReviewResult = {
  /** Names of those that count as looked at now. */
  reviewed: string[]
  /** Of those that are no longer what was looked at. */
  changed: string[]
}

/**
 * Notes that somebody has looked at tools of an MCP server, each in the form that its hash names. One that has changed since
 * they looked stays as it was. Twice is once.
 * @throws BrokerError not_found, forbidden
 */
export const markReviewed = (
  ctx: Context,
  actor: Actor,
  { project: idOrAlias, tools }: { project: string; tools: readonly Reviewed[] },
): Promise<ReviewResult> =>
  act(ctx, actor, 'administer', async (tx, actor) => {
    const { tenantId, userId } = actor
    const project = await findProject(tx, tenantId, viewerOf(actor), idOrAlias)
    if (!project) throw new BrokerError('not_found')
    const place = { tenantId, projectId: project.id }
    const now = ctx.now()
    const noted = await reviewTools(tx, place, tools, userId, now)
    const rows = await findTools(
      tx,
      tenantId,
      project.id,
      tools.map(({ name }) => name),
    )
    const hashes = new Map(rows.map(({ name, hash }) => [name, hash]))
    const changed = tools.flatMap(({ name, hash }) => (hashes.get(name) === hash ? [] : [name]))
    if (noted.length > 0) {
      const details = {
        tools: noted.map((name) => ({ name: name.slice(0, 100).toWellFormed(), hash: hashes.get(name) ?? '' })),
      }
      const target = { kind: 'project', id: project.id } as const
      await record(tx, tenantId, now, actor, { action: 'tools.reviewed', outcome: 'ok', target, details })
    }
    return { reviewed: tools.flatMap(({ name, hash }) => (hashes.get(name) === hash ? [name] : [])), changed }
  })
