import { NoRight } from '@/app/_features/guard.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { kindList, presetList } from '@/lib/broker/providers.ts'
import { requireMember } from '@/lib/http/page.ts'
import { NewProvider } from './new-provider.tsx'

export const metadata = { title: 'Add a provider' }

export default async function NewProviderPage({ params }: { params: Promise<{ tenant: string }> }) {
  const { tenant } = await params
  const { actor, allowed } = await requireMember(tenant, 'administer')
  if (!allowed) return <NoRight title="Add a provider" role={actor.role} who="Owners and admins" />
  return (
    <>
      <PageHeader
        trail={[{ label: 'Providers', href: `/t/${tenant}/admin/providers` }]}
        title="Add a provider"
        lead="Choose the server, register Valetkey there as a client, and enter what you got. Nothing is saved before the last step."
      />
      <NewProvider tenant={tenant} kinds={kindList()} presets={presetList()} />
    </>
  )
}
