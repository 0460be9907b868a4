import { agentWords } from '@/app/_features/agent-words.ts'
import { personCell } from '@/app/_features/person-link.tsx'
import type { Column, Row } from '@/app/_ui/data-table.tsx'
import { Name } from '@/app/_ui/name.tsx'
import type { TenantSessionView } from '@/lib/broker/read/sessions.ts'

export const sessionColumns: Column[] = [
  { key: 'agent', header: 'Browser' },
  { key: 'owner', header: 'Owner' },
  { key: 'made', header: 'Signed in', width: 'w-28' },
  { key: 'ends', header: 'Ends', width: 'w-28' },
]

/** A session as a row. The one that asks is not chosen: whoever wants to end it signs out. */
export function sessionRow({ tenant, owner }: { tenant: string; owner: string }, session: TenantSessionView): Row {
  const name = agentWords(session.agent)
  return {
    id: session.id,
    label: `${name} of ${owner}`,
    fixed: session.current,
    cells: {
      agent: (
        <Name text={name} title={session.agent ?? undefined}>
          {session.current && <span className="font-normal text-muted"> (this one)</span>}
        </Name>
      ),
      owner: personCell({ tenant, id: session.ownerId, name: owner }),
      made: { says: 'time', at: session.createdAt.toISOString() },
      ends: { says: 'time', at: session.expiresAt.toISOString() },
    },
  }
}
