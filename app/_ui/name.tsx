import type { ReactNode } from 'react'

/**
 * A name that somebody gave, in one line of a table: read in its own direction and cut where there is no room, whole on hover.
 * `title`: what stands behind a text that is ours.
 */
export function Name({
  text,
  title = text,
  children,
}: {
  text: string
  title?: string | undefined
  children?: ReactNode
}) {
  return (
    <bdi title={title} className="wrap-anywhere block min-w-0 md:truncate">
      {text}
      {children}
    </bdi>
  )
}
