'use client'
import { Download } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { client, send } from '@/app/_features/client.ts'
import { type ActionResult, useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'

/** Downloads the tenant's whole chain of events. That it was taken is an event as well, so the page reads itself again. */
export function ExportButton({ tenant }: { tenant: string }) {
  const router = useRouter()
  const { busy, problem, start } = useAction(() => downloadExport(tenant))
  return (
    <div className="flex flex-col items-end gap-2">
      <Button busy={busy} onClick={async () => (await start()) && router.refresh()}>
        <Download aria-hidden />
        Download export
      </Button>
      {problem && <ProblemNotice problem={problem} />}
    </div>
  )
}

async function downloadExport(tenant: string): Promise<ActionResult> {
  const sent = await send(
    client.POST('/api/v1/tenants/{tenant}/audit-events/exports', { params: { path: { tenant } }, parseAs: 'blob' }),
  )
  if (sent.ok) keepAs(`audit-${tenant}.ndjson`, sent.data)
  return sent
}

function keepAs(name: string, content: Blob): void {
  const url = URL.createObjectURL(content)
  const link = Object.assign(document.createElement('a'), { href: url, download: name })
  link.click()
  URL.revokeObjectURL(url)
}
