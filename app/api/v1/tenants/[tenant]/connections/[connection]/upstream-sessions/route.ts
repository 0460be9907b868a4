import { upstreamSessions } from '@/lib/broker/upstream-sessions.ts'
import { api } from '@/lib/http/api.ts'
import { readUpstreamSessions } from '@/lib/http/wire/connections.ts'

export const POST = api(readUpstreamSessions, ({ ctx, actor, params }) =>
  upstreamSessions(ctx, actor, params.connection),
)
