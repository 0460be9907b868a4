import { api } from '@/lib/http/api.ts'
import {
  changeTrustedClient as changeTrustedClientOperation,
  removeTrustedClient as removeTrustedClientOperation,
} from '@/lib/http/wire/trusted-issuers.ts'
import { changeTrustedClient, removeTrustedClient } from '@/lib/tenancy/trusted-issuers.ts'

export const PATCH = api(changeTrustedClientOperation, ({ ctx, actor, params, body }) =>
  changeTrustedClient(ctx, actor, {
    trustedIssuerId: params.trusted_issuer,
    trustedClientId: params.trusted_client,
    ...body,
  }),
)

export const DELETE = api(removeTrustedClientOperation, ({ ctx, actor, params }) =>
  removeTrustedClient(ctx, actor, { trustedIssuerId: params.trusted_issuer, trustedClientId: params.trusted_client }),
)
