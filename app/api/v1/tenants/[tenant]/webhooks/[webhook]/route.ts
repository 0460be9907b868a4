import { api } from '@/lib/http/api.ts'
import {
  changeWebhook as changeWebhookOperation,
  deleteWebhook as deleteWebhookOperation,
} from '@/lib/http/operations/webhooks.ts'
import { toWebhook } from '@/lib/http/views.ts'
import { changeWebhook, deleteWebhook } from '@/lib/tenancy/webhooks.ts'

export const PATCH = api(changeWebhookOperation, async ({ ctx, actor, params, body }) =>
  toWebhook(await changeWebhook(ctx, actor, { webhookId: params.webhook, ...body })),
)

export const DELETE = api(deleteWebhookOperation, async ({ ctx, actor, params }) => {
  await deleteWebhook(ctx, actor, params.webhook)
  return undefined
})
