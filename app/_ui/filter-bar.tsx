'use client'
import { Search, X } from 'lucide-react'
import Form from 'next/form'
import { useEffect, useRef } from 'react'
import { Button, ButtonLink } from './button.tsx'
import type { Option } from './field.tsx'

export type FilterField = {
  /** The query parameter. */
  name: string
  label: string
  value: string
  /** The first option, with the empty value, means no filter: "Any state". */
  options: Option[]
}

export type FilterBarProps = {
  /** Path of the page that it filters. */
  action: string
  search?: { name: string; label: string; value: string }
  fields?: FilterField[]
  /** Parameters that stay as they are. */
  keep?: Record<string, string>
  /** Those of them that stay when the filters are cleared. Left out: all. */
  clears?: Record<string, string>
  /** "1,204 match". */
  summary?: string
}

/** Filters that live in the URL: a plain GET form, which submits automatically once scripts run. */
export function FilterBar({ action, search, fields = [], keep = {}, clears = keep, summary }: FilterBarProps) {
  const form = useRef<HTMLFormElement>(null)
  const active = Boolean(search?.value) || fields.some((field) => field.value !== '')

  // An unset filter does not belong in the URL.
  useEffect(() => {
    const element = form.current
    const dropEmpty = ({ formData }: FormDataEvent) => {
      for (const [name, value] of [...formData]) if (value === '') formData.delete(name)
    }
    element?.addEventListener('formdata', dropEmpty)
    return () => element?.removeEventListener('formdata', dropEmpty)
  }, [])

  return (
    <search>
      <Form ref={form} action={action} prefetch={false} className="flex flex-wrap items-center gap-2">
        {Object.entries(keep).map(([name, value]) => (
          <input key={name} type="hidden" name={name} value={value} />
        ))}
        {search && (
          <span className="relative w-full md:w-64">
            <Search aria-hidden className="pointer-events-none absolute top-2 left-2 size-4 text-muted" />
            <input
              key={search.value}
              type="search"
              name={search.name}
              aria-label={search.label}
              placeholder={search.label}
              defaultValue={search.value}
              data-shortcut="filter"
              className="h-8 w-full rounded-lg border border-edge bg-surface pr-2 pl-8 placeholder:text-muted"
            />
          </span>
        )}
        {fields.map(({ name, label, value, options }, index) => (
          <select
            key={`${name}=${value}`}
            name={name}
            aria-label={label}
            defaultValue={value}
            data-shortcut={!search && index === 0 ? 'filter' : undefined}
            onChange={() => form.current?.requestSubmit()}
            className="h-8 truncate rounded-lg border border-edge bg-surface px-2 max-md:min-w-0 max-md:flex-[1_1_40%] md:max-w-48"
          >
            {options.map((option) => (
              <option key={option.value} value={option.value} disabled={option.disabled}>
                {option.label}
              </option>
            ))}
          </select>
        ))}
        <Button type="submit" size="sm">
          Filter
        </Button>
        {active && (
          <ButtonLink size="sm" variant="ghost" href={clearedHref(action, clears)}>
            <X aria-hidden />
            Clear
          </ButtonLink>
        )}
        {summary && <span className="ml-auto text-muted tabular-nums">{summary}</span>}
      </Form>
    </search>
  )
}

function clearedHref(action: string, keep: Record<string, string>): string {
  const query = new URLSearchParams(keep).toString()
  return query ? `${action}?${query}` : action
}
