import { createProvider, providerList } from '@/lib/broker/providers.ts'
import { api } from '@/lib/http/api.ts'
import {
  createProvider as createProviderOperation,
  listProviders as listProvidersOperation,
} from '@/lib/http/wire/providers.ts'
import { toProvider } from '@/lib/http/wire/views.ts'

export const GET = api(listProvidersOperation, async ({ ctx, actor }) => ({
  items: (await providerList(ctx, actor)).map(toProvider),
}))

export const POST = api(createProviderOperation, async ({ ctx, actor, body }) =>
  toProvider(
    await createProvider(ctx, actor, {
      kind: body.kind,
      name: body.name,
      issuer: body.issuer,
      clientId: body.client_id,
      clientSecret: body.client_secret,
      maxLifetimeSeconds: body.max_lifetime_seconds,
      settings: body.settings,
    }),
  ),
)
