import { exportChain } from '@/lib/audit/export.ts'
import { api } from '@/lib/http/api.ts'
import { exportEvents } from '@/lib/http/wire/audit-events.ts'

export const POST = api(exportEvents, async ({ ctx, actor, headers }) => {
  const lines = await exportChain(ctx, actor)
  const day = ctx.now().toISOString().slice(0, 10)
  headers.set('content-disposition', `attachment; filename="audit-${actor.slug}-${day}.ndjson"`)
  return lines
})
