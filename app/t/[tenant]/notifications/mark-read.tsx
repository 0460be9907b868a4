'use client'
import { CheckCheck } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { client, send } from '@/app/_features/client.ts'
import { plural } from '@/app/_features/words.ts'
import { type ActionResult, useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import { say } from '@/app/_ui/toaster.tsx'

/** Marks, then reads the page and the bell again. */
function useMark(tenant: string, body: { ids: string[] } | { through: string }, done: string) {
  const router = useRouter()
  return useAction(async (): Promise<ActionResult> => {
    const sent = await send(
      client.POST('/api/v1/tenants/{tenant}/notifications/read', { params: { path: { tenant } }, body }),
    )
    if (sent.ok) {
      say(done)
      router.refresh()
    }
    return sent
  })
}

export function MarkRead({ tenant, id, what }: { tenant: string; id: string; what: string }) {
  const { busy, problem, start } = useMark(tenant, { ids: [id] }, 'Marked as read')
  return (
    <span className="inline-flex flex-col items-end gap-2">
      <Button size="sm" aria-label={`Mark as read: ${what}`} busy={busy} onClick={() => void start()}>
        Mark as read
      </Button>
      <ProblemNotice problem={problem} />
    </span>
  )
}

/** Up to the newest on screen: what has arrived since stays unread. */
export function MarkAllRead({ tenant, through, count }: { tenant: string; through: string; count: number }) {
  const { busy, problem, start } = useMark(tenant, { through }, `${plural(count, 'notification')} read`)
  return (
    <span className="flex flex-col items-end gap-2">
      <Button busy={busy} onClick={() => void start()}>
        <CheckCheck aria-hidden />
        Mark all as read
      </Button>
      <ProblemNotice problem={problem} />
    </span>
  )
}
