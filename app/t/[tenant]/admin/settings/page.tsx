import { NoRight } from '@/app/_features/guard.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { may } from '@/lib/actor.ts'
import { requireMember } from '@/lib/http/page.ts'
import { tenantPolicy } from '@/lib/tenancy/tenant-policy.ts'
import { ClientDocumentsChoice, DeviceFlowChoice } from './policy-form.tsx'

export const metadata = { title: 'Settings' }

export default async function SettingsPage({ params }: { params: Promise<{ tenant: string }> }) {
  const { tenant } = await params
  const { ctx, actor, allowed } = await requireMember(tenant, 'oversee')
  if (!allowed) return <NoRight title="Settings" role={actor.role} />
  const { deviceFlow, clientDocuments } = await tenantPolicy(ctx, actor)
  const mayChange = may(actor, 'administer')
  return (
    <>
      <PageHeader
        title="Settings"
        lead="What this tenant allows as a whole. Each provider has its own limits beside it."
      />
      <DeviceFlowChoice
        key={deviceFlow}
        tenant={tenant}
        now={deviceFlow}
        address={`${ctx.config.origin}/device`}
        mayChange={mayChange}
      />
      <ClientDocumentsChoice key={clientDocuments} tenant={tenant} now={clientDocuments} mayChange={mayChange} />
    </>
  )
}
