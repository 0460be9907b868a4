import type { ReactNode } from 'react'

export type KeyValueItem = { label: string; value: ReactNode; mono?: boolean }

/** Labels and values; long ones wrap. */
export function KeyValue({ items }: { items: KeyValueItem[] }) {
  return (
    <dl className="grid grid-cols-[fit-content(38%)_minmax(0,1fr)] gap-x-4 gap-y-2">
      {items.map(({ label, value, mono }) => (
        <div key={label} className="contents">
          <dt className="min-w-22 text-muted">{label}</dt>
          <dd className={mono ? 'wrap-anywhere font-mono text-[13px]' : 'wrap-anywhere'}>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
