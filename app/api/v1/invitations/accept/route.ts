import { api } from '@/lib/http/api.ts'
import { renewedSession } from '@/lib/http/cookies.ts'
import { acceptInvitation as acceptInvitationOperation } from '@/lib/http/wire/invitations.ts'
import { acceptInvitation } from '@/lib/tenancy/invitations.ts'

export const POST = api(
  acceptInvitationOperation,
  async ({ ctx, principal: { userId, credential }, body, address, agent, requestId, headers }) => {
    const person = { userId, credential, address, agent, requestId }
    const { slug, session } = await acceptInvitation(ctx, person, body.secret)
    headers.append('set-cookie', renewedSession(session))
    return { slug }
  },
)
