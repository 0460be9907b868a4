import { type Actor, may, ownUnless } from '../../actor.ts'
import { noteRead } from '../../audit/access.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { type ReadTx, readTenant } from '../../store/database.ts'
import { findProject, findProjectWithLink, viewerOf } from '../../store/projects.ts'
import { type DayOfUse, lastUseThroughUs, type Use, usesByDay } from '../../store/proxy.ts'
import { findToken } from '../../store/tokens.ts'

/** What went through the proxy: each of the latest days (UTC), the oldest first, and all of them together. */
export type UseView = { days: DayOfUse[]; totals: Use; lastUsedAt: Date | null }

const daysShown = 14
const dayMilliseconds = 24 * 3_600_000
const nothing: Use = { requests: 0, refused: 0, bytesSent: 0, bytesReceived: 0 }

/** The days that are shown, the oldest first. */
const daysUntil = (now: Date): string[] =>
  Array.from({ length: daysShown }, (_, index) =>
    new Date(now.getTime() - (daysShown - 1 - index) * dayMilliseconds).toISOString().slice(0, 10),
  )

/**
 * How one token was used through us.
 * @throws BrokerError not_found, for another member's token as well unless the viewer oversees the tenant
 */
export async function tokenUse(ctx: Context, actor: Actor, id: string): Promise<UseView> {
  const of = ownUnless(actor, 'oversee')
  const now = ctx.now()
  const read = await readTenant(ctx, actor.tenantId, async (tx) => {
    const token = await findToken(tx, actor.tenantId, id, of)
    return token && { token, days: await daysOf(tx, actor.tenantId, { tokenId: id }, now) }
  })
  if (!read) throw new BrokerError('not_found')
  const { token, days } = read
  if (token.userId !== actor.userId) await noteRead(ctx, actor, 'readTokenUse', id)
  return toView(days, token.strategy === 'proxy' ? token.lastUsedAt : null)
}

/**
 * How the tokens of a project were used through us: the viewer's own, or everybody's for who oversees the tenant.
 * @throws BrokerError not_found, also for a project that only others linked
 */
export async function projectUse(ctx: Context, actor: Actor, idOrAlias: string): Promise<UseView> {
  const { tenantId, userId } = actor
  const now = ctx.now()
  const read = await readTenant(ctx, tenantId, async (tx) => {
    const found = await findProject(tx, tenantId, viewerOf(actor), idOrAlias)
    const row = found && (await findProjectWithLink(tx, tenantId, found.id, userId))
    if (!row || !(row.links[0] || row.settings !== null || may(actor, 'oversee'))) throw new BrokerError('not_found')
    const projectId = row.id
    const own = await daysOf(tx, tenantId, { projectId, userId }, now)
    const of = ownUnless(actor, 'oversee')
    const days = of === undefined ? await daysOf(tx, tenantId, { projectId }, now) : own
    return { projectId, own, days, lastUsedAt: await lastUseThroughUs(tx, tenantId, { projectId, userId: of }) }
  })
  // Nobody else's use is among it: nothing of other people was read.
  if (!isSame(totalOf(read.days), totalOf(read.own))) await noteRead(ctx, actor, 'readProjectUse', read.projectId)
  return toView(read.days, read.lastUsedAt)
}

/** From when on use is told of. */
export const firstDayShown = (now: Date): Date => new Date(daysUntil(now)[0] ?? now)

/** With the days on which nothing was used. */
async function daysOf(
  tx: ReadTx,
  tenantId: string,
  of: { tokenId?: string; projectId?: string; userId?: string },
  now: Date,
): Promise<DayOfUse[]> {
  const days = daysUntil(now)
  const used = await usesByDay(tx, tenantId, of, firstDayShown(now))
  const byDay = new Map(used.map((one) => [one.day, one]))
  return days.map((day) => byDay.get(day) ?? { day, ...nothing })
}

const toView = (days: DayOfUse[], lastUsedAt: Date | null): UseView => ({ days, totals: totalOf(days), lastUsedAt })

const totalOf = (days: readonly Use[]): Use =>
  days.reduce<Use>(
    (sum, one) => ({
      requests: sum.requests + one.requests,
      refused: sum.refused + one.refused,
      bytesSent: sum.bytesSent + one.bytesSent,
      bytesReceived: sum.bytesReceived + one.bytesReceived,
    }),
    nothing,
  )

const isSame = (one: Use, other: Use) =>
  (Object.keys(nothing) as (keyof Use)[]).every((name) => one[name] === other[name])
