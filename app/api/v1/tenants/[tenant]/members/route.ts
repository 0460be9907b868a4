import { api } from '@/lib/http/api.ts'
import { listMembers } from '@/lib/http/wire/members.ts'
import { memberList } from '@/lib/tenancy/members.ts'

export const GET = api(listMembers, async ({ ctx, actor }) => ({ items: await memberList(ctx, actor) }))
