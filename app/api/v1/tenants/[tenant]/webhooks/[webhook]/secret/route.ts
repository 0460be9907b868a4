import { api } from '@/lib/http/api.ts'
import { rotateWebhookSecret as rotateWebhookSecretOperation } from '@/lib/http/wire/webhooks.ts'
import { rotateWebhookSecret } from '@/lib/webhooks/webhooks.ts'

export const POST = api(rotateWebhookSecretOperation, async ({ ctx, actor, params }) => {
  const { webhook, secret } = await rotateWebhookSecret(ctx, actor, params.webhook)
  return { webhook, secret: secret.reveal() }
})
