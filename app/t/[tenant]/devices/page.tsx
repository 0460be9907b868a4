import { loginCommand } from '@/app/_features/commands.ts'
import { GrantTable } from '@/app/_features/grant-table.tsx'
import { hrefWith, oneOf, type Query, single } from '@/app/_features/query.ts'
import { pluralUpTo } from '@/app/_features/words.ts'
import { ButtonLink } from '@/app/_ui/button.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { FilterBar } from '@/app/_ui/filter-bar.tsx'
import { LinkTabs } from '@/app/_ui/link-tabs.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Pager } from '@/app/_ui/pager.tsx'
import { may } from '@/lib/actor.ts'
import { grantPage } from '@/lib/broker/read/grants.ts'
import { peopleNames } from '@/lib/broker/read/people.ts'
import { requireMember } from '@/lib/http/page.ts'

export const metadata = { title: 'Devices and apps' }

const states = ['standing', 'frozen', 'over', 'all'] as const
const labels = { standing: 'Signed in', frozen: 'Frozen', over: 'Ended', all: 'All' }

type Props = { params: Promise<{ tenant: string }>; searchParams: Promise<Query> }

export default async function DevicesPage({ params, searchParams }: Props) {
  const { tenant } = await params
  const query = await searchParams
  const { ctx, actor } = await requireMember(tenant)
  const overseer = may(actor, 'oversee')
  const everybody = overseer && single(query.everybody) === '1'
  const state = oneOf(states, single(query.state)) ?? 'standing'
  const before = single(query.before)
  const page = await grantPage(ctx, actor, { state: state === 'all' ? undefined : state, everybody, before })
  const given = page.items.map(({ ownerId }) => ownerId)
  const owners = everybody ? await peopleNames(ctx, actor.tenantId, given) : undefined
  const path = `/t/${tenant}/devices`
  const kept = { everybody: everybody ? '1' : undefined }
  return (
    <>
      <PageHeader
        title="Devices and apps"
        lead={
          everybody
            ? 'Programs that members of this tenant let in, and what each of them may do.'
            : 'Programs that you let in. Each may do what you allowed it, until it ends or you revoke it.'
        }
      />
      <LinkTabs
        label="State"
        tabs={states.map((each) => ({
          label: labels[each],
          href: hrefWith(path, { ...kept, state: each === 'standing' ? undefined : each }),
          current: each === state,
        }))}
      />
      {overseer && (
        <FilterBar
          action={path}
          keep={state === 'standing' ? {} : { state }}
          fields={[
            {
              name: 'everybody',
              label: 'Owner',
              value: everybody ? '1' : '',
              options: [
                { value: '', label: 'Mine' },
                { value: '1', label: 'Everyone’s' },
              ],
            },
          ]}
          summary={pluralUpTo(page, 'device or app')}
        />
      )}
      {page.items.length > 0 ? (
        <GrantTable
          caption={`Devices and apps: ${labels[state].toLowerCase()}`}
          tenant={tenant}
          grants={page.items}
          now={ctx.now().toISOString()}
          owners={owners}
          viewerId={actor.userId}
          mayWork={may(actor, 'work')}
          mayAdminister={may(actor, 'administer')}
        />
      ) : (
        <NoGrants path={path} state={state} server={ctx.config.origin} />
      )}
      <Pager
        newerHref={before && hrefWith(path, { ...kept, state })}
        newerLabel="Newest"
        olderHref={page.next ? hrefWith(path, { ...kept, state, before: page.next }) : undefined}
      />
    </>
  )
}

type NoGrantsProps = { path: string; state: (typeof states)[number]; server: string }

function NoGrants({ path, state, server }: NoGrantsProps) {
  if (state === 'frozen' || state === 'over')
    return (
      <EmptyState
        kind="no-match"
        title="Nothing matches"
        why={`No device or app is ${state === 'over' ? 'ended' : 'frozen'}.`}
        action={<ButtonLink href={hrefWith(path, { state: 'all' })}>Show all</ButtonLink>}
      />
    )
  return (
    <EmptyState
      kind="no-data"
      title="No device or app"
      why="When you sign in from a terminal, or let an app act for you, it appears here with what it may do. You can revoke it at any time."
      action={
        state === 'standing' && <ButtonLink href={hrefWith(path, { state: 'all' })}>Show earlier ones</ButtonLink>
      }
      command={loginCommand(server)}
    />
  )
}
