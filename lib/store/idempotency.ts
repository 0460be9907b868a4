import { type Permission, type Person, rolesThatMay } from '../actor.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { type ActRefusal, actRefused, heldBy } from './authority.ts'
import { query } from './database.ts'
import { asSystem } from './system.ts'

/** A try that holds a key: it may go on until another one does. */
export type Claim = { tenantId: string; id: string; claim: string }

/** What a key stands for, as {@link claimKey} found it: vk.idempotency_claim says what each means. */
export type Claimed =
  | { outcome: 'claimed' | 'other' }
  /** For so long already. */
  | { outcome: 'running'; seconds: number }
  | { outcome: 'spent'; token: string | null }
  | { outcome: 'answered'; answer: string; seconds: number }

/** An answer, sealed, and how long it is kept. */
export type Kept = { sealed: string; answerSeconds: number }

/**
 * A call that is done at most once. Its use case notes what it makes, and the answer with it, in the very transactions in which it
 * makes something: so a kill leaves either both or nothing. One whose `claim` is another's by then makes nothing.
 */
export type Once<T> = { claim: Claim; keep(done: T): Promise<Kept> }

/** How long a try is waited for that has made nothing yet. */
const leaseSeconds = 30

/** Takes a key for this try, or says why it is not to be had: vk.idempotency_take. @throws BrokerError as an act does */
export async function claimKey(
  ctx: Pick<Context, 'pool' | 'config'>,
  { userId, credential }: Person,
  { tenantId, id, claim }: Claim,
  { permission, request, keySeconds }: { permission: Permission; request: Uint8Array; keySeconds: number },
): Promise<Claimed> {
  const text = `SELECT refused, outcome, answer, token, seconds FROM vk.idempotency_take($1, $2, $3, $4, $5, $6, $7,
    make_interval(secs => $8), make_interval(secs => $9))`
  const by = [tenantId, userId, heldBy(ctx, credential), rolesThatMay(credential, permission)]
  const values = [...by, id, Buffer.from(request), claim, leaseSeconds, keySeconds]
  const [row] = await query<Claimed & { refused: ActRefusal | null }>(ctx, 'idempotency_take', text, values)
  if (!row) throw new Error('vk.idempotency_take answered nothing')
  if (row.refused) throw actRefused(row.refused, credential)
  return row
}

/** Gives a key back after a try that failed, unless something that it made is there or may be. */
export const releaseKey = (ctx: Pick<Context, 'db'>, { tenantId, id, claim }: Claim): Promise<number> =>
  asSystem(
    ctx,
    tenantId,
    'end of an attempt',
    (tx) => tx.$executeRaw`DELETE FROM idempotency_key i
      WHERE i.tenant_id = ${tenantId} AND i.id = ${id} AND i.claim = ${claim} AND i.answered_at IS NULL
        AND NOT EXISTS (SELECT FROM issued_token t
          WHERE t.tenant_id = ${tenantId} AND t.id = i.token_id AND t.status IN ('issuing', 'live'))`,
  )

/** Keeps the answer of a call whose own transactions are over. @throws BrokerError idempotency_running */
export const keepLate = (
  ctx: Pick<Context, 'db'>,
  { tenantId, id, claim }: Claim,
  { sealed, answerSeconds }: Kept,
): Promise<void> =>
  asSystem(ctx, tenantId, 'end of an attempt', async (tx) => {
    const held = await tx.$executeRaw`UPDATE idempotency_key
      SET answer = ${sealed}, answered_at = vk_now(), answer_until = vk_now() + make_interval(secs => ${answerSeconds}::float8)
      WHERE tenant_id = ${tenantId} AND id = ${id} AND claim = ${claim}`
    if (held !== 1) throw new BrokerError('idempotency_running', { retryAfterSeconds: 1 })
  })
