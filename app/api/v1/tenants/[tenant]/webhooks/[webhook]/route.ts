import { api } from '@/lib/http/api.ts'
import {
  changeWebhook as changeWebhookOperation,
  deleteWebhook as deleteWebhookOperation,
} from '@/lib/http/wire/webhooks.ts'
import { changeWebhook, deleteWebhook } from '@/lib/webhooks/webhooks.ts'

export const PATCH = api(changeWebhookOperation, ({ ctx, actor, params, body }) =>
  changeWebhook(ctx, actor, { webhookId: params.webhook, ...body }),
)

export const DELETE = api(deleteWebhookOperation, ({ ctx, actor, params }) => deleteWebhook(ctx, actor, params.webhook))
