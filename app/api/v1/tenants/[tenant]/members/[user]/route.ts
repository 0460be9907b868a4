import { changeMember, removeMember } from '@/lib/broker/end.ts'
import { api } from '@/lib/http/api.ts'
import {
  changeMember as changeMemberOperation,
  removeMember as removeMemberOperation,
} from '@/lib/http/wire/members.ts'

export const PATCH = api(changeMemberOperation, ({ ctx, actor, params, body }) =>
  changeMember(ctx, actor, { userId: params.user, ...body }),
)

export const DELETE = api(removeMemberOperation, ({ ctx, actor, params, body }) =>
  removeMember(ctx, actor, { userId: params.user, ...body }),
)
