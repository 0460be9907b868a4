import { api } from '@/lib/http/api.ts'
import { changePolicy, readPolicy } from '@/lib/http/wire/policy.ts'
import { changeTenantPolicy, tenantPolicy } from '@/lib/tenancy/tenant-policy.ts'

export const GET = api(readPolicy, ({ ctx, actor }) => tenantPolicy(ctx, actor))

export const PATCH = api(changePolicy, ({ ctx, actor, body }) => changeTenantPolicy(ctx, actor, body))
