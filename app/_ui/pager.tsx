import { ChevronLeft, ChevronRight } from 'lucide-react'
import { ButtonLink } from './button.tsx'

export type PagerProps = {
  newerHref?: string
  newerLabel?: string
  olderHref?: string
  olderLabel?: string
  summary?: string
}

/** Steps through a list by key. A step that does not exist is not shown. */
export function Pager({ newerHref, newerLabel = 'Newer', olderHref, olderLabel = 'Older', summary }: PagerProps) {
  if (!newerHref && !olderHref && !summary) return null
  return (
    <nav aria-label="Pages" className="flex min-h-8 flex-wrap items-center justify-between gap-2">
      <span className="text-muted tabular-nums">{summary}</span>
      <span className="flex gap-2">
        {newerHref && (
          <ButtonLink size="sm" href={newerHref} rel="prev">
            <ChevronLeft aria-hidden />
            {newerLabel}
          </ButtonLink>
        )}
        {olderHref && (
          <ButtonLink size="sm" href={olderHref} rel="next">
            {olderLabel}
            <ChevronRight aria-hidden />
          </ButtonLink>
        )}
      </span>
    </nav>
  )
}
