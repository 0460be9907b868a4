'use client'
import { useRouter } from 'next/navigation'
import { client, leaveFor, send } from '@/app/_features/client.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button, ButtonLink } from '@/app/_ui/button.tsx'
import { Notice, ProblemNotice } from '@/app/_ui/notice.tsx'
import { Countdown, Time } from '@/app/_ui/time.tsx'

export type OpenAttempt = {
  id: string
  provider: string
  relink: boolean
  /** They came back, and are to choose the projects that it is for. */
  choosing?: boolean
  startedAt: string
  expiresAt: string
}
type Props = { tenant: string; attempt: OpenAttempt; now: string; afterGivingUp?: string }

/** A started link that can still be finished (K-39). */
export function AttemptNotice({ tenant, attempt, now, afterGivingUp }: Props) {
  const { id, provider, relink, choosing = false, startedAt, expiresAt } = attempt
  return (
    <Notice
      title={
        choosing
          ? `Choose the projects of your sign-in at ${provider}`
          : relink
            ? `You started reconnecting at ${provider}`
            : `You started linking a project at ${provider}`
      }
      meaning={
        <>
          Started <Time at={startedAt} now={now} />, time left: <Countdown until={expiresAt} now={now} ended="none" />.
          {choosing
            ? 'Choose, or cancel it. Either way, what is not chosen counts for nothing.'
            : 'Continue where you left off, or cancel it. After that, Valetkey refuses the approval.'}
        </>
      }
      action={<AttemptActs tenant={tenant} id={id} choosing={choosing} afterGivingUp={afterGivingUp} />}
    />
  )
}

type ActsProps = { tenant: string; id: string; choosing?: boolean; afterGivingUp?: string | undefined }

/** Continue, or give up. */
export function AttemptActs({ tenant, id, choosing = false, afterGivingUp }: ActsProps) {
  const router = useRouter()
  const params = { path: { tenant, attempt: id } }
  const resume = useAction(async () => {
    const sent = await send(client.POST('/api/v1/tenants/{tenant}/attempts/{attempt}/resume', { params, body: {} }))
    if (sent.ok) leaveFor(sent.data.url)
    return sent
  })
  const cancel = useAction(async () => {
    const sent = await send(client.DELETE('/api/v1/tenants/{tenant}/attempts/{attempt}', { params }))
    if (sent.ok && afterGivingUp) router.push(afterGivingUp)
    else if (sent.ok) router.refresh()
    return sent
  })
  return (
    <div className="flex flex-col gap-2">
      <div className="flex flex-wrap gap-2">
        {choosing ? (
          <ButtonLink size="sm" variant="primary" href={`/connect/${id}`}>
            Choose projects
          </ButtonLink>
        ) : (
          <Button size="sm" variant="primary" busy={resume.busy} onClick={() => void resume.start()}>
            Continue
          </Button>
        )}
        <Button size="sm" busy={cancel.busy} onClick={() => void cancel.start()}>
          Cancel link
        </Button>
      </div>
      <ProblemNotice problem={resume.problem ?? cancel.problem} />
    </div>
  )
}
