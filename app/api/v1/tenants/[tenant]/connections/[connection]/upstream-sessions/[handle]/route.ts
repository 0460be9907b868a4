import { endUpstreamSession } from '@/lib/broker/upstream-sessions.ts'
import { api } from '@/lib/http/api.ts'
import { endUpstreamSession as operation } from '@/lib/http/wire/connections.ts'

export const DELETE = api(operation, ({ ctx, actor, params }) =>
  endUpstreamSession(ctx, actor, { connectionId: params.connection, handle: params.handle }),
)
