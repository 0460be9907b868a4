import { Plus, TriangleAlert } from 'lucide-react'
import { FreezeButton } from '@/app/_features/freeze.tsx'
import { NoRight } from '@/app/_features/guard.tsx'
import { FrozenNotice } from '@/app/_features/health.tsx'
import { plural } from '@/app/_features/words.ts'
import { ButtonLink } from '@/app/_ui/button.tsx'
import { Card } from '@/app/_ui/card.tsx'
import { Copied } from '@/app/_ui/copied.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { KeyValue } from '@/app/_ui/key-value.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { durationText } from '@/app/_ui/time-text.ts'
import { may } from '@/lib/actor.ts'
import { type FreezeView, freezeList } from '@/lib/broker/freezes.ts'
import { kindList, type ProviderView, providerList } from '@/lib/broker/providers.ts'
import { peopleNames } from '@/lib/broker/read/people.ts'
import { requireMember } from '@/lib/http/page.ts'
import type { Fact } from '@/lib/providers/kind.ts'
import { EditProvider } from './provider-form.tsx'

export const metadata = { title: 'Providers' }

export default async function ProvidersPage({ params }: { params: Promise<{ tenant: string }> }) {
  const { tenant } = await params
  const { ctx, actor, allowed } = await requireMember(tenant, 'oversee')
  if (!allowed) return <NoRight title="Providers" role={actor.role} />
  const [providers, freezes] = await Promise.all([providerList(ctx, actor), freezeList(ctx, actor)])
  const names = await peopleNames(
    ctx,
    actor.tenantId,
    freezes.map(({ by }) => by),
  )
  const now = ctx.now().toISOString()
  const freezeOf = (id: string) => freezes.find((each) => each.kind === 'provider' && each.id === id)
  const mayChange = may(actor, 'administer')
  const kinds = kindList()
  const kindOf = (name: string) => kinds.find((kind) => kind.name === name)
  const settingsOf = ({ kind, settings }: ProviderView) =>
    (kindOf(kind)?.settings ?? []).map((one) => ({ ...one, value: settings[one.name] ?? one.value }))
  return (
    <>
      <PageHeader
        title="Providers"
        lead="The upstreams that members of this tenant can link projects from. Client secrets are encrypted and never shown."
        actions={mayChange && <AddProvider tenant={tenant} />}
      />
      {providers.length === 0 && (
        <EmptyState
          kind="no-data"
          title="No provider yet"
          why="Choose a server that members shall link projects from, and register Valetkey there as a client."
          action={mayChange && <AddProvider tenant={tenant} />}
        />
      )}
      {providers.map((provider) => (
        <Card
          key={provider.id}
          heading="h2"
          title={provider.name}
          footer={<CheckLink tenant={tenant} provider={provider} />}
          aside={
            mayChange && (
              <>
                <FreezeButton
                  size="sm"
                  tenant={tenant}
                  target={{ kind: 'provider', id: provider.id, name: provider.name }}
                  frozen={freezeOf(provider.id) !== undefined}
                />
                <EditProvider
                  tenant={tenant}
                  provider={{
                    id: provider.id,
                    name: provider.name,
                    clientId: provider.clientId,
                    hasSecret: provider.hasSecret,
                    clientAuthentication: provider.clientAuthentication,
                    maxLifetimeSeconds: provider.maxLifetimeSeconds,
                    overLife: provider.overLife,
                    decidesLife: provider.decidesLife,
                    own: provider.own,
                    settings: settingsOf(provider),
                  }}
                />
              </>
            )
          }
        >
          {provider.misconfigured && (
            <Notice
              tone="error"
              title="Misconfigured"
              meaning={`${kindOf(provider.kind) ? 'Its stored settings cannot be read' : 'This version does not know its kind'}. Linking, renewing and issuing do not work for it. Other providers are not affected.`}
              next={kindOf(provider.kind) && 'Edit and save it, so that its settings are checked again.'}
            />
          )}
          <ProviderFreeze freeze={freezeOf(provider.id)} now={now} names={names} />
          <KeyValue
            items={[
              { label: 'Kind', value: kindOf(provider.kind)?.title ?? provider.kind },
              ...(provider.own
                ? [{ label: 'Issuer', value: <Copied text={provider.issuer} label="Copy the issuer" /> }]
                : [
                    { label: 'Address', value: provider.issuer, mono: true },
                    { label: 'Client id', value: provider.clientId, mono: true },
                    { label: 'Client secret', value: secretWords(provider) },
                    {
                      label: 'Redirect URI',
                      value: (
                        <Copied
                          text={provider.redirectUri}
                          label="Copy redirect URI"
                          note="register exactly this URI at the upstream"
                        />
                      ),
                    },
                  ]),
              ...provider.facts.map(({ label, lines }) => ({ label, value: <FactLines lines={lines} /> })),
              ...(provider.misconfigured ? [] : settingsOf(provider)).flatMap((setting) =>
                // What a switch does stands among the facts.
                setting.is === 'switch'
                  ? []
                  : [
                      {
                        label: setting.label,
                        value: Number(setting.value) === 0 ? 'none known' : plural(Number(setting.value), setting.unit),
                      },
                    ],
              ),
              {
                label: 'Longest lifetime',
                value: provider.maxLifetimeSeconds
                  ? durationText(provider.maxLifetimeSeconds)
                  : 'not set: the tenant’s limit applies',
              },
              ...(provider.decidesLife
                ? [{ label: 'Tokens that live longer', value: overLifeWords[provider.overLife ?? 'unsaid'] }]
                : []),
            ]}
          />
        </Card>
      ))}
    </>
  )
}

const overLifeWords = {
  revoke_at_end: 'handed out where they can be revoked alone, and revoked at the chosen end',
  refuse: 'not handed out',
  unsaid: 'not handed out, unless the tenant’s policy permits it',
} satisfies Record<NonNullable<ProviderView['overLife']> | 'unsaid', string>

function secretWords({ clientAuthentication, hasSecret, hasPreviousSecret }: ProviderView): string {
  if (clientAuthentication === 'key') return 'none: it signs with a key that is stored encrypted'
  if (!hasSecret) return 'none: a public client'
  return hasPreviousSecret ? 'set; the previous one is still accepted' : 'set'
}

function CheckLink({ tenant, provider: { id, name, own } }: { tenant: string; provider: ProviderView }) {
  const label = own ? 'Audiences and keys' : 'Check and client'
  return (
    <ButtonLink size="sm" href={`/t/${tenant}/admin/providers/${id}`} aria-label={`${label} of ${name}`}>
      {label}
    </ButtonLink>
  )
}

function AddProvider({ tenant }: { tenant: string }) {
  return (
    <ButtonLink variant="primary" href={`/t/${tenant}/admin/providers/new`}>
      <Plus aria-hidden />
      Add provider
    </ButtonLink>
  )
}

/** What the kind tells, one a line; more than a handful is folded. */
function FactLines({ lines }: Pick<Fact, 'lines'>) {
  const list = (
    <ul className="flex flex-col gap-1">
      {lines.map((line) => (
        <li key={line.text}>
          <FactLine {...line} />
        </li>
      ))}
    </ul>
  )
  if (lines.length <= 6) return list
  return (
    <details>
      <summary className="w-fit rounded-sm">{lines.length}, shown on demand</summary>
      <div className="mt-1">{list}</div>
    </details>
  )
}

function FactLine({ text, form, note, attention }: Fact['lines'][number]) {
  const said = form === 'words' ? text : <code className="wrap-anywhere font-mono text-[13px]">{text}</code>
  if (form === 'copy') return <Copied text={text} label="Copy address" note={note} />
  return (
    <span className="wrap-anywhere">
      {said}
      {note && (
        <span className={attention ? 'text-attention' : 'text-muted'}>
          {' · '}
          {attention && <TriangleAlert aria-hidden className="mr-1 inline size-3.5 align-text-bottom" />}
          {attention && 'attention: '}
          {note}
        </span>
      )}
    </span>
  )
}

type FreezeProps = { freeze: FreezeView | undefined; now: string; names: Map<string, string> }

function ProviderFreeze({ freeze, now, names }: FreezeProps) {
  if (!freeze) return null
  return (
    <FrozenNotice
      frozen={freeze}
      now={now}
      what="This provider is frozen."
      by={freeze.by && (names.get(freeze.by) ?? 'a former member')}
    />
  )
}
