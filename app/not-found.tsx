import { ButtonLink } from './_ui/button.tsx'
import { SignInCard } from './_ui/sign-in-card.tsx'

export const metadata = { title: 'Not found' }

export default function NotFound() {
  return (
    <SignInCard title="Page not found" lead="This page does not exist, or your account has no access to it.">
      <ButtonLink variant="primary" href="/">
        Go to your projects
      </ButtonLink>
    </SignInCard>
  )
}
