import { tryNow } from '@/lib/broker/health.ts'
import { connectionDetail } from '@/lib/broker/read/connection.ts'
import { api } from '@/lib/http/api.ts'
import { renewConnection } from '@/lib/http/wire/connections.ts'

export const POST = api(renewConnection, async ({ ctx, actor, params }) => {
  await tryNow(ctx, actor, params.connection)
  return connectionDetail(ctx, actor, params.connection)
})
