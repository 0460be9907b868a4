import { CircleAlert, Info, Snowflake, TriangleAlert } from 'lucide-react'
import type { ReactNode } from 'react'
import type { Problem } from './action.ts'
import { cn } from './cn.ts'
import { ConfirmAgain } from './confirm-identity.tsx'
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

/** A failed act, read out at once, with the way on: signing in again where the session is over or too old, and `action`. */
export function ProblemNotice({ problem, action }: { problem: Problem | null; action?: ReactNode }) {
  if (!problem) return null
  const { signIn, confirm, ...said } = problem
  const ways = (signIn || confirm || action) && (
    <>
      {signIn && <SignInAgain />}
      {confirm && <ConfirmAgain isEager />}
      {action}
    </>
  )
  return <Notice tone={confirm ? 'attention' : 'error'} live {...said} action={ways} />
}
