import type { Metadata } from 'next'
import { cache } from 'react'
import { FreezeButton } from '@/app/_features/freeze.tsx'
import { grantFreezeTarget } from '@/app/_features/freeze-target.ts'
import { RevokeGrantButton } from '@/app/_features/grant-menu.tsx'
import { GrantBadge, grantName, grantRef, LastUsed, stands } from '@/app/_features/grant-table.tsx'
import { orNotFound } from '@/app/_features/guard.tsx'
import { FrozenNotice } from '@/app/_features/health.tsx'
import { Right } from '@/app/_features/rights.tsx'
import { scopeWords } from '@/app/_features/scope-words.ts'
import { TokenTable } from '@/app/_features/token-table.tsx'
import { grantEndWords, grantFrozenWords, viaWords } from '@/app/_features/words.ts'
import { KeyValue, type KeyValueItem } from '@/app/_ui/key-value.tsx'
import Link from '@/app/_ui/link.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { Countdown, Time } from '@/app/_ui/time.tsx'
import { may } from '@/lib/actor.ts'
import { type CeilingView, type GrantView, readGrant } from '@/lib/broker/read/grants.ts'
import { peopleNames } from '@/lib/broker/read/people.ts'
import { tokenPage } from '@/lib/broker/read/token.ts'
import { requireMember } from '@/lib/http/page.ts'

type Props = { params: Promise<{ tenant: string; grant: string }> }

const load = cache(async (tenant: string, id: string) => {
  const member = await requireMember(tenant)
  return { ...member, grant: await orNotFound(readGrant(member.ctx, member.actor, id)) }
})

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  const { tenant, grant: id } = await params
  const { grant } = await load(tenant, id)
  return { title: grantName(grant) }
}

export default async function DevicePage({ params }: Props) {
  const { tenant, grant: id } = await params
  const { ctx, actor, grant } = await load(tenant, id)
  const own = grant.ownerId === actor.userId
  const [names, tokens] = await Promise.all([
    peopleNames(ctx, actor.tenantId, [grant.ownerId, grant.frozen?.by, grant.endedBy]),
    tokenPage(ctx, actor, { grantId: id, state: 'live', everybody: !own }),
  ])
  const now = ctx.now().toISOString()
  const nameOf = (user: string) => (user === actor.userId ? 'you' : (names.get(user) ?? 'a former member'))
  const ref = grantRef(grant, own ? undefined : nameOf(grant.ownerId))
  const isHere = stands(grant)
  return (
    <>
      <PageHeader
        trail={[{ label: 'Devices and apps', href: `/t/${tenant}/devices` }]}
        title={grant.client.name}
        lead={own ? `A ${grant.kind} that you let in.` : `A ${grant.kind} that ${nameOf(grant.ownerId)} let in.`}
        badge={<GrantBadge grant={grant} />}
        actions={
          isHere && (
            <>
              {may(actor, 'administer') && (
                <FreezeButton tenant={tenant} target={grantFreezeTarget(ref)} frozen={grant.frozenItself} />
              )}
              {((own && may(actor, 'work')) || may(actor, 'administer')) && (
                <RevokeGrantButton tenant={tenant} grant={ref} />
              )}
            </>
          )
        }
      />
      {grant.frozen && (
        <FrozenNotice
          frozen={grant.frozen}
          now={now}
          what={grantFrozenWords[grant.frozen.kind]}
          by={grant.frozen.by && nameOf(grant.frozen.by)}
        />
      )}
      {grant.cause && (
        <Notice
          tone={grant.cause === 'reuse' ? 'error' : 'attention'}
          title={grantEndWords[grant.cause].what}
          meaning={grantEndWords[grant.cause].meaning}
        />
      )}
      <div className="grid gap-6 md:grid-cols-2">
        <Section title="Facts">
          <div className="rounded-lg border bg-surface p-4">
            <KeyValue items={facts(grant, now, nameOf)} />
          </div>
        </Section>
        <Section
          title={isHere ? 'May do' : 'Could do'}
          lead={`What ${grant.gateway ? 'the gateway of this MCP server' : 'Valetkey’s API'} ${isHere ? 'lets it' : 'let it'} do for its owner.`}
        >
          <ul className="flex flex-col gap-1 rounded-lg border bg-surface p-4">
            {grant.scopes.length === 0 && <li className="text-muted">Nothing.</li>}
            {grant.scopes.map((scope) => (
              <li key={scope}>
                {scopeWords[scope].text}
                {scopeWords[scope].risk === 'high' && (
                  <span className="whitespace-nowrap text-[13px] text-attention"> · high risk</span>
                )}
              </li>
            ))}
          </ul>
        </Section>
      </div>
      <Section
        title={
          grant.gateway
            ? `${isHere ? 'What it may' : 'What it could'} call`
            : isHere
              ? 'Tokens that it may issue'
              : 'Tokens that it could issue'
        }
        lead={
          grant.gateway
            ? 'At this MCP server alone, through Valetkey. It issues no tokens.'
            : 'At most what is listed here, and never more than policy allows. For all other projects: none.'
        }
      >
        {grant.ceilings.length > 0 ? (
          <ul className="divide-y rounded-lg border bg-surface">
            {grant.ceilings.map((ceiling) => (
              <li key={ceiling.project.id} className="flex flex-col gap-2 p-4">
                <Ceiling tenant={tenant} ceiling={ceiling} />
              </li>
            ))}
          </ul>
        ) : (
          <p className="rounded-lg border bg-surface p-4 text-muted">No tokens: no project was allowed.</p>
        )}
      </Section>
      {may(actor, 'administer') && isHere && (
        <Section
          title={`All of ${grant.client.name}`}
          lead="Freezing the program stops every device and app of it in this tenant, and every new one."
        >
          <div>
            <FreezeButton
              of="program"
              tenant={tenant}
              target={{ kind: 'client', id: grant.client.id, name: grant.client.name }}
              frozen={grant.client.frozen}
            />
          </div>
        </Section>
      )}
      {tokens.items.length > 0 && (
        <Section title="Live tokens that it issued">
          <TokenTable
            caption="Live tokens that it issued"
            tenant={tenant}
            tokens={tokens.items}
            now={now}
            viewerId={actor.userId}
            mayWork={may(actor, 'work')}
            mayAdminister={may(actor, 'administer')}
          />
        </Section>
      )}
    </>
  )
}

type CeilingProps = { tenant: string; ceiling: CeilingView }

function Ceiling({ tenant, ceiling: { project, rights, proxy, isGateway } }: CeilingProps) {
  return (
    <>
      <Link
        href={`/t/${tenant}/projects/${project.id}`}
        className="wrap-anywhere max-w-full self-start rounded-sm underline underline-offset-4"
      >
        {project.name}
      </Link>
      <KeyValue
        items={[
          ...(isGateway ? [] : [{ label: 'At the upstream', value: <Limit lines={rights} /> }]),
          { label: isGateway ? 'Calls through the gateway' : 'Through Valetkey', value: <Limit lines={proxy} /> },
        ]}
      />
    </>
  )
}

function Limit({ lines }: { lines: CeilingView['rights'] }) {
  if (lines === null) return 'whatever policy allows'
  if (lines.length === 0) return <span className="text-muted">nothing</span>
  return (
    <ul className="flex flex-col gap-1">
      {lines.map((line) => (
        <li key={line.text}>
          <Right line={line} />
        </li>
      ))}
    </ul>
  )
}

function facts(grant: GrantView, now: string, nameOf: (user: string) => string): KeyValueItem[] {
  const { createdAt, lastUsedAt, lastAddress, expiresAt, unusedUntil, endedAt, endedBy } = grant
  const isHere = stands(grant)
  const at = (moment: Date) => <Time at={moment.toISOString()} now={now} />
  return [
    { label: 'Owner', value: nameOf(grant.ownerId) },
    ...(grant.gateway ? [{ label: 'MCP server', value: grant.gateway, mono: true }] : []),
    {
      label: 'Signed in',
      value: (
        <>
          {at(createdAt)}, {viaWords[grant.via]}
        </>
      ),
    },
    { label: 'From', value: grant.address ?? 'not known' },
    ...(grant.agent ? [{ label: 'Calls itself', value: grant.agent }] : []),
    {
      label: 'Last used',
      value: (
        <>
          <LastUsed grant={grant} now={now} />
          {lastUsedAt && lastAddress && ` from ${lastAddress}`}
        </>
      ),
    },
    ...(isHere && expiresAt ? [{ label: 'Ends', value: <Countdown until={expiresAt.toISOString()} now={now} /> }] : []),
    ...(isHere && unusedUntil && (!expiresAt || unusedUntil < expiresAt)
      ? [{ label: 'Ends if unused', value: at(unusedUntil) }]
      : []),
    ...(!isHere && endedAt
      ? [
          {
            label: 'Ended',
            value: (
              <>
                {at(endedAt)}
                {endedBy && ` by ${nameOf(endedBy)}`}
              </>
            ),
          },
        ]
      : []),
  ]
}
