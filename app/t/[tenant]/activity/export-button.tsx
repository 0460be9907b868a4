'use client'
import { Download } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { client, keepAs, type Sent, send } from '@/app/_features/client.ts'
import { type ActionResult, useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { DropdownMenu } from '@/app/_ui/dropdown-menu.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import type { Paths } from '@/lib/client/index.ts'

/** What the page is filtered by, as the API takes it. */
export type WireFilter = NonNullable<
  Paths['/api/v1/tenants/{tenant}/audit-events/csv']['post']['requestBody']
>['content']['application/json']
type Format = 'csv' | 'ndjson' | 'chain'

/**
 * Downloads what the filter finds, as a table or as lines, or the tenant's whole chain of events for verifying. That it was taken
 * is an event as well, so the page reads itself again.
 */
export function ExportButton({ tenant, filter, chain }: { tenant: string; filter: WireFilter; chain: boolean }) {
  const router = useRouter()
  const { busy, problem, start } = useAction((format: Format) => download(tenant, filter, format))
  const take = (format: Format) => async () => {
    if (await start(format)) router.refresh()
  }
  return (
    <div className="flex flex-col items-end gap-2">
      <DropdownMenu
        label="Download"
        items={[
          { label: 'These events as CSV', onSelect: take('csv') },
          { label: 'These events as lines of JSON', onSelect: take('ndjson') },
          ...(chain ? [{ label: 'Everything, signed, for audit verify', onSelect: take('chain') }] : []),
        ]}
        trigger={
          <Button busy={busy}>
            <Download aria-hidden />
            Download
          </Button>
        }
      />
      {problem && <ProblemNotice problem={problem} />}
    </div>
  )
}

async function download(tenant: string, body: WireFilter, format: Format): Promise<ActionResult> {
  const params = { path: { tenant } }
  const options = { params, parseAs: 'blob' } as const
  const sent: Sent<Blob> = await send(
    format === 'csv'
      ? client.POST('/api/v1/tenants/{tenant}/audit-events/csv', { ...options, body })
      : format === 'ndjson'
        ? client.POST('/api/v1/tenants/{tenant}/audit-events/ndjson', { ...options, body })
        : client.POST('/api/v1/tenants/{tenant}/audit-events/exports', options),
  )
  const name = { csv: `activity-${tenant}.csv`, ndjson: `activity-${tenant}.ndjson`, chain: `audit-${tenant}.ndjson` }
  if (sent.ok) keepAs(name[format], sent.data)
  return sent
}
