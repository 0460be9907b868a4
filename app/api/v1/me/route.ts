import { api } from '@/lib/http/api.ts'
import { readMe } from '@/lib/http/wire/instance.ts'
import { tenantsOf } from '@/lib/store/lookups.ts'

export const GET = api(readMe, async ({ ctx, principal: { place, ...principal } }) => {
  const tenants = place ? [place] : (await tenantsOf(ctx, principal)).filter(({ status }) => status === 'active')
  return { ...principal, id: principal.userId, signedInAt: principal.createdAt, tenants }
})
