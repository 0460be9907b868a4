import { Ban, CircleCheck, type LucideIcon, Snowflake, TriangleAlert, Unplug } from 'lucide-react'
import type { ReactNode } from 'react'
import { cn } from '@/app/_ui/cn.ts'
import { type Tone, toneClass } from '@/app/_ui/state-badge.tsx'

const icons: Record<Tone, LucideIcon> = {
  healthy: CircleCheck,
  attention: TriangleAlert,
  broken: Unplug,
  frozen: Snowflake,
  revoked: Ban,
}

type Props = { tone: Tone; what: string; more: string; unread: boolean; children?: ReactNode }

/** What happened, with its tone as colour and icon; unread as weight and as a word for who cannot see it. */
export function NotificationFace({ tone, what, more, unread, children }: Props) {
  const Icon = icons[tone]
  return (
    <span className="flex min-w-0 items-start gap-3 py-1 text-left">
      <span
        className={cn('mt-0.5 inline-flex size-6 shrink-0 items-center justify-center rounded-lg', toneClass[tone])}
      >
        <Icon aria-hidden className="size-3.5" />
      </span>
      <span className="flex min-w-0 flex-col">
        <span className={cn('flex items-center gap-2', unread ? 'font-semibold' : 'font-normal')}>
          {what}
          {unread && <span className="rounded-full bg-accent-tint px-2 text-[13px] text-accent-text">new</span>}
        </span>
        {(more || children) && (
          <span className="wrap-anywhere font-normal text-muted">
            {more}
            {children}
          </span>
        )}
      </span>
    </span>
  )
}
