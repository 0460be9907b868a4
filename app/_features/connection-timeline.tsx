import {
  Ban,
  Circle,
  CircleCheck,
  CircleSlash,
  Link2,
  type LucideIcon,
  Pencil,
  RefreshCw,
  Snowflake,
  Sun,
  TriangleAlert,
  Unplug,
} from 'lucide-react'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { type ConnectionState, faceOf } from '@/app/_ui/state-badge.tsx'
import { Timeline } from '@/app/_ui/timeline.tsx'
import type { AuditView } from '@/lib/audit/list.ts'
import { eventTone, eventWords } from './event-words.ts'

const icons: Partial<Record<AuditView['action'], LucideIcon>> = {
  'link.completed': Link2,
  'refresh.succeeded': RefreshCw,
  'connection.changed': Pencil,
  'connection.rotated': RefreshCw,
  'freeze.set': Snowflake,
  'freeze.lifted': Sun,
  'connection.frozen': Snowflake,
  'connection.unfrozen': Sun,
  'connection.revoked': Ban,
  'revocation.finished': CircleSlash,
}

function iconOf(event: AuditView): LucideIcon {
  if (
    event.action === 'refresh.succeeded' &&
    (event.details.before === 'degraded' || event.details.before === 'uncertain')
  )
    return CircleCheck
  const tone = eventTone(event)
  return icons[event.action] ?? (tone === 'broken' ? Unplug : tone === 'attention' ? TriangleAlert : Circle)
}

type Props = {
  /** Newest first, as they are listed. */
  events: AuditView[]
  /** As it is shown now. */
  state: ConnectionState
  now: string
  /** Who acted; undefined for what the product did on its own. */
  nameOf: (userId: string) => string
}

/** What happened to a connection, from the oldest down to how it stands now. */
export function ConnectionTimeline({ events, state, now, nameOf }: Props) {
  if (events.length === 0)
    return (
      <EmptyState
        kind="no-data"
        title="No events yet"
        why="Links, freezes, disconnections and renewals that changed something appear here."
      />
    )
  const [tone, NowIcon, word] = faceOf({ kind: 'connection', state })
  const past = events.toReversed().map((event) => {
    const { what, more } = eventWords(event)
    const Icon = iconOf(event)
    // A renewal is recorded in the name of the connection's owner, who did nothing.
    const by = event.actorId && !event.action.startsWith('refresh.') ? nameOf(event.actorId) : null
    return {
      id: event.id,
      at: event.at.toISOString(),
      title: by ? `${what} by ${by}` : what,
      detail: more,
      tone: eventTone(event),
      icon: <Icon aria-hidden className="size-3.5" />,
    }
  })
  const present = { id: 'now', title: `Now: ${word}`, tone, icon: <NowIcon aria-hidden className="size-3.5" /> }
  return (
    <div className="rounded-lg border bg-surface p-4">
      <Timeline now={now} items={[...past, present]} />
    </div>
  )
}
