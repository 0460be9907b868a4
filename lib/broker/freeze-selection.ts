import type { Actor } from '../actor.ts'
import { recordAllAnyway } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { act } from '../store/authority.ts'
import { connectionOwners } from '../store/connections.ts'
import { putFreezes } from '../store/freezes.ts'
import { grantOwners } from '../store/grants.ts'
import { holdSelected, lookUpSelection, type RevocableFilter, type Selection, selectIds } from '../store/selections.ts'
import { requireCount } from './revoke.ts'

/** What is more than this is frozen as what it is of: a person, a project, a provider or a program. */
export const freezeMost = 1_000

/** Connections, or what people gave programs: a token has no freeze of its own. */
export type FreezableFilter = RevocableFilter & { kind: 'connections' | 'grants' }

/**
 * Freezes everything that a selection matches, if that is as many as when it was previewed, in one transaction: all of it or none. What was made
 * since is not touched, and what is frozen for as long or longer stays as it is. What a freeze means: freezes.ts, freeze.
 * @throws BrokerError count_changed, with how many match now; forbidden; bad_request for an end that is past
 */
export async function freezeSelection(
  ctx: Context,
  actor: Actor,
  input: {
    selection: Selection<FreezableFilter>
    count: number
    reason?: string | undefined
    until?: Date | null | undefined
  },
): Promise<{ frozen: number; already: number }> {
  const now = ctx.now()
  const { count, until = null } = input
  const reason = input.reason || null
  if (until && until <= now) throw new BrokerError('bad_request', { fields: { until: 'Must be in the future.' } })
  return act(ctx, actor, 'administer', async (tx, actor) => {
    const { tenantId } = actor
    const asOf = new Date(Math.min(+input.selection.asOf, +now))
    const selection = await lookUpSelection(ctx, tx, tenantId, { ...input.selection, asOf })
    await requireCount(tx, tenantId, selection, { count })
    const found = await selectIds(tx, tenantId, selection, { take: freezeMost })
    const ids = await holdSelected(tx, tenantId, selection, found)
    const kind = selection.filter.kind === 'grants' ? 'grant' : 'connection'
    const common = { tenantId, kind, frozenBy: actor.userId, frozenAt: now, reason, until } as const
    const written = await putFreezes(tx, common, ids)
    const owners = await (kind === 'grant' ? grantOwners : connectionOwners)(tx, tenantId, written)
    const told = { reason, until: until?.toISOString() ?? null }
    await recordAllAnyway(ctx, tx, tenantId, now, actor, [
      {
        action: 'selection.frozen',
        outcome: 'ok',
        target: { kind: 'tenant', id: tenantId },
        details: { kind: selection.filter.kind, count: written.length, ...told },
      },
      ...owners.map(
        ({ id, userId }) =>
          ({
            action: 'freeze.set',
            outcome: 'ok',
            target: { kind, id },
            details: { owner: userId, ...told },
          }) as const,
      ),
    ])
    return { frozen: written.length, already: ids.length - written.length }
  })
}
