import { api } from '@/lib/http/api.ts'
import { renewedSession } from '@/lib/http/cookies.ts'
import { createTenant as createTenantOperation } from '@/lib/http/wire/tenants.ts'
import { createTenant } from '@/lib/tenancy/tenants.ts'

export const POST = api(createTenantOperation, async ({ ctx, session, body, address, agent, requestId, headers }) => {
  const founder = {
    userId: session.userId,
    sessionId: session.id,
    operator: session.operator,
    address,
    agent,
    requestId,
  }
  const made = await createTenant(ctx, founder, body)
  headers.append('set-cookie', renewedSession(made.session))
  return { slug: made.slug }
})
