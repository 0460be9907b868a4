import { readToken } from '@/lib/broker/inventory.ts'
import { api } from '@/lib/http/api.ts'
import { readToken as readTokenOperation } from '@/lib/http/operations/tokens.ts'
import { toToken } from '@/lib/http/views.ts'

export const GET = api(readTokenOperation, async ({ ctx, actor, params }) =>
  toToken(await readToken(ctx, actor, params.token)),
)
