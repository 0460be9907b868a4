import { NoRight } from '@/app/_features/guard.tsx'
import { scopesInShort } from '@/app/_features/scope-words.ts'
import { plural } from '@/app/_features/words.ts'
import { Card } from '@/app/_ui/card.tsx'
import { Copied } from '@/app/_ui/copied.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { Fold } from '@/app/_ui/fold.tsx'
import { KeyValue } from '@/app/_ui/key-value.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { may } from '@/lib/actor.ts'
import { peopleNames } from '@/lib/broker/read/people.ts'
import { requireMember } from '@/lib/http/page.ts'
import {
  type TrustedClientView,
  type TrustedIssuerView,
  trustedIssuerList,
  trustedIssuersMax,
} from '@/lib/tenancy/trusted-issuers.ts'
import { AddClient, ClientMenu } from './client-form.tsx'
import { IssuerMenu, TrustIssuer } from './issuer-form.tsx'
import { refusalWords } from './words.ts'

export const metadata = { title: 'Trusted issuers' }

export default async function TrustedIssuersPage({ params }: { params: Promise<{ tenant: string }> }) {
  const { tenant } = await params
  const { ctx, actor, allowed } = await requireMember(tenant, 'oversee')
  if (!allowed) return <NoRight title="Trusted issuers" role={actor.role} />
  const issuers = await trustedIssuerList(ctx, actor)
  const names = await peopleNames(
    ctx,
    actor.tenantId,
    issuers.map(({ createdBy }) => createdBy),
  )
  const mayChange = may(actor, 'administer')
  const { origin, signin } = ctx.config
  const now = ctx.now().toISOString()
  const isTrusted = issuers.some(({ issuer }) => issuer === signin.issuer)
  const add = mayChange && <TrustIssuer tenant={tenant} origin={origin} suggested={isTrusted ? '' : signin.issuer} />
  return (
    <>
      <PageHeader
        title="Trusted issuers"
        lead="Programs that your identity provider knows may call this tenant’s API with the access tokens that members get there. A token counts only for a member, through a listed client, and never for more than that client is allowed here."
        actions={issuers.length < trustedIssuersMax ? add : <p className="text-muted">Limit of ten reached.</p>}
      />
      {issuers.length === 0 && (
        <EmptyState
          kind="no-data"
          title="No issuer is trusted"
          why="Access tokens of other issuers are refused. Trust the issuer that members sign in with, and list the clients that may call this API."
          action={add}
        />
      )}
      {issuers.map((issuer) => (
        <Card
          key={issuer.id}
          heading="h2"
          title={issuer.name}
          aside={
            mayChange && (
              <IssuerMenu
                tenant={tenant}
                origin={origin}
                issuer={{
                  id: issuer.id,
                  name: issuer.name,
                  audience: issuer.audience,
                  clientId: issuer.clientId,
                  opaque: issuer.opaque,
                }}
              />
            )
          }
          footer={mayChange && <AddClient tenant={tenant} issuer={{ id: issuer.id, name: issuer.name }} />}
        >
          <KeyValue
            items={[
              { label: 'Issuer', value: issuer.issuer, mono: true },
              {
                label: 'Audience',
                value: <Copied text={issuer.audience} label={`Copy the audience of ${issuer.name}`} />,
              },
              { label: 'Checked', value: checkedWords(issuer) },
              {
                label: 'Members',
                value:
                  issuer.members > 0
                    ? `${plural(issuer.members, 'member')} of this tenant ${issuer.members === 1 ? 'has' : 'have'} an identity there; nobody else gets in`
                    : 'No member of this tenant has an identity there, so no token of it counts yet',
              },
              { label: 'Added by', value: names.get(issuer.createdBy) ?? 'a former member' },
            ]}
          />
          <Clients tenant={tenant} issuer={issuer} mayChange={mayChange} />
          <Refusals issuer={issuer} now={now} />
          <AtTheIssuer issuer={issuer} />
        </Card>
      ))}
    </>
  )
}

function checkedWords({ clientId, opaque }: TrustedIssuerView): string {
  if (clientId === null) return 'By signature. A token counts until it expires, also after a sign-out there.'
  const asked = `By signature, and by asking the issuer as ${clientId}, once a minute at most.`
  return opaque ? `${asked} Tokens that name no issuer are asked about as well.` : asked
}

const mayDo = ({ scopes }: TrustedClientView) =>
  scopes.length === 0 ? 'May do nothing yet' : `May ${scopesInShort(scopes)}`

function Clients({ tenant, issuer, mayChange }: { tenant: string; issuer: TrustedIssuerView; mayChange: boolean }) {
  if (issuer.clients.length === 0)
    return <p className="text-attention">No client is listed, so every token is refused.</p>
  return (
    <div className="flex min-w-0 flex-col gap-1">
      <h3 className="font-semibold">Clients</h3>
      <ul className="divide-y rounded-lg border">
        {issuer.clients.map((client) => (
          <li key={client.id} className="flex items-start justify-between gap-3 px-3 py-2">
            <span className="wrap-anywhere flex min-w-0 flex-col">
              <span className="flex flex-wrap items-baseline gap-x-2">
                <span className="font-semibold">{client.name}</span>
                <code className="font-mono text-[13px] text-muted">{client.clientId}</code>
              </span>
              <span className={client.scopes.length === 0 ? 'text-attention' : 'text-muted'}>{mayDo(client)}</span>
            </span>
            {mayChange && (
              <ClientMenu
                tenant={tenant}
                issuer={issuer.id}
                client={{ id: client.id, clientId: client.clientId, name: client.name, scopes: client.scopes }}
              />
            )}
          </li>
        ))}
      </ul>
    </div>
  )
}

/** What somebody sees who wonders why a program gets 401. */
function Refusals({ issuer: { refusals }, now }: { issuer: TrustedIssuerView; now: string }) {
  if (refusals.length === 0) return null
  return (
    <Fold title="Last refused" hint={plural(refusals.length, 'reason')}>
      <ul className="flex flex-col gap-3">
        {refusals.map(({ reason, clientId, at }) => (
          <li key={reason} className="wrap-anywhere flex min-w-0 flex-col">
            <span className="flex flex-wrap items-baseline gap-x-2">
              <span className="font-semibold">{refusalWords[reason]?.what ?? reason}</span>
              <span className="text-muted">
                <Time at={at.toISOString()} now={now} />
              </span>
            </span>
            {clientId && (
              <span>
                Client <code className="font-mono text-[13px]">{clientId}</code>
              </span>
            )}
            <span className="text-muted">{refusalWords[reason]?.next}</span>
          </li>
        ))}
      </ul>
    </Fold>
  )
}

function AtTheIssuer({ issuer: { audience, clientId } }: { issuer: TrustedIssuerView }) {
  return (
    <Fold title="What to set at the issuer">
      <ol className="flex list-decimal flex-col gap-2 pl-5">
        <li>
          Each client that shall call this API must get access tokens with the audience{' '}
          <code className="wrap-anywhere font-mono text-[13px]">{audience}</code>. In Keycloak: a client scope with a
          mapper of the type <em>Audience</em>, this text as <em>Included Custom Audience</em>, added to access tokens
          {clientId !== null && ' and to the introspection'}.
        </li>
        <li>
          The tokens must name the member by the same <code className="font-mono text-[13px]">sub</code> as at sign-in,
          and the client in <code className="font-mono text-[13px]">azp</code> or{' '}
          <code className="font-mono text-[13px]">client_id</code>. In Keycloak, the scope <em>basic</em> adds sub.
        </li>
        {clientId !== null && (
          <li>
            The client <code className="wrap-anywhere font-mono text-[13px]">{clientId}</code> must be confidential.
            Keycloak answers it only where it is among the audiences of the token as well: call the client by the
            audience above, or add a second mapper.
          </li>
        )}
        <li>
          The program sends the token as <code className="font-mono text-[13px]">Authorization: Bearer</code> to
          addresses of this tenant alone.
        </li>
      </ol>
    </Fold>
  )
}
