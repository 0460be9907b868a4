'use client'
import { RefreshCw } from 'lucide-react'
import { client, send } from '@/app/_features/client.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'

type Props = { tenant: string; project: string; onAsked: () => void; variant?: 'primary' | 'secondary' }

/** Asks an MCP server what it offers, with the viewer's own connection. */
export function AskServer({ tenant, project, onAsked, variant = 'secondary' }: Props) {
  const { busy, problem, start } = useAction(async () => {
    const params = { path: { tenant, project } }
    return send(client.POST('/api/v1/tenants/{tenant}/projects/{project}/tools/refresh', { params, body: {} }))
  })
  return (
    <div className="flex min-w-0 flex-col gap-3">
      <div>
        <Button
          size="sm"
          variant={variant}
          busy={busy}
          onClick={async () => {
            if (await start()) onAsked()
          }}
        >
          <RefreshCw aria-hidden />
          Ask the server
        </Button>
      </div>
      <ProblemNotice problem={problem} />
    </div>
  )
}
