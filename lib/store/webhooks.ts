import type { Prisma, ReadTx, Tx } from './database.ts'

export type WebhookRow = Prisma.WebhookGetPayload<object>
export type DeliveryRow = Prisma.WebhookDeliveryGetPayload<object>
export type ClaimedDelivery = Prisma.WebhookDeliveryGetPayload<{ include: { webhook: true } }>
export type DeliveryState = 'pending' | 'delivered' | 'failed'

const at = (tenantId: string, id: string) => ({ tenantId_id: { tenantId, id } })

export const listWebhooks = (tx: ReadTx, tenantId: string) =>
  tx.webhook.findMany({ where: { tenantId }, orderBy: { id: 'asc' } })

export const findWebhook = (tx: ReadTx, tenantId: string, id: string) =>
  tx.webhook.findUnique({ where: at(tenantId, id) })

/** Ids of the webhooks that a person made or took over. */
export const webhooksBy = async (tx: ReadTx, tenantId: string, createdBy: string): Promise<string[]> =>
  (await tx.webhook.findMany({ where: { tenantId, createdBy }, select: { id: true } })).map(({ id }) => id)

/** The same with where they tell: the whole address may hold a secret. */
export const webhookHostsBy = async (tx: ReadTx, tenantId: string, createdBy: string) =>
  (await tx.webhook.findMany({ where: { tenantId, createdBy }, orderBy: { id: 'asc' } })).map(({ id, url }) => ({
    id,
    host: new URL(url).host,
  }))

/** How many the tenant has; whoever counts next waits for this transaction, so that two cannot pass a limit together. */
export async function countWebhooksLocked(tx: Tx, tenantId: string): Promise<number> {
  await tx.$queryRaw`SELECT id FROM tenant WHERE id = ${tenantId} FOR NO KEY UPDATE`
  return tx.webhook.count({ where: { tenantId } })
}

export const insertWebhook = (tx: Tx, row: Prisma.WebhookUncheckedCreateInput) => tx.webhook.create({ data: row })

export const updateWebhook = (
  tx: Tx,
  tenantId: string,
  id: string,
  data: Pick<
    Prisma.WebhookUncheckedUpdateInput,
    | 'url'
    | 'createdBy'
    | 'enabled'
    | 'disabledCause'
    | 'failingSince'
    | 'failures'
    | 'secret'
    | 'previousSecret'
    | 'previousUntil'
  >,
) => tx.webhook.update({ where: at(tenantId, id), data })

/** With everything that waits for it. Whether it was there. */
export const deleteWebhook = async (tx: Tx, tenantId: string, id: string) =>
  (await tx.webhook.deleteMany({ where: { tenantId, id } })).count > 0

/** Switches off one that is on, and ends what waits for it. Whether it was on. */
export async function disableWebhook(
  tx: Tx,
  tenantId: string,
  id: string,
  disabledCause: 'gone' | 'failing' | null,
  now: Date,
): Promise<boolean> {
  const { count } = await tx.webhook.updateMany({
    where: { tenantId, id, enabled: true },
    data: { enabled: false, disabledCause },
  })
  if (count === 0) return false
  await tx.webhookDelivery.updateMany({
    where: { tenantId, webhookId: id, state: 'pending' },
    data: { state: 'failed', lastError: 'webhook_off', finishedAt: now, claimUntil: null, nextTryAt: null },
  })
  return true
}

export const noteSuccess = (tx: Tx, tenantId: string, id: string, now: Date) =>
  tx.webhook.updateMany({
    where: { tenantId, id },
    data: { lastSuccessAt: now, failingSince: null, failures: 0 },
  })

/** Counts a failure; since when it has been failing, or undefined where it is gone. */
export async function noteFailure(tx: Tx, tenantId: string, id: string, now: Date): Promise<Date | undefined> {
  const [row] = await tx.$queryRaw<{ since: Date }[]>`UPDATE webhook SET last_failure_at = ${now},
    failing_since = coalesce(failing_since, ${now}), failures = failures + 1
    WHERE tenant_id = ${tenantId} AND id = ${id} RETURNING failing_since AS since`
  return row?.since
}

export const insertDelivery = (tx: Tx, row: Prisma.WebhookDeliveryUncheckedCreateInput) =>
  tx.webhookDelivery.create({ data: row })

export const findDelivery = (tx: ReadTx, tenantId: string, webhookId: string, id: string) =>
  tx.webhookDelivery.findFirst({ where: { tenantId, webhookId, id } })

/** Newest first. */
export const listDeliveries = (
  tx: ReadTx,
  tenantId: string,
  webhookId: string,
  { before, take }: { before?: string | undefined; take: number },
) =>
  tx.webhookDelivery.findMany({
    where: { tenantId, webhookId, ...(before ? { id: { lt: before } } : {}) },
    orderBy: { id: 'desc' },
    take,
  })

/** Takes a message that is due under a lease; undefined when another process has it, it is finished or put off. */
export async function claimDelivery(
  tx: Tx,
  tenantId: string,
  id: string,
  now: Date,
  leaseSeconds: number,
): Promise<ClaimedDelivery | undefined> {
  const { count } = await tx.webhookDelivery.updateMany({
    where: {
      tenantId,
      id,
      state: 'pending',
      nextTryAt: { lte: now },
      OR: [{ claimUntil: null }, { claimUntil: { lt: now } }],
    },
    data: { claimUntil: new Date(now.getTime() + leaseSeconds * 1000), tries: { increment: 1 } },
  })
  if (count === 0) return undefined
  const row = await tx.webhookDelivery.findUnique({ where: at(tenantId, id), include: { webhook: true } })
  return row ?? undefined
}

type Answer = { lastStatus: number | null; lastError: string | null }

/** Ends a try that is still the caller's own: `tries` is what the claim answered. Whether it was. */
export async function settleDelivery(
  tx: Tx,
  tenantId: string,
  { id, tries }: Pick<DeliveryRow, 'id' | 'tries'>,
  end: Answer & ({ state: 'delivered' | 'failed'; finishedAt: Date } | { state: 'pending'; nextTryAt: Date }),
): Promise<boolean> {
  const { count } = await tx.webhookDelivery.updateMany({
    where: { tenantId, id, tries, state: 'pending' },
    data: { nextTryAt: null, ...end, claimUntil: null },
  })
  return count > 0
}

/** Writes how a message without retries ended. */
export const recordDelivery = (
  tx: Tx,
  tenantId: string,
  id: string,
  end: Answer & { state: 'delivered' | 'failed'; finishedAt: Date },
) => tx.webhookDelivery.update({ where: at(tenantId, id), data: end })

/** Puts a message into the queue again, unless it is being sent right now. */
export const requeueDelivery = (tx: Tx, tenantId: string, webhookId: string, id: string, now: Date) =>
  tx.webhookDelivery.updateMany({
    where: { tenantId, webhookId, id, OR: [{ claimUntil: null }, { claimUntil: { lt: now } }] },
    data: { state: 'pending', tries: 0, nextTryAt: now, claimUntil: null, finishedAt: null },
  })

const sweepSize = 500

/** Deletes a batch of messages made before `before`. Whether there is more. */
export async function sweepDeliveries(tx: Tx, tenantId: string, before: Date): Promise<boolean> {
  const deleted = await tx.$executeRaw`DELETE FROM webhook_delivery WHERE tenant_id = ${tenantId} AND id IN (
    SELECT d.id FROM webhook_delivery d WHERE d.tenant_id = ${tenantId} AND d.created_at < ${before} LIMIT ${sweepSize})`
  return deleted === sweepSize
}

/** Destroys signing keys whose day of grace is over. */
export const wipePreviousSecrets = (tx: Tx, tenantId: string, now: Date) =>
  tx.webhook.updateMany({
    where: { tenantId, previousUntil: { lte: now } },
    data: { previousSecret: null, previousUntil: null },
  })
