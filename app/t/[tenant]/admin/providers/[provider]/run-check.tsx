'use client'
import { ListChecks } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { client, send } from '@/app/_features/client.ts'
import { plural } from '@/app/_features/words.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import { say } from '@/app/_ui/toaster.tsx'

/** Checks the provider now; the page shows what was seen. */
export function RunCheck({ tenant, provider }: { tenant: string; provider: string }) {
  const router = useRouter()
  const { busy, problem, start } = useAction(async () => {
    const params = { path: { tenant, provider } }
    const sent = await send(client.POST('/api/v1/tenants/{tenant}/providers/{provider}/check', { params, body: {} }))
    if (sent.ok) {
      const failed = sent.data.lines.filter(({ state }) => state === 'failed').length
      say(failed > 0 ? `Checked: ${plural(failed, 'line')} failed` : 'Checked: nothing failed')
      router.refresh()
    }
    return sent
  })
  return (
    <div className="flex flex-col items-stretch gap-3">
      <div className="flex flex-wrap items-center gap-3">
        <Button variant="primary" busy={busy} onClick={() => void start()}>
          <ListChecks aria-hidden />
          Run check
        </Button>
        <p role="status" className="text-muted empty:hidden">
          {busy && 'Asking the upstream. This takes up to half a minute.'}
        </p>
      </div>
      <ProblemNotice problem={problem} />
    </div>
  )
}
