import type { ReactNode } from 'react'

/** A name that somebody gave, in one line of a table: read in its own direction and cut where there is no room, whole on hover. */
export function Name({ text, children }: { text: string; children?: ReactNode }) {
  return (
    <bdi title={text} className="wrap-anywhere block min-w-0 md:truncate">
      {text}
      {children}
    </bdi>
  )
}
