import { ButtonLink } from '@/app/_ui/button.tsx'
import { SignInCard } from '@/app/_ui/sign-in-card.tsx'

export const metadata = { title: 'Request not found' }

/** Unknown, somebody else's, or of a tenant that the person is not in: which of these, nobody learns. */
export default function RequestNotFound() {
  return (
    <SignInCard
      title="There is no such request"
      lead="It is unknown, or somebody else answers it. Start again in the program, and enter the code that it shows."
    >
      <ButtonLink variant="primary" href="/device">
        Enter a code
      </ButtonLink>
    </SignInCard>
  )
}
