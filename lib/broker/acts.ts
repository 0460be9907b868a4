import { type Actor, type Origin, ownUnless, sessionOf } from '../actor.ts'
import { recordAnyway } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { newId } from '../security/ids.ts'
import { type ActRow, advanceAct, dueOfAct, endBatch, findAct, insertAct, settleAct, takeAct } from '../store/acts.ts'
import { act } from '../store/authority.ts'
import { type Prisma, readTenant } from '../store/database.ts'
import type { LookedUp } from '../store/search.ts'
import {
  holdSelected,
  lookUpSelection,
  type RevocableFilter,
  type SelectedKind,
  type Selection,
  selectIds,
} from '../store/selections.ts'
import { asSystem } from '../store/system.ts'
import { vaultOf } from '../vault/keys.ts'
import { requireCount, requireEnding, revokeHere, type SelectedInput } from './revoke.ts'
import { settleAll, soon } from './upstream-revocation.ts'

type Place = { tenantId: string; id: string }

/** One transaction marks this many, so that nobody waits long for its locks. */
const batchSizes = { tokens: 500, connections: 10, grants: 10, sessions: 500, requests: 500 } satisfies Record<
  SelectedKind,
  number
>
const heldBatchSize = 2_000
/** So many pieces of upstream work are taken at a time. */
const workSize = 200

/**
 * Revokes everything that a selection matches, if that is as many as when it was previewed; what was made since is not touched.
 * The act commits at once with its event, and goes on by itself in batches, whoever gets to it: {@link runAct}.
 * @throws BrokerError count_changed, with how many match now; forbidden; unavailable; nothing is revoked then
 */
export async function revokeSelection(
  ctx: Context,
  actor: Actor,
  { selection, count, reason }: SelectedInput,
): Promise<{ act: string }> {
  const { tenantId } = actor
  const now = ctx.now()
  const asOf = new Date(Math.min(+selection.asOf, +now))
  const id = newId('revocation_act')
  await act(ctx, actor, 'work', async (tx, actor) => {
    const { kind } = selection.filter
    requireEnding(actor, kind)
    const filter = ownSelection(actor, selection.filter)
    const selected = await lookUpSelection(ctx, tx, tenantId, { filter, asOf })
    await requireCount(tx, tenantId, selected, { count })
    const { found, providerIds } = selected.filter
    const { credential, address, agent, requestId } = actor
    await insertAct(tx, {
      ...{ tenantId, id, kind, by: actor.userId, asOf, createdAt: now, reason: reason ?? null },
      filter: stored(filter),
      lookedUp: stored({ found, providerIds }),
      origin: stored({ credential, address, agent, requestId }),
      counts: { [kind]: count },
    })
    const details = { act: id, kind, count, reason: reason ?? null }
    const event = {
      action: 'selection.revoked',
      outcome: 'ok',
      target: { kind: 'revocation_act', id },
      details,
    } as const
    await recordAnyway(ctx, tx, tenantId, now, actor, event)
  })
  await runSoon(ctx, { tenantId, id })
  return { act: id }
}

/** What somebody's selection means: their own things, unless they administer; of sessions all but the one that asks. */
export const ownSelection = (actor: Actor, filter: RevocableFilter): RevocableFilter => ({
  ...filter,
  of: ownUnless(actor, 'administer'),
  ...(filter.kind === 'sessions' && { except: sessionOf(actor.credential) }),
})

const stored = (value: object) => JSON.parse(JSON.stringify(value)) as Prisma.InputJsonObject

/**
 * Goes on with an act that ends many things, wherever whoever was at it stopped: ends the rows that it means in batches, and asks
 * the upstreams. Safe on any number of instances at once, and any number of times: nothing is done twice.
 */
export async function runAct(ctx: Context, { tenantId, id }: Place, signal?: AbortSignal): Promise<void> {
  const found = await readTenant(ctx, tenantId, (tx) => findAct(tx, tenantId, id))
  if (!found) return
  const endNext = found.kind === 'held' ? endHeldBatch : endSelectedBatch
  for (let done = found.doneAt !== null; !done; ) {
    if (signal?.aborted) return
    const batch = await endNext(ctx, { tenantId, id })
    if (batch.busy) return
    done = batch.done
  }
  // Once through, in the order of ids: what could not be done now has a later turn.
  for (let after = '', isLast = false; !isLast; ) {
    if (signal?.aborted) return
    const due = await readTenant(ctx, tenantId, (tx) =>
      dueOfAct(tx, tenantId, id, { after, now: ctx.now(), take: workSize }),
    )
    await settleAll(ctx, tenantId, due)
    after = due.at(-1) ?? after
    isLast = due.length < workSize
  }
  await asSystem(ctx, tenantId, 'job', (tx) => settleAct(tx, tenantId, id, ctx.now()))
}

/** The same at once, for an answer that waits for a while. What fails is left to the tick. */
export const runSoon = (ctx: Context, place: Place): Promise<void> =>
  soon(
    ctx,
    runAct(ctx, place).catch((error: unknown) => {
      ctx.log.warn({ err: error, act: place.id, tenant: place.tenantId }, 'a revocation goes on with the next tick')
    }),
  )

type Batch = { done: boolean; busy: boolean }

/** Of everything that a person held: dead since the act committed. */
const endHeldBatch = (ctx: Context, { tenantId, id }: Place): Promise<Batch> =>
  asSystem(ctx, tenantId, 'job', (tx) => endBatch(tx, tenantId, id, { limit: heldBatchSize, now: ctx.now() }))

/** Of a selection: what matched when it was previewed and matches under its lock. */
async function endSelectedBatch(ctx: Context, { tenantId, id }: Place): Promise<Batch> {
  const vault = await vaultOf(ctx, tenantId)
  return asSystem(ctx, tenantId, 'job', async (tx) => {
    const row = await takeAct(tx, tenantId, id)
    if (!row) return { done: false, busy: true }
    if (row.doneAt) return { done: true, busy: false }
    const selection = await lookUpSelection(ctx, tx, tenantId, selectionOf(row), row.lookedUp as LookedUp | null)
    const { kind, of } = selection.filter
    const take = batchSizes[kind]
    const ids = await selectIds(tx, tenantId, selection, { after: row.cursor ?? '', take })
    const among = await holdSelected(tx, tenantId, selection, ids)
    const by = { ...(row.origin as Omit<Origin, 'userId'>), tenantId, userId: row.by, of, act: id }
    const named = { tokens: [], connections: [], grants: [], [kind]: among, reason: row.reason ?? undefined }
    const { work, targets } = await revokeHere(ctx, vault, tx, by, named)
    const ended = targets.filter((one) => one.kind === kind.slice(0, -1) && !one.already).length
    const done = ids.length < take
    await advanceAct(tx, tenantId, id, { ended, cursor: ids.at(-1) ?? null, work, doneAt: done ? ctx.now() : null })
    return { done, busy: false }
  })
}

/** As {@link revokeSelection} has written it. */
function selectionOf({ filter, asOf }: ActRow): Selection<RevocableFilter> {
  const { madeBefore, usedBefore, endsBefore, endsAfter, ...rest } = filter as Record<string, string | undefined>
  const moment = (text: string | undefined) => (text === undefined ? undefined : new Date(text))
  const orUnknown = (text: string | undefined) => (text === 'unknown' ? ('unknown' as const) : moment(text))
  const times = {
    madeBefore: moment(madeBefore),
    usedBefore: orUnknown(usedBefore),
    endsBefore: orUnknown(endsBefore),
    endsAfter: moment(endsAfter),
  }
  return { filter: { ...(rest as Pick<RevocableFilter, 'kind'>), ...times }, asOf }
}
