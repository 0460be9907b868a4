import { NoRight } from '@/app/_features/guard.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { kindList, presetList, providerList } from '@/lib/broker/providers.ts'
import { requireMember } from '@/lib/http/page.ts'
import { NewProvider } from './new-provider.tsx'

export const metadata = { title: 'Add a provider' }

export default async function NewProviderPage({ params }: { params: Promise<{ tenant: string }> }) {
  const { tenant } = await params
  const { ctx, actor, allowed } = await requireMember(tenant, 'administer')
  if (!allowed) return <NoRight title="Add a provider" role={actor.role} who="Owners and admins" />
  // There is one of it in a tenant.
  const hasOwn = (await providerList(ctx, actor)).some(({ own }) => own)
  return (
    <>
      <PageHeader
        trail={[{ label: 'Providers', href: `/t/${tenant}/admin/providers` }]}
        title="Add a provider"
        lead="Choose the server, register Valetkey there as a client, and enter what you got. Nothing is saved before the last step."
      />
      <NewProvider tenant={tenant} kinds={kindList().filter(({ own }) => !(own && hasOwn))} presets={presetList()} />
    </>
  )
}
