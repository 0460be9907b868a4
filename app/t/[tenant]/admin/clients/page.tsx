import { NoRight } from '@/app/_features/guard.tsx'
import { hrefWith, type Query, single } from '@/app/_features/query.ts'
import { scopesInShort } from '@/app/_features/scope-words.ts'
import { Card } from '@/app/_ui/card.tsx'
import { Copied } from '@/app/_ui/copied.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { KeyValue, type KeyValueItem } from '@/app/_ui/key-value.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Pager } from '@/app/_ui/pager.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { may } from '@/lib/actor.ts'
import { peopleNames } from '@/lib/broker/read/people.ts'
import { requireMember } from '@/lib/http/page.ts'
import { audienceChoices, type ClientView, clientPage } from '@/lib/tenancy/clients.ts'
import { AddClient, type Audience, type Values } from './client-form.tsx'
import { ClientMenu } from './client-menu.tsx'
import { EndSecret, NewSecret } from './secrets.tsx'
import { grantWords, kindWords } from './words.ts'

export const metadata = { title: 'Clients' }

type Props = { params: Promise<{ tenant: string }>; searchParams: Promise<Query> }

export default async function ClientsPage({ params, searchParams }: Props) {
  const { tenant } = await params
  const before = single((await searchParams).before)
  const { ctx, actor, allowed } = await requireMember(tenant, 'oversee')
  if (!allowed) return <NoRight title="Clients" role={actor.role} />
  const [page, audiences] = await Promise.all([clientPage(ctx, actor, { before }), audienceChoices(ctx, actor)])
  const names = await peopleNames(
    ctx,
    actor.tenantId,
    page.items.flatMap(({ createdBy, secrets }) => [createdBy, ...secrets.map((secret) => secret.createdBy)]),
  )
  const mayChange = may(actor, 'administer')
  const add = mayChange && <AddClient tenant={tenant} audiences={audiences} />
  const own = page.items.filter(({ ofServer }) => !ofServer)
  const shown = { tenant, names, audiences, mayChange, now: ctx.now().toISOString() }
  const path = `/t/${tenant}/admin/clients`
  return (
    <>
      <PageHeader
        title="Clients"
        lead="Programs that members may let in: agents, command lines, web apps. A client acts only for a member who allowed it, and for no more than they allowed."
        actions={add}
      />
      {own.map((client) => (
        <ClientCard key={client.id} client={client} {...shown} />
      ))}
      {own.length === 0 && (
        <EmptyState
          kind={before ? 'no-match' : 'no-data'}
          title={before ? 'Nothing older' : 'No client of this tenant yet'}
          why="Add one for each program of your own that members shall let in. A program without an entry here gets nothing."
          action={!before && add}
        />
      )}
      <Pager
        newerHref={before && path}
        newerLabel="Newest"
        olderHref={page.next ? hrefWith(path, { before: page.next }) : undefined}
      />
      {page.items
        .filter(({ ofServer }) => ofServer)
        .map((client) => (
          <ClientCard key={client.id} client={client} {...shown} />
        ))}
    </>
  )
}

type Shown = { tenant: string; names: Map<string, string>; audiences: Audience[]; mayChange: boolean; now: string }

function ClientCard({ client, tenant, names, audiences, mayChange, now }: Shown & { client: ClientView }) {
  const isOwn = !client.ofServer
  const hasSecrets = client.tokenEndpointAuthMethod === 'client_secret_basic'
  const { id, name } = client
  return (
    <Card
      heading="h2"
      title={name}
      aside={
        isOwn ? (
          mayChange && (
            <ClientMenu
              tenant={tenant}
              client={{ id, values: valuesOf(client) }}
              isOwnWord={client.document !== null}
              audiences={audiences}
            />
          )
        ) : (
          <span className="text-muted">of this server</span>
        )
      }
      footer={
        isOwn &&
        mayChange &&
        hasSecrets && <NewSecret tenant={tenant} client={{ id, name, secrets: client.secrets.length }} />
      }
    >
      <KeyValue items={factsOf(client, { names, audiences, now })} />
      {hasSecrets && <Secrets client={client} tenant={tenant} names={names} mayChange={mayChange} now={now} />}
    </Card>
  )
}

function factsOf(
  client: ClientView,
  { names, audiences, now }: Pick<Shown, 'names' | 'audiences' | 'now'>,
): KeyValueItem[] {
  const strict = [
    client.dpopBoundAccessTokens && 'Tokens bound to a key of its own (DPoP)',
    client.requirePushedAuthorizationRequests && 'Pushed requests (PAR)',
  ].filter((one) => one !== false)
  const known = audiences.filter(({ id }) => client.audiences.includes(id))
  return [
    {
      label: 'Client id',
      value: <Copied text={client.document ?? client.id} label={`Copy the client id of ${client.name}`} />,
    },
    { label: 'Kind', value: kindWords[client.tokenEndpointAuthMethod].label },
    {
      label: 'Gets in by',
      value:
        client.grantTypes.map((type) => grantWords[type].label).join(' · ') ||
        'Nothing: it only asks about tokens of its audiences',
    },
    ...(client.redirectUris.length > 0
      ? [{ label: 'Redirect URIs', value: <Lines texts={client.redirectUris} /> }]
      : []),
    {
      label: 'May ask to',
      value: scopesInShort(client.scopes) || 'do nothing at Valetkey’s API',
    },
    ...(known.length > 0 ? [{ label: 'Audiences', value: known.map(({ name }) => name).join(' · ') }] : []),
    ...(client.jwks
      ? [{ label: 'Keys', value: <Lines texts={client.jwks.keys.map(({ kid, alg }) => `${kid} (${alg})`)} /> }]
      : []),
    ...(strict.length > 0 ? [{ label: 'Stricter', value: strict.join(' · ') }] : []),
    {
      label: 'Last used',
      value: client.lastUsedAt ? <Time at={client.lastUsedAt.toISOString()} now={now} /> : 'Not yet',
    },
    ...(client.ofServer
      ? []
      : [
          {
            label: 'Added by',
            value: client.document
              ? 'nobody: what it is stands in its own document'
              : (names.get(client.createdBy ?? '') ?? 'a former member'),
          },
        ]),
  ]
}

function Secrets({ client, tenant, names, mayChange, now }: Omit<Shown, 'audiences'> & { client: ClientView }) {
  if (client.secrets.length === 0) return <p className="text-attention">No secret works, so it does not get in.</p>
  return (
    <div className="flex min-w-0 flex-col gap-1">
      <h3 className="font-semibold">Secrets</h3>
      <ul className="divide-y rounded-lg border">
        {client.secrets.map((secret) => (
          <li key={secret.id} className="flex items-start justify-between gap-3 px-3 py-2">
            <span className="wrap-anywhere flex min-w-0 flex-col">
              <span>
                Created <Time at={secret.createdAt.toISOString()} now={now} /> by{' '}
                {names.get(secret.createdBy) ?? 'a former member'}
              </span>
              <span className="text-muted">
                {secret.lastUsedAt ? (
                  <>
                    Last used <Time at={secret.lastUsedAt.toISOString()} now={now} />
                  </>
                ) : (
                  'Not used yet'
                )}
              </span>
              {secret.expiresAt && (
                <span className="text-attention">
                  Ends <Time at={secret.expiresAt.toISOString()} now={now} />
                </span>
              )}
            </span>
            {mayChange && (
              <EndSecret tenant={tenant} client={{ id: client.id, name: client.name }} secret={secret.id} />
            )}
          </li>
        ))}
      </ul>
    </div>
  )
}

const Lines = ({ texts }: { texts: string[] }) => (
  <span className="flex min-w-0 flex-col">
    {texts.map((text) => (
      <code key={text} className="wrap-anywhere font-mono text-[13px]">
        {text}
      </code>
    ))}
  </span>
)

/** As its form begins. */
const valuesOf = (client: ClientView): Values => ({
  method: client.tokenEndpointAuthMethod,
  name: client.name,
  grantTypes: client.grantTypes,
  redirectUris: client.redirectUris.join('\n'),
  scopes: client.scopes,
  audiences: client.audiences,
  keys: '',
  proofs: client.dpopBoundAccessTokens,
  pushes: client.requirePushedAuthorizationRequests,
})
