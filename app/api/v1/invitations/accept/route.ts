import { api } from '@/lib/http/api.ts'
import { acceptInvitation as acceptInvitationOperation } from '@/lib/http/operations/tenants.ts'
import { acceptInvitation } from '@/lib/tenancy/members.ts'

export const POST = api(acceptInvitationOperation, ({ ctx, session, body, address, agent, requestId }) =>
  acceptInvitation(ctx, { userId: session.userId, sessionId: session.id, address, agent, requestId }, body.secret),
)
