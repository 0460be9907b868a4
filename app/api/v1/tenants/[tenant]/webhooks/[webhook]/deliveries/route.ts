import { api } from '@/lib/http/api.ts'
import { listDeliveries } from '@/lib/http/wire/webhooks.ts'
import { deliveryPage } from '@/lib/webhooks/webhooks.ts'

export const GET = api(listDeliveries, ({ ctx, actor, params, query }) =>
  deliveryPage(ctx, actor, { webhookId: params.webhook, before: query.before }),
)
