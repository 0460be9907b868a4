import { pasteToken } from '@/lib/broker/link/paste.ts'
import { connectionDetail, connectionPage } from '@/lib/broker/read/connection.ts'
import { api } from '@/lib/http/api.ts'
import { listConnections, pasteToken as pasteTokenOperation } from '@/lib/http/wire/connections.ts'
import { orderOf, toChosen } from '@/lib/http/wire/selections.ts'
import { Secret } from '@/lib/security/secrets.ts'

export const GET = api(listConnections, ({ ctx, actor, query: { everybody, status, sort, before, ...chosen } }) =>
  connectionPage(ctx, actor, {
    ...toChosen(chosen),
    // Asking for somebody else's is asking to oversee.
    everybody: everybody === '1' || (chosen.owner !== undefined && chosen.owner !== actor.userId),
    status,
    ...orderOf({ sort, before }, status !== undefined && status !== 'revoked'),
  }),
)

export const POST = api(pasteTokenOperation, async ({ ctx, actor, body: { provider, token, alias, connection } }) => {
  const input = { providerId: provider, token: new Secret(token), alias, connectionId: connection }
  const { connectionId } = await pasteToken(ctx, actor, input)
  return connectionDetail(ctx, actor, connectionId)
})
