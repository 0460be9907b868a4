import { api } from '@/lib/http/api.ts'
import { listTrustedIssuers, trustIssuer as trustIssuerOperation } from '@/lib/http/wire/trusted-issuers.ts'
import { trustedIssuerList, trustIssuer } from '@/lib/tenancy/trusted-issuers.ts'

export const GET = api(listTrustedIssuers, async ({ ctx, actor }) => ({ items: await trustedIssuerList(ctx, actor) }))

export const POST = api(trustIssuerOperation, ({ ctx, actor, body }) => trustIssuer(ctx, actor, body))
