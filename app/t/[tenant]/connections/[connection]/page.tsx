import type { Metadata } from 'next'
import { cache } from 'react'
import { ConnectionTimeline } from '@/app/_features/connection-timeline.tsx'
import { Disconnect } from '@/app/_features/disconnect.tsx'
import { FreezeButton } from '@/app/_features/freeze.tsx'
import { freezeTargetOf } from '@/app/_features/freeze-target.ts'
import { orNotFound } from '@/app/_features/guard.tsx'
import { ConnectionHealth, healthFacts, NextAct } from '@/app/_features/health.tsx'
import { MoveSection } from '@/app/_features/move-section.tsx'
import { LacksNotice } from '@/app/_features/pasted.tsx'
import { hrefWith } from '@/app/_features/query.ts'
import { LeaveProject } from '@/app/_features/shared-connection.tsx'
import { nextActOf, pluralUpTo, shownState } from '@/app/_features/words.ts'
import { KeyValue } from '@/app/_ui/key-value.tsx'
import Link from '@/app/_ui/link.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { may } from '@/lib/actor.ts'
import { providerList } from '@/lib/broker/providers.ts'
import { connectionDetail } from '@/lib/broker/read/connection.ts'
import { peopleNames } from '@/lib/broker/read/people.ts'
import { tokenPage } from '@/lib/broker/read/token.ts'
import { requireMember } from '@/lib/http/page.ts'
import { PastedSection } from './pasted-section.tsx'
import { SessionsSection } from './sessions-section.tsx'

type Props = { params: Promise<{ tenant: string; connection: string }> }

const load = cache(async (tenant: string, id: string) => {
  const member = await requireMember(tenant)
  return { ...member, connection: await orNotFound(connectionDetail(member.ctx, member.actor, id)) }
})

const nameOfConnection = ({ project, accountName }: { project: { name: string } | null; accountName: string }) =>
  project?.name ?? accountName

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  const { tenant, connection: id } = await params
  return { title: `Connection · ${nameOfConnection((await load(tenant, id)).connection)}` }
}

export default async function ConnectionPage({ params }: Props) {
  const { tenant, connection: id } = await params
  const { ctx, actor, connection } = await load(tenant, id)
  const { ownerId, project, projects, provider, accountName, status, frozen, frozenItself, timeline } = connection
  const own = ownerId === actor.userId
  // Of one project, by its index; of several, by the connection.
  const reached = projects.length === 1 ? { projectId: projects[0]?.id } : { connectionId: id }
  const live = { userId: ownerId, state: 'live' as const, ...reached }
  const [names, tokens] = await Promise.all([
    peopleNames(ctx, actor.tenantId, [ownerId, frozen?.by, ...timeline.map(({ actorId }) => actorId)]),
    tokenPage(ctx, actor, { ...live, everybody: !own }),
  ])
  const stack = connection.pasted && (await providerList(ctx, actor)).find((each) => each.id === provider.id)
  const paste = stack?.pastes
    ? { ...stack.pastes, id: stack.id, name: stack.name, host: new URL(stack.issuer).host }
    : null
  const now = ctx.now().toISOString()
  const nameOf = (user: string) => (user === actor.userId ? 'you' : (names.get(user) ?? 'a former member'))
  const mayWork = may(actor, 'work')
  const mayAdminister = may(actor, 'administer')
  const mayFreeze = mayAdminister && !frozenItself
  const name = nameOfConnection(connection)
  const reference = { id, name, owner: nameOf(ownerId), account: accountName }
  const canAsk = status !== 'revoked' && status !== 'needs_relink' && !frozen
  const frozenBy = frozen?.by ? nameOf(frozen.by) : null
  const act = (
    <NextAct
      tenant={tenant}
      projectId={project?.id ?? null}
      providerId={provider.id}
      connection={{ ...reference, status, frozenItself }}
      frozen={frozen}
      isRemoved={provider.isRemoved}
      own={own}
      mayWork={mayWork}
      mayAdminister={mayAdminister}
      first
    />
  )
  return (
    <>
      <PageHeader
        trail={
          own
            ? [
                { label: 'Projects', href: `/t/${tenant}/projects` },
                ...(project ? [{ label: project.name, href: `/t/${tenant}/projects/${project.id}` }] : []),
              ]
            : [{ label: 'Revocation', href: `/t/${tenant}/admin/revocation?show=connections` }]
        }
        title={`Connection to ${name}`}
        lead={`Owner: ${nameOf(ownerId)}. Account: ${accountName} at ${provider.name}.`}
        badge={<StateBadge kind="connection" state={shownState(connection)} />}
        actions={nextActOf(connection) === 'issue' && act}
      />
      <ConnectionHealth form="notice" health={connection} now={now} frozenBy={frozenBy} act={act} />
      {connection.pasted?.lacks && !connection.pasted.warningOff && own && mayWork && (
        <LacksNotice
          tenant={tenant}
          connection={id}
          provider={provider.id}
          title={connection.pasted.title}
          lacks={connection.pasted.lacks}
        />
      )}
      <div className="grid gap-6 md:grid-cols-2">
        <Section title="Health">
          <div className="rounded-lg border bg-surface p-4">
            <KeyValue items={healthFacts({ health: connection, now, frozenBy })} />
          </div>
        </Section>
        <Section title="Facts">
          <div className="rounded-lg border bg-surface p-4">
            <KeyValue
              items={[
                { label: 'Owner', value: nameOf(ownerId) },
                { label: 'Account', value: accountName },
                { label: 'Role upstream', value: connection.upstreamRole ?? 'not reported' },
                {
                  label: projects.length > 1 ? 'Projects' : 'Project',
                  value:
                    projects.length === 0
                      ? 'none'
                      : projects.map((one) => (
                          <Link
                            key={one.id}
                            href={`/t/${tenant}/projects/${one.id}`}
                            className="mr-3 rounded-sm underline underline-offset-4"
                          >
                            {one.name}
                          </Link>
                        )),
                },
                { label: 'Provider', value: provider.name },
                { label: 'Linked', value: <Time at={connection.linkedAt.toISOString()} now={now} /> },
                {
                  label: 'Tokens',
                  value: (
                    <Link
                      href={hrefWith(own ? `/t/${tenant}/tokens` : `/t/${tenant}/admin/revocation`, {
                        project: project?.id,
                        person: own ? undefined : ownerId,
                      })}
                      className="rounded-sm underline underline-offset-4"
                    >
                      {pluralUpTo(tokens, 'live token')}
                    </Link>
                  ),
                },
                { label: 'Connection', value: id, mono: true },
              ]}
            />
          </div>
        </Section>
      </div>
      {connection.pasted && (
        <PastedSection
          tenant={tenant}
          connection={connection}
          pasted={connection.pasted}
          now={now}
          mine={own && mayWork && !provider.isRemoved}
          paste={paste}
        />
      )}
      {projects.length > 1 && status !== 'revoked' && ((own && mayWork) || mayAdminister) && (
        <Section
          title="Projects"
          lead="One sign-in serves all of these. Taking one off leaves the connection to the others."
        >
          <ul className="flex flex-col divide-y rounded-lg border bg-surface px-4">
            {projects.map((one) => (
              <li key={one.id} className="flex flex-wrap items-center justify-between gap-3 py-2">
                <span className="wrap-anywhere min-w-0">
                  {one.name} <span className="text-muted">{one.externalId}</span>
                </span>
                <LeaveProject tenant={tenant} connection={id} project={one} others={projects.length - 1} />
              </li>
            ))}
          </ul>
        </Section>
      )}
      {own && mayWork && status !== 'revoked' && !frozen && (
        <MoveSection tenant={tenant} providerId={provider.id} connectionId={id} movesTo={connection.movesTo} />
      )}
      {own && mayWork && connection.listsSessions && canAsk && (
        <SessionsSection tenant={tenant} connection={id} provider={provider.name} />
      )}
      <Section title="Timeline" lead="What happened to this connection, from the first link until now.">
        <ConnectionTimeline events={timeline} state={shownState(connection)} now={now} nameOf={nameOf} />
      </Section>
      {(status !== 'revoked' || mayFreeze) && ((own && mayWork) || mayAdminister) && (
        <Section
          title={status === 'revoked' ? 'Freeze' : mayFreeze ? 'Freeze or disconnect' : 'Disconnect'}
          lead={
            status === 'revoked'
              ? 'A freeze prevents linking it again until the freeze is lifted.'
              : mayFreeze
                ? 'A freeze stops linking, issuing, renewing and use through Valetkey, and can be lifted; tokens that work directly at the upstream keep working. Disconnecting revokes all live tokens issued from it and permanently destroys the stored tokens.'
                : 'Revokes the connection and all live tokens issued from it, and destroys the stored tokens.'
          }
        >
          <div className="flex flex-wrap gap-2">
            {mayFreeze && <FreezeButton tenant={tenant} target={freezeTargetOf(reference)} frozen={false} />}
            {status !== 'revoked' && (
              <Disconnect
                tenant={tenant}
                connection={id}
                project={name}
                account={accountName}
                owner={own ? undefined : nameOf(ownerId)}
                tokensOut={tokens}
                revocable={connection.revocable}
                alsoFor={projects.slice(1).map((one) => one.name)}
              />
            )}
          </div>
        </Section>
      )}
    </>
  )
}
