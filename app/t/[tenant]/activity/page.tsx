import { hrefWith, type Query, single } from '@/app/_features/query.ts'
import { eventWords } from '@/app/_features/words.ts'
import { DataTable } from '@/app/_ui/data-table.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { Name } from '@/app/_ui/name.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Pager } from '@/app/_ui/pager.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { may } from '@/lib/actor.ts'
import { type ChainState, chainState } from '@/lib/audit/heads.ts'
import { type AuditView, activity } from '@/lib/audit/list.ts'
import { peopleNames } from '@/lib/broker/read/people.ts'
import { requireMember } from '@/lib/http/page.ts'
import { EventDetails } from './event-details.tsx'
import { ExportButton } from './export-button.tsx'
import { OutcomeWord } from './outcome-word.tsx'

export const metadata = { title: 'Activity' }

type Props = { params: Promise<{ tenant: string }>; searchParams: Promise<Query> }

export default async function ActivityPage({ params, searchParams }: Props) {
  const { tenant } = await params
  const before = single((await searchParams).before)
  const { ctx, actor } = await requireMember(tenant)
  const oversees = may(actor, 'oversee')
  const [page, names, chain] = await Promise.all([
    activity(ctx, actor, { before }),
    peopleNames(ctx, actor.tenantId),
    oversees ? chainState(ctx, actor.tenantId) : null,
  ])
  const now = ctx.now().toISOString()
  const path = `/t/${tenant}/activity`
  const whoOf = (event: AuditView) =>
    event.actorId === null ? 'Valetkey' : (names.get(event.actorId) ?? 'a former member')
  return (
    <>
      <PageHeader
        title="Activity"
        lead={
          oversees
            ? 'What happened in this tenant, newest first. Entries are never changed or deleted.'
            : 'What you did in this tenant, newest first. Entries are never changed or deleted.'
        }
        actions={chain && <ExportButton tenant={tenant} />}
      />
      {chain && <ChainLine chain={chain} now={now} />}
      {page.items.length > 0 ? (
        <DataTable
          caption="Activity"
          columns={[
            { key: 'what', header: 'What' },
            { key: 'who', header: 'Who', width: 'w-48', fold: true },
            { key: 'when', header: 'When', width: 'w-28' },
            { key: 'outcome', header: 'Outcome', width: 'w-28' },
            { key: 'from', header: 'IP address', mono: true, width: 'w-40', fold: true },
            { key: 'details', header: 'Details', quiet: true, align: 'end', width: 'w-14' },
          ]}
          rows={page.items.map((event) => {
            const { what, more } = eventWords(event)
            const who = whoOf(event)
            return {
              id: event.id,
              label: what,
              cells: {
                what: (
                  <span className="flex min-w-0 flex-col text-left">
                    <span className="font-semibold">{what}</span>
                    {more && <span className="wrap-anywhere font-normal text-muted">{more}</span>}
                  </span>
                ),
                who: <Name text={who} />,
                when: <Time at={event.at.toISOString()} now={now} hint="hover" />,
                outcome: <OutcomeWord outcome={event.outcome} />,
                from: event.address ?? '–',
                details: <EventDetails event={toDetails(event, what, who)} />,
              },
            }
          })}
        />
      ) : (
        <EmptyState
          kind={before ? 'no-match' : 'no-data'}
          title={before ? 'Nothing older' : 'Nothing has happened yet'}
          why="Each action is recorded here: who did what, to what, and with which outcome."
        />
      )}
      <Pager
        newerHref={before && path}
        newerLabel="Newest"
        olderHref={page.next ? hrefWith(path, { before: page.next }) : undefined}
      />
    </>
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

const toDetails = (event: AuditView, what: string, who: string) => ({
  what,
  who,
  at: event.at.toISOString(),
  action: event.action,
  outcome: event.outcome,
  target: event.target && `${event.target.kind} ${event.target.id}`,
  address: event.address,
  agent: event.agent,
  requestId: event.requestId,
  facts: Object.entries(event.details)
    .filter(([, value]) => value !== null)
    .map(([name, value]): [string, string] => [
      name.replaceAll('_', ' '),
      Array.isArray(value) ? value.join(', ') : String(value),
    ]),
})
