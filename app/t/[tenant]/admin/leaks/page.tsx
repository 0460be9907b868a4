import { NoRight } from '@/app/_features/guard.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { may } from '@/lib/actor.ts'
import { requireMember } from '@/lib/http/page.ts'
import { LeakDesk } from './leak-desk.tsx'

export const metadata = { title: 'Leak desk' }

export default async function LeaksPage({ params }: { params: Promise<{ tenant: string }> }) {
  const { tenant } = await params
  const { ctx, actor, allowed } = await requireMember(tenant, 'oversee')
  if (!allowed) return <NoRight title="Leak desk" role={actor.role} />
  return (
    <>
      <PageHeader
        title="Leak desk"
        lead="Found a token where it should not be? Paste it here, with whatever stands around it. You see whose it is and what it can do, and revoke it in one act."
      />
      <LeakDesk
        tenant={tenant}
        now={ctx.now().toISOString()}
        mayRevoke={may(actor, 'administer')}
        door={`${ctx.config.origin}/oauth/report`}
      />
    </>
  )
}
