import { type Query, single } from '@/app/_features/query.ts'
import { Notice } from '@/app/_ui/notice.tsx'
import { SignInCard } from '@/app/_ui/sign-in-card.tsx'
import { WhoIsHere } from '@/app/signin/who-is-here.tsx'
import { mayFollowLink } from '@/lib/authserver/answers.ts'
import { answererOf, currentPerson, requirePerson } from '@/lib/http/page.ts'
import { readUserCode, shownUserCode } from '@/lib/security/user-code.ts'
import { SignInFailed } from '../signin/sign-in-failed.tsx'
import { CodeForm } from './code-form.tsx'

export const metadata = { title: 'Connect a device' }

/**
 * Where a person types the code that a program shows (RFC 8628 3.3). A link that brings one is a tool of phishers (5.4): it is
 * filled in only where every tenant of the person says so, and it is never submitted by itself.
 */
export default async function DevicePage({ searchParams }: { searchParams: Promise<Query> }) {
  const { user_code, error } = await searchParams
  const { ctx, session } = await currentPerson()
  const code = readUserCode(single(user_code) ?? '')
  const here = code ? `/device?user_code=${shownUserCode(code)}` : '/device'
  if (!session && !error) await requirePerson('/device')
  if (!session)
    return (
      <SignInFailed error={error ?? ''} returnTo={here} issuer={ctx.config.signin.name} brought={code !== undefined} />
    )
  const isFilled = code !== undefined && (await mayFollowLink(ctx, await answererOf(session)))
  return (
    <SignInCard
      title="Connect a device"
      lead="A program, such as a command line, shows you a code and waits. Enter it here to see what it asks for."
      footer={<WhoIsHere session={session} />}
    >
      <CodeForm code={isFilled ? shownUserCode(code) : ''} isLinked={code !== undefined} />
      <noscript>
        <Notice tone="attention" title="This page needs JavaScript" />
      </noscript>
    </SignInCard>
  )
}
