import { downloadEvents } from '@/lib/audit/download.ts'
import { api } from '@/lib/http/api.ts'
import { downloadEventsAsCsv } from '@/lib/http/wire/audit-events.ts'

export const POST = api(downloadEventsAsCsv, async ({ ctx, actor, body, headers }) => {
  const day = ctx.now().toISOString().slice(0, 10)
  headers.set('content-disposition', `attachment; filename="activity-${actor.slug}-${day}.csv"`)
  return downloadEvents(ctx, actor, { ...body, format: 'csv' })
})
