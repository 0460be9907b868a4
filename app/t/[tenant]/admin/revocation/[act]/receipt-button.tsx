'use client'
import { FileCheck } from 'lucide-react'
import { client, keepAs, type Sent, send } from '@/app/_features/client.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'

/** Downloads a signed statement of how the act stands now, which anybody can verify without this server. */
export function ReceiptButton({ tenant, act }: { tenant: string; act: string }) {
  const { busy, problem, start } = useAction(async () => {
    const params = { path: { tenant, revocation_act: act } }
    const sent: Sent<Blob> = await send(
      client.POST('/api/v1/tenants/{tenant}/revocation-acts/{revocation_act}/receipts', { params, parseAs: 'blob' }),
    )
    if (sent.ok) keepAs(`receipt-${act}.jws`, sent.data)
    return sent
  })
  return (
    <div className="flex flex-col items-start gap-2">
      <Button busy={busy} onClick={() => start()}>
        <FileCheck aria-hidden />
        Download receipt
      </Button>
      {problem && <ProblemNotice problem={problem} />}
    </div>
  )
}
