import { NoRight, orNotFound } from '@/app/_features/guard.tsx'
import { hrefWith, type Query, single } from '@/app/_features/query.ts'
import { deliveryWords } from '@/app/_features/words.ts'
import { DataTable } from '@/app/_ui/data-table.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Pager } from '@/app/_ui/pager.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { requireMember } from '@/lib/http/page.ts'
import { type DeliveryView, deliveryPage, webhookList } from '@/lib/webhooks/webhooks.ts'
import { SendAgain } from './send-again.tsx'

export const metadata = { title: 'Webhook messages' }

type Props = { params: Promise<{ tenant: string; webhook: string }>; searchParams: Promise<Query> }

export default async function MessagesPage({ params, searchParams }: Props) {
  const { tenant, webhook: webhookId } = await params
  const before = single((await searchParams).before)
  const { ctx, actor, allowed } = await requireMember(tenant, 'administer')
  if (!allowed) return <NoRight title="Webhook messages" role={actor.role} who="Owners and admins" />
  const page = await orNotFound(deliveryPage(ctx, actor, { webhookId, before }))
  const webhook = (await webhookList(ctx, actor)).find(({ id }) => id === webhookId)
  const now = ctx.now().toISOString()
  const path = `/t/${tenant}/admin/webhooks/${webhookId}`
  return (
    <>
      <PageHeader
        title={webhook ? `Messages to ${new URL(webhook.url).host}` : 'Messages'}
        trail={[{ label: 'Webhooks', href: `/t/${tenant}/admin/webhooks` }]}
        lead="Newest first, kept for 30 days. A message can arrive more than once, always with the same id."
      />
      {page.items.length > 0 ? (
        <DataTable
          caption="Messages"
          columns={[
            { key: 'kind', header: 'Event' },
            { key: 'state', header: 'State', width: 'w-32' },
            { key: 'how', header: 'Last try' },
            { key: 'tries', header: 'Tries', align: 'end', width: 'w-16', fold: true },
            { key: 'made', header: 'Created', width: 'w-28', fold: true },
            { key: 'acts', header: 'Actions', quiet: true, align: 'end', width: 'w-32' },
          ]}
          rows={page.items.map((message) => ({
            id: message.id,
            label: `${message.kind} ${message.id}`,
            cells: {
              kind: (
                <span className="flex min-w-0 flex-col">
                  <span className="font-semibold">{message.kind}</span>
                  <code className="wrap-anywhere font-mono font-normal text-[13px] text-muted">{message.id}</code>
                </span>
              ),
              state: <StateBadge kind="delivery" state={message.state} />,
              how: <LastTry message={message} now={now} />,
              tries: message.tries,
              made: <Time at={message.createdAt.toISOString()} now={now} hint="hover" />,
              acts: message.kind !== 'webhook.test' && webhook?.enabled && (
                <SendAgain tenant={tenant} webhook={webhookId} message={{ id: message.id, kind: message.kind }} />
              ),
            },
          }))}
        />
      ) : (
        <EmptyState
          kind={before ? 'no-match' : 'no-data'}
          title={before ? 'Nothing older' : 'No message yet'}
          why="Each notification of the tenant sends one message. Send a test to check that the receiver works."
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

function LastTry({ message, now }: { message: DeliveryView; now: string }) {
  const { state, lastError, lastStatus, nextTryAt } = message
  if (state === 'delivered') return `The receiver answered ${lastStatus}.`
  return (
    <span className="flex flex-col">
      <span>{lastError ? deliveryWords(lastError) : 'Not tried yet.'}</span>
      {nextTryAt && (
        <span className="text-muted">
          Next try <Time at={nextTryAt.toISOString()} now={now} hint="hover" />
        </span>
      )}
    </span>
  )
}
