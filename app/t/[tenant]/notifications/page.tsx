import { notificationWords } from '@/app/_features/notification-words.ts'
import { hrefWith, type Query, single } from '@/app/_features/query.ts'
import { ButtonLink } from '@/app/_ui/button.tsx'
import { DataTable } from '@/app/_ui/data-table.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import Link from '@/app/_ui/link.tsx'
import { LinkTabs } from '@/app/_ui/link-tabs.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Pager } from '@/app/_ui/pager.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { may } from '@/lib/actor.ts'
import { waitingFor } from '@/lib/authserver/waiting.ts'
import { type NotificationView, notificationPage } from '@/lib/broker/notifications.ts'
import { peopleNames } from '@/lib/broker/read/people.ts'
import { answererOf, requireMember } from '@/lib/http/page.ts'
import { MarkAllRead, MarkRead } from './mark-read.tsx'
import { NotificationFace } from './notification-face.tsx'

export const metadata = { title: 'Notifications' }

type Props = { params: Promise<{ tenant: string }>; searchParams: Promise<Query> }

export default async function NotificationsPage({ params, searchParams }: Props) {
  const { tenant } = await params
  const query = await searchParams
  const before = single(query.before)
  const unread = single(query.unread) === '1'
  const { ctx, session, actor } = await requireMember(tenant)
  const [page, waiting] = await Promise.all([
    notificationPage(ctx, actor, { before, unread }),
    answererOf(session).then(async (answerer) => (await waitingFor(ctx, answerer)).length),
  ])
  const names = await peopleNames(
    ctx,
    actor.tenantId,
    page.items.map(({ ended }) => ended?.by),
  )
  const now = ctx.now().toISOString()
  const path = `/t/${tenant}/notifications`
  const [newest] = page.items
  const mayMark = may(actor, 'work')
  return (
    <>
      <PageHeader
        title="Notifications"
        lead={
          may(actor, 'administer')
            ? 'Changes of your connections, upcoming expiries, and news for admins. Each notification is sent once.'
            : 'Changes of your connections and upcoming expiries. Each notification is sent once.'
        }
        actions={
          mayMark &&
          page.unread > 0 &&
          newest &&
          !before && <MarkAllRead tenant={tenant} through={newest.id} count={page.unread} />
        }
      />
      {waiting > 0 && (
        <Notice
          tone="attention"
          title={waiting === 1 ? 'One request waits for you' : `${waiting} requests wait for you`}
          meaning="Programs ask you to let them in, or to link something for them."
          action={<ButtonLink href="/approve">See what waits</ButtonLink>}
        />
      )}
      <LinkTabs
        label="Which"
        tabs={[
          { label: 'All', href: path, current: !unread },
          {
            label: `Unread (${page.unreadIsCapped ? 'more than ' : ''}${page.unread})`,
            href: hrefWith(path, { unread: '1' }),
            current: unread,
          },
        ]}
      />
      {page.items.length > 0 ? (
        <DataTable
          caption="Notifications"
          columns={[
            { key: 'what', header: 'What' },
            { key: 'about', header: 'About', width: 'w-48' },
            { key: 'when', header: 'When', width: 'w-28' },
            { key: 'read', header: 'Actions', quiet: true, align: 'end', width: 'w-36' },
          ]}
          rows={page.items.map((one) => {
            const words = notificationWords(one)
            return {
              id: one.id,
              label: words.what,
              cells: {
                what: (
                  <NotificationFace tone={words.tone} what={words.what} more={words.more} unread={!one.readAt}>
                    {one.endsAt && (
                      <>
                        {' '}
                        It ends <Time at={one.endsAt.toISOString()} now={now} hint="hover" />.
                      </>
                    )}
                  </NotificationFace>
                ),
                about: <About tenant={tenant} notification={one} names={names} />,
                when: <Time at={one.createdAt.toISOString()} now={now} hint="hover" />,
                read: mayMark && !one.readAt && <MarkRead tenant={tenant} id={one.id} what={words.what} />,
              },
            }
          })}
        />
      ) : (
        <EmptyState
          kind={unread || before ? 'no-match' : 'no-data'}
          title={unread ? 'Nothing unread' : before ? 'Nothing older' : 'No notifications yet'}
          why="You get a notification here when one of your connections changes or its grant is about to expire."
        />
      )}
      <Pager
        newerHref={before && hrefWith(path, { unread: unread ? '1' : undefined })}
        newerLabel="Newest"
        olderHref={page.next ? hrefWith(path, { before: page.next, unread: unread ? '1' : undefined }) : undefined}
      />
    </>
  )
}

const aboutPaths = { token: 'tokens', grant: 'devices', client: 'admin/clients' } as const

type AboutProps = { tenant: string; notification: NotificationView; names: Map<string, string> }

/** The way to what it is about. */
function About({ tenant, notification, names }: AboutProps) {
  const { kind, projects, providerId, about, ended } = notification
  const link = 'underline underline-offset-4'
  if (kind === 'webhook.disabled' || kind === 'webhook.orphaned')
    return (
      <Link className={link} href={`/t/${tenant}/admin/webhooks`}>
        Webhooks
      </Link>
    )
  if (about)
    return (
      <Link
        className={link}
        href={`/t/${tenant}/${aboutPaths[about.kind]}${about.kind === 'client' ? '' : `/${about.id}`}`}
      >
        {about.name}
      </Link>
    )
  if (kind === 'provider.client_refused')
    return (
      <Link className={link} href={`/t/${tenant}/admin/providers`}>
        Providers
      </Link>
    )
  if (kind === 'provider.check_failed' && providerId)
    return (
      <Link className={link} href={`/t/${tenant}/admin/providers/${providerId}`}>
        Provider check
      </Link>
    )
  if (ended)
    return (
      <>
        <span className="text-muted">by {names.get(ended.by) ?? 'a former member'}</span>{' '}
        <Link className={link} href={ended.act ? `/t/${tenant}/admin/revocation/${ended.act}` : `/t/${tenant}/account`}>
          {ended.act ? 'What was revoked' : 'What you hold'}
        </Link>
      </>
    )
  if (kind.startsWith('member.')) return <span className="text-muted">your membership</span>
  if (kind.startsWith('provider.')) return <span className="text-muted">a provider</span>
  if (projects.length === 0) return <span className="text-muted">a connection</span>
  return projects.map(({ id, alias }, index) => (
    <span key={id}>
      {index > 0 && ', '}
      <Link className={link} href={`/t/${tenant}/projects/${id}`} title={alias}>
        {alias}
      </Link>
    </span>
  ))
}
