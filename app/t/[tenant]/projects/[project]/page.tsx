import type { Metadata } from 'next'
import { ConnectionTimeline } from '@/app/_features/connection-timeline.tsx'
import { Disconnect } from '@/app/_features/disconnect.tsx'
import { FreezeButton } from '@/app/_features/freeze.tsx'
import { ConnectionHealth, FrozenNotice, healthFacts, IssueLink, WhyNoToken } from '@/app/_features/health.tsx'
import { MoveSection } from '@/app/_features/move-section.tsx'
import { LacksNotice } from '@/app/_features/pasted.tsx'
import { type Query, single } from '@/app/_features/query.ts'
import { TokenTable } from '@/app/_features/token-table.tsx'
import { UseSection } from '@/app/_features/use.tsx'
import { canIssue, externalName, nextActOf, shownState } from '@/app/_features/words.ts'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { KeyValue } from '@/app/_ui/key-value.tsx'
import Link from '@/app/_ui/link.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { durationText } from '@/app/_ui/time-text.ts'
import { may } from '@/lib/actor.ts'
import { gatewayUrl } from '@/lib/broker/proxy-url.ts'
import { countLimit } from '@/lib/broker/read/page.ts'
import { peopleNames } from '@/lib/broker/read/people.ts'
import type { ProjectDetail } from '@/lib/broker/read/project.ts'
import { toolPage } from '@/lib/broker/read/tools.ts'
import { projectUse, type UseView } from '@/lib/broker/read/use.ts'
import { kinds } from '@/lib/providers/index.ts'
import { ConnectAgent, ProjectAct } from '../project-card.tsx'
import { ComponentUrl } from './component-url.tsx'
import { loadProject } from './load.ts'
import { RenameAlias, SetBranch } from './settings.tsx'
import { ToolsSection } from './tools.tsx'

type Props = {
  params: Promise<{ tenant: string; project: string }>
  searchParams: Promise<Query>
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  const { tenant, project: id } = await params
  return { title: (await loadProject(tenant, id)).project.name }
}

export default async function ProjectPage({ params, searchParams }: Props) {
  const { tenant, project: id } = await params
  const { ctx, actor, project } = await loadProject(tenant, id)
  const { linked, skip: from } = await searchParams
  const skip = Math.min(10_000, Math.max(0, Number.parseInt(single(from) ?? '', 10) || 0))
  const now = ctx.now().toISOString()
  const { connection } = project
  const mayWork = may(actor, 'work')
  const acts = { viewer: 'you', mayWork, mayAdminister: may(actor, 'administer') }
  const { frozen } = project
  const [use, tools] = await Promise.all([
    projectUse(ctx, actor, project.id),
    project.tools ? toolPage(ctx, actor, { project: project.id, skip }) : null,
  ])
  const events = project.timeline.slice(0, latest)
  const names = await peopleNames(ctx, actor.tenantId, [
    frozen?.by,
    ...events.map(({ actorId }) => actorId),
    ...(tools?.items ?? []).map(({ reviewedBy }) => reviewedBy),
  ])
  const nameOf = (user: string) => (user === actor.userId ? 'you' : (names.get(user) ?? 'a former member'))
  const frozenBy = frozen?.by ? nameOf(frozen.by) : null
  const act = <ProjectAct tenant={tenant} project={project} acts={acts} />
  const own = connection !== null && connection.status !== 'revoked'
  const { branchHint, componentPage } = kinds.get(project.provider.kind) ?? {}
  return (
    <>
      <PageHeader
        trail={[{ label: 'Projects', href: `/t/${tenant}/projects` }]}
        title={project.name}
        badge={connection && <StateBadge kind="connection" state={shownState(connection)} />}
        actions={
          mayWork &&
          canIssue(project, ctx.now()) &&
          (project.provider.strategy === null ? (
            <WhyNoToken tenant={tenant} projectId={project.id} />
          ) : (
            <>
              {tools && <ConnectAgent tenant={tenant} project={project.id} />}
              <IssueLink
                tenant={tenant}
                projectId={project.id}
                variant={
                  project.audience || nextActOf({ status: connection?.status, frozen }) === 'issue'
                    ? 'primary'
                    : 'secondary'
                }
                first
              />
            </>
          ))
        }
      />
      {linked && connection?.status === 'linked' && (
        <Notice
          title="Linked"
          meaning={`Connected as ${connection.accountName}. Its refresh token is stored encrypted and never shown.`}
          next={
            project.provider.strategy === null
              ? 'This upstream makes no limited tokens, so none can be issued from it.'
              : 'You can now issue tokens.'
          }
        />
      )}
      {connection ? (
        <ConnectionHealth form="notice" health={connection} now={now} frozenBy={frozenBy} act={act} />
      ) : (
        frozen && <FrozenNotice frozen={frozen} now={now} what={notLinkedWords[frozen.kind]} by={frozenBy} act={act} />
      )}
      {own && mayWork && connection.pasted?.lacks && !connection.pasted.warningOff && (
        <LacksNotice
          tenant={tenant}
          connection={connection.id}
          provider={project.provider.id}
          title={connection.pasted.title}
          lacks={connection.pasted.lacks}
        />
      )}
      <div className="grid gap-6 md:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
        <Section title="Facts">
          <div className="rounded-lg border bg-surface p-4">
            <Facts tenant={tenant} project={project} now={now} />
          </div>
        </Section>
        {mayWork && (connection !== null || may(actor, 'administer')) && (
          <Section title="Settings">
            <div className="flex flex-col gap-4 rounded-lg border bg-surface p-4">
              <RenameAlias tenant={tenant} project={project.id} alias={project.alias} />
              {own && branchHint && (
                <SetBranch tenant={tenant} connection={connection.id} branch={connection.branch} hint={branchHint} />
              )}
              {may(actor, 'administer') && (
                <div className="flex flex-col gap-2 border-t pt-4">
                  <p className="text-muted">
                    {project.frozenItself
                      ? project.audience
                        ? 'This API is frozen: nobody issues tokens for it, and those that are asked about do not count.'
                        : 'This project is frozen for everyone who linked it.'
                      : project.audience
                        ? 'A freeze stops issuing, and every token that the API asks Valetkey about. Tokens that are verified by signature keep working until they expire.'
                        : 'A freeze stops linking, issuing, renewing and use through Valetkey for everyone who linked it.'}
                  </p>
                  <FreezeButton
                    size="sm"
                    tenant={tenant}
                    target={{ kind: 'project', id: project.id, name: project.name }}
                    frozen={project.frozenItself}
                  />
                </div>
              )}
            </div>
          </Section>
        )}
      </div>
      {tools && (connection || may(actor, 'oversee')) && (
        <ToolsSection
          tenant={tenant}
          project={project}
          tools={tools}
          gateway={gatewayUrl(ctx.config, { slug: tenant, project: project.alias })}
          now={now}
          nameOf={nameOf}
          mayAsk={mayWork && own && !frozen && connection.status !== 'needs_relink'}
          mayReview={may(actor, 'administer')}
          seesAll={may(actor, 'oversee')}
          skip={skip}
        />
      )}
      {(connection || project.audience) && (
        <>
          <Section
            title="Your tokens"
            lead="Tokens that you issued for this project, newest first. Values are not stored."
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
                why={
                  project.provider.strategy === null
                    ? 'This upstream makes no limited tokens, and Valetkey never hands out a full one.'
                    : 'A token has only the rights that you choose, and it expires automatically.'
                }
              />
            )}
          </Section>
          {connection && <ProjectUse use={use} now={now} seesAll={may(actor, 'oversee')} />}
          {connection && (
            <Section
              title="What happened to this connection"
              lead="The latest events."
              aside={
                <Link
                  href={`/t/${tenant}/connections/${connection.id}`}
                  className="rounded-sm underline underline-offset-4"
                >
                  Open the connection
                </Link>
              }
            >
              <ConnectionTimeline events={events} state={shownState(connection)} now={now} nameOf={nameOf} />
            </Section>
          )}
        </>
      )}
      {own && mayWork && componentPage && canIssue(project, ctx.now()) && (
        <Section
          title="Authorize a component"
          lead="Some components read with somebody’s account elsewhere. At an address that you make here its owner allows that; nobody needs a master token."
        >
          <ComponentUrl tenant={tenant} project={project.id} name={project.name} />
        </Section>
      )}
      {own && mayWork && !frozen && (
        <MoveSection
          tenant={tenant}
          providerId={project.provider.id}
          connectionId={connection.id}
          movesTo={connection.movesTo}
        />
      )}
      {own && mayWork && (
        <Section
          title="Disconnect"
          lead="Revokes the connection and all live tokens issued from it, and destroys the stored tokens."
        >
          <div>
            <Disconnect
              tenant={tenant}
              connection={connection.id}
              project={project.name}
              account={connection.accountName}
              tokensOut={{ total: project.tokensOut, totalIsCapped: project.tokensOut >= countLimit }}
              revocable={connection.revocable}
              alsoFor={project.alsoFor}
            />
          </div>
        </Section>
      )}
      {!connection && !project.audience && <ProjectUse use={use} now={now} seesAll={may(actor, 'oversee')} />}
      {!connection && !project.audience && (
        <EmptyState
          kind="no-data"
          title="Not linked by you"
          why={
            mayWork
              ? 'Other members linked this project with their own accounts. To issue tokens, link it with yours.'
              : 'Other members linked this project with their own accounts. Auditors can see it but cannot issue tokens.'
          }
          action={!frozen && act}
        />
      )}
    </>
  )
}

/** How tokens of the project were used through us, as far as the viewer may know. */
function ProjectUse({ use, now, seesAll }: { use: UseView; now: string; seesAll: boolean }) {
  return (
    <UseSection
      use={use}
      now={now}
      unused={
        seesAll
          ? 'No token of this project was used through Valetkey.'
          : 'None of your tokens was used through Valetkey.'
      }
      lead={
        seesAll
          ? 'Requests that came through Valetkey with tokens of this project, of all members.'
          : 'Requests that came through Valetkey with your tokens.'
      }
    />
  )
}

/** What keeps somebody from a project that they have not linked, where it is no connection's matter. */
const notLinkedWords = { member: 'You are frozen in this tenant.', project: 'This project is frozen.' } as Record<
  string,
  string | undefined
>

/** Events that the page of a project shows. */
const latest = 5

function Facts({ tenant, project, now }: { tenant: string; project: ProjectDetail; now: string }) {
  const { provider, connection, cap } = project
  const former = project.aliases.filter((alias) => alias !== project.alias)
  return (
    <KeyValue
      items={[
        { label: 'Provider', value: project.audience ? provider.name : `${provider.name} · ${provider.host}` },
        {
          label: project.audience ? 'Audience' : 'Project',
          value: [externalName(project.externalId), project.region].filter(Boolean).join(' · '),
        },
        { label: 'Alias', value: project.alias, mono: true },
        ...(former.length > 0 ? [{ label: 'Former aliases', value: former.join(', '), mono: true }] : []),
        ...(connection
          ? [
              { label: 'Account', value: connection.accountName },
              ...(connection.pasted
                ? [
                    {
                      label: 'Stands on',
                      value: <PastedLink tenant={tenant} connection={connection.id} title={connection.pasted.title} />,
                    },
                  ]
                : []),
              { label: 'Role upstream', value: connection.upstreamRole ?? 'not reported' },
              { label: 'Linked', value: <Time at={connection.linkedAt.toISOString()} now={now} /> },
              ...healthFacts({ health: connection, now }).filter(({ label }) => told.has(label)),
            ]
          : []),
        ...(project.audience
          ? [
              {
                label: 'Tokens',
                value: project.audience.offline
                  ? 'signed; the API verifies them without asking Valetkey'
                  : 'opaque; the API asks Valetkey about each',
              },
            ]
          : []),
        { label: 'Longest lifetime', value: `${durationText(cap.seconds)}, set by the ${cap.setBy}` },
      ]}
    />
  )
}

const PastedLink = ({ tenant, connection, title }: { tenant: string; connection: string; title: string }) => (
  <>
    a pasted {title},{' '}
    <Link href={`/t/${tenant}/connections/${connection}`} className="rounded-sm underline underline-offset-4">
      looked after at the connection
    </Link>
  </>
)

/** The notice above says the rest. */
const told = new Set(['Last successful renewal', 'Next renewal', 'Grant expires'])
