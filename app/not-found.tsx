import { ButtonLink } from './_ui/button.tsx'
import { SignInCard } from './_ui/sign-in-card.tsx'

export const metadata = { title: 'Not found' }

export default function NotFound() {
  return (
    <SignInCard
      title="Nothing here for you"
      lead="There is no such page, or your account has no access to it. Both look the same on purpose."
    >
      <ButtonLink variant="primary" href="/">
        Go to your projects
      </ButtonLink>
    </SignInCard>
  )
}
