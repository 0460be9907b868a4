import { api } from '@/lib/http/api.ts'
import { createWebhook as createWebhookOperation, listWebhooks } from '@/lib/http/wire/webhooks.ts'
import { createWebhook, webhookList } from '@/lib/webhooks/webhooks.ts'

export const GET = api(listWebhooks, async ({ ctx, actor }) => ({
  items: await webhookList(ctx, actor),
}))

export const POST = api(createWebhookOperation, async ({ ctx, actor, body }) => {
  const { webhook, secret } = await createWebhook(ctx, actor, body)
  return { webhook, secret: secret.reveal() }
})
