import { changeProvider, removeProvider } from '@/lib/broker/providers.ts'
import { api } from '@/lib/http/api.ts'
import {
  changeProvider as changeProviderOperation,
  removeProvider as removeProviderOperation,
} from '@/lib/http/wire/providers.ts'

export const PATCH = api(changeProviderOperation, ({ ctx, actor, params, body }) =>
  changeProvider(ctx, actor, { providerId: params.provider, ...body }),
)

export const DELETE = api(removeProviderOperation, ({ ctx, actor, params }) =>
  removeProvider(ctx, actor, params.provider),
)
