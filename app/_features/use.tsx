import type { ReactNode } from 'react'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { Time } from '@/app/_ui/time.tsx'
import type { UseView } from '@/lib/broker/read/use.ts'
import { plural } from './words.ts'

type Day = UseView['days'][number]
type Props = {
  use: UseView
  now: string
  /** What to say where nothing was used, in a sentence. */
  unused: string
  lead: string
}

/** What passed through the proxy in the days shown: the totals, a bar for each day, and the same as a table. */
export function UseSection({ use, now, unused, lead }: Props) {
  const { days, totals, lastUsedAt } = use
  const isUsed = totals.requests + totals.refused > 0
  return (
    <Section title="Use" lead={`${lead} The last ${days.length} days, in UTC.`}>
      {isUsed ? (
        <div className="flex flex-col gap-4 rounded-lg border bg-surface p-4">
          <dl className="grid grid-cols-2 gap-x-6 gap-y-3 sm:grid-cols-3 md:grid-cols-5">
            <Figure label="Requests" value={count.format(totals.requests)} />
            <Figure label="Refused here" value={count.format(totals.refused)} />
            <Figure label="Sent" value={bytesText(totals.bytesSent)} />
            <Figure label="Received" value={bytesText(totals.bytesReceived)} />
            <Figure
              label="Last used"
              value={lastUsedAt ? <Time at={lastUsedAt.toISOString()} now={now} hint="hover" /> : 'never'}
            />
          </dl>
          <Bars days={days} />
          <details>
            <summary className="cursor-pointer text-muted">By day</summary>
            <ByDay days={days} />
          </details>
        </div>
      ) : (
        <EmptyState
          kind="no-data"
          title={lastUsedAt ? `Not used in the last ${days.length} days` : 'Not used yet'}
          why={
            lastUsedAt ? (
              <>
                Last used <Time at={lastUsedAt.toISOString()} now={now} />.
              </>
            ) : (
              `${unused} Requests appear here within seconds.`
            )
          }
        />
      )}
    </Section>
  )
}

const count = new Intl.NumberFormat('en')

function Figure({ label, value }: { label: string; value: ReactNode }) {
  return (
    <div className="flex min-w-0 flex-col">
      <dt className="text-[13px] text-muted">{label}</dt>
      <dd className="text-[18px] leading-6 tabular-nums">{value}</dd>
    </div>
  )
}

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** "1.2 MB", in powers of a thousand. */
export function bytesText(bytes: number): string {
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3))
  const value = bytes / 1000 ** power
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)}\u00a0${units[power]}`
}

const month = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })
const dayText = (day: string) => month.format(new Date(day))

/** One bar a day. Refusals stand on top, outlined, so that they are told apart without colour. */
function Bars({ days }: { days: Day[] }) {
  const most = Math.max(...days.map(({ requests, refused }) => requests + refused))
  const busiest = days.find(({ requests, refused }) => requests + refused === most)
  const used = days.filter(({ requests, refused }) => requests + refused > 0).length
  const height = (part: number) => `${(part / most) * 100}%`
  return (
    <div className="flex flex-col gap-1">
      <div
        role="img"
        aria-label={`Bar chart: used on ${used} of ${plural(days.length, 'day')}, most on ${dayText(busiest?.day ?? '')} with ${plural(most, 'request')}. The table below has the numbers.`}
        className="flex h-24 items-end gap-[3px] sm:gap-1.5"
      >
        {days.map(({ day, requests, refused }) => (
          <div
            key={day}
            title={`${dayText(day)}: ${plural(requests, 'request')}, ${count.format(refused)} refused`}
            className="mx-auto flex h-full min-w-0 max-w-10 flex-1 flex-col justify-end"
          >
            {requests + refused === 0 && <div className="h-0.5 bg-line" />}
            {refused > 0 && (
              <div
                style={{ height: height(refused) }}
                className="min-h-1 rounded-t-[2px] border border-attention bg-attention-tint"
              />
            )}
            {requests > 0 && (
              <div
                style={{ height: height(requests) }}
                className={`min-h-0.5 bg-accent ${refused > 0 ? '' : 'rounded-t-[2px]'}`}
              />
            )}
          </div>
        ))}
      </div>
      <div className="flex flex-wrap justify-between gap-x-4 text-[13px] text-muted tabular-nums">
        <span>{dayText(days[0]?.day ?? '')}</span>
        <span className="flex gap-4">
          <Key className="bg-accent" label="requests" />
          {days.some(({ refused }) => refused > 0) && (
            <Key className="border border-attention bg-attention-tint" label="refused here" />
          )}
        </span>
        <span>today</span>
      </div>
    </div>
  )
}

function Key({ className, label }: { className: string; label: string }) {
  return (
    <span className="flex items-center gap-1.5">
      <span aria-hidden className={`size-2.5 rounded-[2px] ${className}`} />
      {label}
    </span>
  )
}

/** The days on which there was anything, the newest first. */
function ByDay({ days }: { days: Day[] }) {
  const cell = 'py-1.5 pl-4 text-right font-normal tabular-nums'
  return (
    <div className="mt-2 overflow-x-auto">
      <table className="w-full text-left">
        <caption className="sr-only">Use by day</caption>
        <thead className="text-[13px] text-muted">
          <tr>
            <th scope="col" className="py-1 font-normal">
              Day
            </th>
            {['Requests', 'Refused', 'Sent', 'Received'].map((label) => (
              <th key={label} scope="col" className={cell}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {days
            .filter(({ requests, refused }) => requests + refused > 0)
            .toReversed()
            .map(({ day, requests, refused, bytesSent, bytesReceived }) => (
              <tr key={day} className="border-t">
                <th scope="row" className="whitespace-nowrap py-1.5 font-normal tabular-nums">
                  {dayText(day)}
                </th>
                <td className={cell}>{count.format(requests)}</td>
                <td className={cell}>{count.format(refused)}</td>
                <td className={cell}>{bytesText(bytesSent)}</td>
                <td className={cell}>{bytesText(bytesReceived)}</td>
              </tr>
            ))}
        </tbody>
      </table>
    </div>
  )
}
