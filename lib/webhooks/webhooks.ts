import { type Actor, requirePermission } from '../actor.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { newId } from '../security/ids.ts'
import { assertOutboundUrl } from '../security/outbound.ts'
import { Secret, webhookSecret } from '../security/secrets.ts'
import { act } from '../store/authority.ts'
import { readTenant } from '../store/database.ts'
import { listAdmins } from '../store/members.ts'
import {
  countWebhooksLocked,
  type DeliveryRow,
  type DeliveryState,
  deleteWebhook as deleteRow,
  disableWebhook,
  findDelivery,
  findWebhook,
  insertDelivery,
  insertWebhook,
  listDeliveries,
  listWebhooks,
  noteSuccess,
  recordDelivery,
  requeueDelivery,
  updateWebhook,
  type WebhookRow,
} from '../store/webhooks.ts'
import { vaultOf } from '../vault/keys.ts'
import { secretPlace, sendMessage } from './message.ts'

export const webhooksMax = 5
const day = 24 * 3600 * 1000

export type WebhookView = {
  id: string
  url: string
  enabled: boolean
  /** Why it was switched off automatically. */
  disabledCause: 'gone' | 'failing' | null
  createdBy: string
  /** Whoever made it administers no more: an admin should take it over. */
  orphaned: boolean
  createdAt: Date
  lastSuccessAt: Date | null
  lastFailureAt: Date | null
  /** Of the first failure since the last success. */
  failingSince: Date | null
  /** Until when messages are signed with the key before the last rotation as well. */
  previousUntil: Date | null
}

const toView = (row: WebhookRow, admins: Set<string>): WebhookView => ({
  id: row.id,
  url: row.url,
  enabled: row.enabled,
  disabledCause: row.disabledCause as WebhookView['disabledCause'],
  createdBy: row.createdBy,
  orphaned: !admins.has(row.createdBy),
  createdAt: row.createdAt,
  lastSuccessAt: row.lastSuccessAt,
  lastFailureAt: row.lastFailureAt,
  failingSince: row.failingSince,
  previousUntil: row.previousUntil,
})

export type DeliveryView = {
  /** The idempotency id that the receiver sees. */
  id: string
  kind: string
  state: DeliveryState
  tries: number
  nextTryAt: Date | null
  lastStatus: number | null
  /** not_reached | no_answer | unreadable | http_<status> | webhook_off | interrupted */
  lastError: string | null
  createdAt: Date
  finishedAt: Date | null
}

const toDelivery = (row: DeliveryRow): DeliveryView => ({
  id: row.id,
  kind: row.kind,
  state: row.state as DeliveryState,
  tries: row.tries,
  nextTryAt: row.nextTryAt,
  lastStatus: row.lastStatus,
  lastError: row.lastError,
  createdAt: row.createdAt,
  finishedAt: row.finishedAt,
})

/** @throws BrokerError forbidden: an address may itself be a secret, so only who administers sees it */
export async function webhookList(ctx: Context, actor: Actor): Promise<WebhookView[]> {
  requirePermission(actor, 'administer')
  return readTenant(ctx, actor.tenantId, async (tx) => {
    const admins = await listAdmins(tx, actor.tenantId)
    return (await listWebhooks(tx, actor.tenantId)).map((row) => toView(row, admins))
  })
}

/**
 * Adds a webhook; its signing key is in this answer alone.
 * @throws BrokerError forbidden, bad_request for an address that may not be used, too_many_webhooks
 */
export async function createWebhook(
  ctx: Context,
  actor: Actor,
  input: { url: string },
): Promise<{ webhook: WebhookView; secret: Secret }> {
  const url = checkedUrl(ctx, input.url)
  const { tenantId, userId } = actor
  const id = newId('webhook')
  const secret = new Secret(webhookSecret())
  const sealed = await (await vaultOf(ctx, tenantId)).seal(secretPlace(id, 'secret'), secret)
  const now = ctx.now()
  const row = await act(ctx, actor, 'administer', async (tx, actor) => {
    if ((await countWebhooksLocked(tx, tenantId)) >= webhooksMax) return undefined
    const row = await insertWebhook(tx, { tenantId, id, url, secret: sealed, createdBy: userId, createdAt: now })
    const target = { kind: 'webhook', id } as const
    await record(tx, tenantId, now, actor, { action: 'webhook.created', outcome: 'ok', target })
    return row
  })
  if (!row) throw new BrokerError('too_many_webhooks')
  return { webhook: toView(row, new Set([userId])), secret }
}

/** By the rule by which it will be sent to (Context.fetchOutside): never inside, whatever upstreams may have. */
function checkedUrl({ config }: Pick<Context, 'config'>, text: string): string {
  try {
    return assertOutboundUrl(text, { ...config, internalHosts: [] }).href
  } catch (cause) {
    throw new BrokerError('bad_request', {
      fields: {
        url: 'Enter a public https address without a user name, password or fragment, such as https://hooks.example.com/valetkey',
      },
      cause,
    })
  }
}

/**
 * Changes the address, switches on or off, or takes it over from who made it. Off: what waits is given up. On: past failures
 * are forgotten.
 * @throws BrokerError forbidden, not_found, bad_request
 */
export async function changeWebhook(
  ctx: Context,
  actor: Actor,
  {
    webhookId,
    ...input
  }: { webhookId: string; url?: string | undefined; enabled?: boolean | undefined; owner?: 'me' | undefined },
): Promise<WebhookView> {
  const { tenantId } = actor
  const url = input.url === undefined ? undefined : checkedUrl(ctx, input.url)
  const row = await act(ctx, actor, 'administer', async (tx, actor) => {
    if (!(await findWebhook(tx, tenantId, webhookId))) return undefined
    const now = ctx.now()
    if (input.enabled === false) await disableWebhook(tx, tenantId, webhookId, null, now)
    const fresh = { enabled: true, disabledCause: null, failingSince: null, failures: 0 }
    const row = await updateWebhook(tx, tenantId, webhookId, {
      ...(url && { url }),
      ...(input.enabled && fresh),
      ...(input.owner && { createdBy: actor.userId }),
    })
    const changed = Object.entries(input).flatMap(([name, value]) => (value === undefined ? [] : [name]))
    await record(tx, tenantId, now, actor, {
      action: 'webhook.changed',
      outcome: 'ok',
      target: { kind: 'webhook', id: webhookId },
      details: { changed, ...(input.enabled !== undefined && { enabled: input.enabled }) },
    })
    return toView(row, await listAdmins(tx, tenantId))
  })
  if (!row) throw new BrokerError('not_found')
  return row
}

/** Deletes it with everything that waits for it. @throws BrokerError forbidden, not_found */
export async function deleteWebhook(ctx: Context, actor: Actor, webhookId: string): Promise<void> {
  const { tenantId } = actor
  const deleted = await act(ctx, actor, 'administer', async (tx, actor) => {
    if (!(await deleteRow(tx, tenantId, webhookId))) return false
    const target = { kind: 'webhook', id: webhookId } as const
    await record(tx, tenantId, ctx.now(), actor, { action: 'webhook.deleted', outcome: 'ok', target })
    return true
  })
  if (!deleted) throw new BrokerError('not_found')
}

/**
 * Gives it another signing key, which is in this answer alone. For a day messages carry the signatures of both.
 * @throws BrokerError forbidden, not_found
 */
export async function rotateWebhookSecret(
  ctx: Context,
  actor: Actor,
  webhookId: string,
): Promise<{ webhook: WebhookView; secret: Secret }> {
  const { tenantId } = actor
  const vault = await vaultOf(ctx, tenantId)
  const secret = new Secret(webhookSecret())
  const sealed = await vault.seal(secretPlace(webhookId, 'secret'), secret)
  const row = await act(ctx, actor, 'administer', async (tx, actor) => {
    const known = await findWebhook(tx, tenantId, webhookId)
    if (!known) return undefined
    const now = ctx.now()
    // A key that cannot be read has signed nothing that a receiver could still expect.
    const present = await vault.open(secretPlace(webhookId, 'secret'), known.secret).catch(() => undefined)
    const previous = present && (await vault.seal(secretPlace(webhookId, 'previous_secret'), present))
    const row = await updateWebhook(tx, tenantId, webhookId, {
      secret: sealed,
      previousSecret: previous ?? null,
      previousUntil: previous ? new Date(now.getTime() + day) : null,
    })
    const target = { kind: 'webhook', id: webhookId } as const
    const details = { changed: ['secret'] }
    await record(tx, tenantId, now, actor, { action: 'webhook.changed', outcome: 'ok', target, details })
    return toView(row, await listAdmins(tx, tenantId))
  })
  if (!row) throw new BrokerError('not_found')
  return { webhook: row, secret }
}

/**
 * Sends a message of kind `webhook.test` now, once, also to one that is switched off; how it ended.
 * @throws BrokerError forbidden, not_found
 */
export async function testWebhook(ctx: Context, actor: Actor, webhookId: string): Promise<DeliveryView> {
  const { tenantId } = actor
  const id = newId('message')
  const now = ctx.now()
  const payload = { type: 'webhook.test', timestamp: now.toISOString(), data: { tenant: tenantId, webhook: webhookId } }
  const webhook = await act(ctx, actor, 'administer', async (tx) => {
    const webhook = await findWebhook(tx, tenantId, webhookId)
    if (!webhook) return undefined
    // Failed until it is known better: a test that is cut off is not sent again behind the person's back.
    const cutOff = { state: 'failed', lastError: 'interrupted', finishedAt: now, tries: 1 }
    await insertDelivery(tx, { tenantId, id, webhookId, kind: payload.type, payload, createdAt: now, ...cutOff })
    return webhook
  })
  if (!webhook) throw new BrokerError('not_found')
  const { status, error } = await sendMessage(ctx, webhook, { id, payload })
  const row = await act(ctx, actor, 'administer', async (tx, actor) => {
    const state = error === null ? ('delivered' as const) : ('failed' as const)
    const end = { state, lastStatus: status, lastError: error, finishedAt: ctx.now() }
    // A failed test counts for nothing: people test what they know to be broken.
    if (error === null) await noteSuccess(tx, tenantId, webhookId, ctx.now())
    await record(tx, tenantId, ctx.now(), actor, {
      action: 'webhook.tested',
      outcome: error === null ? 'ok' : 'failed',
      target: { kind: 'webhook', id: webhookId },
      details: { message: id, ...(error && { error }) },
    })
    return recordDelivery(tx, tenantId, id, end)
  })
  return toDelivery(row)
}

const pageSize = 25

/** Messages of a webhook, newest first. @throws BrokerError forbidden, not_found */
export async function deliveryPage(
  ctx: Context,
  actor: Actor,
  { webhookId, before }: { webhookId: string; before?: string | undefined },
): Promise<{ items: DeliveryView[]; next: string | null }> {
  requirePermission(actor, 'administer')
  const { tenantId } = actor
  const rows = await readTenant(ctx, tenantId, async (tx) =>
    (await findWebhook(tx, tenantId, webhookId))
      ? listDeliveries(tx, tenantId, webhookId, { before, take: pageSize + 1 })
      : undefined,
  )
  if (!rows) throw new BrokerError('not_found')
  const items = rows.slice(0, pageSize).map(toDelivery)
  return { items, next: rows.length > pageSize ? (items.at(-1)?.id ?? null) : null }
}

/**
 * Sends a message again, with the same id and a new round of tries. One that is being sent right now is left to that.
 * @throws BrokerError forbidden, not_found, webhook_off
 */
export async function retryDelivery(
  ctx: Context,
  actor: Actor,
  { webhookId, deliveryId }: { webhookId: string; deliveryId: string },
): Promise<void> {
  const { tenantId } = actor
  const problem = await act(ctx, actor, 'administer', async (tx, actor) => {
    const webhook = await findWebhook(tx, tenantId, webhookId)
    if (!webhook || !(await findDelivery(tx, tenantId, webhookId, deliveryId))) return 'not_found' as const
    if (!webhook.enabled) return 'webhook_off' as const
    const now = ctx.now()
    await requeueDelivery(tx, tenantId, webhookId, deliveryId, now)
    await record(tx, tenantId, now, actor, {
      action: 'webhook.changed',
      outcome: 'ok',
      target: { kind: 'webhook', id: webhookId },
      details: { resent: deliveryId },
    })
    return undefined
  })
  if (problem) throw new BrokerError(problem)
}
