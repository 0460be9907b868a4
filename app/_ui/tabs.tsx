'use client'
import { Tabs as Radix } from 'radix-ui'
import type { ReactNode } from 'react'
import { CopyButton } from './copy-button.tsx'

export type Tab = { id: string; label: string; content: ReactNode }

/** Panels of which one is seen; arrow keys move between the tabs. */
export function Tabs({ label, tabs, defaultId }: { label: string; tabs: Tab[]; defaultId?: string }) {
  return (
    <Radix.Root defaultValue={defaultId ?? tabs[0]?.id} className="flex min-w-0 flex-col">
      <Radix.List aria-label={label} className="flex gap-1 overflow-x-auto border-b">
        {tabs.map(({ id, label: word }) => (
          <Radix.Trigger
            key={id}
            value={id}
            className="-mb-px h-10 shrink-0 border-transparent border-b-2 px-3 text-muted -outline-offset-2 hover:text-ink data-[state=active]:border-accent data-[state=active]:font-semibold data-[state=active]:text-ink"
          >
            {word}
          </Radix.Trigger>
        ))}
      </Radix.List>
      {tabs.map(({ id, content }) => (
        <Radix.Content key={id} value={id} className="pt-3">
          {content}
        </Radix.Content>
      ))}
    </Radix.Root>
  )
}

export type CodeSample = {
  id: string
  label: string
  /** What is copied. */
  code: string
  /** What is shown in its place, where the code holds a secret. */
  shown?: string
  /** Where it goes, and what is left to do. */
  note?: string | undefined
}

/** The same thing said to several tools (curl, env, …), each with its copy button. */
export function CodeTabs({
  label,
  samples,
  onCopied,
}: {
  label: string
  samples: CodeSample[]
  onCopied?: (sample: CodeSample) => void
}) {
  const tabs = samples.map((sample) => ({
    id: sample.id,
    label: sample.label,
    content: (
      <div className="flex min-w-0 flex-col items-start gap-2">
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: code that scrolls must scroll from the keyboard (WCAG 2.1.1) */}
        <pre tabIndex={0} className="w-full overflow-x-auto rounded-lg bg-raised p-3 font-mono text-[13px] leading-5">
          {sample.shown ?? sample.code}
        </pre>
        <CopyButton text={sample.code} label={`Copy ${sample.label}`} onCopied={() => onCopied?.(sample)} />
        {sample.note && <p className="wrap-anywhere text-muted">{sample.note}</p>}
      </div>
    ),
  }))
  return <Tabs label={label} tabs={tabs} />
}
