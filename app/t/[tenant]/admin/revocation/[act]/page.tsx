import { orNotFound } from '@/app/_features/guard.tsx'
import { hrefWith } from '@/app/_features/query.ts'
import { plural } from '@/app/_features/words.ts'
import { ButtonLink } from '@/app/_ui/button.tsx'
import { KeyValue } from '@/app/_ui/key-value.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Progress } from '@/app/_ui/progress.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { StateBadge, type UpstreamState } from '@/app/_ui/state-badge.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { may } from '@/lib/actor.ts'
import { type ActView, readAct } from '@/lib/broker/read/act.ts'
import { peopleNames } from '@/lib/broker/read/people.ts'
import { requireMember } from '@/lib/http/page.ts'
import { Live } from './live.tsx'
import { ReceiptButton } from './receipt-button.tsx'

export const metadata = { title: 'Revocation under way' }

type Props = { params: Promise<{ tenant: string; act: string }> }

/** How an act on many things goes on: the three truths of all of it, live while something is left to do. */
export default async function ActPage({ params }: Props) {
  const { tenant, act: id } = await params
  const { ctx, actor } = await requireMember(tenant)
  const act = await orNotFound(readAct(ctx, actor, id))
  const names = await peopleNames(ctx, actor.tenantId, [act.by, act.userId])
  const now = ctx.now().toISOString()
  const nameOf = (user: string) => (user === actor.userId ? 'you' : (names.get(user) ?? 'a former member'))
  const oversees = may(actor, 'oversee')
  const work = Object.values(act.upstream).reduce((sum, count) => sum + count, 0)
  const settled = work - act.upstream.pending
  const whose = act.userId && (act.userId === actor.userId ? 'yours' : nameOf(act.userId))
  return (
    <>
      <PageHeader
        title={whose ? `Everything of ${whose}` : `Revocation of ${plural(act.total, nouns[act.kind])}`}
        trail={
          oversees
            ? [{ label: 'Revocation', href: `/t/${tenant}/admin/revocation` }]
            : [{ label: 'Everything of yours', href: `/t/${tenant}/account` }]
        }
        lead={
          <>
            Revoked by {nameOf(act.by)} <Time at={act.createdAt.toISOString()} now={now} />.
            {act.reason && ` Reason: ${act.reason}`}
          </>
        }
        actions={
          oversees && act.userId ? (
            <ButtonLink href={`/t/${tenant}/admin/members/${act.userId}`}>What they hold now</ButtonLink>
          ) : undefined
        }
      />
      <Live over={act.settledAt !== null} line={lineOf(act, settled, work)} />
      <Section title="Blocked here" lead={blockedLead(act)}>
        <Progress label="Blocked here" value={act.ended} max={act.total} />
        <KeyValue items={countsOf(act)} />
      </Section>
      <Section
        title="Revoked upstream"
        lead={
          work === 0
            ? 'Nothing of it worked outside Valetkey, so no upstream has to be asked.'
            : 'What upstreams gave out is revoked there as well, where they can. We try again until they answer.'
        }
        aside={
          oversees && act.upstream.pending + act.upstream.failed > 0 ? (
            <ButtonLink href={hrefWith(`/t/${tenant}/admin/revocation`, { show: 'unconfirmed' })}>
              Unconfirmed
            </ButtonLink>
          ) : undefined
        }
      >
        {work > 0 && (
          <>
            <Progress label="Asked upstream" value={settled} max={work} />
            <ul className="flex flex-wrap gap-x-4 gap-y-2">
              {states
                .filter((state) => act.upstream[state] > 0)
                .map((state) => (
                  <li key={state} className="inline-flex items-center gap-2 tabular-nums">
                    {act.upstream[state].toLocaleString('en')} <StateBadge kind="upstream" state={state} />
                  </li>
                ))}
            </ul>
            {act.provedAt && (
              <p>
                {act.upstream.confirmed.toLocaleString('en')} confirmed dead: asked again, the upstream refused{' '}
                {act.upstream.confirmed === 1 ? 'it' : 'them'}, the last time{' '}
                <Time at={act.provedAt.toISOString()} now={now} />.
              </p>
            )}
          </>
        )}
      </Section>
      <Section title="Could still work until">
        <p>
          {act.latestMoment === null ? (
            (overWords[act.kind] ?? 'Nothing of it can work any more.')
          ) : act.latestMoment === 'unknown' ? (
            'Not known: at least one upstream does not say when what it gave out ends.'
          ) : (
            <>
              What was copied and not confirmed as revoked can work until{' '}
              <Time at={act.latestMoment.toISOString()} now={now} />.
            </>
          )}
        </p>
      </Section>
      <Section
        title="Receipt"
        lead="A signed statement of all this as it stands now, with its place in the chain of events. Anybody can verify it without Valetkey: valetkey audit verify."
      >
        <ReceiptButton tenant={tenant} act={id} />
      </Section>
    </>
  )
}

const nouns = {
  held: 'thing',
  tokens: 'token',
  connections: 'connection',
  grants: 'device or app',
  sessions: 'session',
  requests: 'request',
} as const satisfies Record<ActView['kind'], string>
const states = ['pending', 'failed', 'impossible', 'done', 'confirmed'] as const satisfies UpstreamState[]

const blockedWords: { [Kind in ActView['kind']]?: string } = {
  sessions: 'This tenant refuses all of them. Other tenants that their people belong to still accept them.',
  requests: 'Whoever answers one, comes back with one or fetches what it brought is refused.',
}
const overWords: typeof blockedWords = { sessions: 'In this tenant none of them works any more.' }

const blockedLead = ({ kind, blockedAt }: ActView) =>
  kind === 'held'
    ? 'All of it was refused from the moment the act was recorded: nothing is issued, renewed or vouched for any more. The list of tokens follows.'
    : blockedAt
      ? (blockedWords[kind] ?? 'Nothing of it is issued, renewed or vouched for any more.')
      : 'It goes on in batches, also if you close this page.'

function countsOf({ kind, counts, total, ended }: ActView) {
  const tokens = { label: 'Tokens', value: `${ended.toLocaleString('en')} of ${total.toLocaleString('en')} marked` }
  if (kind !== 'held')
    return [{ ...tokens, label: 'Revoked', value: `${ended.toLocaleString('en')} of ${total.toLocaleString('en')}` }]
  return [
    { label: 'Sessions', value: plural(counts.sessions, 'session') },
    { label: 'Connections', value: plural(counts.connections, 'connection') },
    { label: 'Devices and apps', value: plural(counts.grants, 'device or app') },
    tokens,
  ]
}

/** What a screen reader is told when it changes. */
function lineOf({ settledAt, ended, total, upstream }: ActView, settled: number, work: number): string {
  if (settledAt)
    return upstream.failed > 0
      ? `Over, and ${plural(upstream.failed, 'upstream')} did not do it.`
      : 'Over: nothing is left to do.'
  return `Under way: ${ended.toLocaleString('en')} of ${total.toLocaleString('en')} blocked here, ${settled.toLocaleString('en')} of ${work.toLocaleString('en')} settled upstream.`
}
