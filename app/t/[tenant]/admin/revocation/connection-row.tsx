import Link from 'next/link'
import { ConnectionMenu } from '@/app/_features/health-acts.tsx'
import { PersonLink } from '@/app/_features/person-link.tsx'
import { healthWords, projectsName, shownState } from '@/app/_features/words.ts'
import type { Column, Row } from '@/app/_ui/data-table.tsx'
import { Name } from '@/app/_ui/name.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Time } from '@/app/_ui/time.tsx'
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
  { tenant, now, owner, mayFreeze }: { tenant: string; now: string; owner: string; mayFreeze: boolean },
  connection: ConnectionView,
): Row {
  const { id, accountName, provider, linkedAt, usedAt, grantExpiresAt, status } = connection
  const name = projectsName(connection)
  return {
    id,
    label: `${name} of ${owner}`,
    fixed: status === 'revoked',
    cells: {
      project: (
        <span className="flex min-w-0 flex-col">
          <Link href={`/t/${tenant}/connections/${id}`} className="block rounded-sm underline underline-offset-4">
            <Name text={name} />
          </Link>
          <span className="truncate font-normal text-[13px] text-muted">{provider.name}</span>
        </span>
      ),
      owner: <PersonLink tenant={tenant} id={connection.ownerId} name={owner} />,
      account: <Name text={accountName} />,
      linked: <Time at={linkedAt.toISOString()} now={now} hint="hover" />,
      used: usedAt ? (
        <Time at={usedAt.toISOString()} now={now} hint="hover" />
      ) : (
        <span className="text-muted italic">not reported</span>
      ),
      ends: grantExpiresAt ? (
        <Time at={grantExpiresAt.toISOString()} now={now} hint="hover" />
      ) : (
        <span className="text-muted">not known</span>
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
