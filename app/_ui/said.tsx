import type { ReactNode } from 'react'
import Link from './link.tsx'
import { Name } from './name.tsx'
import { StateBadge, type StateBadgeProps } from './state-badge.tsx'
import { Countdown, Time } from './time.tsx'

/**
 * What most cells say, as data: a page sends that, and the table draws it. Elements would be made by the page, sent whole with each
 * of their props, and drawn after that (docs/decisions/0115).
 */
export type Said =
  /** A moment. */
  | { says: 'time'; at: string }
  /** The time that is left until then. */
  | { says: 'until'; at: string }
  /** A name that somebody gave. `href`: where it leads. */
  | { says: 'name'; text: string; href?: string }
  /** What the row is called, which leads to its page. `kind`: what that is, in a second line. */
  | { says: 'title'; text: string; href: string; kind?: string }
  /** A state as colour, icon and word. `title`: what stands behind it. */
  | ({ says: 'state'; title?: string | null } & StateBadgeProps)

/** What a cell holds: most say one of these, the rest is drawn by the page. */
export type Content = Said | ReactNode

const isSaid = (content: Content): content is Said =>
  typeof content === 'object' && content !== null && 'says' in content

/** The same as it is seen. `now`: when its row was read. */
export function drawn(content: Content, now?: string): ReactNode {
  if (!isSaid(content)) return content
  switch (content.says) {
    case 'time':
      return <Time at={content.at} now={now} hint="hover" />
    case 'until':
      return <Countdown until={content.at} now={now} />
    case 'state':
      if (!content.title) return <StateBadge {...content} />
      return (
        <span title={content.title}>
          <StateBadge {...content} />
        </span>
      )
    case 'name':
      if (!content.href) return <Name text={content.text} />
      return (
        <Link href={content.href} className="block rounded-sm underline decoration-edge underline-offset-4">
          <Name text={content.text} />
        </Link>
      )
    case 'title': {
      const { text, href, kind } = content
      const link = (
        <Link href={href} className="rounded-sm underline underline-offset-4">
          {kind ? <Name text={text} /> : text}
        </Link>
      )
      if (!kind) return link
      return (
        <span className="flex min-w-0 flex-col">
          {link}
          <span className="truncate font-normal text-[13px] text-muted">{kind}</span>
        </span>
      )
    }
  }
}
