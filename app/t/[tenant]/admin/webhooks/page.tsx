import { NoRight } from '@/app/_features/guard.tsx'
import { ButtonLink } from '@/app/_ui/button.tsx'
import { Card } from '@/app/_ui/card.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { KeyValue } from '@/app/_ui/key-value.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { StateBadge, type WebhookState } from '@/app/_ui/state-badge.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { peopleNames } from '@/lib/broker/read/people.ts'
import { requireMember } from '@/lib/http/page.ts'
import { type WebhookView, webhookList, webhooksMax } from '@/lib/webhooks/webhooks.ts'
import { TestWebhook } from './test-webhook.tsx'
import { AddWebhook } from './webhook-form.tsx'
import { WebhookMenu } from './webhook-menu.tsx'

export const metadata = { title: 'Webhooks' }

const stateOf = ({ enabled, failingSince }: WebhookView): WebhookState =>
  enabled ? (failingSince ? 'failing' : 'on') : 'off'

const offWords = {
  gone: 'The receiver answered 410 Gone. Switch the webhook on again once the receiver is back.',
  failing: 'Deliveries failed for five days. Switch the webhook on again once the receiver is fixed.',
}

export default async function WebhooksPage({ params }: { params: Promise<{ tenant: string }> }) {
  const { tenant } = await params
  const { ctx, actor, allowed } = await requireMember(tenant, 'administer')
  if (!allowed) return <NoRight title="Webhooks" role={actor.role} who="Owners and admins" />
  const webhooks = await webhookList(ctx, actor)
  const names = await peopleNames(
    ctx,
    actor.tenantId,
    webhooks.map(({ createdBy }) => createdBy),
  )
  const now = ctx.now().toISOString()
  const full = webhooks.length >= webhooksMax
  return (
    <>
      <PageHeader
        title="Webhooks"
        lead="Each webhook gets a message when a connection in this tenant changes or is about to expire. Messages are signed (Standard Webhooks), retried for three days, and never contain a token."
        actions={full ? <p className="text-muted">Limit of five reached.</p> : <AddWebhook tenant={tenant} />}
      />
      {webhooks.length === 0 && (
        <EmptyState
          kind="no-data"
          title="No webhook yet"
          why="Enter an address that accepts POST over https. You then see the signing key once."
          action={<AddWebhook tenant={tenant} />}
        />
      )}
      {webhooks.map((webhook) => (
        <Card
          key={webhook.id}
          heading="h2"
          title={new URL(webhook.url).host}
          aside={
            <>
              <StateBadge kind="webhook" state={stateOf(webhook)} />
              <WebhookMenu
                tenant={tenant}
                webhook={{
                  id: webhook.id,
                  url: webhook.url,
                  host: new URL(webhook.url).host,
                  enabled: webhook.enabled,
                  orphaned: webhook.orphaned,
                }}
              />
            </>
          }
          footer={
            <>
              <TestWebhook tenant={tenant} webhook={{ id: webhook.id, host: new URL(webhook.url).host }} />
              <ButtonLink
                size="sm"
                href={`/t/${tenant}/admin/webhooks/${webhook.id}`}
                aria-label={`Messages to ${new URL(webhook.url).host}`}
              >
                Messages
              </ButtonLink>
            </>
          }
        >
          <KeyValue
            items={[
              { label: 'Address', value: webhook.url, mono: true },
              ...(webhook.orphaned
                ? [{ label: 'Owner', value: 'No longer an admin. Check the address, then take it over in the menu.' }]
                : []),
              ...(webhook.disabledCause ? [{ label: 'Reason', value: offWords[webhook.disabledCause] }] : []),
              { label: 'Last delivered', value: <Moment at={webhook.lastSuccessAt} now={now} none="not yet" /> },
              { label: 'Last failure', value: <Moment at={webhook.lastFailureAt} now={now} none="none" /> },
              ...(webhook.previousUntil && webhook.previousUntil > ctx.now()
                ? [
                    {
                      label: 'Previous key',
                      value: (
                        <>
                          signs as well until it ends <Moment at={webhook.previousUntil} now={now} none="" />
                        </>
                      ),
                    },
                  ]
                : []),
              { label: 'Added by', value: names.get(webhook.createdBy) ?? 'a former member' },
            ]}
          />
        </Card>
      ))}
    </>
  )
}

const Moment = ({ at, now, none }: { at: Date | null; now: string; none: string }) =>
  at ? <Time at={at.toISOString()} now={now} /> : <span className="text-muted">{none}</span>
