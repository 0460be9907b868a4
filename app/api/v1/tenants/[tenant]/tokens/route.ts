import { tokenPage } from '@/lib/broker/read/token.ts'
import { api } from '@/lib/http/api.ts'
import { orderOf, toChosen } from '@/lib/http/wire/selections.ts'
import { listTokens } from '@/lib/http/wire/tokens.ts'

export const GET = api(
  listTokens,
  ({ ctx, actor, query: { everybody, state, sort, before, client, grant, strategy, ...chosen } }) =>
    tokenPage(ctx, actor, {
      ...toChosen(chosen),
      // Asking for somebody else's is asking to oversee.
      everybody: everybody === '1' || (chosen.owner !== undefined && chosen.owner !== actor.userId),
      state,
      clientId: client,
      grantId: grant,
      strategy,
      ...orderOf({ sort, before }, state === 'live'),
    }),
)
