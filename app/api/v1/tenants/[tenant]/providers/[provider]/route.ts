import { changeProvider } from '@/lib/broker/providers.ts'
import { api } from '@/lib/http/api.ts'
import { changeProvider as changeProviderOperation } from '@/lib/http/wire/providers.ts'
import { toProvider } from '@/lib/http/wire/views.ts'

export const PATCH = api(changeProviderOperation, async ({ ctx, actor, params, body }) =>
  toProvider(
    await changeProvider(ctx, actor, {
      providerId: params.provider,
      name: body.name,
      clientId: body.client_id,
      clientSecret: body.client_secret,
      maxLifetimeSeconds: body.max_lifetime_seconds,
      settings: body.settings,
    }),
  ),
)
