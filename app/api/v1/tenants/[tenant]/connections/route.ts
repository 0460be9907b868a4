import { connectionPage } from '@/lib/broker/read/connection.ts'
import { api } from '@/lib/http/api.ts'
import { listConnections } from '@/lib/http/wire/connections.ts'
import { orderOf, toChosen } from '@/lib/http/wire/selections.ts'

export const GET = api(listConnections, ({ ctx, actor, query: { everybody, status, sort, before, ...chosen } }) =>
  connectionPage(ctx, actor, {
    ...toChosen(chosen),
    // Asking for somebody else's is asking to oversee.
    everybody: everybody === '1' || (chosen.owner !== undefined && chosen.owner !== actor.userId),
    status,
    ...orderOf({ sort, before }, status !== undefined && status !== 'revoked'),
  }),
)
