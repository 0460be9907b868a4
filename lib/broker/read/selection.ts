import { type Actor, ownUnless } from '../../actor.ts'
import { noteRead } from '../../audit/access.ts'
import type { Context } from '../../context.ts'
import { readTenant } from '../../store/database.ts'
import { measureSelection, type RevocableFilter } from '../../store/selections.ts'
import { peopleNames } from './people.ts'

/** What revoking everything that a filter matches would reach, as of now. */
export type SelectionPreview = {
  /** The moment: what the act carries, so that nothing newer is touched. */
  asOf: Date
  count: number
  /** Living tokens: those chosen, or made from the connections chosen. */
  tokens: number
  /** How many of them are known to have been used within the last day. */
  usedLately: number
  /** The twenty who own most of them, and how many own any. */
  owners: { ownerId: string; name: string | null; count: number }[]
  ownerCount: number
}

const dayMilliseconds = 24 * 3_600_000

/** A member's own, everybody's for who administers the tenant: what {@link import('../revoke.ts').revokeSelected} would end. */
export async function previewSelection(ctx: Context, actor: Actor, filter: RevocableFilter): Promise<SelectionPreview> {
  const asOf = ctx.now()
  const of = ownUnless(actor, 'administer')
  const { owners, tokens, used } = await readTenant(ctx, actor.tenantId, (tx) =>
    measureSelection(tx, actor.tenantId, { filter: { ...filter, of }, asOf }, new Date(+asOf - dayMilliseconds)),
  )
  if (of === undefined) await noteRead(ctx, actor, 'previewRevocation', filter.userId)
  const count = owners.reduce((sum, owner) => sum + owner.count, 0)
  const first = owners.slice(0, 20)
  const names = await peopleNames(
    ctx,
    actor.tenantId,
    first.map(({ ownerId }) => ownerId),
  )
  return {
    asOf,
    count,
    tokens,
    usedLately: used,
    owners: first.map(({ ownerId, count }) => ({ ownerId, name: names.get(ownerId) ?? null, count })),
    ownerCount: owners.length,
  }
}
