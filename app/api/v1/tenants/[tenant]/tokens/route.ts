import { tokenPage } from '@/lib/broker/read/token.ts'
import { api } from '@/lib/http/api.ts'
import { toChosen } from '@/lib/http/wire/selections.ts'
import { listTokens } from '@/lib/http/wire/tokens.ts'
import { toPage, toToken } from '@/lib/http/wire/views.ts'

export const GET = api(listTokens, async ({ ctx, actor, query }) => {
  const { owner, state, everybody, before } = query
  const page = await tokenPage(ctx, actor, {
    // Asking for somebody else's is asking to oversee.
    everybody: everybody === '1' || (owner !== undefined && owner !== actor.userId),
    ...toChosen(query),
    state,
    before,
  })
  return toPage(page, toToken)
})
