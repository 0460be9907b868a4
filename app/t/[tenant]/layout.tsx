import type { ReactNode } from 'react'
import { requireMember } from '@/lib/http/page.ts'
import { ConsoleFrame } from './console-frame.tsx'

type Props = { children: ReactNode; params: Promise<{ tenant: string }> }

export default async function ConsoleLayout({ children, params }: Props) {
  const { ctx, session, actor, tenants } = await requireMember((await params).tenant)
  const active = tenants.filter((tenant) => tenant.status === 'active').map(({ slug, name }) => ({ slug, name }))
  return (
    <ConsoleFrame
      tenant={active.find((tenant) => tenant.slug === actor.slug) ?? { slug: actor.slug, name: actor.slug }}
      tenants={active}
      memberRole={actor.role}
      account={session.email ?? session.name}
      demo={ctx.config.demo !== undefined}
    >
      {children}
    </ConsoleFrame>
  )
}
