import { CloudOff, Inbox, Lock, SearchX } from 'lucide-react'
import type { ReactNode } from 'react'
import { CommandLine } from './command-line.tsx'

const icons = { 'no-data': Inbox, 'no-match': SearchX, 'no-right': Lock, failed: CloudOff }

export type EmptyStateProps = {
  kind: keyof typeof icons
  title: string
  /** What this list is and why it is empty. */
  why: ReactNode
  /** The next step, usually one button. */
  action?: ReactNode
  /** The same step from a terminal. */
  command?: string
}

/** An empty list: no data yet, nothing matches, no right to see it, or it failed to load. */
export function EmptyState({ kind, title, why, action, command }: EmptyStateProps) {
  const Icon = icons[kind]
  return (
    <div className="flex flex-col items-center gap-3 rounded-lg border border-dashed bg-surface px-6 py-12 text-center">
      <Icon aria-hidden className="size-6 text-muted" />
      <h2 className="wrap-anywhere font-semibold text-[16px] leading-6">{title}</h2>
      <p className="wrap-anywhere max-w-[60ch] text-muted">{why}</p>
      {action && <div className="flex flex-wrap justify-center gap-2 pt-1">{action}</div>}
      {command && (
        <div className="flex max-w-full flex-col items-center gap-1 pt-1 text-[14px] text-muted leading-5">
          Or from a terminal
          <CommandLine command={command} />
        </div>
      )}
    </div>
  )
}
