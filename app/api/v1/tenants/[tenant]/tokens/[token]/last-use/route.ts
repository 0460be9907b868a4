import { checkLastUse } from '@/lib/broker/last-use.ts'
import { api } from '@/lib/http/api.ts'
import { checkLastUse as checkLastUseOperation } from '@/lib/http/wire/tokens.ts'

export const POST = api(checkLastUseOperation, async ({ ctx, actor, params }) => ({
  lastUsedAt: (await checkLastUse(ctx, actor, params.token)) ?? null,
}))
