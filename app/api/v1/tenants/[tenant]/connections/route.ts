import { connectionPage } from '@/lib/broker/read/connection.ts'
import { api } from '@/lib/http/api.ts'
import { listConnections } from '@/lib/http/wire/links.ts'
import { toChosen } from '@/lib/http/wire/selections.ts'
import { toConnection, toPage } from '@/lib/http/wire/views.ts'

export const GET = api(listConnections, async ({ ctx, actor, query }) => {
  const { owner, status, everybody, before } = query
  const page = await connectionPage(ctx, actor, {
    // Asking for somebody else's is asking to oversee.
    everybody: everybody === '1' || (owner !== undefined && owner !== actor.userId),
    ...toChosen(query),
    status,
    before,
  })
  return toPage(page, toConnection)
})
