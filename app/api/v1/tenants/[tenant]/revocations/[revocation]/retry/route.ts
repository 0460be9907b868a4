import { retryUpstream } from '@/lib/broker/revoke.ts'
import { api } from '@/lib/http/api.ts'
import { retryRevocation } from '@/lib/http/wire/revocations.ts'

export const POST = api(retryRevocation, ({ ctx, actor, params }) => retryUpstream(ctx, actor, params.revocation))
