import { authorizationForm } from '@/lib/authserver/answers.ts'
import { api } from '@/lib/http/api.ts'
import { toAnswerer } from '@/lib/http/authenticate.ts'
import { readAuthorization } from '@/lib/http/wire/authorizations.ts'

export const GET = api(readAuthorization, ({ ctx, principal, params, query, ...call }) =>
  authorizationForm(ctx, toAnswerer(principal, call), { id: params.authorization, tenant: query.tenant }),
)
