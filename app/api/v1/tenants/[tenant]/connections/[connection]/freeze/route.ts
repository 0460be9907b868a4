import { freeze, liftFreeze } from '@/lib/broker/freezes.ts'
import { connectionDetail } from '@/lib/broker/read/connection.ts'
import { api } from '@/lib/http/api.ts'
import { freezeConnection, unfreezeConnection } from '@/lib/http/wire/connections.ts'

export const POST = api(freezeConnection, async ({ ctx, actor, params, body }) => {
  await freeze(ctx, actor, { kind: 'connection', id: params.connection, reason: body.reason })
  return connectionDetail(ctx, actor, params.connection)
})

export const DELETE = api(unfreezeConnection, async ({ ctx, actor, params }) => {
  await liftFreeze(ctx, actor, { kind: 'connection', id: params.connection })
})
