import { Notice } from '@/app/_ui/notice.tsx'
import { SignInCard } from '@/app/_ui/sign-in-card.tsx'
import { errorCodes } from '@/lib/errors.ts'
import { failureOf } from '@/lib/http/signin/failure.ts'
import { SignInForm } from './sign-in-form.tsx'

type Props = {
  /** As the address says, which anybody can edit. */
  error: string | string[]
  returnTo: string
  issuer: string
  /** They came with the code of a device, which hears it when the identity provider refuses them (O-22). */
  brought: boolean
}

/** That somebody who came to answer a program could not sign in, and what became of the program (O-21). */
export function SignInFailed({ error, returnTo, issuer, brought }: Props) {
  const code = failureOf(error)
  const { title, next } = errorCodes[code]
  const isTold = brought && code === 'signin_denied'
  return (
    <SignInCard title="Connect a program" lead="Sign in to see what the program asks for. Nothing was allowed yet.">
      <Notice
        tone="error"
        title={title}
        meaning={isTold ? 'The program was told that access is denied.' : 'If a program waits for you, it still does.'}
        next={isTold ? 'Start again in the program, and sign in with another account.' : next}
      />
      <SignInForm issuer={issuer} returnTo={isTold ? '/device' : returnTo} />
    </SignInCard>
  )
}
