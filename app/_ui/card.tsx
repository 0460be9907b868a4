import type { ReactNode } from 'react'
import { cn } from './cn.ts'

export type CardProps = {
  title?: ReactNode
  /** Level of the title: h2 where the card stands right under the page's h1. */
  heading?: 'h2' | 'h3'
  aside?: ReactNode
  footer?: ReactNode
  className?: string
  children?: ReactNode
}

/** A flat panel: title with something at its right, body, footer of actions kept at the bottom. */
export function Card({ title, heading: Heading = 'h3', aside, footer, className, children }: CardProps) {
  return (
    <section className={cn('flex min-w-0 flex-col gap-3 rounded-lg border bg-surface p-4', className)}>
      {(title || aside) && (
        <div className="flex min-h-6 items-start justify-between gap-3">
          <Heading className="wrap-anywhere min-w-0 font-semibold text-[16px] leading-6">{title}</Heading>
          {aside && <div className="flex shrink-0 items-center gap-2">{aside}</div>}
        </div>
      )}
      {children}
      {footer && <div className="mt-auto flex flex-wrap items-center gap-2 pt-1">{footer}</div>}
    </section>
  )
}

/** Cards in as many columns as fit. */
export function CardGrid({ children }: { children: ReactNode }) {
  return <div className="grid grid-cols-[repeat(auto-fill,minmax(min(100%,320px),1fr))] gap-4">{children}</div>
}
