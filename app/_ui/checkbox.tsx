'use client'
import { type ComponentProps, type ReactNode, useEffect, useId, useRef, useState } from 'react'
import { cn } from './cn.ts'

export type TickProps = Omit<ComponentProps<'input'>, 'type'> & { indeterminate?: boolean }

/** The bare box; give it an aria-label or wrap it in a label. */
export function Tick({ indeterminate = false, className, ...rest }: TickProps) {
  const box = useRef<HTMLInputElement>(null)
  useEffect(() => {
    if (box.current) box.current.indeterminate = indeterminate
  }, [indeterminate])
  return <input {...rest} ref={box} type="checkbox" className={cn('block size-4 shrink-0 accent-accent', className)} />
}

export type CheckboxProps = TickProps & { label: ReactNode; hint?: ReactNode }

/** A box with its label. */
export function Checkbox({ label, hint, ...rest }: CheckboxProps) {
  const own = useId()
  const id = rest.id ?? own
  const hintId = `${id}-hint`
  return (
    <div className="flex min-w-0 flex-col">
      <label htmlFor={id} className="flex min-h-8 items-center gap-3 py-1 has-disabled:text-muted">
        <Tick {...rest} id={id} aria-describedby={hint ? hintId : undefined} />
        <span className="wrap-anywhere min-w-0">{label}</span>
      </label>
      {hint && (
        <p id={hintId} className="pl-7 text-[13px] text-muted">
          {hint}
        </p>
      )}
    </div>
  )
}

export type CheckboxGroupOption = { value: string; label: string; hint?: string; disabled?: boolean }
export type CheckboxGroupProps = {
  /** Names the group: "Folders, read". */
  label: string
  name?: string
  options: CheckboxGroupOption[]
  value: readonly string[]
  onChange: (value: string[]) => void
  /** From this many options on, a field narrows the list (default 9). */
  searchFrom?: number
}

/** A group of scopes: one tri-state box for all, a counter, and the list. Nothing is ticked but what `value` says. */
export function CheckboxGroup({ label, name, options, value, onChange, searchFrom = 9 }: CheckboxGroupProps) {
  const [needle, setNeedle] = useState('')
  const chosen = new Set(value)
  const free = options.filter((option) => !option.disabled)
  const shown = options.filter((option) => option.label.toLowerCase().includes(needle.trim().toLowerCase()))
  const ticked = options.filter((option) => chosen.has(option.value)).length
  const all = free.length > 0 && free.every((option) => chosen.has(option.value))

  function set(values: Iterable<string>) {
    const next = new Set(values)
    onChange(options.map((option) => option.value).filter((each) => next.has(each)))
  }
  const toggle = (each: string, on: boolean) => set(on ? [...chosen, each] : [...chosen].filter((old) => old !== each))

  return (
    <fieldset className="min-w-0 rounded-lg border bg-surface">
      <legend className="sr-only">{label}</legend>
      <div className="flex items-center justify-between gap-3 px-3 py-1">
        <Checkbox
          label={<span className="font-semibold">{label}</span>}
          aria-label={`${label}: all`}
          checked={all}
          indeterminate={!all && ticked > 0}
          disabled={free.length === 0}
          onChange={() => set(all ? [] : free.map((option) => option.value))}
        />
        <span className="shrink-0 text-muted tabular-nums">
          <span aria-hidden>
            {ticked}/{options.length}
          </span>
          <span className="sr-only">
            {ticked} of {options.length} selected
          </span>
        </span>
      </div>
      {options.length >= searchFrom && (
        <div className="border-t px-3 py-2">
          <input
            type="search"
            aria-label={`Filter ${label}`}
            placeholder="Filter the list"
            value={needle}
            onChange={(event) => setNeedle(event.target.value)}
            className="h-8 w-full rounded-lg border border-edge bg-surface px-2 placeholder:text-muted"
          />
        </div>
      )}
      <div className="max-h-56 overflow-y-auto border-t px-3 py-1">
        {shown.map((option) => (
          <Checkbox
            key={option.value}
            name={name}
            value={option.value}
            label={option.label}
            hint={option.hint}
            disabled={option.disabled}
            checked={chosen.has(option.value)}
            onChange={(event) => toggle(option.value, event.target.checked)}
          />
        ))}
        {shown.length === 0 && (
          <p className="py-2 text-muted">{needle ? `Nothing matches “${needle}”.` : 'No options.'}</p>
        )}
      </div>
    </fieldset>
  )
}
