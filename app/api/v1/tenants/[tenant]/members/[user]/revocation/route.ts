import { revokeEverything } from '@/lib/broker/end.ts'
import { api } from '@/lib/http/api.ts'
import { revokeEverything as operation } from '@/lib/http/wire/members.ts'

export const POST = api(operation, ({ ctx, actor, params, body }) =>
  revokeEverything(ctx, actor, { userId: params.user, ...body }),
)
