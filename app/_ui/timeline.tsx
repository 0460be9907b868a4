import type { ReactNode } from 'react'
import { cn } from './cn.ts'
import { type Tone, toneClass } from './state-badge.tsx'
import { Time } from './time.tsx'

export type TimelineItem = { id: string; at: string; title: string; detail?: ReactNode; tone?: Tone }

/** What happened, in the order given. */
export function Timeline({ items, now }: { items: TimelineItem[]; now?: string }) {
  return (
    <ol className="flex flex-col">
      {items.map(({ id, at, title, detail, tone = 'revoked' }) => (
        <li key={id} className="group relative flex gap-3 pb-4 last:pb-0">
          <span aria-hidden className={cn('mt-[5px] size-2.5 shrink-0 rounded-full', toneClass[tone], 'bg-current')} />
          <span aria-hidden className="absolute top-5 bottom-0 left-1 w-px bg-line group-last:hidden" />
          <div className="min-w-0 flex-1">
            <div className="flex flex-wrap justify-between gap-x-4">
              <span className="wrap-anywhere font-semibold">{title}</span>
              <span className="text-muted">
                <Time at={at} now={now} />
              </span>
            </div>
            {detail && <div className="wrap-anywhere text-muted">{detail}</div>}
          </div>
        </li>
      ))}
    </ol>
  )
}
