import { recordAllAnyway } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { move } from '../store/connection-states.ts'
import { asSystem } from '../store/system.ts'

type TurnedAway = { tenantId: string; connectionId: string; projectId: string; userId: string; version: number }

/**
 * Notes that an MCP server refused the token of a connection although it had just been renewed: it needs its person, or the server
 * another mind. `version`: of the refused token; one that came since is not meant, nor one that is on its way: what a
 * rotation brings must find its row. Whether it was noted.
 */
export const turnAway = (
  ctx: Context,
  { tenantId, connectionId, projectId, userId, version }: TurnedAway,
): Promise<boolean> =>
  asSystem(ctx, tenantId, 'refused by a server', async (tx) => {
    const now = ctx.now()
    const refused = { tenantId, id: connectionId, tokenVersion: version, intentAt: null }
    if ((await move(tx, refused, 'turnAway', now, {})) === 0) return false
    const details = { owner: userId, project: projectId }
    const target = { kind: 'connection', id: connectionId } as const
    await recordAllAnyway(ctx, tx, tenantId, now, { userId: null }, [
      { action: 'connection.turned_away', outcome: 'failed', target, details },
    ])
    return true
  })
