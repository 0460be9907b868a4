import { ChevronRight } from 'lucide-react'
import type { ReactNode } from 'react'
import Link from './link.tsx'

export type Crumb = { label: string; href: string }

/** The way back up; the page itself is the heading below it. */
export function Breadcrumb({ trail }: { trail: Crumb[] }) {
  return (
    <nav aria-label="Breadcrumb">
      <ol className="flex flex-wrap items-center gap-1 text-muted">
        {trail.map(({ label, href }, index) => (
          <li key={href} className="inline-flex min-w-0 items-center gap-1">
            {index > 0 && <ChevronRight aria-hidden className="size-4 shrink-0" />}
            <Link
              href={href}
              className="wrap-anywhere rounded-sm underline decoration-edge underline-offset-4 hover:text-ink"
            >
              {label}
            </Link>
          </li>
        ))}
      </ol>
    </nav>
  )
}

export type PageHeaderProps = {
  title: string
  lead?: ReactNode
  trail?: Crumb[]
  /** Beside the title: a state badge. */
  badge?: ReactNode
  actions?: ReactNode
}

/** The one h1 of a page, where it lies, and its actions. */
export function PageHeader({ title, lead, trail, badge, actions }: PageHeaderProps) {
  return (
    <header className="flex flex-col gap-2">
      {trail && <Breadcrumb trail={trail} />}
      <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-3">
        <div className="flex min-w-0 flex-col gap-1">
          <div className="flex flex-wrap items-center gap-3">
            <h1 className="wrap-anywhere min-w-0 font-semibold text-[24px] leading-8">{title}</h1>
            {badge}
          </div>
          {lead && <p className="wrap-anywhere max-w-[72ch] text-pretty text-muted">{lead}</p>}
        </div>
        {actions && <div className="flex flex-wrap gap-2">{actions}</div>}
      </div>
    </header>
  )
}
