import { grantColumns, grantName, grantRow } from '@/app/_features/grant-table.tsx'
import { NoRight } from '@/app/_features/guard.tsx'
import { hrefWith, oneOf, type Query, single } from '@/app/_features/query.ts'
import { isLive, tokenColumns, tokenName, tokenRow } from '@/app/_features/token-table.tsx'
import { pluralUpTo, projectsName } from '@/app/_features/words.ts'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { FilterBar } from '@/app/_ui/filter-bar.tsx'
import { LinkTabs } from '@/app/_ui/link-tabs.tsx'
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
import { clientPage } from '@/lib/tenancy/clients.ts'
import { connectionColumns, connectionRow } from './connection-row.tsx'
import { RefusalLine } from './refusal-line.tsx'
import { RevocationTable } from './revocation-table.tsx'
import { Unconfirmed } from './unconfirmed.tsx'

export const metadata = { title: 'Revocation' }

const views = ['tokens', 'connections', 'devices', 'unconfirmed'] as const
const tokenStates = ['live', 'ended', 'revoked', 'failed', 'all'] as const
const connectionStates = ['linked', 'degraded', 'uncertain', 'needs_relink', 'frozen', 'revoked', 'all'] as const
const grantStates = ['live', 'frozen', 'over', 'all'] as const
/** In days. */
const ages = ['1', '7', '30', '90'] as const
const uses = ['1', '7', '30', 'unknown'] as const
const daysText = (days: string) => (days === '1' ? 'a day' : `${days} days`)

type Props = { params: Promise<{ tenant: string }>; searchParams: Promise<Query> }

export default async function RevocationPage({ params, searchParams }: Props) {
  const { tenant } = await params
  const { ctx, actor, allowed } = await requireMember(tenant, 'oversee')
  if (!allowed) return <NoRight title="Revocation" role={actor.role} />
  const query = await searchParams
  const view = oneOf(views, single(query.show)) ?? 'tokens'
  const chosen = {
    person: single(query.person),
    project: single(query.project),
    provider: single(query.provider),
    client: single(query.client),
    state: single(query.state),
    age: oneOf(ages, single(query.age)),
    used: oneOf(uses, single(query.used)),
  }
  const now = ctx.now()
  const daysAgo = (days: string) => new Date(+now - Number(days) * 24 * 3_600_000)
  const filter = {
    userId: chosen.person,
    projectId: chosen.project,
    providerId: chosen.provider,
    clientId: chosen.client,
    madeBefore: chosen.age && daysAgo(chosen.age),
    usedBefore: chosen.used === 'unknown' ? chosen.used : chosen.used && daysAgo(chosen.used),
  }
  const before = single(query.before)
  const tokenState = oneOf(tokenStates, chosen.state) ?? 'live'
  const tokenFilter = { ...filter, state: tokenState === 'all' ? undefined : tokenState }
  const connectionState = oneOf(connectionStates, chosen.state) ?? ('standing' as const)
  const connectionFilter = { ...filter, status: connectionState === 'all' ? undefined : connectionState }
  const grantState = oneOf(grantStates, chosen.state) ?? ('standing' as const)
  const grantFilter = { ...filter, state: grantState === 'all' ? undefined : grantState }
  /** As the API takes it. */
  const wireFilter = {
    owner: chosen.person,
    project: chosen.project,
    provider: chosen.provider,
    client: view === 'connections' ? undefined : chosen.client,
    made_before: filter.madeBefore?.toISOString(),
    used_before: filter.usedBefore instanceof Date ? filter.usedBefore.toISOString() : filter.usedBefore,
  }
  const [names, cards, providers, clients, tokens, connections, grants, unconfirmed] = await Promise.all([
    peopleNames(ctx, actor.tenantId),
    projectCards(ctx, actor),
    providerList(ctx, actor),
    clientPage(ctx, actor, {}),
    view === 'tokens' ? tokenPage(ctx, actor, { ...tokenFilter, everybody: true, before }) : null,
    view === 'connections'
      ? connectionPage(ctx, actor, { ...connectionFilter, clientId: undefined, everybody: true, before })
      : null,
    view === 'devices' ? grantPage(ctx, actor, { ...grantFilter, everybody: true, before }) : null,
    unconfirmedRevocations(ctx, actor),
  ])
  const path = `/t/${tenant}/admin/revocation`
  const mayRevoke = may(actor, 'administer')
  const nameOf = (user: string) => names.get(user) ?? 'former member'
  const filtered = Object.values(chosen).some(Boolean) || before !== undefined
  const pick = (name: keyof typeof chosen, unfiltered: string, list: { id: string; name: string }[]) => ({
    name,
    label: unfiltered.replace('Any ', ''),
    value: chosen[name] ?? '',
    options: [{ value: '', label: unfiltered }, ...list.map((each) => ({ value: each.id, label: each.name }))],
  })
  const stateField = {
    name: 'state',
    label: 'State',
    value: chosen.state ?? '',
    options:
      view === 'tokens'
        ? [
            { value: '', label: 'Live' },
            ...tokenStates.slice(1).map((state) => ({
              value: state,
              label: state === 'all' ? 'Any state' : state === 'ended' ? 'expired' : state,
            })),
          ]
        : view === 'devices'
          ? [
              { value: '', label: 'Not ended' },
              ...grantStates.map((state) => ({
                value: state,
                label: { live: 'signed in', frozen: 'frozen', over: 'ended', all: 'Any state' }[state],
              })),
            ]
          : [
              { value: '', label: 'Not revoked' },
              ...connectionStates.map((state) => ({
                value: state,
                label: state === 'all' ? 'Any state' : state === 'needs_relink' ? 'reconnect' : state,
              })),
            ],
  }
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
          keep={view === 'tokens' ? {} : { show: view }}
          fields={[
            pick(
              'person',
              'Any person',
              [...names].map(([id, name]) => ({ id, name })),
            ),
            pick('project', 'Any project', cards),
            pick('provider', 'Any provider', providers),
            ...(view === 'connections' ? [] : [pick('client', 'Any program', clients.items)]),
            pick(
              'age',
              'Any age',
              ages.map((id) => ({ id, name: `Older than ${daysText(id)}` })),
            ),
            pick(
              'used',
              'Any last use',
              uses.map((id) => ({
                id,
                name: id === 'unknown' ? 'No use reported' : `Last used ${daysText(id)} ago or more`,
              })),
            ),
            stateField,
          ]}
          summary={`${tokens ? pluralUpTo(tokens, 'token') : connections ? pluralUpTo(connections, 'connection') : grants ? pluralUpTo(grants, 'device or app') : ''} found`}
        />
      )}
      {tokens && (
        <>
          <RevocationTable
            key="tokens"
            kind="tokens"
            tenant={tenant}
            caption="Issued tokens of the tenant"
            columns={tokenColumns({ owners: names })}
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
            people={Object.fromEntries(names)}
            mayRevoke={mayRevoke}
            empty={
              <NothingHere
                filtered={filtered}
                title="No live token"
                why="Live tokens that members of this tenant issued appear here."
              />
            }
          />
          <Pager
            newerHref={before && hrefWith(path, chosen)}
            newerLabel="Newest"
            olderHref={tokens.next ? hrefWith(path, { ...chosen, before: tokens.next }) : undefined}
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
            columns={connectionColumns}
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
            people={Object.fromEntries(names)}
            mayRevoke={mayRevoke}
            empty={
              <NothingHere
                filtered={filtered}
                title="No connection"
                why="Projects that members of this tenant linked appear here with their owner and health."
              />
            }
          />
          <Pager
            newerHref={before && hrefWith(path, { show: 'connections', ...chosen })}
            newerLabel="Newest"
            olderHref={
              connections.next
                ? hrefWith(path, { show: 'connections', ...chosen, before: connections.next })
                : undefined
            }
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
            columns={grantColumns({ owners: names })}
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
            people={Object.fromEntries(names)}
            mayRevoke={mayRevoke}
            empty={
              <NothingHere
                filtered={filtered}
                title="No device or app"
                why="Programs that members of this tenant let in appear here with what they may do."
              />
            }
          />
          <Pager
            newerHref={before && hrefWith(path, { show: 'devices', ...chosen })}
            newerLabel="Newest"
            olderHref={grants.next ? hrefWith(path, { show: 'devices', ...chosen, before: grants.next }) : undefined}
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

type NothingHereProps = { filtered: boolean; title: string; why: string }

function NothingHere({ filtered, title, why }: NothingHereProps) {
  if (filtered)
    return (
      <EmptyState
        kind="no-match"
        title="Nothing matches"
        why="Nothing matches these filters. Clear them to see everything."
      />
    )
  return <EmptyState kind="no-data" title={title} why={why} />
}
