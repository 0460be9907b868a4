import { SignInCard } from '@/app/_ui/sign-in-card.tsx'
import { currentPerson } from '@/lib/http/page.ts'
import { AcceptInvitation } from './accept.tsx'

export const metadata = { title: 'Invitation' }

/** Not behind sign-in: the link's secret is in its fragment, which a redirect to sign-in would lose. */
export default async function InvitationPage() {
  const { session } = await currentPerson()
  return (
    <SignInCard
      title="You are invited"
      lead="You are invited to a tenant: an organisation’s own space, where people link projects and issue short-lived tokens."
      footer={session && <span className="wrap-anywhere">Signed in as {session.email ?? session.name}</span>}
    >
      <AcceptInvitation signedIn={session !== undefined} />
      <noscript>
        <p>This page needs JavaScript: only your browser can read the invitation in the address.</p>
      </noscript>
    </SignInCard>
  )
}
