import { hrefWith, oneOf, type Query, single } from '@/app/_features/query.ts'
import { DataTable } from '@/app/_ui/data-table.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { FilterBar } from '@/app/_ui/filter-bar.tsx'
import Link from '@/app/_ui/link.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Pager } from '@/app/_ui/pager.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { may } from '@/lib/actor.ts'
import { nouns, toEventFilter } from '@/lib/audit/filter.ts'
import { type ChainState, chainState } from '@/lib/audit/heads.ts'
import { type AuditView, activityLines } from '@/lib/audit/list.ts'
import { fewPeople, peopleNames, personCalled } from '@/lib/broker/read/people.ts'
import { projectNames } from '@/lib/broker/read/project.ts'
import { requireMember } from '@/lib/http/page.ts'
import { eventQuery } from '@/lib/http/wire/audit-events.ts'
import { actWords } from './act-words.ts'
import { EventDetails } from './event-details.tsx'
import { ExportButton, type WireFilter } from './export-button.tsx'
import { OutcomeWord } from './outcome-word.tsx'
import { type Searched, search } from './search.ts'

export const metadata = { title: 'Activity' }

const outcomes = ['ok', 'refused', 'failed'] as const
/** In hours. */
const ages = ['1', '24', '168', '720'] as const
const ageWords = { '1': 'Last hour', '24': 'Last 24 hours', '168': 'Last 7 days', '720': 'Last 30 days' }
const nounWords: Record<string, string> = {
  signin: 'sign-in',
  keys: 'encryption keys',
  signing: 'signing keys',
  audit: 'activity',
  secret: 'root secret',
  access: 'reads and refusals',
}
/** From more people than this on nobody picks one from a list: the search box finds them by name. */
const mostToPick = 200
/** What comes in by a link or by the search box, and is shown as such. */
const linked = ['address', 'client', 'fingerprint', 'request', 'about', 'from', 'until'] as const

type Props = { params: Promise<{ tenant: string }>; searchParams: Promise<Query> }

export default async function ActivityPage({ params, searchParams }: Props) {
  const { tenant } = await params
  const { ctx, actor } = await requireMember(tenant)
  const oversees = may(actor, 'oversee')
  const query = await searchParams
  const q = single(query.q)
  const [few, projects, chain, searched] = await Promise.all([
    oversees ? fewPeople(ctx, actor.tenantId, mostToPick) : undefined,
    projectNames(ctx, actor),
    oversees ? chainState(ctx, actor.tenantId) : null,
    q === undefined ? undefined : search(q, (name) => personCalled(ctx, actor.tenantId, name)),
  ])
  const found = searched?.kind === 'filter' ? { [searched.name]: searched.value } : {}
  const age = oneOf(ages, single(query.since))
  const now = ctx.now()
  const given = Object.fromEntries(
    (['person', 'project', 'action', 'outcome', ...linked] as const).flatMap((name) => {
      const value = single(query[name])
      return value === undefined ? [] : [[name, value]]
    }),
  )
  const since = age && { from: new Date(Math.floor((+now - Number(age) * 3_600_000) / 60_000) * 60_000).toISOString() }
  const before = single(query.before)
  const wire: Record<string, string> = { ...given, ...since, ...found }
  // As the API takes it: what it would refuse matches nothing here.
  const parsed = eventQuery.safeParse({ ...wire, ...(before && { before }) })
  const misses = searched !== undefined && searched.kind !== 'filter'
  const page =
    parsed.success && !misses
      ? await activityLines(ctx, actor, { ...toEventFilter(withoutBefore(parsed.data)), before: parsed.data.before })
      : { items: [], next: null }
  const path = `/t/${tenant}/activity`
  const names =
    few ??
    (await peopleNames(ctx, actor.tenantId, [
      wire.person,
      ...page.items.flatMap(({ event, owner }) => [event.actorId, owner]),
    ]))
  // What no field of the bar shows.
  const beside = few ? linked : ([...linked, 'person'] as const)
  const kept = { ...given, ...(q && { q }), ...(age && { since: age }) }
  const filtered = Object.keys(kept).length > 0
  const nameOf = (id: string) => names.get(id) ?? 'a former member'
  const whoOf = (event: AuditView) => (event.actorId === null ? 'Valetkey' : nameOf(event.actorId))
  const pick = (name: string, unfiltered: string, options: { value: string; label: string }[]) => ({
    name,
    label: unfiltered.replace('Any ', ''),
    value: String((name === 'since' ? age : wire[name]) ?? ''),
    options: [{ value: '', label: unfiltered }, ...options],
  })
  return (
    <>
      <PageHeader
        title="Activity"
        lead={
          oversees
            ? 'What happened in this tenant, newest first. Entries are never changed or deleted.'
            : 'What you did in this tenant, newest first. Entries are never changed or deleted.'
        }
        actions={<ExportButton tenant={tenant} filter={wire as WireFilter} chain={oversees} />}
      />
      {chain && <ChainLine chain={chain} now={now.toISOString()} />}
      <FilterBar
        action={path}
        keep={Object.fromEntries(beside.flatMap((name) => (given[name] ? [[name, given[name]]] : [])))}
        search={{ name: 'q', label: 'Person, id, fingerprint, IP address', value: q ?? '' }}
        fields={[
          ...(few
            ? [
                pick(
                  'person',
                  'Any person',
                  [...few].map(([value, label]) => ({ value, label })),
                ),
              ]
            : []),
          pick(
            'project',
            'Any project',
            projects.map(({ id, name }) => ({ value: id, label: name })),
          ),
          pick('action', 'Any action', [
            ...nouns.map((noun) => ({ value: noun, label: nounWords[noun] ?? noun.replaceAll('_', ' ') })),
            ...(given.action?.includes('.') ? [{ value: given.action, label: given.action }] : []),
          ]),
          pick(
            'outcome',
            'Any outcome',
            outcomes.map((one) => ({ value: one, label: one === 'ok' ? 'done' : one })),
          ),
          pick(
            'since',
            'Any time',
            ages.map((one) => ({ value: one, label: ageWords[one] })),
          ),
        ]}
      />
      <Linked names={beside} path={path} kept={kept} searched={searched} nameOf={nameOf} />
      {page.items.length > 0 ? (
        <DataTable
          caption="Activity"
          now={now.toISOString()}
          columns={[
            { key: 'what', header: 'What' },
            { key: 'who', header: 'Who', width: 'w-48', fold: true },
            { key: 'when', header: 'When', width: 'w-28' },
            { key: 'outcome', header: 'Outcome', width: 'w-28' },
            { key: 'from', header: 'IP address', mono: true, width: 'w-40', fold: true },
            { key: 'details', header: 'Details', quiet: true, align: 'end', width: 'w-14' },
          ]}
          rows={page.items.map((line) => {
            const { event } = line
            const { what, more } = actWords(line, nameOf)
            return {
              id: event.id,
              label: what,
              cells: {
                what: (
                  <span className="flex min-w-0 flex-col text-left">
                    <span className="wrap-anywhere font-semibold">{what}</span>
                    {more && <span className="wrap-anywhere font-normal text-muted">{more}</span>}
                  </span>
                ),
                who: { says: 'name', text: whoOf(event) },
                when: { says: 'time', at: event.at.toISOString() },
                outcome: <OutcomeWord outcome={event.outcome} />,
                from: event.address ?? '–',
                details: <EventDetails tenant={tenant} id={event.id} what={what} oversees={oversees} />,
              },
            }
          })}
        />
      ) : (
        <EmptyState
          kind={filtered || before ? 'no-match' : 'no-data'}
          title={filtered ? 'Nothing matches' : before ? 'Nothing older' : 'Nothing has happened yet'}
          why={
            filtered
              ? 'No entry has all of what the filter asks for. Take a part of it away.'
              : 'Each action is recorded here: who did what, to what, and with which outcome.'
          }
        />
      )}
      <Pager
        newerHref={before && hrefWith(path, kept)}
        newerLabel="Newest"
        olderHref={page.next ? hrefWith(path, { ...kept, before: page.next }) : undefined}
      />
    </>
  )
}

const withoutBefore = <T extends { before?: unknown }>({ before: _, ...rest }: T) => rest

const linkedWords: Record<string, string> = {
  address: 'IP address',
  client: 'Client',
  fingerprint: 'Fingerprint',
  request: 'Request',
  about: 'About',
  person: 'Person',
  project: 'Project',
  from: 'From',
  until: 'Before',
}

/** Filters that no field of the bar shows, each with a way out; and what the search box was taken for. */
function Linked({
  names,
  path,
  kept,
  searched,
  nameOf,
}: {
  names: readonly string[]
  path: string
  kept: Record<string, string>
  searched: Searched | undefined
  nameOf: (id: string) => string
}) {
  if (searched?.kind === 'token')
    return (
      <Notice
        tone="attention"
        title="This looks like a token"
        meaning="It was not searched for, but it is in the address of this page now, and so in the history of your browser."
        next={
          <Link className="underline underline-offset-4" href={path.replace('/activity', '/admin/leaks')}>
            Look it up at the leak desk, and revoke it
          </Link>
        }
      />
    )
  if (searched?.kind === 'nothing')
    return (
      <Notice
        title="Nothing is called that"
        meaning="Search for a member by name, or for an id, a fingerprint, an IP address or a request, each as a whole."
      />
    )
  const shown = [
    ...names.flatMap((name) => (kept[name] ? [{ name, value: kept[name], drop: name }] : [])),
    ...(searched ? [{ name: searched.name, value: searched.value, drop: 'q' }] : []),
  ]
  if (shown.length === 0) return null
  return (
    <ul className="flex flex-wrap gap-x-4 gap-y-1 text-muted">
      {shown.map(({ name, value, drop }) => (
        <li key={drop} className="wrap-anywhere">
          {linkedWords[name]}:{' '}
          <span className="font-mono text-[13px]">{name === 'person' ? nameOf(value) : value}</span>{' '}
          <Link className="underline underline-offset-4" href={hrefWith(path, { ...kept, [drop]: undefined })}>
            Remove<span className="sr-only"> this filter</span>
          </Link>
        </li>
      ))}
    </ul>
  )
}

/** How far the chain of events reaches, and who vouches for it. */
function ChainLine({ chain, now }: { chain: ChainState; now: string }) {
  const { sealed, signed } = chain
  return (
    <p className="text-muted">
      {sealed === 0 ? 'No event is in the hash chain yet. ' : `Chained up to event ${sealed}. `}
      {signed ? (
        <>
          Signed up to event {signed.seq}, <Time at={signed.at.toISOString()} now={now} />.
        </>
      ) : (
        'No signature yet.'
      )}
    </p>
  )
}
