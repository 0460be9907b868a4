import { tenantKeySet } from '@/lib/broker/read/issuer.ts'
import { api } from '@/lib/http/api.ts'
import { readTenantKeys } from '@/lib/http/wire/instance.ts'

export const GET = api(readTenantKeys, ({ ctx, params }) => tenantKeySet(ctx, params.tenant))
