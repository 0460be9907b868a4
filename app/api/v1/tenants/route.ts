import { api } from '@/lib/http/api.ts'
import { renewedSession } from '@/lib/http/cookies.ts'
import { createTenant as createTenantOperation } from '@/lib/http/wire/tenants.ts'
import { createTenant } from '@/lib/tenancy/tenants.ts'

export const POST = api(createTenantOperation, async ({ ctx, principal, body, address, agent, requestId, headers }) => {
  const { userId, credential, operator } = principal
  const founder = { userId, credential, operator, address, agent, requestId }
  const made = await createTenant(ctx, founder, body)
  headers.append('set-cookie', renewedSession(made.session))
  return { slug: made.slug }
})
