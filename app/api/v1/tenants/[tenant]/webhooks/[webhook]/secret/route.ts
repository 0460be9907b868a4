import { api } from '@/lib/http/api.ts'
import { rotateWebhookSecret as rotateWebhookSecretOperation } from '@/lib/http/operations/webhooks.ts'
import { toWebhook } from '@/lib/http/views.ts'
import { rotateWebhookSecret } from '@/lib/tenancy/webhooks.ts'

export const POST = api(rotateWebhookSecretOperation, async ({ ctx, actor, params }) => {
  const { webhook, secret } = await rotateWebhookSecret(ctx, actor, params.webhook)
  return { webhook: toWebhook(webhook), secret: secret.reveal() }
})
