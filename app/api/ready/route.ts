import { api } from '@/lib/http/api.ts'
import { ready } from '@/lib/http/operations/instance.ts'
import { checkReady } from '@/lib/http/ready.ts'

export const GET = api(ready, async ({ ctx }) => {
  await checkReady(ctx)
  return { status: 'ready' as const }
})
