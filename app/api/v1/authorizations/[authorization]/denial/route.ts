import { denyAuthorization } from '@/lib/authserver/answers.ts'
import { api } from '@/lib/http/api.ts'
import { toAnswerer } from '@/lib/http/authenticate.ts'
import { denyAuthorization as denyAuthorizationOperation } from '@/lib/http/wire/authorizations.ts'

export const POST = api(denyAuthorizationOperation, ({ ctx, principal, params, body, ...call }) =>
  denyAuthorization(ctx, toAnswerer(principal, call), { id: params.authorization, isReported: body.notMe }),
)
