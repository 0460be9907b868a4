import { activity } from '@/lib/audit/list.ts'
import { api } from '@/lib/http/api.ts'
import { listAuditEvents } from '@/lib/http/wire/audit-events.ts'

export const GET = api(listAuditEvents, ({ ctx, actor, query }) => activity(ctx, actor, query))
