import { Button, ButtonLink } from '@/app/_ui/button.tsx'
import { TellConfirmed } from '@/app/_ui/confirm-identity.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import { SignInCard } from '@/app/_ui/sign-in-card.tsx'
import { confirmedUntil } from '@/lib/actor.ts'
import { errorCodes } from '@/lib/errors.ts'
import { requirePerson } from '@/lib/http/page.ts'
import { safePath } from '@/lib/http/safe-path.ts'
import { failureOf } from '@/lib/http/signin/failure.ts'

export const metadata = { title: 'Confirm that it is you' }

type Props = { searchParams: Promise<Record<string, string | string[] | undefined>> }

/** Whether a person signed in lately, and the button to do it again. Tabs that wait for it are told. */
export default async function ConfirmPage({ searchParams }: Props) {
  const { error, return_to } = await searchParams
  const { ctx, session } = await requirePerson('/confirm')
  const returnTo = safePath(return_to)
  const until = confirmedUntil(session)
  const onward = returnTo && new URL(returnTo, ctx.config.origin).pathname !== '/confirm' ? returnTo : '/'
  const failure = error === undefined ? undefined : errorCodes[failureOf(error)]
  const footer = <p className="wrap-anywhere">Signed in as {session.email ?? session.name}</p>
  if (!failure && until > ctx.now())
    return (
      <SignInCard
        title="Confirmed: it is you"
        lead="Close this tab and go on in the one that you came from."
        footer={footer}
      >
        <TellConfirmed userId={session.userId} until={until.toISOString()} />
        <ButtonLink href={onward}>Go on here instead</ButtonLink>
      </SignInCard>
    )
  return (
    <SignInCard
      title="Confirm that it is you"
      lead="Some changes outlast your session, so they need a sign-in of the last ten minutes."
      footer={footer}
    >
      {failure && <Notice tone="error" title={failure.title} meaning="You are still signed in." next={failure.next} />}
      <form action="/api/auth/confirm" method="post">
        <input type="hidden" name="return_to" value={returnTo ?? '/confirm'} />
        <Button type="submit" variant="primary" className="w-full">
          Sign in again with {ctx.config.signin.name}
        </Button>
      </form>
      <ButtonLink href={onward}>Go on without it</ButtonLink>
    </SignInCard>
  )
}
