import { readToken } from '@/lib/broker/read/token.ts'
import { api } from '@/lib/http/api.ts'
import { readToken as readTokenOperation } from '@/lib/http/wire/tokens.ts'
import { toToken } from '@/lib/http/wire/views.ts'

export const GET = api(readTokenOperation, async ({ ctx, actor, params }) =>
  toToken(await readToken(ctx, actor, params.token)),
)
