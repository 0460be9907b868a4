import { api } from '@/lib/http/api.ts'
import { toDelivery } from '@/lib/http/wire/views.ts'
import { listDeliveries } from '@/lib/http/wire/webhooks.ts'
import { deliveryPage } from '@/lib/webhooks/webhooks.ts'

export const GET = api(listDeliveries, async ({ ctx, actor, params, query }) => {
  const { items, next } = await deliveryPage(ctx, actor, { webhookId: params.webhook, before: query.before })
  return { items: items.map(toDelivery), next }
})
