import { SquareArrowOutUpRight } from 'lucide-react'
import { AttemptNotice } from '@/app/_features/attempt.tsx'
import { connectCommand } from '@/app/_features/commands.ts'
import { ConnectAll } from '@/app/_features/connect-all.tsx'
import { LinkProject, type ProviderChoice } from '@/app/_features/link.tsx'
import { PasteToken } from '@/app/_features/pasted.tsx'
import { hrefWith, type Query, single } from '@/app/_features/query.ts'
import { nextActOf, plural } from '@/app/_features/words.ts'
import { ButtonLink } from '@/app/_ui/button.tsx'
import { CardGrid } from '@/app/_ui/card.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { FilterBar } from '@/app/_ui/filter-bar.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Pager } from '@/app/_ui/pager.tsx'
import { may } from '@/lib/actor.ts'
import { openAttempts } from '@/lib/broker/link/attempt.ts'
import { providerList } from '@/lib/broker/providers.ts'
import { projectCards } from '@/lib/broker/read/project.ts'
import { requireMember } from '@/lib/http/page.ts'
import { ProjectCard } from './project-card.tsx'

export const metadata = { title: 'Projects' }

/** Cards are drawn a page at a time: two hundred of them were 0.7 MB. Full rows of two, three and four. */
const most = 48

type Props = { params: Promise<{ tenant: string }>; searchParams: Promise<Query> }

export default async function ProjectsPage({ params, searchParams }: Props) {
  const { tenant } = await params
  const query = await searchParams
  const { ctx, actor } = await requireMember(tenant)
  const mayWork = may(actor, 'work')
  const [cards, attempts, providers] = await Promise.all([
    projectCards(ctx, actor),
    mayWork ? openAttempts(ctx, actor) : [],
    providerList(ctx, actor),
  ])
  const now = ctx.now().toISOString()
  const choices = providers
    .filter(({ own }) => !own)
    .map(({ id, name, issuer, flows }) => ({ id, name, host: new URL(issuer).host, flows }))
  const pastes = providers.flatMap(({ id, name, issuer, pastes }) =>
    pastes ? [{ id, name, host: new URL(issuer).host, ...pastes }] : [],
  )
  // Who had them in the file of another program need not type anything.
  const hasStacks = providers.some(({ kind }) => kind === 'keboola')
  const standing = new Map(
    cards.flatMap(({ connection, provider }) =>
      connection && connection.status !== 'revoked' ? [[provider.id, connection] as const] : [],
    ),
  )
  const toLink = providers
    .filter(({ id, kind, misconfigured }) => {
      const status = standing.get(id)?.status
      return kind === 'mcp' && !misconfigured && (!status || status === 'needs_relink')
    })
    .map(({ id, name }) => ({ id, name, connection: standing.get(id)?.id ?? null }))
  const q = single(query.q)
  const matching = q ? cards.filter(({ name, alias }) => has(name, q) || has(alias, q)) : cards
  const after = single(query.after)
  // One that is gone, or never was, begins with the first.
  const begin = after ? matching.findIndex(({ id }) => id === after) + 1 : 0
  const shown = matching.slice(begin, begin + most)
  const last = begin + most < matching.length ? shown.at(-1)?.id : undefined
  const path = `/t/${tenant}/projects`
  const firstIssuable = shown.find(
    ({ connection, audience, frozen }) =>
      (audience && !frozen) || nextActOf({ status: connection?.status, frozen }) === 'issue',
  )
  const acts = { viewer: 'you', mayWork, mayAdminister: may(actor, 'administer') }
  const nameOf = (id: string) => providers.find((provider) => provider.id === id)?.name ?? 'the upstream'
  return (
    <>
      <PageHeader
        title="Projects"
        lead="What you can issue tokens for: upstream projects that you link with your own account, whose refresh tokens stay here, encrypted; and your organisation’s own APIs."
        actions={
          mayWork &&
          choices.length > 0 && (
            <>
              {pastes.length > 0 && <PasteToken tenant={tenant} providers={pastes} />}
              {hasStacks && <ButtonLink href={`/t/${tenant}/import`}>Bring from kbagent</ButtonLink>}
              {cards.length > 0 && <LinkProject tenant={tenant} providers={choices} variant="secondary" />}
            </>
          )
        }
      />
      {attempts.map((attempt) => (
        <AttemptNotice
          key={attempt.id}
          tenant={tenant}
          now={now}
          attempt={{
            id: attempt.id,
            provider: nameOf(attempt.providerId),
            relink: attempt.purpose === 'relink',
            choosing: attempt.status === 'choosing',
            startedAt: attempt.createdAt.toISOString(),
            expiresAt: attempt.expiresAt.toISOString(),
          }}
        />
      ))}
      {mayWork && <ConnectAll tenant={tenant} servers={toLink} />}
      {(cards.length > most || (q && cards.length > 0)) && (
        <FilterBar
          action={path}
          search={{ name: 'q', label: 'Project or alias', value: q ?? '' }}
          summary={plural(matching.length, 'project')}
        />
      )}
      {cards.length > 0 && matching.length === 0 && (
        <EmptyState
          kind="no-match"
          title="Nothing matches"
          why="No project that you see has this in its name or alias."
        />
      )}
      {cards.length > 0 ? (
        <CardGrid>
          {shown.map((project) => (
            <ProjectCard
              key={project.id}
              tenant={tenant}
              project={project}
              now={now}
              acts={acts}
              first={project === firstIssuable}
            />
          ))}
        </CardGrid>
      ) : (
        <NoProjects tenant={tenant} providers={choices} mayWork={mayWork} mayAdminister={may(actor, 'administer')} />
      )}
      <Pager
        newerHref={begin > 0 ? hrefWith(path, { q }) : undefined}
        newerLabel="First"
        olderHref={last && hrefWith(path, { q, after: last })}
        olderLabel="Next"
      />
    </>
  )
}

const has = (text: string, part: string) => text.toLowerCase().includes(part.trim().toLowerCase())

type NoProjectsProps = {
  tenant: string
  providers: ProviderChoice[]
  mayWork: boolean
  mayAdminister: boolean
}

function NoProjects({ tenant, providers, mayWork, mayAdminister }: NoProjectsProps) {
  if (providers.length === 0)
    return (
      <EmptyState
        kind="no-data"
        title="No provider yet"
        why={
          mayAdminister
            ? 'A provider is an upstream that members can link projects from. To add one, you need its client id and secret for this address.'
            : 'An owner or admin must first add an upstream to link projects from.'
        }
        action={
          mayAdminister && (
            <ButtonLink variant="primary" href={`/t/${tenant}/admin/providers`}>
              Go to providers
              <SquareArrowOutUpRight aria-hidden />
            </ButtonLink>
          )
        }
      />
    )
  return (
    <EmptyState
      kind="no-data"
      title="No projects yet"
      why={
        mayWork
          ? 'Link your first one: approve it once at the upstream. Then issue short-lived tokens here instead of copying a long-lived one.'
          : 'Nobody has linked a project yet. As an auditor you will see every linked project here.'
      }
      action={mayWork && <LinkProject tenant={tenant} providers={providers} label="Link your first project" />}
      {...(mayWork && { command: connectCommand })}
    />
  )
}
