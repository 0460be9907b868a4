import { grantPage } from '@/lib/broker/read/grants.ts'
import { api } from '@/lib/http/api.ts'
import { listGrants } from '@/lib/http/wire/grants.ts'
import { orderOf, toChosen } from '@/lib/http/wire/selections.ts'

export const GET = api(
  listGrants,
  ({ ctx, actor, query: { everybody, state, sort, before, client, program, ...chosen } }) =>
    grantPage(ctx, actor, {
      ...toChosen(chosen),
      // Asking for somebody else's is asking to oversee.
      everybody: everybody === '1' || (chosen.owner !== undefined && chosen.owner !== actor.userId),
      clientId: client,
      program,
      state: state === 'ended' ? 'over' : state,
      ...orderOf({ sort, before }, state === 'live' || state === 'frozen'),
    }),
)
