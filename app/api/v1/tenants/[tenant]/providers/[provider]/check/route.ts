import { checkProvider, readCheck } from '@/lib/broker/check.ts'
import { api } from '@/lib/http/api.ts'
import { checkProvider as checkProviderOperation, readProviderCheck } from '@/lib/http/wire/providers.ts'

export const GET = api(readProviderCheck, ({ ctx, actor, params }) => readCheck(ctx, actor, params.provider))

export const POST = api(checkProviderOperation, ({ ctx, actor, params }) => checkProvider(ctx, actor, params.provider))
