import { type Actor, requirePermission } from '../actor.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { act } from '../store/authority.ts'
import {
  type ClientData,
  type ClientRow,
  countHeldBy,
  denyWaitingRequests,
  findClient,
  lockClient,
  unendedGrantsOf,
  updateClient,
} from '../store/clients.ts'
import { readTenant, type Tx } from '../store/database.ts'
import { tellEnded } from '../store/notifications.ts'
import { assertSound, type ClientMetadata, type ClientView, toClientData, toClientView } from '../tenancy/clients.ts'
import { endGrants } from './end-grants.ts'
import { settleWithin } from './upstream-revocation.ts'

/** What ending a client's grants reaches. */
export type ClientEnding = {
  grants: number
  /** Who gave them. */
  people: number
  /** Issued through them, from the connections of those people. */
  tokens: number
}

/** What removing it, or taking something away from it, would reach now. @throws BrokerError forbidden, not_found */
export async function clientEnding(ctx: Context, actor: Actor, clientId: string): Promise<ClientEnding> {
  requirePermission(actor, 'oversee')
  const { tenantId } = actor
  const held = await readTenant(ctx, tenantId, async (tx) =>
    (await findClient(tx, tenantId, clientId)) ? countHeldBy(tx, tenantId, clientId, ctx.now()) : undefined,
  )
  if (!held) throw new BrokerError('not_found')
  return held
}

export type ClientChange = ClientMetadata & {
  clientId: string
  /** End what people gave it, whatever else changes. */
  endGrants?: true | undefined
}

/**
 * Changes what is registered of it. What adds ends nothing. What takes away scopes or a way in, or begins to ask for proofs of
 * possession, ends its grants: people gave them, and it got them, under other rules (docs/decisions/0062).
 * @throws BrokerError forbidden, not_found, bad_request
 */
export async function changeClient(
  ctx: Context,
  actor: Actor,
  { clientId, endGrants, ...given }: ClientChange,
): Promise<ClientView> {
  const { tenantId } = actor
  const data = toClientData(given)
  const done = await act(ctx, actor, 'administer', async (tx, actor) => {
    const client = await lockClient(tx, tenantId, clientId)
    if (!client) return undefined
    if (client.document !== null && Object.values(given).some((value) => value !== undefined))
      throw new BrokerError('bad_request', {
        detail: 'What this program is stands in its own document. Freeze or remove it.',
      })
    await assertSound(ctx, tx, tenantId, given, { ...client, ...data })
    const ends = endGrants === true || narrows(client, data)
    const row = await updateClient(tx, tenantId, clientId, data, { ends })
    if (ends || isTaken(client.redirectUris, data.redirectUris)) await denyWaitingRequests(tx, clientId, ctx.now())
    const { work, counts } = ends
      ? await endHeld(ctx, tx, actor, { clientId, why: `The program ${client.name} was changed.` })
      : nothingEnded
    const changed = Object.entries({ ...given, endGrants }).flatMap(([name, value]) =>
      value === undefined ? [] : [name],
    )
    await record(tx, tenantId, ctx.now(), actor, {
      action: 'client.changed',
      outcome: 'ok',
      target: { kind: 'client', id: clientId },
      details: { changed, ...counts },
    })
    return { row, work }
  })
  if (!done) throw new BrokerError('not_found')
  await settleWithin(ctx, tenantId, done.work)
  return toClientView(done.row, ctx.now())
}

const isTaken = (before: readonly string[], after: readonly string[] | undefined) =>
  after !== undefined && before.some((one) => !after.includes(one))

/** Whether what it was given goes beyond what it may have from now on. */
const narrows = (client: ClientRow, { scopes, grantTypes, needsProof }: ClientData): boolean =>
  isTaken(client.scopes, scopes) ||
  isTaken(client.grantTypes, grantTypes) ||
  (needsProof === true && !client.needsProof)

/**
 * Removes it, with all that it holds. Its row stays, ended, for what names it.
 * @throws BrokerError forbidden, not_found
 */
export async function removeClient(
  ctx: Context,
  actor: Actor,
  { clientId, reason }: { clientId: string; reason?: string | undefined },
): Promise<void> {
  const { tenantId } = actor
  const work = await act(ctx, actor, 'administer', async (tx, actor) => {
    const client = await lockClient(tx, tenantId, clientId)
    if (!client) return undefined
    const now = ctx.now()
    await updateClient(tx, tenantId, clientId, { endedAt: now }, { ends: true })
    await denyWaitingRequests(tx, clientId, now)
    const { work, counts } = await endHeld(ctx, tx, actor, {
      clientId,
      reason,
      why: `The program ${client.name} was removed.`,
    })
    await record(tx, tenantId, now, actor, {
      action: 'client.removed',
      outcome: 'ok',
      target: { kind: 'client', id: clientId },
      details: { name: client.name, ...counts, reason: reason ?? null },
    })
    return work
  })
  if (!work) throw new BrokerError('not_found')
  await settleWithin(ctx, tenantId, work)
}

const nothingEnded = { work: [] as string[], counts: {} }

/**
 * Ends its grants and what was issued through them. Its generation has been raised, so nothing new comes of them, and of two
 * acts the later one waits at the client's row. Whoever gave it something is told, `why` where no reason was given.
 */
async function endHeld(
  ctx: Context,
  tx: Tx,
  actor: Actor,
  { clientId, reason, why }: { clientId: string; reason?: string | undefined; why: string },
) {
  const { tenantId, userId } = actor
  const { grants } = await countHeldBy(tx, tenantId, clientId, ctx.now())
  const ids = await unendedGrantsOf(tx, tenantId, clientId)
  const { tokens, owners, work } = await endGrants(ctx, tx, {
    tenantId,
    ids,
    cause: 'revoked',
    by: userId,
    origin: actor,
    reason,
  })
  const notices = owners.map(({ userId: owner, ...counts }) => ({
    ...{ tenantId, userId: owner, by: userId, reason: reason ?? why },
    counts: { ...counts, connections: 0 },
  }))
  const untold = await tellEnded(tx, notices, ctx.now())
  if (untold !== undefined) ctx.log.warn({ err: untold, tenant: tenantId }, 'owners were not told of what was ended')
  return { work, counts: { grants, tokens: tokens.length } }
}
