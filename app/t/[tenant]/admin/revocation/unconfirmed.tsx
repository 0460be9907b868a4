'use client'
import { useRouter } from 'next/navigation'
import { client, send } from '@/app/_console/client.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { DataTable } from '@/app/_ui/data-table.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { say } from '@/app/_ui/toaster.tsx'

export type UnconfirmedItem = {
  id: string
  kind: 'token' | 'grant' | 'orphans'
  project: string | null
  state: 'pending' | 'failed'
  tries: number
  lastError: string | null
  nextTryAt: string | null
  createdAt: string
  latestMoment: string | null
}

const kinds = { token: 'Token', grant: 'Grant', orphans: 'Issue that was cut off' }

type Props = { tenant: string; items: UnconfirmedItem[]; now: string; mayRetry: boolean }

/** Revocations that the upstream has not confirmed: blocked here, and possibly alive there. */
export function Unconfirmed({ tenant, items, now, mayRetry }: Props) {
  if (items.length === 0)
    return (
      <EmptyState
        kind="no-data"
        title="Nothing is unconfirmed"
        why="Every revocation so far was accepted by its upstream, or could not be asked for there at all. What an upstream does not answer shows up here and is tried again."
      />
    )
  return (
    <DataTable
      caption="Upstream revocations that are not confirmed"
      columns={[
        { key: 'what', header: 'What' },
        { key: 'state', header: 'State' },
        { key: 'tries', header: 'Tries', align: 'end' },
        { key: 'error', header: 'Last answer' },
        { key: 'next', header: 'Next try' },
        { key: 'latest', header: 'Could still work until' },
        { key: 'acts', header: 'Actions', quiet: true, align: 'end' },
      ]}
      rows={items.map((item) => ({
        id: item.id,
        label: `${item.kind} ${item.project ?? ''}`.trim(),
        cells: {
          what: `${kinds[item.kind]}${item.project ? ` · ${item.project}` : ''}`,
          state: <StateBadge kind="upstream" state={item.state} />,
          tries: String(item.tries),
          error: item.lastError?.replaceAll('_', ' ') ?? 'none yet',
          next: item.nextTryAt ? <Time at={item.nextTryAt} now={now} hint="hover" /> : 'none: it was given up',
          latest: item.latestMoment ? <Time at={item.latestMoment} now={now} hint="hover" /> : 'unknown',
          acts: mayRetry ? <Retry tenant={tenant} id={item.id} /> : null,
        },
      }))}
    />
  )
}

function Retry({ tenant, id }: { tenant: string; id: string }) {
  const router = useRouter()
  const { busy, problem, start } = useAction(async () => {
    const params = { path: { tenant, revocation: id } }
    const sent = await send(
      client.POST('/api/v1/tenants/{tenant}/revocations/{revocation}/retry', { params, body: {} }),
    )
    if (sent.ok) {
      say('The upstream is being asked again')
      router.refresh()
    }
    return sent
  })
  return (
    <span className="inline-flex flex-col items-end gap-1">
      <Button size="sm" busy={busy} onClick={() => void start()}>
        Try again
      </Button>
      {problem && (
        <span role="alert" className="text-broken">
          {problem.title}
        </span>
      )}
    </span>
  )
}
