'use client'
import type { ReactNode } from 'react'
import { Button } from './button.tsx'

export type SelectionBarProps = {
  /** "12 selected", "1,204 selected (all that match)". */
  summary: string
  onClear: () => void
  /** Offers the whole match when only a page is ticked. */
  onSelectAll?: { label: string; act: () => void }
  children: ReactNode
}

/** What can be done with the ticked rows; stays in sight at the bottom. */
export function SelectionBar({ summary, onClear, onSelectAll, children }: SelectionBarProps) {
  return (
    <section
      aria-label="Selection"
      className="sticky bottom-4 z-20 mt-3 flex animate-enter flex-wrap items-center gap-2 rounded-lg border border-edge bg-surface p-2 pl-4"
    >
      <span aria-live="polite" className="font-semibold tabular-nums">
        {summary}
      </span>
      {onSelectAll && (
        <Button size="sm" variant="ghost" onClick={onSelectAll.act}>
          {onSelectAll.label}
        </Button>
      )}
      <Button size="sm" variant="ghost" onClick={onClear}>
        Clear
      </Button>
      <span className="ml-auto flex flex-wrap gap-2">{children}</span>
    </section>
  )
}
