import { tokenPage } from '@/lib/broker/read/token.ts'
import { api } from '@/lib/http/api.ts'
import { listTokens } from '@/lib/http/wire/tokens.ts'

export const GET = api(listTokens, ({ ctx, actor, query }) => {
  const { owner, project, provider, state, everybody, before } = query
  return tokenPage(ctx, actor, {
    // Asking for somebody else's is asking to oversee.
    everybody: everybody === '1' || (owner !== undefined && owner !== actor.userId),
    userId: owner,
    projectId: project,
    providerId: provider,
    state,
    before,
  })
})
