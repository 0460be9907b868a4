import { Eye, EyeOff, GitCompareArrows, Lock, PencilOff, SpellCheck2, TriangleAlert, Unplug } from 'lucide-react'
import { cn } from '@/app/_ui/cn.ts'
import { Badge, type Face } from '@/app/_ui/state-badge.tsx'
import type { Looked } from '@/lib/broker/read/tools.ts'

/** What is to be known of a tool at a glance. */
export type ToolMarks = {
  readOnly: boolean
  destructive: boolean
  isPlain: boolean
  looksLikeAnother: boolean
  looked: Looked
  heldBack: boolean
  isGone?: boolean
}

const faces = {
  readOnly: ['healthy', PencilOff, 'read-only'],
  destructive: ['attention', TriangleAlert, 'destructive'],
  changed: ['attention', GitCompareArrows, 'changed'],
  never: ['revoked', EyeOff, 'not looked at'],
  current: ['healthy', Eye, 'looked at'],
  heldBack: ['frozen', Lock, 'held back'],
  suspect: ['attention', SpellCheck2, 'suspect name'],
  gone: ['revoked', Unplug, 'gone'],
} as const satisfies Record<string, Face>

/** The server's own marks of a tool, and what is known of it here. `quiet`: only what sets it apart from others. */
export function ToolBadges({ marks, quiet = false }: { marks: ToolMarks; quiet?: boolean }) {
  const { readOnly, destructive, isPlain, looksLikeAnother, looked, heldBack, isGone } = marks
  const shown = [
    isGone && faces.gone,
    readOnly && faces.readOnly,
    destructive && faces.destructive,
    looked === 'changed' && faces.changed,
    looked !== 'changed' && !quiet && !isGone && faces[looked],
    heldBack && faces.heldBack,
    (!isPlain || looksLikeAnother) && faces.suspect,
  ].filter((face) => face !== false && face !== undefined)
  return (
    <span className="flex flex-wrap gap-1 empty:hidden">
      {shown.map((face) => (
        <Badge key={face[2]} face={face} />
      ))}
    </span>
  )
}

/** Why a name is to be read twice. */
export function suspectWords(
  { isPlain, looksLikeAnother }: Pick<ToolMarks, 'isPlain' | 'looksLikeAnother'>,
  of = 'tool',
) {
  if (looksLikeAnother) return `Another ${of} of this server has a name that looks much like this one.`
  return isPlain ? null : 'This name has characters that may pass for others.'
}

/** A name of a server's, as it is: its own direction of writing reaches no further. */
export const ServerName = ({ text, className }: { text: string; className?: string }) => (
  <bdi className={cn('wrap-anywhere font-mono text-[13px]', className)}>{text}</bdi>
)

/** Text of a server's, plain, in its lines. `lines`: no more of them. */
export const ServerText = ({ text, className }: { text: string; className?: string }) => (
  <bdi className={cn('wrap-anywhere block whitespace-pre-line', className)}>{text}</bdi>
)

/** Said wherever words of a server are shown. */
export const fromServer =
  'Names, descriptions and the marks read-only and destructive are the server’s own words. Nobody checks them.'
