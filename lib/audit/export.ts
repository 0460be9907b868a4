import type { Actor } from '../actor.ts'
import type { Context } from '../context.ts'
import { countUnsealed, headsBetween, type SealedEvent, sealedEvents } from '../store/audit-chain.ts'
import { act } from '../store/authority.ts'
import { readTenant } from '../store/database.ts'
import { sealNow } from './chain.ts'
import { signHead } from './heads.ts'
import { publicAuditKeys } from './keys.ts'
import { record } from './record.ts'
import { exportFormat } from './verify.ts'

const pageSize = 1_000
const line = (value: object) => `${JSON.stringify(value)}\n`

/**
 * Records, seals and signs, then answers the tenant's whole chain as NDJSON, in pages so that memory stays bounded:
 * a header with the public keys, each event, each head right after the event that it signs, a footer. Without its
 * footer an export is not whole. `valetkey audit verify` reads it.
 */
export async function exportChain(ctx: Context, actor: Actor): Promise<AsyncGenerator<string, void>> {
  const { tenantId } = actor
  await act(ctx, actor, 'oversee', (tx, actor) =>
    record(tx, tenantId, ctx.now(), actor, { action: 'audit.exported', outcome: 'ok' }),
  )
  await sealNow(ctx)
  const head = await signHead(ctx, tenantId)
  const tip = { seq: head?.seq ?? 0, hash: head?.hash ?? '' }
  const keys = await publicAuditKeys(ctx)
  const header = { format: exportFormat, tenant: tenantId, exported_at: ctx.now().toISOString(), keys }
  return lines(ctx, tenantId, header, tip)
}

async function* lines(ctx: Context, tenantId: string, header: object, tip: { seq: number; hash: string }) {
  yield line(header)
  let count = 0
  for (let after = 0; after < tip.seq; ) {
    const range = { after, upTo: tip.seq, take: pageSize }
    const page = await readTenant(ctx, tenantId, async (tx) => {
      const events = await sealedEvents(tx, tenantId, range)
      return { events, heads: await headsBetween(tx, tenantId, after, events.at(-1)?.seq ?? after) }
    })
    if (page.events.length === 0) break
    yield page.events.map((event) => withHead(event, page.heads.get(event.seq))).join('')
    count += page.events.length
    after = page.events.at(-1)?.seq ?? tip.seq
  }
  yield line({ count, tip, unsealed: await readTenant(ctx, tenantId, (tx) => countUnsealed(tx, tenantId)) })
}

const withHead = (event: SealedEvent, head: string | undefined) => line(event) + (head ? line({ head }) : '')
