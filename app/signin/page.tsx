import { redirect } from 'next/navigation'
import { ButtonLink } from '@/app/_ui/button.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import { SignInCard } from '@/app/_ui/sign-in-card.tsx'
import { demoAccounts } from '@/lib/broker/demo.ts'
import { errorCodes } from '@/lib/errors.ts'
import { currentPerson } from '@/lib/http/page.ts'
import { safePath } from '@/lib/http/safe-path.ts'
import { failureOf } from '@/lib/http/signin/failure.ts'
import { signedOutStates } from '@/lib/http/signin/identity.ts'
import { SignInForm } from './sign-in-form.tsx'

export const metadata = { title: 'Sign in' }

type Props = { searchParams: Promise<Record<string, string | string[] | undefined>> }

/** One button, and what came of the last try. */
export default async function SignInPage({ searchParams }: Props) {
  const { error, return_to, state } = await searchParams
  const { ctx, session } = await currentPerson()
  const returnTo = safePath(return_to)
  if (session && !error) redirect(returnTo ?? '/')
  const code = error === undefined ? undefined : failureOf(error)
  const failure = code && errorCodes[code]
  return (
    <SignInCard
      title="Sign in"
      lead="Short-lived, scoped tokens for your upstream projects. Long-lived tokens stay on the server."
      footer={ctx.config.demo && <DemoNote />}
    >
      {failure && <Notice tone="error" title={failure.title} next={failure.next} />}
      {!session && !failure && <SignedOut state={state} provider={ctx.config.signin.name} />}
      {session && code !== 'session_refused' && (
        <ButtonLink href={returnTo ?? '/'}>Stay signed in as {session.email ?? session.name}</ButtonLink>
      )}
      <SignInForm issuer={ctx.config.signin.name} returnTo={returnTo} />
    </SignInCard>
  )
}

/** After a sign-out. Anyone can edit the address bar, so it shows to nobody who is signed in. */
function SignedOut({ state, provider }: { state: string | string[] | undefined; provider: string }) {
  if (state === signedOutStates.there) return <Notice tone="info" title="You are signed out" />
  if (state !== signedOutStates.here) return null
  return (
    <Notice
      tone="info"
      title="You are signed out of Valetkey"
      meaning={`You may still be signed in at ${provider}.`}
      next="On a computer that others use, sign out there as well."
    />
  )
}

function DemoNote() {
  return (
    <>
      <p>This is the demo: the next page lets you pick an account, without a password.</p>
      <ul className="mt-2 list-disc pl-5">
        {demoAccounts.map(({ email, tenant, role }) => (
          <li key={email}>
            {email} ({role} of {tenant})
          </li>
        ))}
      </ul>
    </>
  )
}
