import { connectCommand, pickCommand } from '@/app/_features/commands.ts'
import { hrefWith, oneOf, type Query, single } from '@/app/_features/query.ts'
import { TokenTable } from '@/app/_features/token-table.tsx'
import { canIssue, pluralUpTo } from '@/app/_features/words.ts'
import { ButtonLink } from '@/app/_ui/button.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { FilterBar } from '@/app/_ui/filter-bar.tsx'
import { LinkTabs } from '@/app/_ui/link-tabs.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Pager } from '@/app/_ui/pager.tsx'
import { may } from '@/lib/actor.ts'
import { peopleNames } from '@/lib/broker/read/people.ts'
import { type ProjectCard, projectCards, projectNames } from '@/lib/broker/read/project.ts'
import { tokenPage } from '@/lib/broker/read/token.ts'
import { requireMember } from '@/lib/http/page.ts'

export const metadata = { title: 'Tokens' }

const states = ['live', 'ended', 'revoked', 'failed', 'all'] as const
const labels = { live: 'Live', ended: 'Expired', revoked: 'Revoked', failed: 'Failed', all: 'All' }

type Props = { params: Promise<{ tenant: string }>; searchParams: Promise<Query> }

export default async function TokensPage({ params, searchParams }: Props) {
  const { tenant } = await params
  const query = await searchParams
  const { ctx, actor } = await requireMember(tenant)
  const overseer = may(actor, 'oversee')
  const everybody = overseer && single(query.everybody) === '1'
  const state = oneOf(states, single(query.state)) ?? 'live'
  const project = single(query.project)
  const before = single(query.before)
  const filter = { projectId: project, state: state === 'all' ? undefined : state }
  const [page, projects] = await Promise.all([
    tokenPage(ctx, actor, { ...filter, everybody, before }),
    projectNames(ctx, actor),
  ])
  const issuedBy = page.items.map(({ ownerId }) => ownerId)
  const owners = everybody ? await peopleNames(ctx, actor.tenantId, issuedBy) : undefined
  const filtered = Boolean(project || before)
  const isFirst = page.items.length === 0 && !filtered && (state === 'live' || state === 'all') && may(actor, 'work')
  const command = isFirst ? commandFor(await projectCards(ctx, actor), ctx.now()) : undefined
  const path = `/t/${tenant}/tokens`
  const kept = { everybody: everybody ? '1' : undefined, project }
  return (
    <>
      <PageHeader
        title="Tokens"
        lead={
          everybody
            ? 'Tokens that members of this tenant issued. Values are not stored and cannot be shown.'
            : 'Tokens that you issued. Values are not stored and cannot be shown.'
        }
      />
      <LinkTabs
        label="State"
        tabs={states.map((each) => ({
          label: labels[each],
          href: hrefWith(path, { ...kept, state: each === 'live' ? undefined : each }),
          current: each === state,
        }))}
      />
      <FilterBar
        action={path}
        keep={state === 'live' ? {} : { state }}
        fields={[
          {
            name: 'project',
            label: 'Project',
            value: project ?? '',
            options: [
              { value: '', label: 'Any project' },
              ...projects.map(({ id, name }) => ({ value: id, label: name })),
            ],
          },
          ...(overseer
            ? [
                {
                  name: 'everybody',
                  label: 'Owner',
                  value: everybody ? '1' : '',
                  options: [
                    { value: '', label: 'Mine' },
                    { value: '1', label: 'Everyone’s' },
                  ],
                },
              ]
            : []),
        ]}
        summary={pluralUpTo(page, 'token')}
      />
      {page.items.length > 0 ? (
        <TokenTable
          caption={`${labels[state]} tokens`}
          tenant={tenant}
          tokens={page.items}
          now={ctx.now().toISOString()}
          owners={owners}
          viewerId={actor.userId}
          mayWork={may(actor, 'work')}
          mayAdminister={may(actor, 'administer')}
        />
      ) : (
        <NoTokens path={path} tenant={tenant} state={state} filtered={filtered} command={command} />
      )}
      <Pager
        newerHref={before && hrefWith(path, { ...kept, state })}
        newerLabel="Newest"
        olderHref={page.next ? hrefWith(path, { ...kept, state, before: page.next }) : undefined}
      />
    </>
  )
}

/** For the first project that a token can be had for. */
function commandFor(cards: ProjectCard[], now: Date): string {
  const card = cards.find((one) => one.provider.strategy !== null && canIssue(one, now))
  return card ? pickCommand(card.alias) : connectCommand
}

type NoTokensProps = {
  path: string
  tenant: string
  state: (typeof states)[number]
  filtered: boolean
  command: string | undefined
}

function NoTokens({ path, tenant, state, filtered, command }: NoTokensProps) {
  if (filtered || state === 'ended' || state === 'revoked' || state === 'failed')
    return (
      <EmptyState
        kind="no-match"
        title="Nothing matches"
        why={`There is no ${state === 'all' ? '' : `${labels[state].toLowerCase()} `}token with these filters.`}
        action={<ButtonLink href={hrefWith(path, { state: 'all' })}>Show all</ButtonLink>}
      />
    )
  return (
    <EmptyState
      kind="no-data"
      title={state === 'live' ? 'No live token' : 'No token yet'}
      why="A token has one purpose and the rights that you choose, and it expires automatically. Issue one from a linked project."
      action={
        <>
          <ButtonLink variant="primary" href={`/t/${tenant}/projects`}>
            Go to projects
          </ButtonLink>
          {state === 'live' && <ButtonLink href={hrefWith(path, { state: 'all' })}>Show earlier ones</ButtonLink>}
        </>
      }
      {...(command && { command })}
    />
  )
}
