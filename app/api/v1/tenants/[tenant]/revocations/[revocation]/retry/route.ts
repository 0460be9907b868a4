import { retryUpstream } from '@/lib/broker/revoke.ts'
import { api } from '@/lib/http/api.ts'
import { retryRevocation } from '@/lib/http/wire/revocations.ts'

export const POST = api(retryRevocation, async ({ ctx, actor, params }) => {
  await retryUpstream(ctx, actor, params.revocation)
  return undefined
})
