'use client'
import { type ReactNode, useLayoutEffect, useRef } from 'react'

/** An act that may leave the page with the state it was for; the page's content then inherits the focus. */
export function FocusHeir({ children }: { children: ReactNode }) {
  const box = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    const node = box.current
    return () => {
      if (node?.contains(document.activeElement)) document.getElementById('content')?.focus()
    }
  }, [])
  return (
    <div ref={box} className="flex min-w-0 flex-col items-start gap-2">
      {children}
    </div>
  )
}
