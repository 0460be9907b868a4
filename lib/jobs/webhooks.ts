import type { Context } from '../context.ts'
import { newId } from '../security/ids.ts'
import type { Tx } from '../store/database.ts'
import { insertNotifications } from '../store/notifications.ts'
import { asSystem } from '../store/system.ts'
import {
  type ClaimedDelivery,
  claimDelivery,
  disableWebhook,
  noteFailure,
  noteSuccess,
  settleDelivery,
} from '../store/webhooks.ts'
import { isGone, type SendOutcome, sendMessage } from '../webhooks/message.ts'

/** Longer than the outbound guard lets a call take. */
const leaseSeconds = 60
/** Between tries, in seconds, as Standard Webhooks recommends ("Deliverability and reliability"). */
const waitsSeconds = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
const failingDays = 5
const day = 24 * 3600 * 1000

/**
 * Sends one message that is due, if nobody else has it. At least once: who is cut off between the answer and its mark
 * leaves the message to the next, with the same id. Never throws for what the receiver does.
 */
export async function deliverWebhook(ctx: Context, { tenantId, id }: { tenantId: string; id: string }): Promise<void> {
  const message = await asSystem(ctx, tenantId, 'job', (tx) => claimDelivery(tx, tenantId, id, ctx.now(), leaseSeconds))
  if (!message) return
  const outcome = await sendMessage(ctx, message.webhook, message)
  await asSystem(ctx, tenantId, 'job', (tx) => settle(tx, message, outcome, ctx.now()))
  if (outcome.error)
    ctx.log.warn(
      { webhook: message.webhookId, message: id, tries: message.tries, reason: outcome.error },
      'not delivered',
    )
}

async function settle(tx: Tx, message: ClaimedDelivery, outcome: SendOutcome, now: Date): Promise<void> {
  const { tenantId, webhookId, tries } = message
  const answer = { lastStatus: outcome.status, lastError: outcome.error }
  if (!outcome.error) {
    // Who lost the lease meanwhile leaves the mark to who has it.
    if (await settleDelivery(tx, tenantId, message, { ...answer, state: 'delivered', finishedAt: now }))
      await noteSuccess(tx, tenantId, webhookId, now)
    return
  }
  const waitSeconds = isGone(outcome) ? undefined : waitAfter(tries, outcome.retryAfterSeconds)
  const end =
    waitSeconds === undefined
      ? { ...answer, state: 'failed' as const, finishedAt: now }
      : { ...answer, state: 'pending' as const, nextTryAt: new Date(now.getTime() + waitSeconds * 1000) }
  if (!(await settleDelivery(tx, tenantId, message, end))) return
  const since = await noteFailure(tx, tenantId, webhookId, now)
  if (isGone(outcome)) await disable(tx, message, 'gone', now)
  else if (since && now.getTime() - since.getTime() >= failingDays * day) await disable(tx, message, 'failing', now)
}

/** Jitter over the whole span between the wait before and this one; Retry-After is a floor. Undefined: given up. */
function waitAfter(tries: number, retryAfter = 0): number | undefined {
  const longest = waitsSeconds[tries - 1]
  if (longest === undefined) return undefined
  const shortest = waitsSeconds[tries - 2] ?? 0
  return Math.max(retryAfter, shortest + Math.random() * (longest - shortest))
}

async function disable(
  tx: Tx,
  { tenantId, webhookId }: ClaimedDelivery,
  cause: 'gone' | 'failing',
  now: Date,
): Promise<void> {
  if (!(await disableWebhook(tx, tenantId, webhookId, cause, now))) return
  const details = { webhook: webhookId, cause }
  await insertNotifications(tx, [
    { tenantId, id: newId('notification'), kind: 'webhook.disabled', details, createdAt: now },
  ])
}
