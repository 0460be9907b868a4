import { ConnectionHealth, FrozenNotice, IssueLink, NextAct } from '@/app/_features/health.tsx'
import { externalName, plural, shownState } from '@/app/_features/words.ts'
import { ButtonLink } from '@/app/_ui/button.tsx'
import { Card } from '@/app/_ui/card.tsx'
import Link from '@/app/_ui/link.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Time } from '@/app/_ui/time.tsx'
import type { ProjectCard as ProjectCardView } from '@/lib/broker/read/project.ts'

/** What the viewer may do, and how questions name them. */
export type ProjectActs = { viewer: string; mayWork: boolean; mayAdminister: boolean }
type Props = { tenant: string; project: ProjectCardView; now: string; acts: ProjectActs; first: boolean }

/** One project as its viewer stands to it: whose account, what is out, how it is, and the one next act. */
export function ProjectCard({ tenant, project, now, acts, first }: Props) {
  const { connection, provider } = project
  const live = connection && connection.status !== 'revoked' ? connection : null
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
          <StateBadge kind="connection" state={shownState({ ...connection, frozen: project.frozen })} />
        ) : project.frozen ? (
          <StateBadge kind="connection" state="frozen" />
        ) : (
          <span className="flex h-6 items-center text-[13px] text-muted">
            {project.audience ? 'own API' : 'not linked by you'}
          </span>
        )
      }
      footer={
        <>
          <ProjectAct tenant={tenant} project={project} acts={acts} first={first} />
          {project.tools && live && acts.mayWork && <ConnectAgent tenant={tenant} project={project.id} size="sm" />}
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
          <span className="wrap-anywhere inline-block max-w-full font-mono text-[13px]">
            {externalName(project.externalId)}
          </span>
        </p>
        {live ? (
          <p className="wrap-anywhere">
            as {live.accountName}
            {live.upstreamRole && ` · ${live.upstreamRole} upstream`} · {plural(project.tokensOut, 'live token')}
          </p>
        ) : project.audience ? (
          <p className="wrap-anywhere">
            {project.audience.offline ? 'Verified by signature' : 'Verified by asking Valetkey'} ·{' '}
            {plural(project.tokensOut, 'live token')}
          </p>
        ) : (
          !connection && <p>Another member linked it. Link it with your own account to use it.</p>
        )}
        {project.tools && project.tools.present > 0 && (
          <p>
            {plural(project.tools.present, 'tool')}
            {project.tools.changed > 0 && (
              <span className="text-attention"> · {project.tools.changed} changed since somebody looked</span>
            )}
          </p>
        )}
        {connection ? (
          <ConnectionHealth form="short" health={connection} now={now} />
        ) : (
          project.frozen && <FrozenNotice form="short" frozen={project.frozen} now={now} />
        )}
      </div>
    </Card>
  )
}

/** Leads to what an MCP client is to be told. */
export const ConnectAgent = ({ tenant, project, size }: { tenant: string; project: string; size?: 'sm' | 'md' }) => (
  <ButtonLink href={`/t/${tenant}/projects/${project}/agent`} {...(size && { size })}>
    Connect an agent
  </ButtonLink>
)

type ActProps = {
  tenant: string
  project: ProjectCardView
  acts: ProjectActs
  first?: boolean
  inPopup?: boolean
  size?: 'sm' | 'md'
}

/** The one button that makes sense now for the viewer's own connection. */
export function ProjectAct({ tenant, project, acts: { viewer, ...rights }, first, inPopup, size }: ActProps) {
  const { connection, name } = project
  if (project.audience && !project.frozen)
    return (
      rights.mayWork && (
        <IssueLink
          tenant={tenant}
          projectId={project.id}
          variant="primary"
          size={size ?? 'sm'}
          first={first ?? false}
        />
      )
    )
  return (
    <NextAct
      tenant={tenant}
      projectId={project.id}
      providerId={project.provider.id}
      connection={
        connection && {
          id: connection.id,
          status: connection.status,
          frozenItself: connection.frozenItself,
          name,
          owner: viewer,
          account: connection.accountName,
        }
      }
      frozen={project.frozen}
      limited={project.provider.strategy !== null}
      isRemoved={project.provider.isRemoved}
      inPopup={inPopup}
      own
      {...rights}
      first={first}
      size={size}
    />
  )
}
