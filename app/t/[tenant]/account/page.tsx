import { orNotFound } from '@/app/_features/guard.tsx'
import { holdsWords, Person } from '@/app/_features/person.tsx'
import { oneOf, type Query, single } from '@/app/_features/query.ts'
import { RevokeEverything } from '@/app/_features/revoke-everything.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { peopleNames } from '@/lib/broker/read/people.ts'
import { readPerson } from '@/lib/broker/read/person.ts'
import { tokenPage } from '@/lib/broker/read/token.ts'
import { requireMember } from '@/lib/http/page.ts'

export const metadata = { title: 'Everything of yours' }

type Props = { params: Promise<{ tenant: string }>; searchParams: Promise<Query> }

/** "I lost my laptop": all that the viewer holds in this tenant, and one button that ends it. */
export default async function AccountPage({ params, searchParams }: Props) {
  const { tenant } = await params
  const { ctx, actor } = await requireMember(tenant)
  const view = oneOf(['tree', 'table'] as const, single((await searchParams).show)) ?? 'tree'
  const [person, tokens] = await Promise.all([
    orNotFound(readPerson(ctx, actor, actor.userId)),
    view === 'table' ? tokenPage(ctx, actor, { state: 'live' }) : undefined,
  ])
  const names = await peopleNames(
    ctx,
    actor.tenantId,
    person.acts.map(({ by }) => by),
  )
  const name = person.email ?? person.name
  return (
    <>
      <PageHeader
        title="Everything of yours"
        lead={`You hold ${holdsWords(person)}. If you lost a device, or something of yours leaked, revoke everything: it ends at once, and this session stays.`}
        actions={<RevokeEverything tenant={tenant} person={{ id: actor.userId, name }} own blockable={false} />}
      />
      <Person
        tenant={tenant}
        path={`/t/${tenant}/account`}
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
