import type { ReactNode } from 'react'
import { cn } from './cn.ts'
import { type Tone, toneClass } from './state-badge.tsx'
import { Time } from './time.tsx'

export type TimelineItem = {
  id: string
  /** ISO moment; left out for the present. */
  at?: string
  title: string
  detail?: ReactNode
  tone?: Tone
  /** 14 px; a dot without one. */
  icon?: ReactNode
}

/** What happened, in the order given. */
export function Timeline({ items, now }: { items: TimelineItem[]; now?: string }) {
  return (
    <ol className="flex flex-col">
      {items.map(({ id, at, title, detail, tone = 'revoked', icon }) => (
        <li key={id} className="group relative flex gap-3 pb-4 last:pb-0">
          <span aria-hidden className="absolute top-6 bottom-0 left-[11.5px] w-px bg-line group-last:hidden" />
          <span
            aria-hidden
            className={cn('flex size-6 shrink-0 items-center justify-center rounded-full', toneClass[tone])}
          >
            {icon ?? <span className="size-2 rounded-full bg-current" />}
          </span>
          <div className="min-w-0 flex-1 pt-0.5">
            <div className="flex flex-wrap justify-between gap-x-4">
              <span className="wrap-anywhere font-semibold">{title}</span>
              {at && (
                <span className="text-muted">
                  <Time at={at} now={now} />
                </span>
              )}
            </div>
            {detail && <div className="wrap-anywhere text-muted">{detail}</div>}
          </div>
        </li>
      ))}
    </ol>
  )
}
