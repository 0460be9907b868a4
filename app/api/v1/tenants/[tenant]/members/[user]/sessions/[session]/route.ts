import { endMemberSession } from '@/lib/broker/end.ts'
import { api } from '@/lib/http/api.ts'
import { endMemberSession as operation } from '@/lib/http/wire/members.ts'

export const DELETE = api(operation, ({ ctx, actor, params }) =>
  endMemberSession(ctx, actor, { userId: params.user, sessionId: params.session }),
)
