import { api } from '@/lib/http/api.ts'
import { endClientSecret as endClientSecretOperation } from '@/lib/http/wire/clients.ts'
import { endClientSecret } from '@/lib/tenancy/clients.ts'

export const DELETE = api(endClientSecretOperation, ({ ctx, actor, params }) =>
  endClientSecret(ctx, actor, { clientId: params.client, secretId: params.client_secret }),
)
