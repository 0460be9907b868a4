import { api } from '@/lib/http/api.ts'
import { createClient as createClientOperation, listClients } from '@/lib/http/wire/clients.ts'
import { clientPage, createClient } from '@/lib/tenancy/clients.ts'

export const GET = api(listClients, ({ ctx, actor, query }) => clientPage(ctx, actor, query))

export const POST = api(createClientOperation, async ({ ctx, actor, body }) => {
  const { client, clientSecret } = await createClient(ctx, actor, body)
  return { client, clientSecret: clientSecret?.reveal() ?? null }
})
