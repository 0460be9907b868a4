import Link from 'next/link'
import { grantColumns, grantName, grantRow } from '@/app/_features/grant-table.tsx'
import { NoRight } from '@/app/_features/guard.tsx'
import { PersonLink } from '@/app/_features/person-link.tsx'
import { hrefWith, oneOf, type Query, single } from '@/app/_features/query.ts'
import { isLive, tokenColumns, tokenName, tokenRow } from '@/app/_features/token-table.tsx'
import { pluralUpTo, projectsName } from '@/app/_features/words.ts'
import type { Column } from '@/app/_ui/data-table.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { FilterBar } from '@/app/_ui/filter-bar.tsx'
import { LinkTabs } from '@/app/_ui/link-tabs.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Pager } from '@/app/_ui/pager.tsx'
import { may } from '@/lib/actor.ts'
import { providerList } from '@/lib/broker/providers.ts'
import { connectionPage } from '@/lib/broker/read/connection.ts'
import { grantPage } from '@/lib/broker/read/grants.ts'
import type { Total } from '@/lib/broker/read/page.ts'
import { peopleNames } from '@/lib/broker/read/people.ts'
import { projectCards } from '@/lib/broker/read/project.ts'
import { unconfirmedLimit, unconfirmedRevocations } from '@/lib/broker/read/revocation.ts'
import { tokenPage } from '@/lib/broker/read/token.ts'
import { requireMember } from '@/lib/http/page.ts'
import { kinds } from '@/lib/providers/index.ts'
import { clientPage } from '@/lib/tenancy/clients.ts'
import { connectionColumns, connectionRow } from './connection-row.tsx'
import {
  chosenIn,
  connectionStates,
  fieldsOf,
  filterOf,
  grantStates,
  isSearchable,
  isSecret,
  isSortable,
  tokenStates,
  type View,
  views,
  wireOf,
} from './filters.ts'
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
  const filter = filterOf(view, chosen, now)
  const before = single(query.before)
  const tokenState = oneOf(tokenStates, chosen.state) ?? 'live'
  const connectionState = oneOf(connectionStates, chosen.state) ?? ('standing' as const)
  const grantState = oneOf(grantStates, chosen.state) ?? ('standing' as const)
  const whole = { ...filter, everybody: true, order: chosen.sort, before }
  const shows = (one: View) => view === one && isSearchable(chosen)
  const [cards, providers, clients, tokens, connections, grants, unconfirmed] = await Promise.all([
    projectCards(ctx, actor),
    providerList(ctx, actor),
    clientPage(ctx, actor, {}),
    shows('tokens')
      ? tokenPage(ctx, actor, {
          ...whole,
          strategy: chosen.strategy,
          state: tokenState === 'all' ? undefined : tokenState,
        })
      : null,
    shows('connections')
      ? connectionPage(ctx, actor, { ...whole, status: connectionState === 'all' ? undefined : connectionState })
      : null,
    shows('devices')
      ? grantPage(ctx, actor, {
          ...whole,
          program: oneOf(['device', 'app'], chosen.kind),
          state: grantState === 'all' ? undefined : grantState,
        })
      : null,
    unconfirmedRevocations(ctx, actor),
  ])
  const shown = [...(tokens?.items ?? []), ...(connections?.items ?? []), ...(grants?.items ?? []), ...unconfirmed]
  const owners = [chosen.person, ...shown.map(({ ownerId }) => ownerId)].filter((id) => typeof id === 'string')
  const names = await peopleNames(ctx, actor.tenantId, owners)
  const path = `/t/${tenant}/admin/revocation`
  const kept = { show: view === 'tokens' ? undefined : view, ...chosen }
  const wireFilter = wireOf(filter, chosen, view)
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
            ? 'All issued tokens, connections, devices and apps of this tenant. Revoke and disconnect them here. Values are never shown.'
            : 'All issued tokens, connections, devices and apps of this tenant. As an auditor you can see them but not revoke them.'
        }
      />
      <RefusalLine ctx={ctx} actor={actor} />
      <LinkTabs
        label="What to show"
        tabs={[
          { label: 'Issued tokens', href: path, current: view === 'tokens' },
          { label: 'Connections', href: hrefWith(path, { show: 'connections' }), current: view === 'connections' },
          { label: 'Devices and apps', href: hrefWith(path, { show: 'devices' }), current: view === 'devices' },
          {
            label: 'Unconfirmed',
            href: hrefWith(path, { show: 'unconfirmed' }),
            current: view === 'unconfirmed',
            count: unconfirmed.length < unconfirmedLimit ? unconfirmed.length : `${unconfirmedLimit}+`,
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
            projects: cards,
            providers,
            clients: clients.items,
            kinds: [...kinds.values()]
              .filter(({ name }) => providers.some(({ kind }) => kind === name))
              .map(({ name, title }) => ({ id: name, name: `${title[0]?.toUpperCase()}${title.slice(1)}` })),
          })}
          summary={`${tokens ? pluralUpTo(tokens, 'token') : connections ? pluralUpTo(connections, 'connection') : grants ? pluralUpTo(grants, 'device or app') : 'Nothing'} found`}
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
      {tokens && (
        <>
          <RevocationTable
            key="tokens"
            kind="tokens"
            tenant={tenant}
            caption="Issued tokens of the tenant"
            columns={sorted(tokenColumns({ owners: names }))}
            rows={tokens.items.map((token) => ({
              ...tokenRow({ tenant, now: now.toISOString(), owners: names }, token),
              fixed: !isLive(token),
            }))}
            facts={tokens.items.map((token) => ({
              id: token.id,
              name: `${tokenName(token)} · ${token.project.name}`,
              owner: nameOf(token.ownerId),
            }))}
            match={
              tokenState === 'live' ? { ...totalOf(tokens), filter: { kind: 'tokens', ...wireFilter } } : undefined
            }
            mayRevoke={mayRevoke}
            now={now.toISOString()}
            empty={
              <NothingHere
                filtered={filtered}
                title="No live token"
                why="Live tokens that members of this tenant issued appear here."
              />
            }
          />
          <Pager
            newerHref={before && hrefWith(path, kept)}
            newerLabel="First page"
            olderHref={tokens.next ? hrefWith(path, { ...kept, before: tokens.next }) : undefined}
          />
        </>
      )}
      {connections && (
        <>
          <RevocationTable
            key="connections"
            kind="connections"
            tenant={tenant}
            caption="Connections of the tenant"
            columns={sorted(connectionColumns)}
            rows={connections.items.map((connection) =>
              connectionRow(
                { tenant, now: now.toISOString(), owner: nameOf(connection.ownerId), mayFreeze: mayRevoke },
                connection,
              ),
            )}
            facts={connections.items.map((connection) => ({
              id: connection.id,
              name: `${projectsName(connection)} · ${connection.accountName}`,
              owner: nameOf(connection.ownerId),
            }))}
            match={
              connectionState === 'all' || connectionState === 'revoked'
                ? undefined
                : {
                    ...totalOf(connections),
                    filter: {
                      kind: 'connections',
                      ...(connectionState !== 'standing' && { status: connectionState }),
                      ...wireFilter,
                    },
                  }
            }
            mayRevoke={mayRevoke}
            now={now.toISOString()}
            empty={
              <NothingHere
                filtered={filtered}
                title="No connection"
                why="Projects that members of this tenant linked appear here with their owner and health."
              />
            }
          />
          <Pager
            newerHref={before && hrefWith(path, kept)}
            newerLabel="First page"
            olderHref={connections.next ? hrefWith(path, { ...kept, before: connections.next }) : undefined}
          />
        </>
      )}
      {grants && (
        <>
          <RevocationTable
            key="grants"
            kind="grants"
            tenant={tenant}
            caption="Devices and apps of the tenant"
            columns={sorted(grantColumns({ owners: names }))}
            rows={grants.items.map((grant) => grantRow({ tenant, now: now.toISOString(), owners: names }, grant))}
            facts={grants.items.map((grant) => ({
              id: grant.id,
              name: grantName(grant),
              owner: nameOf(grant.ownerId),
            }))}
            match={
              grantState === 'standing' || grantState === 'frozen'
                ? {
                    ...totalOf(grants),
                    filter: { kind: 'grants', ...(grantState === 'frozen' && { status: grantState }), ...wireFilter },
                  }
                : undefined
            }
            mayRevoke={mayRevoke}
            now={now.toISOString()}
            empty={
              <NothingHere
                filtered={filtered}
                title="No device or app"
                why="Programs that members of this tenant let in appear here with what they may do."
              />
            }
          />
          <Pager
            newerHref={before && hrefWith(path, kept)}
            newerLabel="First page"
            olderHref={grants.next ? hrefWith(path, { ...kept, before: grants.next }) : undefined}
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

const totalOf = ({ total, totalIsCapped }: Total) => ({ total, totalIsCapped })

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

type NothingHereProps = { filtered: boolean; title: string; why: string }

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
