import { EndSession } from '@/app/_features/end-session.tsx'
import { GrantTable } from '@/app/_features/grant-table.tsx'
import { Lineage } from '@/app/_features/lineage.tsx'
import { hrefWith } from '@/app/_features/query.ts'
import { TokenTable } from '@/app/_features/token-table.tsx'
import { plural } from '@/app/_features/words.ts'
import { DataTable } from '@/app/_ui/data-table.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import Link from '@/app/_ui/link.tsx'
import { LinkTabs } from '@/app/_ui/link-tabs.tsx'
import { Name } from '@/app/_ui/name.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { type Actor, may } from '@/lib/actor.ts'
import type { PersonView } from '@/lib/broker/read/person.ts'
import type { TokenView } from '@/lib/broker/read/token.ts'
import { agentWords } from './agent-words.ts'
import { countUpTo, projectsName, shownState } from './words.ts'

type Props = {
  tenant: string
  path: string
  view: 'tree' | 'table'
  person: PersonView
  actor: Actor
  now: string
  /** Names of people by id. */
  names: Map<string, string>
  /** Of the table: the newest living tokens, and whether there are more. */
  tokens: { items: TokenView[]; next: string | null } | undefined
}

/** Everything that one person holds here: sessions, what hangs below what, and what they made for others. */
export function Person({ tenant, path, view, person, actor, now, names, tokens }: Props) {
  const own = person.userId === actor.userId
  const mayRevoke = may(actor, 'administer') || (own && may(actor, 'work'))
  return (
    <>
      <Sessions {...{ tenant, person, own, now }} mayEnd={own || may(actor, 'administer')} />
      <Section
        title="Connections, devices, apps and tokens"
        lead="Ending something also ends all that hangs below it."
        aside={
          <LinkTabs
            label="Show as"
            tabs={[
              { label: 'Tree', href: path, current: view === 'tree' },
              { label: 'Table', href: hrefWith(path, { show: 'table' }), current: view === 'table' },
            ]}
          />
        }
      >
        {view === 'tree' ? (
          <Lineage {...{ tenant, person, now, mayRevoke }} mayFreeze={may(actor, 'administer')} />
        ) : (
          <Tables {...{ tenant, person, actor, now, tokens }} />
        )}
        {(person.moreConnections || person.moreGrants) && (
          <p className="text-muted">
            These are the newest.{' '}
            <Link
              href={hrefWith(`/t/${tenant}/admin/revocation`, { show: 'connections', person: person.userId })}
              className="rounded-sm underline underline-offset-4"
            >
              Show all on the revocation page
            </Link>
          </p>
        )}
      </Section>
      <Made {...{ tenant, person, now, names }} />
    </>
  )
}

type SessionsProps = Pick<Props, 'tenant' | 'person' | 'now'> & { own: boolean; mayEnd: boolean }

function Sessions({ tenant, person, own, now, mayEnd }: SessionsProps) {
  const { sessions } = person
  return (
    <Section
      title="Sessions"
      lead={
        own
          ? 'Browsers in which you are signed in.'
          : 'Browsers that this tenant accepts. Only their owner sees where they are.'
      }
    >
      {sessions.length === 0 ? (
        <EmptyState kind="no-data" title="No session" why="This tenant accepts no session of theirs now." />
      ) : (
        <DataTable
          caption="Sessions"
          now={now}
          columns={[
            { key: 'agent', header: 'Browser' },
            ...(own
              ? [
                  { key: 'address', header: 'Signed in from', width: 'w-40' },
                  { key: 'active', header: 'Last used', width: 'w-28' },
                ]
              : []),
            { key: 'made', header: 'Signed in', width: 'w-28' },
            { key: 'ends', header: 'Ends', width: 'w-28' },
            ...(mayEnd ? [{ key: 'acts', header: 'Actions', quiet: true, align: 'end' as const, width: 'w-24' }] : []),
          ]}
          rows={sessions.map((session) => {
            const name = agentWords(session.agent)
            return {
              id: session.id,
              label: name,
              cells: {
                agent: (
                  <Name text={name} title={session.agent ?? undefined}>
                    {session.current && <span className="font-normal text-muted"> (this one)</span>}
                  </Name>
                ),
                address: session.address ?? 'not known',
                active: session.lastActiveAt && { says: 'time', at: session.lastActiveAt.toISOString() },
                made: { says: 'time', at: session.createdAt.toISOString() },
                ends: { says: 'time', at: session.expiresAt.toISOString() },
                acts: !session.current && (
                  // In a line of its own on a phone: its corner is for menus.
                  <span>
                    <EndSession tenant={tenant} user={person.userId} session={{ id: session.id, name }} own={own} />
                  </span>
                ),
              },
            }
          })}
        />
      )}
    </Section>
  )
}

function Tables({ tenant, person, actor, now, tokens }: Pick<Props, 'tenant' | 'person' | 'actor' | 'now' | 'tokens'>) {
  const acts = { viewerId: actor.userId, mayWork: may(actor, 'work'), mayAdminister: may(actor, 'administer') }
  const items = tokens?.items ?? []
  return (
    <div className="flex flex-col gap-6">
      {person.connections.length > 0 && (
        <DataTable
          caption="Connections"
          columns={[
            { key: 'project', header: 'Connection' },
            { key: 'account', header: 'Account' },
            { key: 'provider', header: 'Provider', fold: true },
            { key: 'tokens', header: 'Live tokens', width: 'w-28', align: 'end' },
            { key: 'state', header: 'State', width: 'w-32' },
          ]}
          rows={person.connections.map((connection) => ({
            id: connection.id,
            label: projectsName(connection),
            cells: {
              project: (
                <Link
                  href={`/t/${tenant}/connections/${connection.id}`}
                  className="block rounded-sm underline underline-offset-4"
                >
                  <Name text={projectsName(connection)} />
                </Link>
              ),
              account: { says: 'name', text: connection.accountName },
              provider: { says: 'name', text: connection.provider.name },
              tokens: countUpTo(connection.beneath),
              state: { says: 'state', kind: 'connection', state: shownState(connection) },
            },
          }))}
        />
      )}
      {person.grants.length > 0 && (
        <GrantTable caption="Devices and apps" tenant={tenant} grants={person.grants} now={now} {...acts} />
      )}
      {items.length > 0 ? (
        <TokenTable caption="Live tokens" tenant={tenant} tokens={items} now={now} {...acts} />
      ) : (
        <EmptyState kind="no-data" title="No live token" why="Tokens that they issue appear here while they live." />
      )}
      {tokens?.next && (
        <Link
          href={hrefWith(`/t/${tenant}/admin/revocation`, { person: person.userId })}
          className="rounded-sm underline underline-offset-4"
        >
          Show all live tokens on the revocation page
        </Link>
      )}
    </div>
  )
}

function Made({ tenant, person, now, names }: Pick<Props, 'tenant' | 'person' | 'now' | 'names'>) {
  const { invitations, webhooks, acts } = person
  if (invitations.length + webhooks.length + acts.length === 0) return null
  return (
    <Section title="Made for others, and what was revoked">
      <ul className="flex flex-col gap-2">
        {invitations.length > 0 && (
          <li>
            <Link href={`/t/${tenant}/admin/members`} className="rounded-sm underline underline-offset-4">
              {plural(invitations.length, 'open invitation')}
            </Link>{' '}
            <span className="text-muted">
              for the {invitations.length === 1 ? 'role' : 'roles'}{' '}
              {[...new Set(invitations.map(({ role }) => role))].join(', ')}
            </span>
          </li>
        )}
        {webhooks.map(({ id, host }) => (
          <li key={id}>
            <Link
              href={`/t/${tenant}/admin/webhooks/${id}`}
              className="wrap-anywhere rounded-sm underline underline-offset-4"
            >
              {host ? `Webhook at ${host}` : 'A webhook'}
            </Link>{' '}
            <span className="text-muted">
              goes on and tells of this tenant, whatever is revoked here; another admin can take it over
            </span>
          </li>
        ))}
        {acts.map(({ id, by, createdAt, settledAt, reason }) => (
          <li key={id}>
            <Link href={`/t/${tenant}/admin/revocation/${id}`} className="rounded-sm underline underline-offset-4">
              Everything revoked by {names.get(by) ?? 'a former member'}
            </Link>{' '}
            <span className="text-muted">
              <Time at={createdAt.toISOString()} now={now} />
              {settledAt ? '' : ' · goes on'}
              {reason && ` · ${reason}`}
            </span>
          </li>
        ))}
      </ul>
    </Section>
  )
}

/** All of it in a few words: "2 sessions, 1 connection, 14 live tokens". */
export function holdsWords({ ending }: PersonView): string {
  const { sessions, connections, grants, tokens, used_lately } = { ...ending, used_lately: ending.usedLately }
  const parts = [
    plural(sessions, 'session'),
    plural(grants, 'device or app'),
    plural(connections, 'connection'),
    `${plural(tokens, 'live token')}${used_lately > 0 ? ` (${used_lately.toLocaleString('en')} used in the last hour)` : ''}`,
  ]
  return parts.join(', ')
}
