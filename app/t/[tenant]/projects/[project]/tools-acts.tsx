'use client'
import { Eye } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { AskServer } from '@/app/_features/ask-server.tsx'
import { client, send } from '@/app/_features/client.ts'
import { plural } from '@/app/_features/words.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import { say } from '@/app/_ui/toaster.tsx'

type Place = { tenant: string; project: string }

export function Refresh({ primary = false, ...place }: Place & { primary?: boolean }) {
  const router = useRouter()
  return (
    <AskServer
      {...place}
      variant={primary ? 'primary' : 'secondary'}
      onAsked={() => {
        say('The server has answered')
        router.refresh()
      }}
    />
  )
}

type LookedProps = Place & {
  /** As the page shows them. */
  tools: { name: string; hash: string }[]
  label: string
  /** Of one tool: which. */
  of?: string
}

/** Says that somebody has looked at tools as they stand on the page; what has changed meanwhile is not meant. */
export function LookedAt({ tenant, project, tools, label, of }: LookedProps) {
  const router = useRouter()
  const { busy, problem, start } = useAction(async () => {
    const params = { path: { tenant, project } }
    const sent = await send(
      client.POST('/api/v1/tenants/{tenant}/projects/{project}/tools/review', { params, body: { tools } }),
    )
    if (sent.ok) {
      const { reviewed, changed } = sent.data
      say(
        changed.length > 0
          ? `${plural(changed.length, 'tool')} changed again meanwhile: look once more`
          : `${plural(reviewed.length, 'tool')} looked at`,
      )
      router.refresh()
    }
    return sent
  })
  return (
    <div className="flex flex-col gap-2">
      <Button size="sm" busy={busy} onClick={() => void start()} aria-label={of && `${label}: ${of}`}>
        <Eye aria-hidden />
        {label}
      </Button>
      <ProblemNotice problem={problem} />
    </div>
  )
}
