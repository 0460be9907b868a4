import { api } from '@/lib/http/api.ts'
import { readMe } from '@/lib/http/wire/instance.ts'
import { tenantsOf } from '@/lib/store/lookups.ts'

export const GET = api(readMe, async ({ ctx, session }) => ({
  id: session.userId,
  name: session.name,
  email: session.email,
  issuer: session.issuer,
  operator: session.operator,
  signed_in_at: session.createdAt.toISOString(),
  expires_at: session.expiresAt.toISOString(),
  tenants: (await tenantsOf(ctx, session))
    .filter((tenant) => tenant.status === 'active')
    .map(({ slug, name, role }) => ({ slug, name, role })),
}))
