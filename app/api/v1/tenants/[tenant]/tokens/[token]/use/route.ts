import { tokenUse } from '@/lib/broker/read/use.ts'
import { api } from '@/lib/http/api.ts'
import { readTokenUse } from '@/lib/http/wire/tokens.ts'

export const GET = api(readTokenUse, ({ ctx, actor, params }) => tokenUse(ctx, actor, params.token))
