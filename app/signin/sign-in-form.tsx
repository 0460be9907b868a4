import { Button } from '@/app/_ui/button.tsx'

/** One button. A form and not a script: it works before and without scripts, and the way back travels with it. */
export function SignInForm({ issuer, returnTo }: { issuer: string; returnTo: string | undefined }) {
  return (
    <form action="/api/auth/signin/signin" method="post">
      {returnTo && <input type="hidden" name="return_to" value={returnTo} />}
      <Button type="submit" variant="primary" className="w-full">
        Continue with {issuer}
      </Button>
    </form>
  )
}
