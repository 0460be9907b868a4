import { api } from '@/lib/http/api.ts'
import { listDeliveries } from '@/lib/http/operations/webhooks.ts'
import { toDelivery } from '@/lib/http/views.ts'
import { deliveryPage } from '@/lib/tenancy/webhooks.ts'

export const GET = api(listDeliveries, async ({ ctx, actor, params, query }) => {
  const { items, next } = await deliveryPage(ctx, actor, { webhookId: params.webhook, before: query.before })
  return { items: items.map(toDelivery), next }
})
