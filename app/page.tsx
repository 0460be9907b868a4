import { ChevronRight } from 'lucide-react'
import { redirect } from 'next/navigation'
import Link from '@/app/_ui/link.tsx'
import { requirePerson, suspensionsOfSession, tenantsOfSession } from '@/lib/http/page.ts'
import type { Session } from '@/lib/http/session.ts'
import { isEmptyInstance } from '@/lib/tenancy/tenants.ts'
import { CopyButton } from './_ui/copy-button.tsx'
import { KeyValue } from './_ui/key-value.tsx'
import { SignInCard } from './_ui/sign-in-card.tsx'
import { StateBadge } from './_ui/state-badge.tsx'
import { CreateTenant } from './create-tenant.tsx'
import { WhoIsHere } from './signin/who-is-here.tsx'

export const metadata = { title: 'Your tenants' }

/** Chooses the tenant: the only one, one of several, or what to do without any. */
export default async function HomePage() {
  const { ctx, session } = await requirePerson()
  const [tenants, suspensions] = [await tenantsOfSession(session), await suspensionsOfSession(session)]
  const [first] = tenants
  if (first && tenants.length === 1) redirect(`/t/${first.slug}/projects`)
  const footer = <WhoIsHere session={session} />
  if (first)
    return (
      <SignInCard title="Your tenants" lead="Choose where to work. You can switch at any time." footer={footer}>
        <ul className="flex flex-col gap-2">
          {tenants.map(({ slug, name, role }) => (
            <li key={slug}>
              <Link
                href={`/t/${slug}/projects`}
                className="flex items-center justify-between gap-3 rounded-lg border px-4 py-3 hover:bg-raised"
              >
                <span className="flex min-w-0 flex-col">
                  <span className="wrap-anywhere font-semibold">{name}</span>
                  <span className="text-muted">{role}</span>
                </span>
                <ChevronRight aria-hidden className="size-4 shrink-0 text-muted" />
              </Link>
            </li>
          ))}
          {suspensions.map(({ slug, name }) => (
            <li key={slug}>
              <Link
                href={`/suspended/${slug}`}
                className="flex items-center justify-between gap-3 rounded-lg border px-4 py-3 hover:bg-raised"
              >
                <span className="wrap-anywhere min-w-0 text-muted">{name}</span>
                <StateBadge kind="member" state="suspended" />
              </Link>
            </li>
          ))}
        </ul>
      </SignInCard>
    )
  if (session.operator || ctx.config.openTenants)
    return (
      <SignInCard
        title={(await isEmptyInstance(ctx)) ? 'Create the first tenant' : 'Create a tenant'}
        lead="A tenant is an organisation's own space: its people, projects and tokens. You become its owner."
        footer={footer}
      >
        <CreateTenant />
      </SignInCard>
    )
  const [closed] = suspensions
  if (closed) redirect(`/suspended/${closed.slug}`)
  return (
    <SignInCard
      title="No tenant yet"
      lead="You are signed in, but you are not a member of any tenant. Ask an owner or admin for an invitation link, or send them these two values, which identify you."
      footer={footer}
    >
      <Identity {...session} />
    </SignInCard>
  )
}

function Identity({ issuer, subject }: Pick<Session, 'issuer' | 'subject'>) {
  return (
    <>
      <KeyValue
        items={[
          { label: 'Issuer', value: issuer, mono: true },
          { label: 'Subject', value: subject, mono: true },
        ]}
      />
      <CopyButton text={`issuer: ${issuer}\nsubject: ${subject}`} label="Copy both" />
    </>
  )
}
