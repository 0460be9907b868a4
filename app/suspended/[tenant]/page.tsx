import { notFound, redirect } from 'next/navigation'
import { ButtonLink } from '@/app/_ui/button.tsx'
import { SignInCard } from '@/app/_ui/sign-in-card.tsx'
import { SignOutButton } from '@/app/signin/sign-out-button.tsx'
import { requirePerson, suspensionsOfSession, tenantsOfSession } from '@/lib/http/page.ts'

export const metadata = { title: 'Membership suspended' }

/** What a suspended member sees in place of the tenant's pages: that it is so, what it means, and whom to ask. */
export default async function SuspendedPage({ params }: { params: Promise<{ tenant: string }> }) {
  const { tenant: slug } = await params
  const { session } = await requirePerson()
  const [suspensions, tenants] = [await suspensionsOfSession(session), await tenantsOfSession(session)]
  if (tenants.some((tenant) => tenant.slug === slug)) redirect(`/t/${slug}/projects`)
  const name = suspensions.find((tenant) => tenant.slug === slug)?.name
  if (name === undefined) notFound()
  return (
    <SignInCard
      title="Your membership is suspended"
      lead={`You cannot use the tenant ${name}. Your issued tokens are revoked, and your connections are paused until you are reinstated.`}
      footer={
        <div className="flex flex-wrap items-center justify-between gap-2">
          <span className="wrap-anywhere">Signed in as {session.email ?? session.name}</span>
          <SignOutButton />
        </div>
      }
    >
      <p>
        An owner or admin of <strong className="wrap-anywhere font-semibold">{name}</strong> did this and can undo it.
        Ask one of them to reinstate you, then reload this page.
      </p>
      {tenants.length > 0 && <ButtonLink href="/">Go to your other tenants</ButtonLink>}
    </SignInCard>
  )
}
