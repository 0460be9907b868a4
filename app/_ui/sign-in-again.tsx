'use client'
import { ButtonLink } from './button.tsx'

/** To sign-in and back to this page. It appears after an act that found the session over, so the browser's address is known. */
export function SignInAgain() {
  const here = `${window.location.pathname}${window.location.search}`
  return (
    <ButtonLink size="sm" href={`/signin?${new URLSearchParams({ return_to: here })}`}>
      Sign in again
    </ButtonLink>
  )
}
