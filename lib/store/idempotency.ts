import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { Tx } from './database.ts'
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

/**
 * What a use case tells of a call that is done at most once, in the very transactions in which it makes something: so a kill
 * leaves either both or nothing.
 */
export type Once<T> = {
  /** @throws BrokerError idempotency_running where another try goes on by now; nothing may be made then */
  making(tx: Tx, tokenId: string): Promise<void>
  /** With what is answered, which exists nowhere else. @throws as `making` */
  made(tx: Tx, done: T): Promise<void>
}

/** How long a try is waited for that has made nothing yet. */
const leaseSeconds = 30

/** Takes a key for this try, or says why it is not to be had. */
export async function claimKey(
  tx: Tx,
  { tenantId, id, claim }: Claim,
  { request, keySeconds }: { request: Uint8Array<ArrayBuffer>; keySeconds: number },
): Promise<Claimed> {
  const [row] = await tx.$queryRaw<
    Claimed[]
  >`SELECT outcome, answer, token, seconds FROM vk.idempotency_claim(${tenantId},
    ${id}, ${request}, ${claim}, make_interval(secs => ${leaseSeconds}::float8),
    make_interval(secs => ${keySeconds}::float8))`
  if (!row) throw new Error('vk.idempotency_claim answered nothing')
  return row
}

/** Notes what a try is about to make. @throws BrokerError idempotency_running */
export async function noteMaking(tx: Tx, { tenantId, id, claim }: Claim, tokenId: string): Promise<void> {
  const held = await tx.$executeRaw`UPDATE idempotency_key SET token_id = ${tokenId}
    WHERE tenant_id = ${tenantId} AND id = ${id} AND claim = ${claim}`
  if (held !== 1) throw new BrokerError('idempotency_running', { retryAfterSeconds: 1 })
}

/** Keeps a sealed answer for a while. @throws BrokerError idempotency_running */
export async function keepAnswer(
  tx: Tx,
  { tenantId, id, claim }: Claim,
  { sealed, answerSeconds }: { sealed: string; answerSeconds: number },
): Promise<void> {
  const held = await tx.$executeRaw`UPDATE idempotency_key
    SET answer = ${sealed}, answered_at = vk_now(), answer_until = vk_now() + make_interval(secs => ${answerSeconds}::float8)
    WHERE tenant_id = ${tenantId} AND id = ${id} AND claim = ${claim}`
  if (held !== 1) throw new BrokerError('idempotency_running', { retryAfterSeconds: 1 })
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

/** Keeps the answer of a call whose own transactions are over. */
export const keepLate = (
  ctx: Pick<Context, 'db'>,
  claim: Claim,
  kept: Parameters<typeof keepAnswer>[2],
): Promise<void> => asSystem(ctx, claim.tenantId, 'end of an attempt', (tx) => keepAnswer(tx, claim, kept))
