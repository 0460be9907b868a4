import { Webhook } from 'standardwebhooks'
import type { Context } from '../context.ts'
import { isBrokerError } from '../errors.ts'
import { retryAfterSeconds } from '../providers/retry.ts'
import { isUnsealError } from '../security/seal.ts'
import type { WebhookRow } from '../store/webhooks.ts'
import { type Vault, vaultOf } from '../vault/keys.ts'

export const secretPlace = <Column extends 'secret' | 'previous_secret'>(webhookId: string, column: Column) =>
  ({ table: 'webhook', row: webhookId, column, user: '-', version: 0 }) as const

/** How one try ended. `error`: not_reached | no_answer | unreadable | http_<status>; null: it was delivered (2xx). */
export type SendOutcome = { status: number | null; error: string | null; retryAfterSeconds?: number | undefined }

const day = 24 * 3600
/** RFC 9110 15: a refusal of 410 says that the address is gone for good. */
export const isGone = ({ status }: SendOutcome) => status === 410

/**
 * Sends one message, signed as Standard Webhooks has it, once, through the outbound guard; no database connection is held
 * meanwhile. `id` is what the receiver tells repeats by.
 */
export async function sendMessage(
  ctx: Context,
  webhook: WebhookRow,
  { id, payload }: { id: string; payload: unknown },
): Promise<SendOutcome> {
  const body = JSON.stringify(payload)
  const at = ctx.now()
  let signatures: string[]
  try {
    const secrets = await signingSecrets(await vaultOf(ctx, webhook.tenantId), webhook, at)
    signatures = secrets.map((secret) => new Webhook(secret).sign(id, at, body))
  } catch (error) {
    // Destroyed for good, unlike a key that is merely missing here: that is tried again.
    if (!isUnsealError(error) && !isBrokerError(error, 'tenant_shredded')) throw error
    ctx.log.error({ webhook: webhook.id, alarm: true }, 'a webhook’s signing key cannot be opened')
    return { status: null, error: 'unreadable' }
  }
  try {
    const answer = await ctx.fetchOutside(webhook.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Valetkey',
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
        'webhook-signature': signatures.join(' '),
      },
      body,
    })
    if (answer.ok) return { status: answer.status, error: null }
    const wait = retryAfterSeconds(answer.headers, ctx.now(), day)
    return { status: answer.status, error: `http_${answer.status}`, retryAfterSeconds: wait }
  } catch (error) {
    if (!(error instanceof Error && error.name === 'OutboundError')) throw error
    return { status: null, error: 'reached' in error && error.reached ? 'no_answer' : 'not_reached' }
  }
}

/** The present key, and for a day after a rotation the one before, so that receivers change theirs without a gap. */
async function signingSecrets(vault: Vault, webhook: WebhookRow, at: Date): Promise<string[]> {
  const { id, secret, previousSecret, previousUntil } = webhook
  const present = await vault.open(secretPlace(id, 'secret'), secret)
  if (!previousSecret || !previousUntil || previousUntil <= at) return [present.reveal()]
  const previous = await vault.open(secretPlace(id, 'previous_secret'), previousSecret)
  return [present.reveal(), previous.reveal()]
}
