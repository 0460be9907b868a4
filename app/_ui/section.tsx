import type { ReactNode } from 'react'

export type SectionProps = { title: string; lead?: ReactNode; aside?: ReactNode; children: ReactNode }

/** A part of a page under its own heading. */
export function Section({ title, lead, aside, children }: SectionProps) {
  return (
    <section className="flex min-w-0 flex-col gap-3">
      <div className="flex flex-wrap items-end justify-between gap-x-4 gap-y-2">
        <div className="flex min-w-0 flex-col gap-1">
          <h2 className="font-semibold text-[18px] leading-6">{title}</h2>
          {lead && <p className="wrap-anywhere max-w-[72ch] text-pretty text-muted">{lead}</p>}
        </div>
        {aside}
      </div>
      {children}
    </section>
  )
}
