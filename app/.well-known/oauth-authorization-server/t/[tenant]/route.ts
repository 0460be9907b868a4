import { tenantIssuerMetadata } from '@/lib/broker/read/issuer.ts'
import { api } from '@/lib/http/api.ts'
import { readTenantIssuer } from '@/lib/http/wire/instance.ts'

export const GET = api(readTenantIssuer, ({ ctx, params }) => tenantIssuerMetadata(ctx, params.tenant))
