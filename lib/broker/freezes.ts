import { type Actor, may, mayGrant, type Role, requirePermission } from '../actor.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { act } from '../store/authority.ts'
import { connectionOwner } from '../store/connections.ts'
import { type ReadTx, readTenant, type Tx } from '../store/database.ts'
import {
  dropFreeze,
  type FreezeKind,
  type FreezeRow,
  type Frozen,
  type FrozenQuestion,
  findFreeze,
  frozenBy,
  listFreezes,
  lockTarget,
  putFreeze,
} from '../store/freezes.ts'
import { grantOwner } from '../store/grants.ts'
import { findMember } from '../store/members.ts'

/** A freeze that stands, as it is listed. */
export type FreezeView = {
  kind: FreezeKind
  id: string
  /** Who froze it; null where nobody knows. */
  by: string | null
  at: Date
  reason: string | null
  /** When it ends by itself; null: when somebody lifts it. */
  until: Date | null
}

/** What stops a connection or project, as its viewer may know it. `membership`: its owner is suspended or gone, by nobody's freeze. */
export type FrozenView = {
  kind: FreezeKind | 'membership'
  /** Who froze it: told to those who oversee the tenant. */
  by: string | null
  at: Date | null
  reason: string | null
  until: Date | null
}

/** How something stands as far as freezes go: the strongest that applies, and whether it is frozen itself. */
export type FrozenState = { frozen: FrozenView | null; frozenItself: boolean }

/** `facts`: what applies, strongest first. */
export function toFrozenState(
  facts: Frozen[] | undefined,
  itself: FreezeKind,
  viewer: Pick<Actor, 'role' | 'userId'>,
): FrozenState {
  const frozenItself = facts?.some((one) => one.kind === itself) ?? false
  return { frozen: toFrozenView(facts, viewer), frozenItself }
}

/** The strongest that applies. `facts`: strongest first. */
export function toFrozenView(facts: Frozen[] | undefined, viewer: Pick<Actor, 'role' | 'userId'>): FrozenView | null {
  const [fact] = facts ?? []
  if (!fact) return null
  const { kind, by, at, reason, until } = fact
  const known = may(viewer, 'oversee') || by === viewer.userId
  return { kind, by: known ? by : null, at, reason, until }
}

const toFreezeView = ({ kind, targetId, frozenBy: by, frozenAt: at, reason, until }: FreezeRow): FreezeView => ({
  kind: kind as FreezeKind,
  id: targetId,
  by,
  at,
  reason,
  until,
})

type Target = { kind: FreezeKind; id: string }

/** What freezing or lifting needs; the member that it is about is locked with the caller. */
const needs = ({ kind, id }: Target) => ({ may: 'administer' as const, change: kind === 'member' ? [id] : [] })

/**
 * Freezes a member, project, provider, connection, program or what a person gave one: nothing is linked, issued or renewed
 * through it until somebody lifts it or its time is over. Nothing of it is lost, no state of it changes, and no revoking,
 * disconnecting, linking or letting in again lifts it. Tokens that are out are not touched. Again for as long or less
 * changes nothing (`already`); for longer prolongs it.
 * @throws BrokerError forbidden, also an owner by who is none; not_found; bad_request for an end that is past
 */
export async function freeze(
  ctx: Context,
  actor: Actor,
  { kind, id, reason, until = null }: Target & { reason?: string | undefined; until?: Date | null | undefined },
): Promise<{ freeze: FreezeView; already: boolean }> {
  const now = ctx.now()
  const target = { kind, id }
  if (until && until <= now) throw new BrokerError('bad_request', { fields: { until: 'Must be in the future.' } })
  return act(ctx, actor, needs(target), async (tx, actor) => {
    const { tenantId } = actor
    const owner = await lockedFor(tx, actor, target)
    const row = { tenantId, kind, targetId: id, frozenBy: actor.userId, frozenAt: now, reason: reason || null, until }
    const written = await putFreeze(tx, row)
    if (written)
      await record(tx, tenantId, now, actor, {
        action: 'freeze.set',
        outcome: 'ok',
        target,
        details: { ...owner, reason: row.reason, until: until?.toISOString() ?? null },
      })
    const stands = await findFreeze(tx, tenantId, kind, id, now)
    if (!stands) throw new Error('a freeze was written and does not stand')
    return { freeze: toFreezeView(stands), already: !written }
  })
}

/**
 * Lifts the freeze of one item; other freezes that apply to it stay. What is not frozen says `already`.
 * @throws BrokerError forbidden, also for one's own membership by who is no owner; not_found
 */
export async function liftFreeze(ctx: Context, actor: Actor, target: Target): Promise<{ already: boolean }> {
  const { kind, id } = target
  return act(ctx, actor, needs(target), async (tx, actor) => {
    if (kind === 'member' && id === actor.userId && actor.role !== 'owner') throw new BrokerError('forbidden')
    const owner = await lockedFor(tx, actor, target)
    if (!(await dropFreeze(tx, actor.tenantId, kind, id))) return { already: true }
    await record(tx, actor.tenantId, ctx.now(), actor, {
      action: 'freeze.lifted',
      outcome: 'ok',
      target: { kind, id },
      details: owner,
    })
    return { already: false }
  })
}

/** Locks the target and asks whether the actor may freeze it. Whose it is, for the event. */
async function lockedFor(
  tx: Tx,
  actor: Pick<Actor, 'tenantId' | 'role'>,
  { kind, id }: Target,
): Promise<{ owner?: string }> {
  const { tenantId } = actor
  if (kind === 'member') {
    const member = await findMember(tx, tenantId, id)
    if (!member || member.status === 'removed') throw new BrokerError('not_found')
    if (!mayGrant(actor, member.role as Role)) throw new BrokerError('forbidden')
    return { owner: id }
  }
  if (!(await lockTarget(tx, tenantId, kind, id))) throw new BrokerError('not_found')
  const ownerOf = { connection: connectionOwner, grant: grantOwner, project: null, provider: null, client: null }[kind]
  const owner = await ownerOf?.(tx, tenantId, id)
  return owner ? { owner } : {}
}

/** Every freeze of the tenant that stands. @throws BrokerError forbidden */
export async function freezeList(ctx: Context, actor: Actor): Promise<FreezeView[]> {
  requirePermission(actor, 'oversee')
  const rows = await readTenant(ctx, actor.tenantId, (tx) => listFreezes(tx, actor.tenantId, ctx.now()))
  return rows.map(toFreezeView)
}

const named = {
  member: 'You are frozen in this tenant',
  membership: 'The membership is suspended',
  provider: 'The provider is frozen',
  project: 'The project is frozen',
  connection: 'The connection is frozen',
  client: 'The app is frozen in this tenant',
  grant: 'This device or app is frozen',
} as const satisfies Record<Frozen['kind'], string>

/** A freeze as its owner is told of it: what, why, until when; not by whom. */
export function frozenError([fact]: Frozen[]): BrokerError {
  if (!fact) return new BrokerError('frozen')
  const { kind, reason, until } = fact
  const end = until ? ` until ${until.toISOString()}` : ''
  return new BrokerError('frozen', { detail: `${named[kind]}${end}.${reason ? ` Reason: ${reason}` : ''}` })
}

/** @throws BrokerError frozen, with what, why and until when */
export async function refuseFrozen(tx: ReadTx, tenantId: string, question: FrozenQuestion): Promise<void> {
  const facts = await frozenBy(tx, tenantId, question)
  if (facts.length > 0) throw frozenError(facts)
}
