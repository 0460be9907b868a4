'use client'
import { useRouter } from 'next/navigation'
import { client, send } from '@/app/_features/client.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import { say } from '@/app/_ui/toaster.tsx'

type Props = { tenant: string; webhook: string; message: { id: string; kind: string } }

/** Puts a message into the queue again; its id stays, so that the receiver can tell. */
export function SendAgain({ tenant, webhook, message }: Props) {
  const router = useRouter()
  const { busy, problem, start } = useAction(async () => {
    const params = { path: { tenant, webhook, delivery: message.id } }
    const sent = await send(
      client.POST('/api/v1/tenants/{tenant}/webhooks/{webhook}/deliveries/{delivery}/retry', { params, body: {} }),
    )
    if (sent.ok) {
      say('Sending it again')
      router.refresh()
    }
    return sent
  })
  return (
    <span className="inline-flex flex-col items-end gap-2">
      <Button size="sm" aria-label={`Send ${message.kind} again`} busy={busy} onClick={() => void start()}>
        Send again
      </Button>
      <ProblemNotice problem={problem} />
    </span>
  )
}
