import type { ReactNode } from 'react'
import { confirmedUntil } from '@/lib/actor.ts'
import { unreadCount } from '@/lib/broker/notifications.ts'
import { requireMember } from '@/lib/http/page.ts'
import { ConsoleFrame } from './console-frame.tsx'

type Props = { children: ReactNode; params: Promise<{ tenant: string }> }

export default async function ConsoleLayout({ children, params }: Props) {
  const { ctx, session, actor, tenants } = await requireMember((await params).tenant)
  const active = tenants.filter((tenant) => tenant.status === 'active').map(({ slug, name }) => ({ slug, name }))
  // A page does not fail for its bell.
  const unread = await unreadCount(ctx, actor).catch(() => 0)
  return (
    <ConsoleFrame
      tenant={active.find((tenant) => tenant.slug === actor.slug) ?? { slug: actor.slug, name: actor.slug }}
      tenants={active}
      userId={actor.userId}
      issuer={ctx.config.signin.name}
      confirmedUntil={confirmedUntil(session).toISOString()}
      memberRole={actor.role}
      account={session.email ?? session.name}
      unread={unread}
      demo={ctx.config.demo !== undefined}
    >
      {children}
    </ConsoleFrame>
  )
}
