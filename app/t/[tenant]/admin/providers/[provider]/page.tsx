import { NoRight, orNotFound } from '@/app/_features/guard.tsx'
import { FrozenNotice } from '@/app/_features/health.tsx'
import { LinkProject } from '@/app/_features/link.tsx'
import { Copied } from '@/app/_ui/copied.tsx'
import { CopyButton } from '@/app/_ui/copy-button.tsx'
import { DataTable } from '@/app/_ui/data-table.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { KeyValue } from '@/app/_ui/key-value.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { may } from '@/lib/actor.ts'
import { clientKeysPath } from '@/lib/broker/addresses.ts'
import { readCheck } from '@/lib/broker/check.ts'
import { freezeList } from '@/lib/broker/freezes.ts'
import { type ProviderView, providerList } from '@/lib/broker/providers.ts'
import { peopleNames } from '@/lib/broker/read/people.ts'
import { requireMember } from '@/lib/http/page.ts'
import { memberList } from '@/lib/tenancy/members.ts'
import { ClientActs } from './client-acts.tsx'
import { Impersonation } from './impersonation.tsx'
import { OwnApis } from './own-apis.tsx'
import { Probe } from './probe.tsx'
import { RemoveProvider } from './remove-provider.tsx'
import { RunCheck } from './run-check.tsx'

export const metadata = { title: 'Provider' }

type Props = { params: Promise<{ tenant: string; provider: string }> }

export default async function ProviderPage({ params }: Props) {
  const { tenant, provider: providerId } = await params
  const { ctx, actor, allowed } = await requireMember(tenant, 'oversee')
  if (!allowed) return <NoRight title="Provider" role={actor.role} />
  const check = await orNotFound(readCheck(ctx, actor, providerId))
  const [providers, freezes, members] = await Promise.all([
    providerList(ctx, actor),
    freezeList(ctx, actor),
    memberList(ctx, actor),
  ])
  const provider = providers.find(({ id }) => id === providerId)
  if (!provider) throw new Error('a provider that can be read is in the list')
  const frozen = freezes.find((one) => one.kind === 'provider' && one.id === providerId)
  const names = await peopleNames(ctx, actor.tenantId, [
    frozen?.by,
    check.checkedBy,
    ...provider.impersonation.map(({ member }) => member),
  ])
  const now = ctx.now().toISOString()
  const mayChange = may(actor, 'administer')
  const { id, name, flows } = provider
  const choice = { id, name, host: new URL(provider.issuer).host, flows }
  const shared = provider.sharedKeyHeader
  return (
    <>
      <PageHeader
        title={provider.name}
        trail={[{ label: 'Providers', href: `/t/${tenant}/admin/providers` }]}
        lead={
          provider.own ? 'Tokens that Valetkey issues itself, for APIs that your organisation runs.' : provider.issuer
        }
      />
      {frozen && (
        <FrozenNotice
          frozen={frozen}
          now={now}
          what={
            provider.own ? 'Your own APIs are frozen.' : 'This provider is frozen, and the daily check leaves it alone.'
          }
          by={frozen.by && (names.get(frozen.by) ?? 'a former member')}
        />
      )}
      {provider.own ? (
        <OwnApis ctx={ctx} actor={actor} tenant={tenant} provider={provider} now={now} />
      ) : (
        <>
          <Section
            title="Check"
            lead="What linking and renewing stand on, asked without anybody’s grant. It runs once a day, and admins are told of what fails that was fine before."
            aside={
              check.checkedAt && (
                <p className="wrap-anywhere min-w-0 text-muted">
                  Last run <Time at={check.checkedAt.toISOString()} now={now} /> by{' '}
                  {check.checkedBy ? (names.get(check.checkedBy) ?? 'a former member') : 'the daily check'}
                </p>
              )
            }
          >
            {check.checkedAt ? (
              <>
                {mayChange && <RunCheck tenant={tenant} provider={providerId} />}
                <DataTable
                  caption="What the last check saw"
                  columns={[
                    { key: 'what', header: 'What', width: 'w-48' },
                    { key: 'state', header: 'State', width: 'w-32' },
                    { key: 'seen', header: 'Seen' },
                  ]}
                  rows={check.lines.map((line) => ({
                    id: line.id,
                    label: line.title,
                    cells: {
                      what: <span className="wrap-anywhere font-semibold">{line.title}</span>,
                      state: <StateBadge kind="check" state={line.state} />,
                      seen: (
                        <span className="flex min-w-0 flex-col items-start gap-1 py-1 text-left">
                          <span className="wrap-anywhere">{line.seen}</span>
                          {line.next && <span className="wrap-anywhere text-muted">{line.next}</span>}
                          {line.commands.length > 0 && <Commands of={line.title} lines={line.commands} />}
                          {line.id === 'trial_link' && line.state !== 'ok' && may(actor, 'work') && (
                            <LinkProject tenant={tenant} providers={[choice]} variant="secondary" size="sm" />
                          )}
                        </span>
                      ),
                    },
                  }))}
                />
              </>
            ) : (
              <EmptyState
                kind="no-data"
                title="Never checked"
                why="A check looks at the connection, the certificates, the clock, the client and whatever else this kind of upstream has. It changes nothing there."
                action={mayChange && <RunCheck tenant={tenant} provider={providerId} centred />}
              />
            )}
          </Section>
          <Section
            title={shared ? 'Shared key' : provider.clientId === '' ? 'Who calls' : 'Client'}
            lead={
              shared
                ? 'Everybody’s calls bring the same key. After a change they bring the new one from the next call on.'
                : provider.clientId === ''
                  ? 'The server asks nobody who they are.'
                  : 'How Valetkey proves itself to the upstream. After a change the previous secret or key still counts, so that nothing stops meanwhile.'
            }
          >
            {provider.clientId !== '' && (
              <KeyValue
                items={[
                  { label: 'Client id', value: provider.clientId, mono: true },
                  { label: 'Proves itself by', value: proofWords(provider) },
                  { label: 'Redirect URI', value: <Copied text={provider.redirectUri} label="Copy redirect URI" /> },
                  ...(provider.clientAuthentication === 'key'
                    ? [
                        {
                          label: 'Public keys',
                          value: (
                            <Copied
                              text={ctx.config.origin + clientKeysPath(provider.id)}
                              label="Copy the address of the public keys"
                            />
                          ),
                        },
                      ]
                    : []),
                ]}
              />
            )}
            {shared && <KeyValue items={[{ label: 'Header', value: shared, mono: true }]} />}
            {mayChange && (
              <ClientActs
                tenant={tenant}
                provider={{
                  id: provider.id,
                  name: provider.name,
                  by: shared ? 'shared key' : provider.clientAuthentication,
                  hasPrevious: provider.hasPreviousSecret,
                }}
              />
            )}
          </Section>
          {provider.canImpersonate && (
            <Section
              title="Tokens about other people"
              lead="Nobody gets one unless it is said here: this member may get tokens about these people. Each is recorded with both names. The realm must let its client do it as well, by its legacy token exchange."
            >
              {mayChange ? (
                <Impersonation
                  tenant={tenant}
                  provider={providerId}
                  members={members.map(({ userId, name, email }) => ({ id: userId, name: email ?? name }))}
                  entries={provider.impersonation}
                />
              ) : (
                <KeyValue
                  items={provider.impersonation.map(({ member, usernames }) => ({
                    label: names.get(member) ?? 'a former member',
                    value: usernames.join(', '),
                  }))}
                />
              )}
            </Section>
          )}
          {provider.canProbe && (
            <Section
              title="Limited tokens"
              lead="Whether the upstream makes tokens with fewer scopes than a connection has, and what that does to the connection."
            >
              <KeyValue
                items={provider.facts
                  .filter(({ label }) => label === 'Limited tokens' || label === 'Revoking one token')
                  .map(({ label, lines }) => ({
                    label,
                    value: lines.map(({ text, note }) => (note ? `${text}. ${note}` : text)).join(' '),
                  }))}
              />
              {mayChange && (
                <div>
                  <Probe tenant={tenant} provider={providerId} />
                </div>
              )}
            </Section>
          )}
          {mayChange && (
            <Section
              title="Removal"
              lead="Removed, it can be linked no more. Revoke its connections first: Valetkey needs the client for that."
            >
              <RemoveProvider tenant={tenant} provider={{ id: provider.id, name: provider.name }} />
            </Section>
          )}
        </>
      )}
    </>
  )
}

/** Lines for a shell, and the button that copies them. */
function Commands({ of, lines }: { of: string; lines: string[] }) {
  return (
    <span className="flex w-full min-w-0 items-start gap-1">
      <code className="wrap-anywhere min-w-0 flex-1 whitespace-pre-wrap rounded-lg border bg-raised px-3 py-2 font-mono text-[13px] leading-5">
        {lines.join('\n')}
      </code>
      <CopyButton compact text={lines.join('\n')} label={`Copy the commands: ${of}`} />
    </span>
  )
}

function proofWords({ clientAuthentication: by, hasSecret, hasPreviousSecret }: ProviderView): string {
  const also = hasPreviousSecret ? '; the previous one is still accepted' : ''
  if (by === 'key') return `a key of its own${also}`
  if (by === 'nothing' || !hasSecret) return 'nothing: a public client'
  return `a client secret${also}`
}
