import { api } from '@/lib/http/api.ts'
import { changeMember as changeMemberOperation } from '@/lib/http/operations/tenants.ts'
import { changeMember } from '@/lib/tenancy/members.ts'

export const PATCH = api(changeMemberOperation, async ({ ctx, actor, params, body }) => {
  await changeMember(ctx, actor, { userId: params.user, role: body.role, status: body.status })
  return undefined
})
