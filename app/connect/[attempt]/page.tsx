import { headers } from 'next/headers'
import { notFound, redirect } from 'next/navigation'
import { AttemptNotice } from '@/app/_features/attempt.tsx'
import { Adopt, Relink } from '@/app/_features/link.tsx'
import { PopupEnd } from '@/app/_features/popup-end.tsx'
import { type Query, single } from '@/app/_features/query.ts'
import { ButtonLink } from '@/app/_ui/button.tsx'
import { SignInCard } from '@/app/_ui/sign-in-card.tsx'
import { Countdown } from '@/app/_ui/time.tsx'
import { type Actor, may } from '@/lib/actor.ts'
import { readLinkRequest, requestOfAttempt } from '@/lib/broker/link/ask.ts'
import { readAttempt } from '@/lib/broker/link/attempt.ts'
import { readChoices } from '@/lib/broker/link/complete.ts'
import { providerList } from '@/lib/broker/providers.ts'
import type { Context } from '@/lib/context.ts'
import { isBrokerError } from '@/lib/errors.ts'
import { linkBrowser } from '@/lib/http/browser.ts'
import { requireMember, requirePerson, tenantsOfSession } from '@/lib/http/page.ts'
import { idPattern } from '@/lib/security/ids.ts'
import { LinkOutcome } from '../outcome.tsx'
import { AskedToLink } from './asked.tsx'
import { ChooseProjects } from './choose-projects.tsx'
import { GoingOn } from './going-on.tsx'

export const metadata = { title: 'Link a project' }

type Props = { params: Promise<{ attempt: string }>; searchParams: Promise<Query> }

/** A link attempt, or what a program asks its person for. */
export default async function ConnectPage({ params, searchParams }: Props) {
  const asked = (await params).attempt
  if (idPattern('link_request').test(asked)) return <LinkRequest id={asked} />
  const found = await findOwn(asked, readAttempt)
  if (!found) notFound()
  const { ctx, actor, thing: attempt } = found
  const tenant = actor.slug
  const projects = `/t/${tenant}/projects`
  const { status, id, providerId, connectionId, detail } = attempt
  const provider = (await providerList(ctx, actor)).find((each) => each.id === providerId)
  const now = ctx.now().toISOString()

  if (status === 'going_on')
    return (
      <SignInCard
        title="The link is being finished"
        lead="You have approved it. Valetkey is fetching what you allowed."
      >
        <GoingOn />
        <ButtonLink href={projects}>Back to projects</ButtonLink>
      </SignInCard>
    )
  if (status === 'choosing') {
    const browser = linkBrowser(await headers()) ?? ''
    const choices = await readChoices(ctx, actor, { attemptId: id, browser }).catch((error: unknown) => {
      if (isBrokerError(error, 'attempt_unknown', 'not_found')) return null
      throw error
    })
    if (choices)
      return (
        <SignInCard
          title="Which projects is it for?"
          lead={`You signed in as ${choices.account}. Valetkey issues tokens only for the projects that you choose here.`}
        >
          <p className="text-muted">
            Time left: <Countdown until={attempt.expiresAt.toISOString()} now={now} ended="none" />. After that, and for
            what you do not choose, the sign-in counts for nothing.
          </p>
          <ChooseProjects tenant={tenant} attempt={id} projects={choices.projects} />
        </SignInCard>
      )
  }
  const end = single((await searchParams).popup) && status !== 'pending' && <PopupEnd tenant={tenant} attempt={id} />
  if (status === 'done' && end)
    return (
      <SignInCard title="It is linked" lead="Go back to the page that you came from.">
        {end}
        <ButtonLink href={attempt.projectId ? `${projects}/${attempt.projectId}` : projects}>
          Show the project
        </ButtonLink>
      </SignInCard>
    )
  const request = status === 'pending' ? undefined : await requestOfAttempt(ctx, actor.tenantId, id)
  if (status === 'done' && request) redirect(`/connect/${request}`)
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

  // Begun in another browser, which alone can finish it.
  const code =
    status === 'choosing'
      ? 'attempt_unknown'
      : status === 'expired'
        ? 'attempt_expired'
        : (attempt.outcome ?? 'internal')
  // The list holds no provider that was removed: there is nothing to link at it.
  const retriable = provider && may(actor, 'work')
  return (
    <LinkOutcome code={code} detail={detail} reference={id}>
      <div className="flex flex-col gap-3">
        {end}
        {attempt.canAdopt && (code === 'another_project' || code === 'alias_taken') && (
          <Adopt tenant={tenant} attempt={id} needsAlias={code === 'alias_taken'} />
        )}
        {attempt.canAdopt && code === 'different_account' && (
          <Adopt tenant={tenant} attempt={id} label="Use this account instead" />
        )}
        <div className="flex flex-wrap gap-2">
          {request &&
          code !== 'link_denied' &&
          code !== 'cancelled' &&
          code !== 'withdrawn' &&
          code !== 'issuer_mismatch' ? (
            <ButtonLink href={`/connect/${request}`} variant="primary">
              Back to what the program asked
            </ButtonLink>
          ) : (
            retriable &&
            code !== 'issuer_mismatch' && (
              <Relink
                tenant={tenant}
                providerId={providerId}
                connectionId={connectionId ?? undefined}
                label={connectionId ? 'Reconnect again' : 'Link again'}
                variant={attempt.canAdopt ? 'secondary' : 'primary'}
                size="md"
                {...(attempt.flow !== null && code !== 'flow_not_offered' && { flow: attempt.flow })}
              />
            )
          )}
          <ButtonLink href={projects}>Back to projects</ButtonLink>
        </div>
      </div>
    </LinkOutcome>
  )
}

/** What a program asks, in words, and how it stands. */
async function LinkRequest({ id }: { id: string }) {
  const found = await findOwn(id, readLinkRequest)
  if (!found) notFound()
  const { ctx, actor, thing: request } = found
  return (
    <AskedToLink
      tenant={{ slug: actor.slug, name: found.tenantName }}
      mayWork={may(actor, 'work')}
      now={ctx.now().toISOString()}
      asked={{ ...request, createdAt: request.createdAt.toISOString(), expiresAt: request.expiresAt.toISOString() }}
    />
  )
}

/** The person's own, in whichever of their tenants it was started. */
async function findOwn<T>(id: string, read: (ctx: Context, actor: Actor, id: string) => Promise<T>) {
  const { ctx, session } = await requirePerson()
  for (const { slug, name } of await tenantsOfSession(session)) {
    const { actor } = await requireMember(slug)
    const thing = await read(ctx, actor, id).catch((error: unknown) => {
      if (isBrokerError(error, 'not_found')) return null
      throw error
    })
    if (thing) return { ctx, actor, thing, tenantName: name }
  }
  return null
}
