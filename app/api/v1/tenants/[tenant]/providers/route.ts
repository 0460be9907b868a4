import { createProvider, providerList } from '@/lib/broker/providers.ts'
import { api } from '@/lib/http/api.ts'
import {
  createProvider as createProviderOperation,
  listProviders as listProvidersOperation,
} from '@/lib/http/wire/providers.ts'

export const GET = api(listProvidersOperation, async ({ ctx, actor }) => ({
  items: await providerList(ctx, actor),
}))

export const POST = api(createProviderOperation, ({ ctx, actor, body }) => createProvider(ctx, actor, body))
