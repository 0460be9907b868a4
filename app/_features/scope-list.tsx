'use client'
import { TriangleAlert } from 'lucide-react'
import { useId, useState } from 'react'
import { Tick } from '@/app/_ui/checkbox.tsx'
import { cn } from '@/app/_ui/cn.ts'

export type Scope = {
  name: string
  /** What it lets do; null: nobody has said. */
  text: string | null
  risk: 'low' | 'medium' | 'high'
  /** Whatever is chosen, it comes with it. */
  always?: boolean
}
type Props = { label: string; hint?: string; scopes: Scope[]; value: string[]; onChange: (names: string[]) => void }

/** From this many on, a field narrows the list, and it scrolls. What is short is seen whole: people consent to it. */
const searchFrom = 9

/** Scopes to tick, each with what it lets do and how far that reaches. */
export function ScopeList({ label, hint, scopes, value, onChange }: Props) {
  const id = useId()
  const [needle, setNeedle] = useState('')
  const chosen = new Set(value)
  const wanted = needle.trim().toLowerCase()
  const shown = scopes.filter(({ name, text }) => `${name} ${text ?? ''}`.toLowerCase().includes(wanted))
  const ticked = scopes.filter(({ name, always }) => chosen.has(name) || always).length
  const toggle = (name: string, on: boolean) =>
    onChange(scopes.map((scope) => scope.name).filter((each) => (each === name ? on : chosen.has(each))))
  return (
    <fieldset className="min-w-0 rounded-lg border bg-surface">
      <legend className="sr-only">{label}</legend>
      <div className="flex min-h-10 items-center justify-between gap-3 px-3 py-1">
        <span aria-hidden className="font-semibold">
          {label}
        </span>
        <span className="shrink-0 text-muted tabular-nums">
          <span aria-hidden>
            {ticked}/{scopes.length}
          </span>
          <span className="sr-only">
            {ticked} of {scopes.length} selected
          </span>
        </span>
      </div>
      {hint && <p className="px-3 pb-2 text-[14px] text-muted leading-5">{hint}</p>}
      {scopes.length >= searchFrom && (
        <div className="border-t px-3 py-2">
          <input
            type="search"
            aria-label={`Filter ${label.toLowerCase()}`}
            placeholder="Filter the list"
            value={needle}
            onChange={(event) => setNeedle(event.target.value)}
            onKeyDown={(event) => event.key === 'Enter' && event.preventDefault()}
            className="h-8 w-full rounded-lg border border-edge bg-surface px-2 text-[14px] placeholder:text-muted"
          />
        </div>
      )}
      <div className={cn('divide-y border-t', scopes.length >= searchFrom && 'max-h-96 overflow-y-auto')}>
        {shown.map(({ name, text, risk, always = false }) => (
          <label key={name} htmlFor={`${id} ${name}`} className="flex gap-3 px-3 py-2 hover:bg-raised">
            <Tick
              id={`${id} ${name}`}
              checked={chosen.has(name) || always}
              disabled={always}
              onChange={(event) => toggle(name, event.target.checked)}
              className="mt-0.5"
            />
            <span className="flex min-w-0 flex-col text-[14px] leading-5">
              <code className="wrap-anywhere font-mono text-[13px]">{name}</code>
              <span className="wrap-anywhere text-muted">{text ?? 'not described: it may do anything'}</span>
              {always && <span className="text-muted">Every token of this upstream has it</span>}
              {risk === 'high' && (
                <span className="flex items-center gap-1 text-attention">
                  <TriangleAlert aria-hidden className="size-3.5 shrink-0" />
                  High risk
                </span>
              )}
              {risk === 'medium' && text !== null && <span className="text-muted">Medium risk</span>}
            </span>
          </label>
        ))}
        {shown.length === 0 && (
          <p className="px-3 py-2 text-[14px] text-muted">
            {needle ? `Nothing matches “${needle}”.` : 'There is no scope to choose.'}
          </p>
        )}
      </div>
    </fieldset>
  )
}
