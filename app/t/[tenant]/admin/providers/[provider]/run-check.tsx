'use client'
import { ListChecks } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { useTransition } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { plural } from '@/app/_features/words.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { cn } from '@/app/_ui/cn.ts'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import { say } from '@/app/_ui/toaster.tsx'

type Props = { tenant: string; provider: string; centred?: boolean }

/** Checks the provider now; the page shows what was seen. */
export function RunCheck({ tenant, provider, centred = false }: Props) {
  const router = useRouter()
  const [isShowing, show] = useTransition()
  const { busy, problem, start } = useAction(async () => {
    const params = { path: { tenant, provider } }
    const sent = await send(client.POST('/api/v1/tenants/{tenant}/providers/{provider}/check', { params, body: {} }))
    if (sent.ok) {
      const failed = sent.data.lines.filter(({ state }) => state === 'failed').length
      say(failed > 0 ? `Checked: ${plural(failed, 'line')} failed` : 'Checked: nothing failed')
      show(() => router.refresh())
    }
    return sent
  })
  return (
    <div className="flex flex-col items-stretch gap-3">
      <div className={cn('flex items-center gap-3', centred ? 'flex-col' : 'flex-wrap')}>
        {/* Busy until what was seen is on the page. */}
        <Button variant="primary" busy={busy || isShowing} onClick={() => void start()}>
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
