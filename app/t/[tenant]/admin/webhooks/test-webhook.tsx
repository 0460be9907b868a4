'use client'
import { Send } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { deliveryWords } from '@/app/_features/words.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { Notice, ProblemNotice } from '@/app/_ui/notice.tsx'

type Outcome = { id: string; error: string | null; status: number | null }

/** Sends a test message and says how it ended. */
export function TestWebhook({ tenant, webhook }: { tenant: string; webhook: { id: string; host: string } }) {
  const router = useRouter()
  const [outcome, setOutcome] = useState<Outcome | null>(null)
  const { busy, problem, start } = useAction(async () => {
    setOutcome(null)
    const params = { path: { tenant, webhook: webhook.id } }
    const sent = await send(client.POST('/api/v1/tenants/{tenant}/webhooks/{webhook}/test', { params, body: {} }))
    if (sent.ok) {
      setOutcome({ id: sent.data.id, error: sent.data.last_error, status: sent.data.last_status })
      router.refresh()
    }
    return sent
  })
  return (
    <>
      {(outcome || problem) && (
        <div className="w-full">
          <ProblemNotice problem={problem} />
          {outcome && (
            <Notice
              live
              tone={outcome.error ? 'attention' : 'info'}
              title={outcome.error ? 'The test message was not delivered' : 'The test message was delivered'}
              meaning={outcome.error ? deliveryWords(outcome.error) : `The receiver answered ${outcome.status}.`}
              {...(outcome.error && { next: 'Test messages are not retried. Fix the receiver, then test again.' })}
            />
          )}
        </div>
      )}
      <Button size="sm" busy={busy} aria-label={`Send a test to ${webhook.host}`} onClick={() => void start()}>
        <Send aria-hidden />
        Send a test
      </Button>
    </>
  )
}
