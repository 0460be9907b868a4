import { ButtonLink } from '@/app/_ui/button.tsx'
import { SignInCard } from '@/app/_ui/sign-in-card.tsx'

export const metadata = { title: 'Request not found' }

/** Unknown, over for long, or somebody else's: which of these, nobody learns. */
export default function LinkNotFound() {
  return (
    <SignInCard
      title="There is no such request for you"
      lead="It is for somebody else, or it has ended. Sign in as the person whose program sent you here, or ask it again."
    >
      <ButtonLink variant="primary" href="/">
        Go to your projects
      </ButtonLink>
    </SignInCard>
  )
}
