import type { Metadata } from 'next'
import { cache } from 'react'
import { NoRight, orNotFound } from '@/app/_features/guard.tsx'
import { holdsWords, Person } from '@/app/_features/person.tsx'
import { oneOf, type Query, single } from '@/app/_features/query.ts'
import { RevokeEverything } from '@/app/_features/revoke-everything.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { may, mayGrant } from '@/lib/actor.ts'
import { freezeList } from '@/lib/broker/freezes.ts'
import { peopleNames } from '@/lib/broker/read/people.ts'
import { readPerson } from '@/lib/broker/read/person.ts'
import { tokenPage } from '@/lib/broker/read/token.ts'
import { requireMember } from '@/lib/http/page.ts'
import { MemberMenu } from '../member-menu.tsx'

type Props = { params: Promise<{ tenant: string; user: string }>; searchParams: Promise<Query> }

const load = cache(async (tenant: string, user: string) => {
  const member = await requireMember(tenant, 'oversee')
  return { ...member, person: member.allowed ? await orNotFound(readPerson(member.ctx, member.actor, user)) : null }
})

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  const { tenant, user } = await params
  const { person } = await load(tenant, user)
  return { title: person ? `Person · ${person.email ?? person.name}` : 'Person' }
}

export default async function PersonPage({ params, searchParams }: Props) {
  const { tenant, user } = await params
  const { ctx, actor, person } = await load(tenant, user)
  if (!person) return <NoRight title="Person" role={actor.role} />
  const view = oneOf(['tree', 'table'] as const, single((await searchParams).show)) ?? 'tree'
  const own = user === actor.userId
  const [names, freezes, tokens] = await Promise.all([
    peopleNames(
      ctx,
      actor.tenantId,
      person.acts.map(({ by }) => by),
    ),
    freezeList(ctx, actor),
    view === 'table' ? tokenPage(ctx, actor, { userId: user, state: 'live', everybody: true }) : undefined,
  ])
  const name = person.email ?? person.name
  const frozen = freezes.some(({ kind, id }) => kind === 'member' && id === user)
  const changeable = mayGrant(actor, person.role) && person.status !== 'removed'
  const { status } = person
  return (
    <>
      <PageHeader
        title={name}
        trail={[{ label: 'Members', href: `/t/${tenant}/admin/members` }]}
        badge={
          <>
            {status !== 'removed' && <StateBadge kind="member" state={status} />}
            {frozen && <StateBadge kind="connection" state="frozen" />}
          </>
        }
        lead={`${status === 'removed' ? 'No longer a member.' : `${roleLine[person.role]}.`} Holds ${holdsWords(person)}.`}
        actions={
          may(actor, 'administer') &&
          status !== 'removed' && (
            <>
              <RevokeEverything
                tenant={tenant}
                person={{ id: user, name }}
                own={own}
                blockable={!own && changeable && status === 'active'}
              />
              {changeable && (
                <MemberMenu
                  tenant={tenant}
                  member={{ id: user, name, role: person.role, status }}
                  frozen={frozen}
                  freezable={!own || actor.role === 'owner'}
                  mayMakeOwners={actor.role === 'owner'}
                />
              )}
            </>
          )
        }
      />
      <Person
        tenant={tenant}
        path={`/t/${tenant}/admin/members/${user}`}
        view={view}
        person={person}
        actor={actor}
        now={ctx.now().toISOString()}
        names={names}
        tokens={tokens}
      />
    </>
  )
}

const roleLine = { owner: 'Owner', admin: 'Admin', member: 'Member', auditor: 'Auditor' } as const
