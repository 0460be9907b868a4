import { NoRight } from '@/app/_features/guard.tsx'
import { hrefWith, type Query, single } from '@/app/_features/query.ts'
import { DataTable } from '@/app/_ui/data-table.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import Link from '@/app/_ui/link.tsx'
import { Name } from '@/app/_ui/name.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Pager } from '@/app/_ui/pager.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { utcText } from '@/app/_ui/time-text.ts'
import { may } from '@/lib/actor.ts'
import { type FreezeView, freezeList } from '@/lib/broker/freezes.ts'
import { requireMember } from '@/lib/http/page.ts'
import { invitationPage } from '@/lib/tenancy/invitations.ts'
import { memberList } from '@/lib/tenancy/members.ts'
import { Invite } from './invite.tsx'
import { MemberMenu } from './member-menu.tsx'
import { Withdraw } from './withdraw.tsx'

export const metadata = { title: 'Members' }

type Props = { params: Promise<{ tenant: string }>; searchParams: Promise<Query> }

export default async function MembersPage({ params, searchParams }: Props) {
  const { tenant } = await params
  const before = single((await searchParams).before)
  const { ctx, actor, allowed } = await requireMember(tenant, 'oversee')
  if (!allowed) return <NoRight title="Members" role={actor.role} />
  const mayChange = may(actor, 'administer')
  const [members, freezes, invitations] = await Promise.all([
    memberList(ctx, actor),
    freezeList(ctx, actor),
    mayChange ? invitationPage(ctx, actor, { before }) : { items: [], next: null },
  ])
  const now = ctx.now().toISOString()
  const names = new Map(members.map(({ userId, email, name }) => [userId, email ?? name]))
  return (
    <>
      <PageHeader
        title="Members"
        lead="The people in this tenant. If you suspend or remove someone, they lose access at once and their tokens are revoked."
        actions={mayChange && <Invite tenant={tenant} mayInviteOwners={actor.role === 'owner'} />}
      />
      <DataTable
        caption="Members"
        columns={[
          { key: 'who', header: 'Who' },
          { key: 'role', header: 'Role', width: 'w-28' },
          { key: 'state', header: 'State', width: 'w-36' },
          { key: 'joined', header: 'Joined', width: 'w-32' },
          ...(mayChange ? [{ key: 'acts', header: 'Actions', quiet: true, align: 'end' as const, width: 'w-14' }] : []),
        ]}
        rows={members.map((member) => {
          const who = member.email ?? member.name
          const freeze = freezes.find(({ kind, id }) => kind === 'member' && id === member.userId)
          return {
            id: member.userId,
            label: who,
            cells: {
              who: (
                <Link
                  href={`/t/${tenant}/admin/members/${member.userId}`}
                  className="block rounded-sm underline decoration-edge underline-offset-4"
                >
                  <Name text={who}>
                    {member.userId === actor.userId && <span className="font-normal text-muted"> (you)</span>}
                  </Name>
                </Link>
              ),
              role: member.role,
              state: (
                <span className="flex flex-wrap gap-1" title={freeze && frozenTitle(freeze, names)}>
                  <StateBadge kind="member" state={member.status} />
                  {freeze && <StateBadge kind="connection" state="frozen" />}
                </span>
              ),
              joined: <Time at={member.joinedAt.toISOString()} now={now} hint="hover" />,
              acts: (actor.role === 'owner' || member.role !== 'owner') && (
                <MemberMenu
                  tenant={tenant}
                  member={{ id: member.userId, name: who, role: member.role, status: member.status }}
                  frozen={freeze !== undefined}
                  freezable={member.userId !== actor.userId || actor.role === 'owner'}
                  mayMakeOwners={actor.role === 'owner'}
                />
              ),
            },
          }
        })}
      />
      {mayChange && (
        <Section
          title="Invitations"
          lead="Each link works once and expires after a week. It was shown when it was created and cannot be shown again."
        >
          {invitations.items.length > 0 ? (
            <DataTable
              caption="Open invitations"
              columns={[
                { key: 'role', header: 'Role', width: 'w-32' },
                { key: 'note', header: 'Note' },
                { key: 'by', header: 'Created by' },
                { key: 'ends', header: 'Expires', width: 'w-28' },
                { key: 'acts', header: 'Actions', quiet: true, align: 'end', width: 'w-36' },
              ]}
              rows={invitations.items.map((invitation) => ({
                id: invitation.id,
                label: `Invitation for the role ${invitation.role}`,
                cells: {
                  role: invitation.role,
                  note: invitation.note ? <Name text={invitation.note} /> : <span className="text-muted">none</span>,
                  by: <Name text={names.get(invitation.createdBy) ?? 'former member'} />,
                  ends: <Time at={invitation.expiresAt.toISOString()} now={now} hint="hover" />,
                  acts: <Withdraw tenant={tenant} invitation={{ id: invitation.id, role: invitation.role }} />,
                },
              }))}
            />
          ) : (
            <EmptyState
              kind="no-data"
              title="No open invitation"
              why="People join with a link that you send them. The first signed-in person who opens it can become a member."
            />
          )}
          <Pager
            newerHref={before && `/t/${tenant}/admin/members`}
            newerLabel="Newest"
            olderHref={
              invitations.next ? hrefWith(`/t/${tenant}/admin/members`, { before: invitations.next }) : undefined
            }
          />
        </Section>
      )}
    </>
  )
}

/** Who froze somebody, why and until when, in a line. */
function frozenTitle({ by, reason, until }: FreezeView, names: Map<string, string>): string {
  const who = by ? ` by ${names.get(by) ?? 'a former member'}` : ''
  const end = until ? `until ${utcText(until.getTime())}` : 'until it is lifted'
  return `Frozen${who}, ${end}.${reason ? ` Reason: ${reason}` : ''}`
}
