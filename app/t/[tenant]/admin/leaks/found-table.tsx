'use client'
import { shownWords } from '@/app/_features/event-words.ts'
import { type Outcome, outcomeLine } from '@/app/_features/revoke.ts'
import { plural } from '@/app/_features/words.ts'
import { Button } from '@/app/_ui/button.tsx'
import { DataTable } from '@/app/_ui/data-table.tsx'
import Link from '@/app/_ui/link.tsx'
import { Name } from '@/app/_ui/name.tsx'
import { Time } from '@/app/_ui/time.tsx'
import type { Found } from './leak-desk.tsx'

type Props = {
  tenant: string
  names: Record<string, string>
  now: string
  found: Found[]
  outcomes: ReadonlyMap<string, Outcome>
  /** Left out where the viewer may not. */
  onRevoke?: (chosen: Found[]) => void
}

/** Whether it still works and revoking it here ends it: a secret is its client's, a pasted token was made at its upstream. */
export const isEndedHere = ({ kind, stands }: Found): boolean => stands && (kind === 'token' || kind === 'grant')

/** What a paste opens: whose it is, what it can do, where it stood, and what has become of it. */
export function FoundTable({ tenant, names, now, found, outcomes, onRevoke }: Props) {
  const isOpen = (one: Found) => isEndedHere(one) && !outcomes.has(one.id)
  return (
    <DataTable
      caption="What was found"
      columns={[
        { key: 'what', header: 'What' },
        { key: 'owner', header: 'Owner', width: 'w-40' },
        { key: 'can', header: 'What it can do', fold: true },
        { key: 'where', header: 'Where it stood', fold: true, width: 'w-48' },
        { key: 'state', header: 'State', width: 'w-44' },
      ]}
      rows={found.map((one) => ({
        id: one.id,
        label: `“${one.name}”`,
        fixed: !isOpen(one),
        cells: {
          what: <What tenant={tenant} found={one} />,
          owner: one.owner_id ? <Name text={names[one.owner_id] ?? 'a former member'} /> : 'the tenant',
          can: <Rights found={one} />,
          where: <Places found={one} />,
          state: <State tenant={tenant} found={one} outcome={outcomes.get(one.id)} now={now} />,
        },
      }))}
      {...(onRevoke && {
        selection: {
          matchCount: found.filter(isOpen).length,
          actions: (chosen, clear) => (
            <Button
              size="sm"
              variant="danger"
              onClick={() => {
                const ids = chosen.kind === 'rows' ? chosen.ids : found.filter(isOpen).map(({ id }) => id)
                onRevoke(found.filter(({ id }) => ids.includes(id)))
                clear()
              }}
            >
              Revoke…
            </Button>
          ),
        },
      })}
    />
  )
}

const shownText = ({ shown }: Found) => shown.map((one) => shownWords[one] ?? one).join(' and ')

function What({ tenant, found }: { tenant: string; found: Found }) {
  const { kind, id, name, project, provider, last_used_at } = found
  const href = {
    token: `/t/${tenant}/tokens/${id}`,
    grant: `/t/${tenant}/devices/${id}`,
    client_secret: `/t/${tenant}/admin/clients`,
    connection: `/t/${tenant}/connections/${id}`,
  }[kind]
  return (
    <span className="flex min-w-0 flex-col">
      <Link className="wrap-anywhere font-semibold underline underline-offset-4" href={href}>
        {name}
      </Link>
      <span className="wrap-anywhere font-normal text-muted">
        {[shownText(found), project?.name, provider].filter(Boolean).join(' · ')}
        {last_used_at && (
          <>
            {' · used '}
            <Time at={last_used_at} hint="hover" />
          </>
        )}
      </span>
    </span>
  )
}

const mostRights = 4

function Rights({ found: { kind, rights, tokens } }: { found: Found }) {
  if (kind === 'client_secret') return 'sign in as this client'
  const said = [...rights.slice(0, mostRights), rights.length > mostRights && `${rights.length - mostRights} more`]
  return (
    <>
      {said.filter(Boolean).join(', ') || 'nothing'}
      {tokens > 0 && <span className="text-muted"> · with {plural(tokens, 'living token')}</span>}
    </>
  )
}

function Places({ found: { places, times } }: { found: Found }) {
  const shown = places.slice(0, 3)
  return (
    <span className="wrap-anywhere">
      {shown.join(', ')}
      {(places.length > shown.length || times > places.length) && (
        <span className="text-muted"> · {plural(times, 'time')}</span>
      )}
    </span>
  )
}

function State({
  tenant,
  found: { id, kind, stands, ends_at },
  outcome,
  now,
}: {
  tenant: string
  found: Found
  outcome: Outcome | undefined
  now: string
}) {
  if (outcome) return <span className="text-healthy">{outcomeLine(outcome)}</span>
  if (!stands) return <span className="text-muted">over: nothing to revoke</span>
  if (kind === 'client_secret')
    return (
      <Link className="underline underline-offset-4" href={`/t/${tenant}/admin/clients`}>
        still works: end it at the client
      </Link>
    )
  if (kind === 'connection')
    return (
      <Link className="underline underline-offset-4" href={`/t/${tenant}/connections/${id}`}>
        still works: its owner must rotate it, or delete it at the upstream
      </Link>
    )
  return (
    <span className="text-broken">
      still works
      {ends_at && (
        <span className="text-muted">
          , ends <Time at={ends_at} now={now} hint="hover" />
        </span>
      )}
    </span>
  )
}
