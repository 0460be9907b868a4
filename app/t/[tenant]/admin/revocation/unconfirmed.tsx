'use client'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { failureWords, plural } from '@/app/_features/words.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { DataTable } from '@/app/_ui/data-table.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import Link from '@/app/_ui/link.tsx'
import { Name } from '@/app/_ui/name.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import { SignInAgain } from '@/app/_ui/sign-in-again.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { say } from '@/app/_ui/toaster.tsx'

export type UnconfirmedItem = {
  id: string
  kind: 'token' | 'grant' | 'orphans'
  tokenId: string | null
  fingerprint: string | null
  connectionId: string
  owner: string
  project: string | null
  state: 'pending' | 'failed'
  tries: number
  lastError: string | null
  nextTryAt: string | null
  createdAt: string
  latestMoment: string | null
}

const kinds = { token: 'Token', grant: 'Grant', orphans: 'Interrupted issue' }

type Props = { tenant: string; items: UnconfirmedItem[]; now: string; mayRetry: boolean }

/** Revocations that the upstream has not confirmed: blocked here, and possibly alive there. */
export function Unconfirmed({ tenant, items, now, mayRetry }: Props) {
  if (items.length === 0)
    return (
      <EmptyState
        kind="no-data"
        title="Nothing is unconfirmed"
        why="No revocation is waiting for its upstream. Revocations that an upstream has not confirmed appear here, and we retry them automatically."
      />
    )
  return (
    <div className="flex min-w-0 flex-col gap-3">
      {mayRetry && <RetryAll tenant={tenant} />}
      <DataTable
        caption="Upstream revocations that are not confirmed"
        columns={[
          { key: 'what', header: 'What', width: 'w-36' },
          { key: 'owner', header: 'Owner' },
          { key: 'project', header: 'Project', fold: true },
          { key: 'state', header: 'State', width: 'w-52' },
          { key: 'latest', header: 'Could work until', width: 'w-34' },
          { key: 'next', header: 'Next retry', width: 'w-32', fold: true },
          { key: 'acts', header: 'Actions', quiet: true, align: 'end', width: 'w-48' },
        ]}
        rows={items.map((item) => ({
          id: item.id,
          label: [kinds[item.kind], item.fingerprint, item.owner, item.project].filter(Boolean).join(' · '),
          cells: {
            what: (
              <Link href={hrefOf(tenant, item)} className="rounded-sm underline underline-offset-4">
                {kinds[item.kind]}
                {item.fingerprint && <code className="font-mono text-[13px]"> {item.fingerprint}</code>}
              </Link>
            ),
            owner: <Name text={item.owner} />,
            project: item.project ? <Name text={item.project} /> : <span className="text-muted">none</span>,
            state: (
              <span className="flex flex-col items-start gap-1 max-md:items-end">
                <StateBadge kind="upstream" state={item.state} />
                {item.lastError && <span className="text-muted">{failureWords(item.lastError)}</span>}
              </span>
            ),
            latest: item.latestMoment ? <Time at={item.latestMoment} now={now} hint="hover" /> : 'unknown',
            next: (
              <span>
                {item.nextTryAt ? <Time at={item.nextTryAt} now={now} hint="hover" /> : 'no more retries'}
                {item.tries > 0 && <span className="text-muted"> after {plural(item.tries, 'try')}</span>}
              </span>
            ),
            acts: mayRetry ? (
              <span className="inline-flex flex-col items-end gap-1">
                <Retry tenant={tenant} id={item.id} />
                <Record tenant={tenant} item={item} />
              </span>
            ) : null,
          },
        }))}
      />
    </div>
  )
}

/** A grant is its connection's; everything else is about one token. */
const hrefOf = (tenant: string, { tokenId, connectionId }: UnconfirmedItem): string =>
  tokenId ? `/t/${tenant}/tokens/${tokenId}` : `/t/${tenant}/connections/${connectionId}`

function Retry({ tenant, id }: { tenant: string; id: string }) {
  const router = useRouter()
  const { busy, problem, start } = useAction(async () => {
    const params = { path: { tenant, revocation: id } }
    const sent = await send(
      client.POST('/api/v1/tenants/{tenant}/revocations/{revocation}/retry', { params, body: {} }),
    )
    if (sent.ok) {
      say('Asking the upstream again')
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
      {problem?.signIn && <SignInAgain />}
    </span>
  )
}

function RetryAll({ tenant }: { tenant: string }) {
  const router = useRouter()
  const { busy, problem, start } = useAction(async () => {
    const sent = await send(
      client.POST('/api/v1/tenants/{tenant}/revocations/retry', { params: { path: { tenant } }, body: {} }),
    )
    if (sent.ok) {
      say(`Asking the upstreams again for ${plural(sent.data.retried, 'revocation')}`)
      router.refresh()
    }
    return sent
  })
  return (
    <div className="flex flex-col items-start gap-3">
      <Button size="sm" busy={busy} onClick={() => void start()}>
        Try all again
      </Button>
      <ProblemNotice problem={problem} />
    </div>
  )
}

/** For what nobody can revoke there, once somebody has seen to it. */
function Record({ tenant, item }: { tenant: string; item: UnconfirmedItem }) {
  const router = useRouter()
  const [asking, setAsking] = useState(false)
  const what = [kinds[item.kind], item.fingerprint].filter(Boolean).join(' ')
  return (
    <>
      <Button
        size="sm"
        variant="ghost"
        aria-label={`Record ${what} of ${item.owner} as ended`}
        onClick={() => setAsking(true)}
      >
        Record as ended…
      </Button>
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title={`Record ${what} as ended`}
        lead="Use this when you know that it has ended at the upstream, for example because you revoked it there yourself. It is not tried again, and what is left of it here is destroyed. It is never shown as confirmed."
        counts={[
          { label: 'Owner', value: item.owner },
          ...(item.project ? [{ label: 'Project', value: item.project }] : []),
        ]}
        reason="required"
        confirmLabel="Record as ended"
        onConfirm={async ({ reason }) => {
          const params = { path: { tenant, revocation: item.id } }
          const sent = await send(
            client.POST('/api/v1/tenants/{tenant}/revocations/{revocation}/record', { params, body: { reason } }),
          )
          if (sent.ok) {
            say('Recorded as ended')
            router.refresh()
          }
          return sent
        }}
      />
    </>
  )
}
