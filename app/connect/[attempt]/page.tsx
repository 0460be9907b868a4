import { notFound, redirect } from 'next/navigation'
import { AttemptNotice } from '@/app/_features/attempt.tsx'
import { Adopt, Relink } from '@/app/_features/link.tsx'
import { ButtonLink } from '@/app/_ui/button.tsx'
import { SignInCard } from '@/app/_ui/sign-in-card.tsx'
import { may } from '@/lib/actor.ts'
import { readAttempt } from '@/lib/broker/link/attempt.ts'
import { providerList } from '@/lib/broker/providers.ts'
import { isBrokerError } from '@/lib/errors.ts'
import { requireMember, requirePerson, tenantsOfSession } from '@/lib/http/page.ts'
import { LinkOutcome } from '../outcome.tsx'

export const metadata = { title: 'Link a project' }

export default async function ConnectPage({ params }: { params: Promise<{ attempt: string }> }) {
  const found = await findAttempt((await params).attempt)
  if (!found) notFound()
  const { ctx, actor, attempt } = found
  const tenant = actor.slug
  const projects = `/t/${tenant}/projects`
  const { status, id, providerId, connectionId, detail } = attempt
  const provider = (await providerList(ctx, actor)).find((each) => each.id === providerId)
  const now = ctx.now().toISOString()

  if (status === 'done') redirect(attempt.projectId ? `${projects}/${attempt.projectId}?linked=1` : projects)
  if (status === 'pending')
    return (
      <SignInCard title="Your link attempt is open">
        <AttemptNotice
          tenant={tenant}
          now={now}
          afterGivingUp={projects}
          attempt={{
            id,
            provider: provider?.name ?? 'the upstream',
            relink: attempt.purpose === 'relink',
            startedAt: attempt.createdAt.toISOString(),
            expiresAt: attempt.expiresAt.toISOString(),
          }}
        />
        <ButtonLink href={projects}>Back to projects</ButtonLink>
      </SignInCard>
    )

  const code = status === 'expired' ? 'attempt_expired' : (attempt.outcome ?? 'internal')
  const retriable = provider && may(actor, 'work')
  return (
    <LinkOutcome code={code} detail={detail} reference={id}>
      <div className="flex flex-col gap-3">
        {attempt.canAdopt && (code === 'another_project' || code === 'alias_taken') && (
          <Adopt tenant={tenant} attempt={id} needsAlias={code === 'alias_taken'} />
        )}
        {attempt.canAdopt && code === 'different_account' && (
          <Adopt tenant={tenant} attempt={id} label="Use this account instead" />
        )}
        <div className="flex flex-wrap gap-2">
          {retriable && code !== 'issuer_mismatch' && (
            <Relink
              tenant={tenant}
              providerId={providerId}
              connectionId={connectionId ?? undefined}
              label={connectionId ? 'Reconnect again' : 'Link again'}
              variant={attempt.canAdopt ? 'secondary' : 'primary'}
              size="md"
            />
          )}
          <ButtonLink href={projects}>Back to projects</ButtonLink>
        </div>
      </div>
    </LinkOutcome>
  )
}

/** The person's own attempt, in whichever of their tenants it was started. */
async function findAttempt(id: string) {
  const { ctx, session } = await requirePerson()
  for (const { slug } of await tenantsOfSession(session)) {
    const { actor } = await requireMember(slug)
    const attempt = await readAttempt(ctx, actor, id).catch((error: unknown) => {
      if (isBrokerError(error, 'not_found')) return null
      throw error
    })
    if (attempt) return { ctx, actor, attempt }
  }
  return null
}
