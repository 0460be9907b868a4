import type { Context } from '../context.ts'
import { loud } from '../log.ts'
import { type Head, headsDue, insertHead, lastHead, readTip } from '../store/audit-chain.ts'
import { readTenant } from '../store/database.ts'
import { asSystem } from '../store/system.ts'
import { auditSigner, type Signer } from './keys.ts'

type HeadContext = Pick<Context, 'db' | 'pool' | 'config' | 'keys' | 'now' | 'log'>

/** A signed statement about a tenant's chain; `keyId` names the audit key. */
type SignedHead = Head & { tenantId: string; keyId: string }

/**
 * Tells the world outside the database. What counts in a verification is what is kept elsewhere: whoever owns the
 * database can rewrite the chain and every head in it, but not the log that was shipped.
 */
function announceHead(ctx: Pick<Context, 'log'>, { tenantId, seq, hash, signedAt, keyId, jws }: SignedHead): void {
  loud(ctx.log).info(
    { tenant: tenantId, seq, hash, signed_at: signedAt.toISOString(), key: keyId, head: jws },
    'audit head',
  )
}

/** Signs the end of a tenant's chain, unless that very place is signed. The newest head, or undefined of an empty chain. */
export async function signHead(ctx: HeadContext, tenantId: string, signer?: Signer): Promise<Head | undefined> {
  const { keyId, sign } = signer ?? (await auditSigner(ctx))
  return asSystem(ctx, tenantId, 'audit chain', async (tx) => {
    const [tip, last] = [await readTip(tx, tenantId), await lastHead(tx, tenantId)]
    if (!tip || (last && last.seq >= tip.seq)) return last
    const signedAt = ctx.now()
    const jws = await sign({ tenant: tenantId, ...tip, time: signedAt.toISOString() })
    const head = { ...tip, signedAt, jws }
    // Before the commit: a head that is known outside alone can still be verified, one that is known inside alone is lost.
    if (await insertHead(tx, tenantId, head)) announceHead(ctx, { ...head, tenantId, keyId })
    return head
  })
}

const headSeconds = 60
const headEvents = 1_000
const batch = 500

/** Signs the chains that have grown and were last signed a minute or a thousand events ago. How many. */
export async function signDueHeads(ctx: HeadContext): Promise<number> {
  const signer = await auditSigner(ctx)
  const due = await headsDue(ctx, new Date(ctx.now().getTime() - headSeconds * 1_000), headEvents, batch)
  for (const tenantId of due) await signHead(ctx, tenantId, signer)
  return due.length
}

/** How many events of a tenant are sealed, and its newest signature. */
export type ChainState = { sealed: number; signed: { seq: number; at: Date } | null }

export const chainState = (ctx: Pick<Context, 'db'>, tenantId: string): Promise<ChainState> =>
  readTenant(ctx, tenantId, async (tx) => {
    const [tip, head] = [await readTip(tx, tenantId), await lastHead(tx, tenantId)]
    return { sealed: tip?.seq ?? 0, signed: head ? { seq: head.seq, at: head.signedAt } : null }
  })
