import { api } from '@/lib/http/api.ts'
import { testWebhook as testWebhookOperation } from '@/lib/http/operations/webhooks.ts'
import { toDelivery } from '@/lib/http/views.ts'
import { testWebhook } from '@/lib/tenancy/webhooks.ts'

export const POST = api(testWebhookOperation, async ({ ctx, actor, params }) =>
  toDelivery(await testWebhook(ctx, actor, params.webhook)),
)
