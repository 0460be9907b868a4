import type { Metadata } from 'next'
import { notFound } from 'next/navigation'
import { orNotFound } from '@/app/_features/guard.tsx'
import { type Query, single } from '@/app/_features/query.ts'
import { ConfirmedProvider } from '@/app/_ui/confirm-identity.tsx'
import { SignInFailed } from '@/app/signin/sign-in-failed.tsx'
import { WhoIsHere } from '@/app/signin/who-is-here.tsx'
import { confirmedUntil } from '@/lib/actor.ts'
import { authorizationForm } from '@/lib/authserver/answers.ts'
import { answererOf, currentPerson, requirePerson } from '@/lib/http/page.ts'
import { idPattern } from '@/lib/security/ids.ts'
import { Answer } from './answer.tsx'

export const metadata: Metadata = { title: 'Allow a program' }

type Props = { params: Promise<{ authorization: string }>; searchParams: Promise<Query> }

/** What a program asks of a person, and their answer. */
export default async function AuthorizePage({ params, searchParams }: Props) {
  const { authorization: id } = await params
  const { tenant, error } = await searchParams
  if (!idPattern('authorization').test(id)) notFound()
  const here = `/authorize/${id}`
  const { ctx, session } = await currentPerson()
  if (!session && !error) await requirePerson(here)
  if (!session)
    return <SignInFailed error={error ?? ''} returnTo={here} issuer={ctx.config.signin.name} brought={false} />
  const person = await answererOf(session)
  const { createdAt, expiresAt, ...asked } = await orNotFound(
    authorizationForm(ctx, person, { id, tenant: single(tenant) }),
  )
  return (
    <ConfirmedProvider
      userId={session.userId}
      issuer={ctx.config.signin.name}
      until={confirmedUntil(session).toISOString()}
    >
      <Answer
        // Another tenant is another answer.
        key={asked.chosen?.slug}
        asked={{ ...asked, createdAt: createdAt.toISOString(), expiresAt: expiresAt.toISOString() }}
        here={person.address ?? null}
        now={ctx.now().toISOString()}
        footer={<WhoIsHere session={session} />}
      />
    </ConfirmedProvider>
  )
}
