import { rotateToken } from '@/lib/broker/link/paste.ts'
import { connectionDetail } from '@/lib/broker/read/connection.ts'
import { api } from '@/lib/http/api.ts'
import { rotateToken as rotateTokenOperation } from '@/lib/http/wire/connections.ts'

export const POST = api(rotateTokenOperation, async ({ ctx, actor, params }) => {
  await rotateToken(ctx, actor, params.connection)
  return connectionDetail(ctx, actor, params.connection)
})
