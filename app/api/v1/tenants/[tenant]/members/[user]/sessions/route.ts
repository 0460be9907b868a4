import { memberSessions } from '@/lib/broker/read/sessions.ts'
import { api } from '@/lib/http/api.ts'
import { listMemberSessions } from '@/lib/http/wire/members.ts'

export const GET = api(listMemberSessions, async ({ ctx, actor, params }) => ({
  items: await memberSessions(ctx, actor, params.user),
}))
