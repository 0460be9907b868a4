import type { Metadata } from 'next'
import { TokenTable } from '@/app/_console/token-table.tsx'
import { eventTone, eventWords, healthWords, nextActOf } from '@/app/_console/words.ts'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { KeyValue } from '@/app/_ui/key-value.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { durationText } from '@/app/_ui/time-text.ts'
import { Timeline } from '@/app/_ui/timeline.tsx'
import type { ProjectDetail } from '@/lib/broker/inventory.ts'
import { may } from '@/lib/tenancy/actor.ts'
import { NextAct } from '../project-card.tsx'
import { Disconnect } from './disconnect.tsx'
import { loadProject } from './load.ts'
import { RenameAlias, SetBranch } from './settings.tsx'

type Props = {
  params: Promise<{ tenant: string; project: string }>
  searchParams: Promise<{ linked?: string }>
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  const { tenant, project: id } = await params
  return { title: (await loadProject(tenant, id)).project.name }
}

export default async function ProjectPage({ params, searchParams }: Props) {
  const { tenant, project: id } = await params
  const { ctx, actor, project } = await loadProject(tenant, id)
  const { linked } = await searchParams
  const now = ctx.now().toISOString()
  const { connection } = project
  const mayWork = may(actor, 'work')
  const health = connection && healthWords(connection)
  const own = connection !== null && connection.status !== 'revoked'
  return (
    <>
      <PageHeader
        trail={[{ label: 'Projects', href: `/t/${tenant}/projects` }]}
        title={project.name}
        badge={connection && <StateBadge kind="connection" state={connection.status} />}
        actions={mayWork && <NextAct tenant={tenant} project={project} size="md" />}
      />
      {linked && connection?.status === 'linked' && (
        <Notice
          title="Linked"
          meaning={`Connected as ${connection.accountName}. Its refresh token is sealed here and is never shown.`}
          next="Issue a token when something needs one."
        />
      )}
      {connection && health && (
        <Notice
          tone={connection.status === 'needs_relink' ? 'error' : connection.status === 'revoked' ? 'info' : 'attention'}
          title={noticeTitle[connection.status]}
          meaning={health}
          next={
            <>
              Since <Time at={connection.statusSince.toISOString()} now={now} />
              {connection.nextTryAt && (
                <>
                  , next try <Time at={connection.nextTryAt.toISOString()} now={now} />
                </>
              )}
              .{' '}
              {nextActOf(connection) === 'reconnect' &&
                'Tokens that are out work until they end. Reconnect to issue new ones.'}
            </>
          }
        />
      )}
      <div className="grid gap-6 md:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
        <Section title="Facts">
          <div className="rounded-lg border bg-surface p-4">
            <Facts project={project} now={now} />
          </div>
        </Section>
        {mayWork && (connection !== null || may(actor, 'administer')) && (
          <Section title="Settings">
            <div className="flex flex-col gap-4 rounded-lg border bg-surface p-4">
              <RenameAlias tenant={tenant} project={project.id} alias={project.alias} />
              {own && <SetBranch tenant={tenant} connection={connection.id} branch={connection.branchId} />}
            </div>
          </Section>
        )}
      </div>
      {connection && (
        <>
          <Section
            title="Your tokens"
            lead="Tokens that you issued for this project, newest first. No value is kept here."
          >
            {project.tokens.length > 0 ? (
              <TokenTable
                caption={`Your tokens for ${project.name}`}
                tenant={tenant}
                tokens={project.tokens}
                now={now}
                inProject
                viewerId={actor.userId}
                mayWork={mayWork}
                mayAdminister={may(actor, 'administer')}
              />
            ) : (
              <EmptyState
                kind="no-data"
                title="No token issued yet"
                why="A token carries only the rights that you choose for it, and ends by itself."
              />
            )}
          </Section>
          <Section title="What happened to this connection">
            <div className="rounded-lg border bg-surface p-4">
              <Timeline
                now={now}
                items={project.timeline.map((event) => {
                  const { what, more } = eventWords(event)
                  return { id: event.id, at: event.at.toISOString(), title: what, detail: more, tone: eventTone(event) }
                })}
              />
            </div>
          </Section>
        </>
      )}
      {own && mayWork && (
        <Section
          title="Disconnect"
          lead="Ends the connection and every living token made from it, and destroys the tokens stored here."
        >
          <div>
            <Disconnect
              tenant={tenant}
              connection={connection.id}
              project={project.name}
              account={connection.accountName}
              tokensOut={project.tokensOut}
              providerKind={project.provider.kind}
            />
          </div>
        </Section>
      )}
      {!connection && (
        <EmptyState
          kind="no-data"
          title="Not linked by you"
          why={
            mayWork
              ? 'Others in this tenant linked this project with accounts of their own. To issue tokens for it, link it with yours.'
              : 'Others in this tenant linked this project with accounts of their own. Auditors see that it exists and issue nothing.'
          }
          action={mayWork && <NextAct tenant={tenant} project={project} first={false} />}
        />
      )}
    </>
  )
}

const noticeTitle = {
  linked: 'Linked',
  degraded: 'The upstream is not answering as it should',
  uncertain: 'A renewal was interrupted',
  needs_relink: 'This connection must be linked again',
  frozen: 'Frozen by an admin',
  revoked: 'Disconnected',
} as const

function Facts({ project, now }: { project: ProjectDetail; now: string }) {
  const { provider, connection, cap } = project
  const former = project.aliases.filter((alias) => alias !== project.alias)
  return (
    <KeyValue
      items={[
        { label: 'Provider', value: `${provider.name} · ${provider.host}` },
        { label: 'Project', value: `#${project.externalId}${project.region ? ` · ${project.region}` : ''}` },
        { label: 'Alias', value: project.alias, mono: true },
        ...(former.length > 0 ? [{ label: 'Former aliases', value: former.join(', '), mono: true }] : []),
        ...(connection
          ? [
              { label: 'Account', value: connection.accountName },
              { label: 'Role upstream', value: connection.upstreamRole ?? 'not reported' },
              { label: 'Linked', value: <Time at={connection.linkedAt.toISOString()} now={now} /> },
              {
                label: 'Refreshed',
                value: connection.lastRefreshAt ? (
                  <Time at={connection.lastRefreshAt.toISOString()} now={now} />
                ) : (
                  'not yet: the first access token still works'
                ),
              },
            ]
          : []),
        { label: 'Longest token', value: `${durationText(cap.seconds)}, set by the ${cap.setBy}` },
      ]}
    />
  )
}
