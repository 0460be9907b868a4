import { changeMember, removeMember } from '@/lib/broker/end.ts'
import { api } from '@/lib/http/api.ts'
import {
  changeMember as changeMemberOperation,
  removeMember as removeMemberOperation,
} from '@/lib/http/wire/tenants.ts'

export const PATCH = api(changeMemberOperation, async ({ ctx, actor, params, body }) => {
  await changeMember(ctx, actor, { userId: params.user, ...body })
  return undefined
})

export const DELETE = api(removeMemberOperation, async ({ ctx, actor, params, body }) => {
  await removeMember(ctx, actor, { userId: params.user, ...body })
  return undefined
})
