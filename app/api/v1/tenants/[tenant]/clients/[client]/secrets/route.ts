import { api } from '@/lib/http/api.ts'
import { makeClientSecret as makeClientSecretOperation } from '@/lib/http/wire/clients.ts'
import { makeClientSecret } from '@/lib/tenancy/clients.ts'

export const POST = api(makeClientSecretOperation, async ({ ctx, actor, params, body }) => {
  const { client, clientSecret } = await makeClientSecret(ctx, actor, { clientId: params.client, ...body })
  return { client, clientSecret: clientSecret.reveal() }
})
