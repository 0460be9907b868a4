import { api } from '@/lib/http/api.ts'
import { checkReady } from '@/lib/http/ready.ts'
import { ready } from '@/lib/http/wire/instance.ts'

export const GET = api(ready, async ({ ctx }) => {
  await checkReady(ctx)
  const { dropped } = ctx.output
  return { status: 'ready' as const, logLinesDropped: dropped > 0 ? dropped : undefined }
})
