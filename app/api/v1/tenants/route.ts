import { api } from '@/lib/http/api.ts'
import { createTenant as createTenantOperation } from '@/lib/http/operations/tenants.ts'
import { createTenant } from '@/lib/tenancy/tenants.ts'

export const POST = api(createTenantOperation, async ({ ctx, session, body, address, agent, requestId }) => {
  const founder = {
    userId: session.userId,
    sessionId: session.id,
    operator: session.operator,
    address,
    agent,
    requestId,
  }
  const { slug } = await createTenant(ctx, founder, body)
  return { slug }
})
