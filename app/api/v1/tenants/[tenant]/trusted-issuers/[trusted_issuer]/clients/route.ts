import { api } from '@/lib/http/api.ts'
import { trustClient as trustClientOperation } from '@/lib/http/wire/trusted-issuers.ts'
import { trustClient } from '@/lib/tenancy/trusted-issuers.ts'

export const POST = api(trustClientOperation, ({ ctx, actor, params, body }) =>
  trustClient(ctx, actor, { trustedIssuerId: params.trusted_issuer, ...body }),
)
