'use client'
import { ExternalLink } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { startLink } from '@/app/_features/link.tsx'
import { plural } from '@/app/_features/words.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import { say } from '@/app/_ui/toaster.tsx'

type MoveProps = { tenant: string; providerId: string; connectionId: string; flow: { name: string; title: string } }

/** Moves a connection to another way to link: its person signs in there once, and everything else of it stays. */
export function MoveConnection({ tenant, providerId, connectionId, flow }: MoveProps) {
  const { busy, problem, start } = useAction(startLink)
  return (
    <div className="flex min-w-0 flex-col items-start gap-2">
      <Button
        busy={busy}
        onClick={() => void start(tenant, { provider: providerId, connection: connectionId, flow: flow.name })}
      >
        Move to “{flow.title}”
        <ExternalLink aria-hidden />
      </Button>
      <ProblemNotice problem={problem} />
    </div>
  )
}

type LeaveProps = { tenant: string; connection: string; project: { id: string; name: string }; others: number }

/** Takes one of several projects off a connection, after saying what ends with that. */
export function LeaveProject({ tenant, connection, project, others }: LeaveProps) {
  const router = useRouter()
  const [asking, setAsking] = useState(false)
  return (
    <>
      <Button size="sm" onClick={() => setAsking(true)} aria-label={`Take ${project.name} off`}>
        Take off…
      </Button>
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title={`Take ${project.name} off this connection`}
        lead={`Live tokens issued for it are revoked. The connection stays for ${plural(others, 'other project')}, and the sign-in at the upstream goes on.`}
        counts={[]}
        confirmLabel="Take off"
        onConfirm={async () => {
          const sent = await send(
            client.DELETE('/api/v1/tenants/{tenant}/connections/{connection}/projects/{project}', {
              params: { path: { tenant, connection, project: project.id } },
            }),
          )
          if (sent.ok) {
            say(`${project.name} was taken off. ${plural(sent.data.tokens, 'token')} revoked.`)
            router.refresh()
          }
          return sent
        }}
      />
    </>
  )
}
