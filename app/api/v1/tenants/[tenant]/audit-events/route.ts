import { activity } from '@/lib/audit/list.ts'
import { api } from '@/lib/http/api.ts'
import { listAuditEvents } from '@/lib/http/wire/activity.ts'
import { toAuditEvent } from '@/lib/http/wire/views.ts'

export const GET = api(listAuditEvents, async ({ ctx, actor, query }) => {
  const { items, next } = await activity(ctx, actor, query)
  return { items: items.map(toAuditEvent), next }
})
