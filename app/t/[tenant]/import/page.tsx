import { NoRight } from '@/app/_features/guard.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { may } from '@/lib/actor.ts'
import { providerList } from '@/lib/broker/providers.ts'
import { projectCards } from '@/lib/broker/read/project.ts'
import { requireMember } from '@/lib/http/page.ts'
import { ImportProjects } from './import-projects.tsx'

export const metadata = { title: 'Bring projects from kbagent' }

export default async function ImportPage({ params }: { params: Promise<{ tenant: string }> }) {
  const { tenant } = await params
  const { ctx, actor, allowed } = await requireMember(tenant, 'work')
  if (!allowed) return <NoRight title="Bring projects from kbagent" role={actor.role} who="Members" />
  const [providers, cards] = await Promise.all([providerList(ctx, actor), projectCards(ctx, actor)])
  return (
    <>
      <PageHeader
        trail={[{ label: 'Projects', href: `/t/${tenant}/projects` }]}
        title="Bring projects from kbagent"
        lead="Choose its config.json. This browser reads it, and nothing of it is sent or kept before you confirm; its tokens never are."
      />
      <ImportProjects
        tenant={tenant}
        mayAdminister={may(actor, 'administer')}
        providers={providers
          .filter(({ kind, misconfigured }) => kind === 'keboola' && !misconfigured)
          .map(({ id, name, issuer }) => ({ id, name, host: new URL(issuer).host }))}
        projects={cards.flatMap(({ id, alias, externalId, provider, connection }) =>
          connection && connection.status !== 'revoked'
            ? [
                {
                  id,
                  alias,
                  externalId,
                  providerId: provider.id,
                  connection: { id: connection.id, branch: connection.branch },
                },
              ]
            : [],
        )}
      />
    </>
  )
}
