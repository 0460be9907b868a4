import { CircleCheck, CircleX, ShieldX } from 'lucide-react'
import type { AuditView } from '@/lib/audit/list.ts'

const faces = {
  ok: ['done', CircleCheck, 'text-healthy'],
  refused: ['refused', ShieldX, 'text-broken'],
  failed: ['failed', CircleX, 'text-attention'],
} as const satisfies Record<AuditView['outcome'], unknown>

/** How an act ended, as icon and word. */
export function OutcomeWord({ outcome }: { outcome: AuditView['outcome'] }) {
  const [word, Icon, colour] = faces[outcome]
  return (
    <span data-badge className={`inline-flex items-center gap-1 whitespace-nowrap ${colour}`}>
      <Icon aria-hidden className="size-4 shrink-0" />
      {word}
    </span>
  )
}
