import { ConnectionMenu } from '@/app/_features/health-acts.tsx'
import { personCell } from '@/app/_features/person-link.tsx'
import { healthWords, projectsName, shownState } from '@/app/_features/words.ts'
import type { Column, Row } from '@/app/_ui/data-table.tsx'
import type { ConnectionView } from '@/lib/broker/read/connection.ts'

export const connectionColumns: Column[] = [
  { key: 'project', header: 'Project' },
  { key: 'owner', header: 'Owner' },
  { key: 'account', header: 'Account' },
  { key: 'linked', header: 'Linked', width: 'w-24', fold: true },
  { key: 'used', header: 'Last used', width: 'w-28', fold: true },
  { key: 'ends', header: 'Ends', width: 'w-26', fold: true },
  { key: 'state', header: 'State', width: 'w-32' },
  { key: 'acts', header: 'Actions', quiet: true, align: 'end', width: 'w-14' },
]

/** A connection as a row; it can be chosen until it is revoked. Its name leads to its page. */
export function connectionRow(
  { tenant, owner, mayFreeze }: { tenant: string; owner: string; mayFreeze: boolean },
  connection: ConnectionView,
): Row {
  const { id, accountName, provider, linkedAt, usedAt, grantExpiresAt, status } = connection
  const name = projectsName(connection)
  return {
    id,
    label: `${name} of ${owner}`,
    fixed: status === 'revoked',
    cells: {
      project: { says: 'title', text: name, href: `/t/${tenant}/connections/${id}`, kind: provider.name },
      owner: personCell({ tenant, id: connection.ownerId, name: owner }),
      account: { says: 'name', text: accountName },
      linked: { says: 'time', at: linkedAt.toISOString() },
      used: usedAt ? (
        { says: 'time', at: usedAt.toISOString() }
      ) : (
        <span className="text-muted italic">not reported</span>
      ),
      ends: grantExpiresAt ? (
        { says: 'time', at: grantExpiresAt.toISOString() }
      ) : (
        <span className="text-muted">not known</span>
      ),
      state: { says: 'state', kind: 'connection', state: shownState(connection), title: healthWords(connection) },
      acts: (
        <ConnectionMenu
          key={id}
          tenant={tenant}
          connection={{ id, name, owner, account: accountName }}
          frozen={connection.frozenItself}
          freezable={mayFreeze}
        />
      ),
    },
  }
}
