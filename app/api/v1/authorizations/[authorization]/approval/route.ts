import { approveAuthorization } from '@/lib/authserver/answers.ts'
import { api } from '@/lib/http/api.ts'
import { toAnswerer } from '@/lib/http/authenticate.ts'
import { approveAuthorization as approveAuthorizationOperation } from '@/lib/http/wire/authorizations.ts'

export const POST = api(approveAuthorizationOperation, ({ ctx, principal, params, body, ...call }) =>
  approveAuthorization(ctx, toAnswerer(principal, call), { id: params.authorization, ...body }),
)
