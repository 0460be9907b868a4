import { changePastedToken } from '@/lib/broker/link/paste.ts'
import { api } from '@/lib/http/api.ts'
import { changePastedToken as changePastedTokenOperation } from '@/lib/http/wire/connections.ts'

export const PATCH = api(changePastedTokenOperation, ({ ctx, actor, params, body }) =>
  changePastedToken(ctx, actor, { connectionId: params.connection, ...body }),
)
