import { claimDevice } from '@/lib/authserver/answers.ts'
import { api } from '@/lib/http/api.ts'
import { toAnswerer } from '@/lib/http/authenticate.ts'
import { asGuess } from '@/lib/http/guesses.ts'
import { claimAuthorization } from '@/lib/http/wire/authorizations.ts'

export const POST = api(claimAuthorization, (input) =>
  asGuess(input, input.principal, () =>
    claimDevice(input.ctx, toAnswerer(input.principal, input), input.body.userCode),
  ),
)
