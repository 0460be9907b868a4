'use client'
import { PanelRightOpen } from 'lucide-react'
import { useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { eventWords } from '@/app/_features/event-words.ts'
import { PersonLink } from '@/app/_features/person-link.tsx'
import { hrefWith } from '@/app/_features/query.ts'
import { type Problem, useAction } from '@/app/_ui/action.ts'
import { IconButton } from '@/app/_ui/button.tsx'
import { Drawer } from '@/app/_ui/drawer.tsx'
import { KeyValue } from '@/app/_ui/key-value.tsx'
import Link from '@/app/_ui/link.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import { SkeletonLine } from '@/app/_ui/skeleton.tsx'
import { Time } from '@/app/_ui/time.tsx'
import type { AuditAction } from '@/lib/audit/catalogue.ts'
import type { Paths } from '@/lib/client/index.ts'

type Wire =
  Paths['/api/v1/tenants/{tenant}/audit-events/{event}/related']['get']['responses'][200]['content']['application/json']
type WireEvent = Wire['event']
/** `oversees`: may see what others hold. */
type Props = { tenant: string; id: string; what: string; oversees: boolean }

/** Opens the whole record of an event, with the rest of its act and what else happened to the same thing. */
export function EventDetails({ tenant, id, what, oversees }: Props) {
  const [shown, setShown] = useState<string | null>(null)
  const [found, setFound] = useState<Wire | null>(null)
  const { problem, start } = useAction(async (event: string) => {
    const path = { tenant, event }
    const sent = await send(client.GET('/api/v1/tenants/{tenant}/audit-events/{event}/related', { params: { path } }))
    if (sent.ok) setFound(sent.data)
    return sent
  })
  const open = (event: string) => {
    setShown(event)
    setFound(null)
    void start(event)
  }
  return (
    <>
      <IconButton label={`Details of ${what}`} icon={<PanelRightOpen aria-hidden />} onClick={() => open(id)} />
      {shown && (
        <Drawer
          open
          onOpenChange={(stays) => !stays && setShown(null)}
          title={found ? wordsOf(found.event).what : what}
        >
          <Content
            tenant={tenant}
            oversees={oversees}
            found={found}
            problem={problem}
            onOpen={open}
            onLeave={() => setShown(null)}
          />
        </Drawer>
      )}
    </>
  )
}

const wordsOf = ({ action, details }: WireEvent) => eventWords({ action: action as AuditAction, details })

type ContentProps = Pick<Props, 'tenant' | 'oversees'> & {
  found: Wire | null
  problem: Problem | null
  onOpen: (event: string) => void
  /** For another page, which has no drawer open. */
  onLeave: () => void
}

function Content({ tenant, oversees, found, problem, onOpen, onLeave }: ContentProps) {
  if (problem) return <ProblemNotice problem={problem} />
  if (!found)
    return (
      <div role="status">
        <span className="sr-only">Loading the event</span>
        <span className="flex flex-col gap-3">
          {[1, 2, 3, 4, 5, 6].map((line) => (
            <SkeletonLine key={line} />
          ))}
        </span>
      </div>
    )
  const { event, act, about, act_is_cut, names } = found
  const { more } = wordsOf(event)
  const people = peopleIn(event).filter((person) => names[person] !== undefined)
  const nameOf = (id: string | null) => (id === null ? 'Valetkey' : (names[id] ?? 'a former member'))
  const to = (filter: Record<string, string>, text: string) => (
    <Link className="underline underline-offset-4" href={hrefWith(`/t/${tenant}/activity`, filter)} onClick={onLeave}>
      {text}
    </Link>
  )
  return (
    <>
      {more && <p>{more}</p>}
      <KeyValue
        items={[
          {
            label: 'Who',
            value: event.actor_id ? to({ person: event.actor_id }, nameOf(event.actor_id)) : nameOf(null),
          },
          ...(oversees && people.length > 0
            ? [
                {
                  label: people.length === 1 ? 'What they hold now' : 'What each holds now',
                  value: people.map((person) => (
                    <PersonLink key={person} tenant={tenant} id={person} name={names[person]} />
                  )),
                },
              ]
            : []),
          { label: 'When', value: <Time at={event.at} form="exact" /> },
          { label: 'Action', value: event.action, mono: true },
          { label: 'Outcome', value: event.outcome },
          ...(event.target
            ? [
                {
                  label: 'Target',
                  value: to({ about: event.target.id }, `${event.target.kind} ${event.target.id}`),
                  mono: true,
                },
              ]
            : []),
          ...factsOf(event.details, names).map(([label, value]) => ({ label, value, mono: true })),
          {
            label: 'IP address',
            value: event.address ? to({ address: event.address }, event.address) : 'not recorded',
            mono: true,
          },
          { label: 'User agent', value: event.agent ?? 'not recorded' },
          ...(event.request_id
            ? [{ label: 'Request', value: to({ request: event.request_id }, event.request_id), mono: true }]
            : []),
        ]}
      />
      <Events title="The rest of this act" events={act} names={names} onOpen={onOpen}>
        {act_is_cut && event.request_id && to({ request: event.request_id }, 'There is more: show all of it')}
      </Events>
      <Events
        title={event.target ? `What else happened to this ${event.target.kind.replaceAll('_', ' ')}` : ''}
        events={about}
        names={names}
        onOpen={onOpen}
      />
    </>
  )
}

function Events({
  title,
  events,
  names,
  onOpen,
  children,
}: {
  title: string
  events: WireEvent[]
  names: Record<string, string>
  onOpen: (event: string) => void
  children?: React.ReactNode
}) {
  if (events.length === 0) return null
  return (
    <section className="flex flex-col gap-2">
      <h3 className="font-semibold">{title}</h3>
      <ul className="flex flex-col gap-2">
        {events.map((event) => {
          const { what, more } = wordsOf(event)
          const who = event.actor_id === null ? 'Valetkey' : (names[event.actor_id] ?? 'a former member')
          return (
            <li key={event.id} className="flex flex-col border-t pt-2">
              <button
                type="button"
                className="wrap-anywhere rounded-sm text-left underline decoration-edge underline-offset-4"
                onClick={() => onOpen(event.id)}
              >
                {what}
              </button>
              <span className="wrap-anywhere text-[14px] text-muted leading-5">
                {more} {who}, <Time at={event.at} hint="hover" />
              </span>
            </li>
          )
        })}
      </ul>
      {children}
    </section>
  )
}

/** Whose it was, or to whom it was done, and who did it. */
function peopleIn({ actor_id, target, details: { owner } }: WireEvent): string[] {
  const all = [typeof owner === 'string' ? owner : null, target?.kind === 'member' ? target.id : null, actor_id]
  return [...new Set(all.filter((one) => one !== null))]
}

/** What the event says of itself, people by their names. */
function factsOf(details: Record<string, unknown>, names: Record<string, string>): [string, string][] {
  const text = (value: unknown): string =>
    typeof value === 'object' && value !== null
      ? JSON.stringify(value)
      : names[String(value)] !== undefined
        ? `${names[String(value)]} (${String(value)})`
        : String(value)
  return Object.entries(details)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => [
      name.replaceAll('_', ' '),
      Array.isArray(value) ? value.map(text).join(', ') : text(value),
    ])
}
