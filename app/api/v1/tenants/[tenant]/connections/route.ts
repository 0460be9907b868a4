import { connectionPage } from '@/lib/broker/read/connection.ts'
import { api } from '@/lib/http/api.ts'
import { listConnections } from '@/lib/http/wire/connections.ts'

export const GET = api(listConnections, ({ ctx, actor, query: { everybody, before } }) =>
  connectionPage(ctx, actor, { everybody: everybody === '1', before }),
)
