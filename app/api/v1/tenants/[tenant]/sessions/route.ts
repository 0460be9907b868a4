import { sessionPage } from '@/lib/broker/read/sessions.ts'
import { api } from '@/lib/http/api.ts'
import { orderOf } from '@/lib/http/wire/selections.ts'
import { listSessions } from '@/lib/http/wire/sessions.ts'

export const GET = api(listSessions, ({ ctx, actor, query: { owner, sort, before, ...filter } }) =>
  sessionPage(ctx, actor, { ...filter, userId: owner, ...orderOf({ sort, before }, true), order: sort }),
)
