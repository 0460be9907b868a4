import { CircleAlert, Info, Snowflake, TriangleAlert } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import type { Problem } from './action.ts'
import { Button } from './button.tsx'
import { cn } from './cn.ts'
import { ConfirmIdentity, useConfirmed } from './confirm-identity.tsx'
import { Copied } from './copied.tsx'
import { SignInAgain } from './sign-in-again.tsx'

const faces = {
  info: ['border-line bg-surface', 'text-muted', Info],
  attention: ['border-attention/40 bg-attention-tint', 'text-attention', TriangleAlert],
  frozen: ['border-frozen/40 bg-frozen-tint', 'text-frozen', Snowflake],
  error: ['border-broken/40 bg-broken-tint', 'text-broken', CircleAlert],
} as const

export type NoticeProps = Omit<Problem, 'meaning' | 'next' | 'signIn' | 'confirm'> & {
  tone?: keyof typeof faces
  meaning?: ReactNode
  next?: ReactNode
  action?: ReactNode
  /** Read out when it appears; for what comes after the page has loaded. */
  live?: boolean
}

/** What happened, what it means, what to do next, and the request id to quote. */
export function Notice({ tone = 'info', title, meaning, next, requestId, action, live = false }: NoticeProps) {
  const [frame, colour, Icon] = faces[tone]
  return (
    <div
      role={live ? (tone === 'error' ? 'alert' : 'status') : undefined}
      className={cn('flex gap-3 rounded-lg border p-4', frame)}
    >
      <Icon aria-hidden className={cn('mt-0.5 size-4 shrink-0', colour)} />
      <div className="wrap-anywhere flex min-w-0 flex-1 flex-col gap-1">
        <p className="font-semibold">{title}</p>
        {meaning && <p>{meaning}</p>}
        {next && <p>{next}</p>}
        {requestId && (
          <p className="flex flex-wrap gap-x-1">
            Request <Copied text={requestId} label="Copy request id" />
          </p>
        )}
        {action && <div className="flex flex-wrap gap-2 pt-2 empty:hidden">{action}</div>}
      </div>
    </div>
  )
}

/** A failed act, read out at once, with the way on: signing in again where the session is over, and `action`. */
export function ProblemNotice({ problem, action }: { problem: Problem | null; action?: ReactNode }) {
  if (!problem) return null
  const { signIn, confirm, ...said } = problem
  if (confirm) return <ConfirmNotice title={said.title} next="What you typed stays here." isEager />
  const ways = (signIn || action) && (
    <>
      {signIn && <SignInAgain />}
      {action}
    </>
  )
  return <Notice tone="error" live {...said} action={ways} />
}

type ConfirmProps = { title: string; next: string; isEager?: boolean }

/** That something needs a recent sign-in, with the way to it; `isEager` asks at once, and whoever closes it can ask again. */
export function ConfirmNotice({ title, next, isEager = false }: ConfirmProps) {
  const confirmed = useConfirmed()
  const [asking, setAsking] = useState(isEager)
  // What was refused does not count, whatever the clock here says.
  const [before] = useState(confirmed?.until)
  if (confirmed?.isRecent && confirmed.until !== before)
    return <Notice live title="Confirmed: it is you" next={isEager ? 'Try again.' : 'Go on with the form.'} />
  return (
    <>
      <Notice
        tone="attention"
        live={isEager}
        title={title}
        next={next}
        action={
          <Button size="sm" onClick={() => setAsking(true)}>
            Confirm that it is you…
          </Button>
        }
      />
      {asking && <ConfirmIdentity issuer={confirmed?.issuer} onClose={() => setAsking(false)} />}
    </>
  )
}
