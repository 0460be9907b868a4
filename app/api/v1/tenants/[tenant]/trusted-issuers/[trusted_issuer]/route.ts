import { api } from '@/lib/http/api.ts'
import {
  changeTrustedIssuer as changeTrustedIssuerOperation,
  removeTrustedIssuer as removeTrustedIssuerOperation,
} from '@/lib/http/wire/trusted-issuers.ts'
import { changeTrustedIssuer, removeTrustedIssuer } from '@/lib/tenancy/trusted-issuers.ts'

export const PATCH = api(changeTrustedIssuerOperation, ({ ctx, actor, params, body }) =>
  changeTrustedIssuer(ctx, actor, { trustedIssuerId: params.trusted_issuer, ...body }),
)

export const DELETE = api(removeTrustedIssuerOperation, ({ ctx, actor, params }) =>
  removeTrustedIssuer(ctx, actor, params.trusted_issuer),
)
