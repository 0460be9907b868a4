import { changeProvider } from '@/lib/broker/providers.ts'
import { api } from '@/lib/http/api.ts'
import { changeProvider as changeProviderOperation } from '@/lib/http/wire/providers.ts'

export const PATCH = api(changeProviderOperation, ({ ctx, actor, params, body }) =>
  changeProvider(ctx, actor, { providerId: params.provider, ...body }),
)
