import { CopyButton } from '@/app/_ui/copy-button.tsx'
import type { Snippet } from '@/lib/providers/mcp/clients.ts'

/** Text to copy into a file or a terminal, where it goes above it and what is left to do below. */
export function CodeBlock({ where, code, next, label }: Snippet & { label: string }) {
  return (
    <div className="flex min-w-0 flex-col items-start gap-2">
      <p className="wrap-anywhere text-muted">Into {where}:</p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: code that scrolls must scroll from the keyboard (WCAG 2.1.1) */}
      <pre tabIndex={0} className="w-full overflow-x-auto rounded-lg bg-raised p-3 font-mono text-[13px] leading-5">
        {code}
      </pre>
      <CopyButton text={code} label={`Copy for ${label}`} />
      {next && <p className="wrap-anywhere">{next}</p>}
    </div>
  )
}
