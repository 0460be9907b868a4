import { readToken } from '@/lib/broker/read/token.ts'
import { api } from '@/lib/http/api.ts'
import { readToken as readTokenOperation } from '@/lib/http/wire/tokens.ts'

export const GET = api(readTokenOperation, ({ ctx, actor, params }) => readToken(ctx, actor, params.token))
