import type { ReactNode } from 'react'
import { NoRight } from '@/app/_features/guard.tsx'
import { PersonLink } from '@/app/_features/person-link.tsx'
import { hrefWith, oneOf, type Query, single } from '@/app/_features/query.ts'
import { pluralUpTo } from '@/app/_features/words.ts'
import type { Column } from '@/app/_ui/data-table.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { FilterBar } from '@/app/_ui/filter-bar.tsx'
import Link from '@/app/_ui/link.tsx'
import { LinkTabs } from '@/app/_ui/link-tabs.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Pager } from '@/app/_ui/pager.tsx'
import { may } from '@/lib/actor.ts'
import { choicesOf } from '@/lib/broker/read/choices.ts'
import { peopleNames } from '@/lib/broker/read/people.ts'
import { unconfirmedCount, unconfirmedLimit, unconfirmedRevocations } from '@/lib/broker/read/revocation.ts'
import { requireMember } from '@/lib/http/page.ts'
import { kinds } from '@/lib/providers/index.ts'
import { chosenIn, fieldsOf, isSearchable, isSecret, isSortable, views } from './filters.ts'
import { lists } from './lists.tsx'
import { RefusalLine } from './refusal-line.tsx'
import { RevocationTable } from './revocation-table.tsx'
import { Unconfirmed } from './unconfirmed.tsx'

export const metadata = { title: 'Revocation' }

type Props = { params: Promise<{ tenant: string }>; searchParams: Promise<Query> }

export default async function RevocationPage({ params, searchParams }: Props) {
  const { tenant } = await params
  const { ctx, actor, allowed } = await requireMember(tenant, 'oversee')
  if (!allowed) return <NoRight title="Revocation" role={actor.role} />
  const query = await searchParams
  const view = oneOf(views, single(query.show)) ?? 'tokens'
  const chosen = chosenIn(view, query)
  const now = ctx.now()
  const before = single(query.before)
  const read = view !== 'unconfirmed' && isSearchable(chosen) ? lists[view] : undefined
  const [choices, list, unconfirmed, waiting] = await Promise.all([
    choicesOf(ctx, actor),
    read?.({ ctx, actor, tenant, chosen, before, now }),
    view === 'unconfirmed' ? unconfirmedRevocations(ctx, actor) : [],
    unconfirmedCount(ctx, actor),
  ])
  const owners = [chosen.person, ...(list?.owners ?? []), ...unconfirmed.map(({ ownerId }) => ownerId)]
  const names = await peopleNames(ctx, actor.tenantId, owners)
  const path = `/t/${tenant}/admin/revocation`
  const kept = { show: view === 'tokens' ? undefined : view, ...chosen }
  const mayRevoke = may(actor, 'administer')
  const sorted = (columns: Column[]) =>
    isSortable(view, chosen.state)
      ? withOrders(columns, chosen.sort, (sort) => hrefWith(path, { ...kept, sort }))
      : columns
  const nameOf = (user: string) => names.get(user) ?? 'former member'
  const filtered = Object.values(chosen).some(Boolean) || before !== undefined
  return (
    <>
      <PageHeader
        title="Revocation"
        lead={
          mayRevoke
            ? 'Everything in this tenant that gives access: tokens, connections, devices and apps, sessions, open requests. End it here. Values are never shown.'
            : 'Everything in this tenant that gives access: tokens, connections, devices and apps, sessions, open requests. As an auditor you can see it but not end it.'
        }
      />
      <RefusalLine ctx={ctx} actor={actor} />
      <LinkTabs
        label="What to show"
        tabs={[
          { label: 'Issued tokens', href: path, current: view === 'tokens' },
          { label: 'Connections', href: hrefWith(path, { show: 'connections' }), current: view === 'connections' },
          { label: 'Devices and apps', href: hrefWith(path, { show: 'devices' }), current: view === 'devices' },
          { label: 'Sessions', href: hrefWith(path, { show: 'sessions' }), current: view === 'sessions' },
          { label: 'Requests', href: hrefWith(path, { show: 'requests' }), current: view === 'requests' },
          {
            label: 'Unconfirmed',
            href: hrefWith(path, { show: 'unconfirmed' }),
            current: view === 'unconfirmed',
            count: waiting < unconfirmedLimit ? waiting : `${unconfirmedLimit}+`,
          },
        ]}
      />
      {view !== 'unconfirmed' && (
        <FilterBar
          action={path}
          keep={{ ...(kept.show && { show: kept.show }), ...(chosen.person && { person: chosen.person }) }}
          clears={kept.show ? { show: kept.show } : {}}
          search={{ name: 'q', label: searchLabels[view], value: chosen.q ?? '' }}
          fields={fieldsOf(view, chosen, {
            ...choices,
            kinds: [...kinds.values()]
              .filter(({ name }) => choices.providers.some(({ kind }) => kind === name))
              .map(({ name, title }) => ({ id: name, name: `${title[0]?.toUpperCase()}${title.slice(1)}` })),
          })}
          summary={`${list ? pluralUpTo(list.total, list.noun) : 'Nothing'} found`}
        />
      )}
      {view !== 'unconfirmed' && chosen.person && (
        <p className="text-muted">
          Person: <PersonLink tenant={tenant} id={chosen.person} name={names.get(chosen.person)} />{' '}
          <Link
            className="rounded-sm underline underline-offset-4"
            href={hrefWith(path, { ...kept, person: undefined })}
          >
            Remove<span className="sr-only"> this filter</span>
          </Link>
        </p>
      )}
      {view !== 'unconfirmed' &&
        !isSearchable(chosen) &&
        (isSecret(chosen) ? <LooksLikeToken tenant={tenant} /> : <NothingHere filtered title="" why="" />)}
      {list && (
        <>
          <RevocationTable
            key={list.kind}
            kind={list.kind}
            tenant={tenant}
            caption={list.caption}
            columns={sorted(list.columns)}
            rows={list.rows(names)}
            facts={list.facts(names)}
            match={list.match}
            mayRevoke={mayRevoke}
            now={now.toISOString()}
            empty={<NothingHere filtered={filtered} {...list.empty} />}
          />
          <Pager
            newerHref={before && hrefWith(path, kept)}
            newerLabel="First page"
            olderHref={list.next ? hrefWith(path, { ...kept, before: list.next }) : undefined}
          />
        </>
      )}
      {view === 'unconfirmed' && (
        <Unconfirmed
          tenant={tenant}
          now={now.toISOString()}
          mayRetry={mayRevoke}
          items={unconfirmed.map((item) => ({
            id: item.id,
            kind: item.kind,
            tokenId: item.tokenId,
            fingerprint: item.fingerprint,
            connectionId: item.connectionId,
            owner: item.ownerId ? nameOf(item.ownerId) : 'former member',
            project: item.project,
            state: item.state,
            tries: item.tries,
            lastError: item.lastError,
            nextTryAt: item.nextTryAt?.toISOString() ?? null,
            createdAt: item.createdAt.toISOString(),
            latestMoment: item.latestMoment?.toISOString() ?? null,
          }))}
        />
      )}
    </>
  )
}

/** Columns by which a list is sorted, each in the one direction that an admin asks for. */
const orderOf: Record<string, 'newest' | 'ends' | 'used'> = {
  made: 'newest',
  linked: 'newest',
  ends: 'ends',
  used: 'used',
}

const withOrders = (
  columns: Column[],
  current: 'ends' | 'used' | undefined,
  hrefOf: (sort: 'ends' | 'used' | undefined) => string,
): Column[] =>
  columns.map((column) => {
    const by = orderOf[column.key]
    if (!by) return column
    const isCurrent = by === (current ?? 'newest')
    return {
      ...column,
      sort: {
        href: hrefOf(by === 'newest' ? undefined : by),
        order: isCurrent ? (by === 'ends' ? 'ascending' : 'descending') : undefined,
      },
    }
  })

const searchLabels = {
  tokens: 'Purpose, fingerprint, id, person',
  connections: 'Account, id, person',
  devices: 'Program, IP address, id, person',
  sessions: 'Person, browser, id',
  requests: 'Person, program, IP address, id',
}

/** A secret in the search box is in the address by then. */
const LooksLikeToken = ({ tenant }: { tenant: string }) => (
  <Notice
    tone="attention"
    title="This looks like a token"
    meaning="It was not searched for, but it is in the address of this page now, and so in the history of your browser."
    next={
      <Link className="underline underline-offset-4" href={`/t/${tenant}/admin/leaks`}>
        Look it up at the leak desk, and revoke it
      </Link>
    }
  />
)

type NothingHereProps = { filtered: boolean; title: string; why: ReactNode }

function NothingHere({ filtered, title, why }: NothingHereProps) {
  if (filtered)
    return (
      <EmptyState
        kind="no-match"
        title="Nothing matches"
        why="Nothing matches these filters. A purpose and the name of an account are found by how they begin. Clear the filters to see everything."
      />
    )
  return <EmptyState kind="no-data" title={title} why={why} />
}
