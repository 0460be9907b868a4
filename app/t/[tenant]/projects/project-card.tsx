import Link from 'next/link'
import { Relink } from '@/app/_console/link.tsx'
import { healthWords, nextActOf, plural } from '@/app/_console/words.ts'
import { ButtonLink } from '@/app/_ui/button.tsx'
import { Card } from '@/app/_ui/card.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Time } from '@/app/_ui/time.tsx'
import type { ProjectCard as ProjectCardView } from '@/lib/broker/inventory.ts'

type Props = { tenant: string; project: ProjectCardView; now: string; mayWork: boolean; first: boolean }

/** One project as its viewer stands to it: whose account, what is out, how it is, and the one next act. */
export function ProjectCard({ tenant, project, now, mayWork, first }: Props) {
  const { connection, provider } = project
  const live = connection && connection.status !== 'revoked' ? connection : null
  const health = connection && healthWords(connection)
  return (
    <Card
      heading="h2"
      title={
        <Link
          href={`/t/${tenant}/projects/${project.id}`}
          className="rounded-sm underline-offset-4 hover:underline focus-visible:underline"
        >
          {project.name}
        </Link>
      }
      aside={
        connection ? (
          <StateBadge kind="connection" state={connection.status} />
        ) : (
          <span className="flex h-6 items-center text-[13px] text-muted">not linked by you</span>
        )
      }
      footer={
        <>
          {mayWork && <NextAct tenant={tenant} project={project} first={first} />}
          {live?.lastRefreshAt && (
            <span className="ml-auto text-[13px] text-muted">
              refreshed <Time at={live.lastRefreshAt.toISOString()} now={now} />
            </span>
          )}
        </>
      }
    >
      <div className="flex flex-col gap-1">
        <p className="wrap-anywhere text-muted">
          {[provider.name, project.region].filter(Boolean).join(' · ')}{' '}
          <span className="whitespace-nowrap font-mono text-[13px]">#{project.externalId}</span>
        </p>
        {live ? (
          <p className="wrap-anywhere">
            as {live.accountName}
            {live.upstreamRole && ` · ${live.upstreamRole} upstream`} · {plural(project.tokensOut, 'token')} out
          </p>
        ) : (
          !connection && <p>Somebody else in this tenant linked it. You would link it with your own account.</p>
        )}
        {connection && health && (
          <p className="text-muted">
            {health} Since <Time at={connection.statusSince.toISOString()} now={now} />.
          </p>
        )}
      </div>
    </Card>
  )
}

/** The one button that makes sense now. */
export function NextAct({
  tenant,
  project,
  first = true,
  size = 'sm',
}: {
  tenant: string
  project: ProjectCardView
  /** Whether `n` presses it. */
  first?: boolean
  size?: 'sm' | 'md'
}) {
  const { connection, provider } = project
  switch (nextActOf(connection)) {
    case 'issue':
      return (
        <ButtonLink
          variant="primary"
          size={size}
          href={`/t/${tenant}/projects/${project.id}/issue`}
          data-shortcut={first ? 'issue-token' : undefined}
        >
          Issue token
        </ButtonLink>
      )
    case 'reconnect':
      return (
        <Relink tenant={tenant} providerId={provider.id} connectionId={connection?.id} label="Reconnect" size={size} />
      )
    case 'link':
      return (
        <Relink
          tenant={tenant}
          providerId={provider.id}
          connectionId={connection?.id}
          label="Link"
          variant="secondary"
          size={size}
        />
      )
    case 'none':
      return null
  }
}
