'use client'
import type { Outcome } from '@/app/_features/revoke.ts'
import { Button } from '@/app/_ui/button.tsx'
import { DataTable } from '@/app/_ui/data-table.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { StateBadge, type UpstreamState } from '@/app/_ui/state-badge.tsx'
import { Time } from '@/app/_ui/time.tsx'

type Props = { items: Outcome[]; names: Record<string, string>; onClose: () => void }

/** More rows than that help nobody: the totals say how it went, and what is left has a page of its own. */
const most = 100

const order: [UpstreamState, string][] = [
  ['done', 'revoked upstream'],
  ['confirmed', 'revoked upstream and confirmed'],
  ['pending', 'pending'],
  ['failed', 'failed'],
  ['impossible', 'impossible'],
  ['none', 'worked only through Valetkey'],
]

/** "blocked here 12 of 12 · revoked upstream 10 · pending 2". Only what was counted is said. */
function totals(items: Outcome[]): string {
  const already = items.filter((item) => item.already).length
  const over = items.filter((item) => item.over).length
  const counts = order
    .map(([state, word]) => [word, items.filter((item) => item.upstream === state).length] as const)
    .filter(([, number]) => number > 0)
    .map(([word, number]) => `${word} ${number}`)
  const parts = [`blocked here ${items.length} of ${items.length}`, ...counts]
  if (already > 0) parts.push(`already revoked ${already}`)
  if (over > 0) parts.push(`already expired ${over}`)
  return parts.join(' · ')
}

const others = {
  token: 'Another token',
  connection: 'Another connection',
  grant: 'Another device or app',
  session: 'Another session',
  request: 'Another request',
} satisfies Record<Outcome['kind'], string>

/** What a revocation came to: the totals, then the three truths of each. */
export function Outcomes({ items, names, onClose }: Props) {
  return (
    <div role="status">
      <Section
        title="Result"
        lead={
          <span className="tabular-nums">
            {totals(items)}
            {items.length > most && ` · the first ${most} are listed`}
          </span>
        }
        aside={
          <Button size="sm" variant="ghost" onClick={onClose}>
            Close
          </Button>
        }
      >
        <DataTable
          caption="Result of the revocation"
          columns={[
            { key: 'what', header: 'What' },
            { key: 'here', header: 'Blocked here' },
            { key: 'upstream', header: 'Revoked upstream' },
            { key: 'latest', header: 'Could still work until' },
          ]}
          rows={items.slice(0, most).map((item) => ({
            id: `outcome-${item.id}`,
            label: names[item.id] ?? item.id,
            cells: {
              what: names[item.id] ?? others[item.kind],
              here: item.already ? 'already' : item.over ? 'already expired' : 'now',
              upstream: item.upstream ? (
                <StateBadge kind="upstream" state={item.upstream} />
              ) : (
                <span className="text-muted">nothing left to do</span>
              ),
              latest:
                item.latestMoment && item.latestMoment !== 'unknown' ? (
                  <Time at={item.latestMoment} hint="hover" />
                ) : (
                  <span className="text-muted">{item.latestMoment ?? 'over'}</span>
                ),
            },
          }))}
        />
      </Section>
    </div>
  )
}
