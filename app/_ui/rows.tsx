'use client'
import { Plus, Trash2 } from 'lucide-react'
import { type ReactNode, useId } from 'react'
import { Button, IconButton } from './button.tsx'

type Props<R> = {
  legend: string
  hint?: ReactNode
  rows: R[]
  /** What an added row holds. */
  blank: R
  /** Names one: "API". */
  noun: string
  /** Rows that stay whatever is removed. */
  least?: number
  error?: string | undefined
  onChange: (rows: R[]) => void
  children: (row: R, change: (row: R) => void, index: number) => ReactNode
}

/** A list of small forms that grows and shrinks. */
export function Rows<R>({ legend, hint, rows, blank, noun, least = 0, error, onChange, children }: Props<R>) {
  const id = useId()
  return (
    <fieldset
      className="flex min-w-0 flex-col gap-2"
      aria-describedby={[hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ') || undefined}
    >
      <legend className="mb-1 font-semibold">{legend}</legend>
      {hint && (
        <p id={`${id}-hint`} className="text-[14px] text-muted leading-5">
          {hint}
        </p>
      )}
      {rows.map((row, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a row has no name of its own, and none changes places
        <div key={index} className="flex min-w-0 items-start gap-2 rounded-lg border bg-surface p-3">
          <div className="grid min-w-0 flex-1 gap-3 sm:grid-cols-[minmax(0,2fr)_minmax(0,3fr)]">
            {children(row, (next) => onChange(rows.with(index, next)), index)}
          </div>
          {rows.length > least && (
            <IconButton
              label={`Remove ${noun} ${index + 1}`}
              icon={<Trash2 aria-hidden />}
              className="mt-7"
              onClick={() => onChange(rows.filter((_, at) => at !== index))}
            />
          )}
        </div>
      ))}
      {error && (
        <p id={`${id}-error`} className="text-[14px] text-broken leading-5">
          {error}
        </p>
      )}
      <div>
        <Button size="sm" onClick={() => onChange([...rows, blank])}>
          <Plus aria-hidden />
          Add {noun}
        </Button>
      </div>
    </fieldset>
  )
}
