import { api } from '@/lib/http/api.ts'
import { retryDelivery as retryDeliveryOperation } from '@/lib/http/wire/webhooks.ts'
import { retryDelivery } from '@/lib/webhooks/webhooks.ts'

export const POST = api(retryDeliveryOperation, ({ ctx, actor, params }) =>
  retryDelivery(ctx, actor, { webhookId: params.webhook, deliveryId: params.delivery }),
)
