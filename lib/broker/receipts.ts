import { type Actor, may } from '../actor.ts'
import { sealNow } from '../audit/chain.ts'
import { signHead } from '../audit/heads.ts'
import { auditSigner } from '../audit/keys.ts'
import { record } from '../audit/record.ts'
import { type Receipt, receiptFormat, receiptType } from '../audit/verify.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { findAct, upstreamOfAct } from '../store/acts.ts'
import { eventOfAct } from '../store/audit-chain.ts'
import { act } from '../store/authority.ts'
import { readTenant } from '../store/database.ts'
import { toActView } from './read/act.ts'

/**
 * Signs how an act that revoked many things stands now, also while it goes on: what it meant, the three truths, and its place in the chain of
 * events, with the key that signs the heads of the chain. That a receipt was made is recorded first, so it is in the chain as well.
 * @throws BrokerError not_found, for others' acts as well unless one oversees the tenant or it was about one's own
 */
export async function signReceipt(ctx: Context, actor: Actor, id: string): Promise<string> {
  const { tenantId } = actor
  const found = await act(ctx, actor, 'read', async (tx, actor) => {
    const row = await findAct(tx, tenantId, id)
    const own = row?.by === actor.userId || row?.userId === actor.userId
    if (!row || !(own || may(actor, 'oversee'))) return false
    const target = { kind: 'revocation_act', id } as const
    await record(tx, tenantId, ctx.now(), actor, {
      action: 'receipt.signed',
      outcome: 'ok',
      target,
      details: { act: id },
    })
    return true
  })
  if (!found) throw new BrokerError('not_found')
  await sealNow(ctx)
  const signer = await auditSigner(ctx)
  const head = await signHead(ctx, tenantId, signer)
  return signer.sign(await receiptOf(ctx, tenantId, id, head?.jws ?? null), receiptType)
}

async function receiptOf(ctx: Context, tenantId: string, id: string, head: string | null): Promise<Receipt> {
  const now = ctx.now()
  const { row, view, event } = await readTenant(ctx, tenantId, async (tx) => {
    const row = await findAct(tx, tenantId, id)
    if (!row) throw new BrokerError('not_found')
    // After the row: what is over there is over here as well.
    const view = toActView(row, await upstreamOfAct(tx, tenantId, id, now))
    return { row, view, event: (await eventOfAct(tx, tenantId, row)) ?? null }
  })
  const { latestMoment } = view
  return {
    format: receiptFormat,
    tenant: tenantId,
    act: id,
    made_at: now.toISOString(),
    by: view.by,
    revoked_at: view.createdAt.toISOString(),
    reason: view.reason,
    kind: view.kind,
    user_id: view.userId,
    // As it was confirmed; written by revokeSelection alone.
    filter: row.filter as Receipt['filter'],
    counts: view.counts,
    blocked_here: { total: view.total, ended: view.ended, since: view.blockedAt?.toISOString() ?? null },
    upstream: view.upstream,
    proved_at: view.provedAt?.toISOString() ?? null,
    latest_moment: latestMoment instanceof Date ? latestMoment.toISOString() : latestMoment,
    settled_at: view.settledAt?.toISOString() ?? null,
    event,
    head,
  }
}
