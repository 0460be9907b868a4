import { api } from '@/lib/http/api.ts'
import { toWebhook } from '@/lib/http/wire/views.ts'
import {
  changeWebhook as changeWebhookOperation,
  deleteWebhook as deleteWebhookOperation,
} from '@/lib/http/wire/webhooks.ts'
import { changeWebhook, deleteWebhook } from '@/lib/webhooks/webhooks.ts'

export const PATCH = api(changeWebhookOperation, async ({ ctx, actor, params, body }) =>
  toWebhook(await changeWebhook(ctx, actor, { webhookId: params.webhook, ...body })),
)

export const DELETE = api(deleteWebhookOperation, async ({ ctx, actor, params }) => {
  await deleteWebhook(ctx, actor, params.webhook)
  return undefined
})
