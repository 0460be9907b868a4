import { changeAudience, removeAudience } from '@/lib/broker/audiences.ts'
import { api } from '@/lib/http/api.ts'
import * as wire from '@/lib/http/wire/audiences.ts'

export const PATCH = api(wire.changeAudience, ({ ctx, actor, params, body }) =>
  changeAudience(ctx, actor, { id: params.audience, ...body }),
)

export const DELETE = api(wire.removeAudience, ({ ctx, actor, params, body }) =>
  removeAudience(ctx, actor, { id: params.audience, reason: body.reason }),
)
