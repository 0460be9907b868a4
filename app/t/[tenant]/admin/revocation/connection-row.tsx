import Link from 'next/link'
import { ConnectionMenu } from '@/app/_console/health-acts.tsx'
import { healthWords, shownState } from '@/app/_console/words.ts'
import type { Column, Row } from '@/app/_ui/data-table.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Time } from '@/app/_ui/time.tsx'
import type { ConnectionView } from '@/lib/broker/inventory.ts'

export const connectionColumns: Column[] = [
  { key: 'project', header: 'Project', truncate: true },
  { key: 'owner', header: 'Owner', truncate: true },
  { key: 'account', header: 'Account', truncate: true },
  { key: 'provider', header: 'Provider', truncate: true },
  { key: 'linked', header: 'Linked' },
  { key: 'refreshed', header: 'Refreshed' },
  { key: 'state', header: 'State' },
  { key: 'acts', header: 'Actions', quiet: true, align: 'end' },
]

/** A connection as a row; it can be chosen until it is revoked. Its name leads to its page. */
export function connectionRow(
  { tenant, now, owner, mayFreeze }: { tenant: string; now: string; owner: string; mayFreeze: boolean },
  connection: ConnectionView,
): Row {
  const { id, project, accountName, provider, linkedAt, lastRefreshAt, status } = connection
  const name = project?.name ?? 'no project'
  return {
    id,
    label: `${name} of ${owner}`,
    fixed: status === 'revoked',
    cells: {
      project: (
        <Link href={`/t/${tenant}/connections/${id}`} title={name} className="rounded-sm underline underline-offset-4">
          {name}
        </Link>
      ),
      owner: <span title={owner}>{owner}</span>,
      account: <span title={accountName}>{accountName}</span>,
      provider: <span title={provider.name}>{provider.name}</span>,
      linked: <Time at={linkedAt.toISOString()} now={now} hint="hover" />,
      refreshed: lastRefreshAt ? (
        <Time at={lastRefreshAt.toISOString()} now={now} hint="hover" />
      ) : (
        <span className="text-muted">not yet</span>
      ),
      state: (
        <span title={healthWords(connection) ?? undefined}>
          <StateBadge kind="connection" state={shownState(connection)} />
        </span>
      ),
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
