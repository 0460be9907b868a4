'use client'
import { type ReactNode, useEffect, useState } from 'react'

type Props = {
  title: string
  hint?: string /** Opens it, once something in it asks for that. */
  open?: boolean
  children: ReactNode
}

/** What few need, folded away. */
export function Fold({ title, hint, open = false, children }: Props) {
  const [isOpen, setOpen] = useState(open)
  useEffect(() => {
    if (open) setOpen(true)
  }, [open])
  return (
    <details
      open={isOpen}
      onToggle={(event) => setOpen(event.currentTarget.open)}
      className="rounded-lg border bg-surface"
    >
      <summary className="rounded-lg px-3 py-2 font-semibold hover:bg-raised">
        {title}
        {hint && <span className="font-normal text-muted"> · {hint}</span>}
      </summary>
      <div className="flex flex-col gap-4 border-t p-3">{children}</div>
    </details>
  )
}
