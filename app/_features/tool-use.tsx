import { Section } from '@/app/_ui/section.tsx'
import type { UseOfTool } from '@/lib/store/mcp.ts'
import { ServerName } from './tools.tsx'
import { plural } from './words.ts'

/** Calls by tool, the most used first, each with a bar. Nothing where there was none. */
export function ToolUse({ uses, days }: { uses: readonly UseOfTool[]; days: number }) {
  if (uses.length === 0) return null
  const most = Math.max(...uses.map(({ calls, refused }) => calls + refused))
  return (
    <Section title="Calls by tool" lead={`The last ${days} days. No argument of a call is kept.`}>
      <ul className="flex flex-col divide-y rounded-lg border bg-surface px-4">
        {uses.map((use) => (
          <li key={use.tool} className="flex flex-wrap items-center justify-between gap-x-6 gap-y-1 py-2">
            {use.tool === '' ? (
              <span className="text-muted">tools that the server does not have</span>
            ) : (
              <ServerName text={use.tool} />
            )}
            <CallBar {...use} most={most} />
          </li>
        ))}
      </ul>
    </Section>
  )
}

/** A bar for the calls, with the number above it. Refusals are outlined, so that they are told apart without colour. */
export function CallBar({ calls, refused, most }: { calls: number; refused: number; most: number }) {
  const width = (part: number) => `${most === 0 ? 0 : (part / most) * 100}%`
  return (
    <span className="flex w-44 shrink-0 flex-col gap-1 text-[13px]">
      <span className="tabular-nums">
        {calls + refused === 0 ? (
          <span className="text-muted">not called</span>
        ) : (
          `${plural(calls, 'call')}${refused > 0 ? `, ${refused} refused` : ''}`
        )}
      </span>
      <span aria-hidden className="flex h-1.5 overflow-hidden rounded-[2px] bg-raised">
        {calls > 0 && <span style={{ width: width(calls) }} className="bg-accent" />}
        {refused > 0 && (
          <span style={{ width: width(refused) }} className="border border-attention bg-attention-tint" />
        )}
      </span>
    </span>
  )
}
