import { recordAsEnded } from '@/lib/broker/revoke.ts'
import { api } from '@/lib/http/api.ts'
import { recordRevocation } from '@/lib/http/wire/revocations.ts'

export const POST = api(recordRevocation, ({ ctx, actor, params, body }) =>
  recordAsEnded(ctx, actor, { revocationId: params.revocation, reason: body.reason }),
)
