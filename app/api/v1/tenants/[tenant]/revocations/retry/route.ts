import { retryAllUpstream } from '@/lib/broker/revoke.ts'
import { api } from '@/lib/http/api.ts'
import { retryAllRevocations } from '@/lib/http/wire/revocations.ts'

export const POST = api(retryAllRevocations, async ({ ctx, actor }) => ({
  retried: await retryAllUpstream(ctx, actor),
}))
