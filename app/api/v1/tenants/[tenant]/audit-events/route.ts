import { toEventFilter } from '@/lib/audit/filter.ts'
import { activity } from '@/lib/audit/list.ts'
import { api } from '@/lib/http/api.ts'
import { listAuditEvents } from '@/lib/http/wire/audit-events.ts'

export const GET = api(listAuditEvents, ({ ctx, actor, query: { before, ...filter } }) =>
  activity(ctx, actor, { ...toEventFilter(filter), before }),
)
