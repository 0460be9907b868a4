import { api } from '@/lib/http/api.ts'
import { toDelivery } from '@/lib/http/wire/views.ts'
import { testWebhook as testWebhookOperation } from '@/lib/http/wire/webhooks.ts'
import { testWebhook } from '@/lib/webhooks/webhooks.ts'

export const POST = api(testWebhookOperation, async ({ ctx, actor, params }) =>
  toDelivery(await testWebhook(ctx, actor, params.webhook)),
)
