import { Copied } from '@/app/_ui/copied.tsx'
import { DataTable } from '@/app/_ui/data-table.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { KeyValue } from '@/app/_ui/key-value.tsx'
import Link from '@/app/_ui/link.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { durationText } from '@/app/_ui/time-text.ts'
import { type Actor, may } from '@/lib/actor.ts'
import { type AudienceView, audienceList } from '@/lib/broker/audiences.ts'
import type { ProviderView } from '@/lib/broker/providers.ts'
import type { Context } from '@/lib/context.ts'
import type { OwnSettings } from '@/lib/providers/own/settings.ts'
import { type SigningKeyView, signingKeyList } from '@/lib/vault/signing.ts'
import { AddAudience, AudienceMenu } from './audience-form.tsx'

type Props = { ctx: Context; actor: Actor; tenant: string; provider: ProviderView; now: string }

/** The tenant's own APIs: what tokens are for, and what they are verified by. */
export async function OwnApis({ ctx, actor, tenant, provider, now }: Props) {
  const [audiences, keys] = await Promise.all([audienceList(ctx, actor), signingKeyList(ctx, actor.tenantId)])
  const mayChange = may(actor, 'administer')
  const add = mayChange && <AddAudience tenant={tenant} />
  return (
    <>
      <Section
        title="Audiences"
        lead="The APIs that members issue tokens for. A token has only the scopes that are chosen, and only those that its API knows."
        aside={audiences.length > 0 && add}
      >
        {audiences.length === 0 ? (
          <EmptyState
            kind="no-data"
            title="No audience yet"
            why="Name an API of your organisation and the scopes that it knows. Every member can then issue tokens for it, as far as policy allows."
            action={add}
          />
        ) : (
          <DataTable
            caption="Audiences"
            columns={[
              { key: 'name', header: 'Name' },
              { key: 'verified', header: 'Verified', width: 'w-44' },
              { key: 'scopes', header: 'Scopes', fold: true },
              { key: 'out', header: 'Live tokens', width: 'w-28', align: 'end' },
              { key: 'acts', header: 'Actions', width: 'w-14', quiet: true, align: 'end' },
            ]}
            rows={audiences.map((audience) => ({
              id: audience.id,
              label: audience.name,
              cells: {
                name: (
                  <span className="flex min-w-0 flex-col items-start py-1 text-left">
                    <Link
                      href={`/t/${tenant}/projects/${audience.id}`}
                      className="wrap-anywhere rounded-sm font-semibold underline underline-offset-4"
                    >
                      {audience.name}
                    </Link>
                    <code className="wrap-anywhere font-mono text-[13px] text-muted">{audience.audience}</code>
                  </span>
                ),
                verified: settingsOf(audience).offline ? 'by signature' : 'by asking Valetkey',
                scopes: <ScopeNames audience={audience} />,
                out: audience.tokensOut,
                acts: mayChange && (
                  <AudienceMenu
                    tenant={tenant}
                    audience={{
                      id: audience.id,
                      name: audience.name,
                      audience: audience.audience,
                      alias: audience.alias,
                      settings: settingsOf(audience),
                      maxLifetimeSeconds: audience.maxLifetimeSeconds,
                      tokensOut: audience.tokensOut,
                    }}
                  />
                ),
              },
            }))}
          />
        )}
      </Section>
      <Section
        title="Issuer"
        lead="What your APIs check a token against. Those that verify by signature read the keys here and need nothing else."
      >
        <div className="flex flex-col gap-4 rounded-lg border bg-surface p-4">
          <KeyValue
            items={[
              {
                label: 'Issuer',
                value: <Copied text={provider.issuer} label="Copy the issuer" note="iss in every signed token" />,
              },
              {
                label: 'Keys',
                value: <Copied text={`${provider.issuer}/jwks.json`} label="Copy the address of the keys" />,
              },
              {
                label: 'Metadata',
                value: <Copied text={metadataOf(provider.issuer)} label="Copy the address of the metadata" />,
              },
            ]}
          />
        </div>
        {keys.length === 0 ? (
          <Notice
            tone="error"
            title="There is no signing key"
            meaning="Tokens that are verified by signature cannot be issued. Tokens that APIs ask about are not affected."
          />
        ) : (
          <DataTable
            caption="Signing keys"
            columns={[
              { key: 'id', header: 'Key id', mono: true },
              { key: 'state', header: 'State', width: 'w-32' },
              { key: 'since', header: 'Signs', width: 'w-56', fold: true },
            ]}
            rows={keys.map((key) => ({
              id: key.id,
              label: `Key ${key.id}`,
              cells: {
                id: <span className="wrap-anywhere">{key.id}</span>,
                state: stateWords[key.state],
                since: <Since signingKey={key} now={now} />,
              },
            }))}
          />
        )}
        <p className="text-[13px] text-muted">
          A new key is published a day before it signs, every three months. The one before stays published until the
          last token that it signed has expired.
        </p>
      </Section>
    </>
  )
}

const settingsOf = ({ settings }: AudienceView) => settings as OwnSettings

/** RFC 8414 section 3: the well-known part comes before the issuer's own path. */
const metadataOf = (issuer: string) => {
  const { origin, pathname } = new URL(issuer)
  return `${origin}/.well-known/oauth-authorization-server${pathname}`
}

const stateWords: Record<SigningKeyView['state'], string> = {
  published: 'next',
  signing: 'signs',
  retiring: 'still verifies',
  retired: 'over',
}

function Since({ signingKey: { state, signsFrom, withdrawnAt }, now }: { signingKey: SigningKeyView; now: string }) {
  if (withdrawnAt)
    return (
      <span>
        withdrawn <Time at={withdrawnAt.toISOString()} now={now} />
      </span>
    )
  return (
    <span>
      {state === 'published' ? 'from ' : 'since '}
      <Time at={signsFrom.toISOString()} now={now} />
    </span>
  )
}

function ScopeNames({ audience }: { audience: AudienceView }) {
  const { scopes } = settingsOf(audience)
  const { maxLifetimeSeconds } = audience
  return (
    <span className="flex min-w-0 flex-col">
      <span className="wrap-anywhere">
        {scopes
          .slice(0, 4)
          .map(({ name }) => name)
          .join(', ')}
        {scopes.length > 4 && ` and ${scopes.length - 4} more`}
      </span>
      {maxLifetimeSeconds && <span className="text-muted">at most {durationText(maxLifetimeSeconds)}</span>}
    </span>
  )
}
