import { api } from '@/lib/http/api.ts'
import { changeProvider as changeProviderOperation } from '@/lib/http/operations/providers.ts'
import { toProvider } from '@/lib/http/views.ts'
import { changeProvider } from '@/lib/tenancy/providers.ts'

export const PATCH = api(changeProviderOperation, async ({ ctx, actor, params, body }) =>
  toProvider(
    await changeProvider(ctx, actor, {
      providerId: params.provider,
      name: body.name,
      clientId: body.client_id,
      clientSecret: body.client_secret,
      maxLifetimeSeconds: body.max_lifetime_seconds,
      refreshTokenDays: body.refresh_token_days,
      refreshGraceSeconds: body.refresh_grace_seconds,
    }),
  ),
)
