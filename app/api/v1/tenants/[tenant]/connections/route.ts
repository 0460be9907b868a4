import { connectionPage } from '@/lib/broker/read/connection.ts'
import { api } from '@/lib/http/api.ts'
import { listConnections } from '@/lib/http/wire/links.ts'
import { toConnection, toPage } from '@/lib/http/wire/views.ts'

export const GET = api(listConnections, async ({ ctx, actor, query: { everybody, before } }) =>
  toPage(await connectionPage(ctx, actor, { everybody: everybody === '1', before }), toConnection),
)
