import { releaseDevice } from '@/lib/authserver/answers.ts'
import { api } from '@/lib/http/api.ts'
import { toAnswerer } from '@/lib/http/authenticate.ts'
import { releaseAuthorization } from '@/lib/http/wire/authorizations.ts'

export const POST = api(releaseAuthorization, ({ ctx, principal, params, ...call }) =>
  releaseDevice(ctx, toAnswerer(principal, call), params.authorization),
)
