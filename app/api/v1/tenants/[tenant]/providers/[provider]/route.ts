import { changeProvider } from '@/lib/broker/providers.ts'
import { api } from '@/lib/http/api.ts'
import { changeProvider as changeProviderOperation } from '@/lib/http/wire/providers.ts'

export const PATCH = api(changeProviderOperation, ({ ctx, actor, params, body }) =>
  changeProvider(ctx, actor, {
    providerId: params.provider,
    name: body.name,
    clientId: body.client_id,
    clientSecret: body.client_secret,
    maxLifetimeSeconds: body.max_lifetime_seconds,
    refreshTokenDays: body.refresh_token_days,
    refreshGraceSeconds: body.refresh_grace_seconds,
  }),
)
