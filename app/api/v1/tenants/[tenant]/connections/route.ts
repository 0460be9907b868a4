import { connectionList } from '@/lib/broker/inventory.ts'
import { api } from '@/lib/http/api.ts'
import { listConnections } from '@/lib/http/operations/links.ts'
import { toConnection } from '@/lib/http/views.ts'

export const GET = api(listConnections, async ({ ctx, actor, query }) => ({
  items: (await connectionList(ctx, actor, { everybody: query.everybody === '1' })).map(toConnection),
}))
