'use client'
import { ExternalLink } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { client, leaveFor, send } from '@/app/_features/client.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button, ButtonLink } from '@/app/_ui/button.tsx'
import { useHydrated } from '@/app/_ui/clock.ts'
import { KeyValue } from '@/app/_ui/key-value.tsx'
import { Notice, ProblemNotice } from '@/app/_ui/notice.tsx'
import { SignInCard } from '@/app/_ui/sign-in-card.tsx'
import { Countdown, Time } from '@/app/_ui/time.tsx'
import type { LinkRequestView } from '@/lib/broker/link/ask.ts'

type Asked = Omit<LinkRequestView, 'createdAt' | 'expiresAt'> & { createdAt: string; expiresAt: string }
type Props = { tenant: { slug: string; name: string }; mayWork: boolean; now: string; asked: Asked }

const titles = {
  link: 'Link it for your program?',
  reconnect: 'Reconnect it for your program?',
  step_up: 'Allow more to your connection?',
} as const

/** Why the program could not go on by itself (ASK-14). */
const reasons = {
  link: 'You have not linked this upstream yet. A program with your access called it, and Valetkey had nothing to call it with.',
  reconnect:
    'The upstream no longer accepts your connection. Your projects, aliases and tokens stay; only the approval there is made again.',
  step_up: 'The upstream asks for scopes that you have not granted to your connection.',
} as const

const ends = {
  declined: ['Declined', 'Nothing was linked. The program is told when it asks again.'],
  cancelled: ['This link was cancelled', 'Nothing was linked. The program can ask again.'],
  timed_out: [
    'This request has expired',
    'It was not answered within ten minutes. Call the program again: it asks anew.',
  ],
  completed: ['It is linked', 'Go back to your program and let it try again. You can close this page.'],
} as const

/** What a program asks of its person, and the two answers. */
export function AskedToLink({ tenant, mayWork, now, asked }: Props) {
  const { id, status, cause, program, provider, project, scopes } = asked
  const router = useRouter()
  // A press before scripts run would do nothing, and look like an answer.
  const isReady = useHydrated()
  const params = { path: { tenant: tenant.slug, link_request: id } }
  const start = useAction(async () => {
    const sent = await send(
      client.POST('/api/v1/tenants/{tenant}/link-requests/{link_request}/start', { params, body: {} }),
    )
    if (sent.ok) leaveFor(sent.data.url)
    return sent
  })
  const decline = useAction(async () => {
    const sent = await send(
      client.POST('/api/v1/tenants/{tenant}/link-requests/{link_request}/decline', { params, body: {} }),
    )
    if (sent.ok) router.refresh()
    return sent
  })
  const back = <ButtonLink href={`/t/${tenant.slug}/projects/${project.id}`}>Show the project</ButtonLink>

  if (status !== 'asked' && status !== 'accepted') {
    const [title, meaning] = ends[status]
    return (
      <SignInCard title={title} lead={meaning}>
        {back}
      </SignInCard>
    )
  }
  return (
    <SignInCard
      title={titles[cause]}
      lead="Continue only if you use this program, and sent it there yourself just now."
    >
      <p>{reasons[cause]}</p>
      <KeyValue
        items={[
          {
            label: program?.is === 'token' ? 'Token' : 'Program',
            value: program ? <bdi>{program.name}</bdi> : 'A program with your access',
          },
          { label: 'Tenant', value: <bdi>{tenant.name}</bdi> },
          {
            label: 'Upstream',
            value: (
              <>
                <bdi>{provider.name}</bdi> <span className="text-muted">{provider.host}</span>
              </>
            ),
          },
          { label: 'Project', value: <bdi>{project.name}</bdi> },
          ...(scopes.length > 0 ? [{ label: 'Scopes', value: scopes.join(' '), mono: true }] : []),
          { label: 'Asked', value: <Time at={asked.createdAt} now={now} /> },
          { label: 'Time left', value: <Countdown until={asked.expiresAt} now={now} ended="none" /> },
        ]}
      />
      {mayWork ? (
        <div className="flex flex-col gap-2">
          <div className="flex flex-wrap gap-2">
            <Button variant="primary" disabled={!isReady} busy={start.busy} onClick={() => void start.start()}>
              Continue to {provider.name}
              <ExternalLink aria-hidden />
            </Button>
            <Button disabled={!isReady} busy={decline.busy} onClick={() => void decline.start()}>
              Decline
            </Button>
          </div>
          <ProblemNotice problem={start.problem ?? decline.problem} />
        </div>
      ) : (
        <Notice
          tone="attention"
          title="Your role cannot link"
          meaning="Auditors read everything and change nothing."
          next="Ask an admin of the tenant."
        />
      )}
    </SignInCard>
  )
}
