'use client'
import { RefreshCw } from 'lucide-react'
import { useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { plural } from '@/app/_features/words.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import Link from '@/app/_ui/link.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { say } from '@/app/_ui/toaster.tsx'
import type { Paths } from '@/lib/client/index.ts'

type Path = '/api/v1/tenants/{tenant}/connections/{connection}/upstream-sessions'
type Listed = Paths[Path]['post']['responses'][200]['content']['application/json']
type Session = Listed['sessions'][number]
type Props = { tenant: string; connection: string; provider: string }

/** The sessions that the viewer has at the upstream, once they want to see them: it may be slow, and this page does not wait for it. */
export function SessionsSection({ tenant, connection, provider }: Props) {
  const [listed, setListed] = useState<Listed | null>(null)
  const { busy, problem, start } = useAction(async () => {
    const params = { path: { tenant, connection } }
    const sent = await send(
      client.POST('/api/v1/tenants/{tenant}/connections/{connection}/upstream-sessions', { params, body: {} }),
    )
    if (sent.ok) setListed(sent.data)
    return sent
  })
  return (
    <Section
      title={`Your sessions at ${provider}`}
      lead="One of them is this connection’s. Others are of other connections, or of programs that know nothing of Valetkey."
    >
      <div className="flex flex-col gap-3 rounded-lg border bg-surface p-4">
        {listed && <SessionList tenant={tenant} connection={connection} listed={listed} onEnded={() => void start()} />}
        <div>
          <Button size="sm" busy={busy} onClick={() => void start()}>
            <RefreshCw aria-hidden />
            {listed ? 'Ask again' : 'Show sessions'}
          </Button>
        </div>
        <ProblemNotice problem={problem} />
      </div>
    </Section>
  )
}

type ListProps = Omit<Props, 'provider'> & { listed: Listed; onEnded: () => void }

function SessionList({ tenant, connection, listed: { sessions, more }, onEnded }: ListProps) {
  return (
    <>
      {sessions.length > 0 && (
        <ul aria-label="Sessions" className="flex flex-col divide-y">
          {sessions.map((session) => (
            <li key={session.handle} className="flex flex-wrap items-center justify-between gap-3 py-2">
              <span className="flex min-w-0 flex-col">
                <span className="wrap-anywhere">{nameOf(session, tenant)}</span>
                <span className="wrap-anywhere text-[13px] text-muted">
                  <bdi>{session.client ?? 'program not reported'}</bdi> · began{' '}
                  {session.created_at ? <Time at={session.created_at} form="exact" /> : 'at a time not reported'} · last
                  used {session.last_used_at ? <Time at={session.last_used_at} form="exact" /> : 'not reported'}
                </span>
              </span>
              {!session.is_current && !session.connection && (
                <EndUpstreamSession tenant={tenant} connection={connection} session={session} onEnded={onEnded} />
              )}
            </li>
          ))}
        </ul>
      )}
      {sessions.length === 0 && more === 0 && <p>The upstream lists none.</p>}
      {more > 0 && <p className="text-muted">{plural(more, 'more session')} there, which cannot be shown here.</p>}
    </>
  )
}

function nameOf({ handle, is_current, connection }: Session, tenant: string) {
  if (is_current) return <span className="font-semibold">This connection</span>
  if (!connection) return `Another program · ${handle.slice(0, 8)}`
  return (
    <>
      Your connection to{' '}
      <Link href={`/t/${tenant}/connections/${connection.id}`} className="rounded-sm underline underline-offset-4">
        {connection.name}
      </Link>
    </>
  )
}

const outcomes = {
  confirmed: 'The session was ended, and is not listed any more',
  done: 'The upstream says that it ended the session',
  failed: 'The upstream lists the session still',
}

type EndProps = { tenant: string; connection: string; session: Session; onEnded: () => void }

function EndUpstreamSession({ tenant, connection, session, onEnded }: EndProps) {
  const [asking, setAsking] = useState(false)
  const name = session.handle.slice(0, 8)
  return (
    <>
      <Button size="sm" aria-label={`End the session ${name}`} onClick={() => setAsking(true)}>
        End…
      </Button>
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title={`End the session ${name}`}
        lead="Whatever uses it there, such as a command on one of your computers, has to sign in again. Nothing here stands on it."
        confirmLabel="End session"
        onConfirm={async () => {
          const sent = await send(
            client.DELETE('/api/v1/tenants/{tenant}/connections/{connection}/upstream-sessions/{handle}', {
              params: { path: { tenant, connection, handle: session.handle } },
            }),
          )
          if (sent.ok) {
            say(outcomes[sent.data.upstream])
            onEnded()
          }
          return sent
        }}
      />
    </>
  )
}
