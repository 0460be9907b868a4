import { readEvent } from '@/lib/audit/list.ts'
import { api } from '@/lib/http/api.ts'
import { readAuditEvent } from '@/lib/http/wire/audit-events.ts'

export const GET = api(readAuditEvent, ({ ctx, actor, params }) => readEvent(ctx, actor, params.event))
